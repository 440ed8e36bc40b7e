from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest

import lipaccord
from lipaccord import errors

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "librosa", "ai_edge_litert", "face_alignment", "cv2", "numba")
SAY_WHAT_IS_LOADED = f"import json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"


def loaded_after(code: str) -> list[str]:
    """Run `code` in a fresh interpreter; return which of the heavy libraries it has loaded."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{SAY_WHAT_IS_LOADED}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_loaded_after_sees_a_heavy_library() -> None:
    assert loaded_after("import sys; sys.modules['torch'] = sys") == ["torch"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import lipaccord; dir(lipaccord); lipaccord.Analysis; lipaccord.MediaError") == []


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_after("import lipaccord.cli") == []


def test_help_loads_nothing_heavy() -> None:
    show_help = """
import sys
from lipaccord.cli import app
sys.argv = ["lipaccord", "--help"]
try:
    app()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert loaded_after(show_help) == []


def test_every_public_name_resolves() -> None:
    assert lipaccord.__all__ == sorted(set(lipaccord.__all__))
    for name in lipaccord.__all__:
        assert getattr(lipaccord, name) is not None
        assert name in dir(lipaccord)


def test_every_error_is_public() -> None:
    tree = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert tree <= set(lipaccord.__all__)
    assert all(issubclass(getattr(lipaccord, name), lipaccord.LipAccordError) for name in tree)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        lipaccord.analyse  # noqa: B018


def test_version_is_the_installed_one() -> None:
    assert lipaccord.__version__ == metadata.version("lipaccord")


def test_version_is_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^(## \[|Becomes ){re.escape(lipaccord.__version__)}\b", changelog)


@pytest.mark.parametrize(
    "path",
    [
        "py.typed",
        "landmarks/models/face_landmarker.task",
        "landmarks/models/face_detection_full_range.tflite",
        "bundles/default/manifest.json",
        "bundles/default/predictor.safetensors",
        "bundles/default/CARD.md",
    ],
)
def test_package_holds(path: str) -> None:
    assert (resources.files("lipaccord") / path).is_file()


def test_constraints_pin_every_dependency_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    pins = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8")))
    for requirement in wanted:
        name, lowest = requirement.split(">=")
        assert _version(pins[name]) >= _version(lowest), requirement


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
