"""The law of the layers: imports point down only, and one stage does not know another.

A module may import what lies in a lower layer. Inside one layer it may import nothing, but for what the
tables below name, each with its reason. An import counts wherever it stands: at the top, inside a function,
under ``TYPE_CHECKING``, or as a module's name in a string (that is how a registry names its plug-ins).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "lipaccord"

LAYERS = (
    ("errors", "files", "records"),
    (
        "agreement",
        "assembly",
        "beats",
        "calibration",
        "calibration_reading",
        "combination",
        "comparison",
        "corruptions",
        "course",
        "explanations",
        "interferers",
        "lettering",
        "manifest",
        "metrics",
        "outlines",
        "overlay",
        "pixels",
        "propositions",
        "regions",
        "registration",
        "repeats",
        "rows",
        "settings",
        "shaping",
        "strict_json",
        "usable",
    ),  # pure functions and values that several rooms share
    (
        "bundle",
        "conditions",
        "crops",
        "cues",
        "cutouts",
        "encoding",
        "faces",
        "findings",
        "fitting",
        "footage",
        "landmarks",
        "masks",
        "media",
        "mouth",
        "predictor",
        "sound",
        "speech",
        "splicing",
        "strokes",
        "texture",
        "views",
    ),
    (
        "choosing",
        "cue_table",
        "dubbing",
        "judging",
        "looks",
        "painters",
        "reel",
        "stills",
        "strips",
        "treatments",
        "viewing",
        "watch",
    ),
    ("harms", "sheets"),
    ("figures", "inventory", "matching", "pipeline", "provenance", "report", "simulate"),
    (
        "augmentation",
        "corpus",
        "examining",
        "panel",
        "reporting",
        "selftest",
        "splices",
        "verifying",
    ),  # training and evaluation, from here
    ("annotating", "crossing", "heldout"),
    ("card", "survey"),
    ("tables",),
    ("samples",),
    ("combination_training", "evaluation", "splice_training", "training"),
    ("calibrating",),
    ("source.alignment", "source.signature"),
    ("source.hearing", "source.living", "source.looks", "source.tracing", "source.weighing"),
    ("source.placing",),
    ("source.windowing",),
    ("source.aligning", "source.joining", "source.signing"),
    ("source.echoing",),
    ("source.reused",),
    ("source.framing", "source.pairing", "source.toning"),
    ("source.registering",),
    ("source.locating",),
    ("source.pinning",),
    ("source.differing",),
    ("source.deciding",),
    ("source.laying",),
    ("source.exhibit",),
    ("source.framed", "source.showing"),
    ("archive.records", "archive.schema", "archive.tabular", "archive.urls"),
    ("archive.child", "archive.database", "archive.turns", "archive.walking"),
    ("archive.process", "archive.twins"),
    ("archive.confinement", "archive.listing", "archive.remote", "archive.runlog", "archive.store"),
    ("archive.deciding", "archive.engine", "archive.executors", "archive.filters", "archive.sources", "archive.tasks"),
    ("archive.dossier", "archive.ranking", "archive.work"),
    ("archive.comparing", "archive.exports", "archive.scoring", "archive.tally"),
    ("archive.review.bench",),
    ("archive.review.fresh", "archive.review.thumbnails"),
    ("archive.review.desk",),
    ("archive.review.words",),
    ("archive.review.gate", "archive.review.pages"),
    ("archive.review.app",),
    ("archive", "archive.review"),
    ("source.catalogue", "source.covered", "source.errands", "source.finding"),
    ("source.neighbours",),
    ("source.confirming", "source.index", "source.wording"),
    ("source.voting", "source.whereabouts"),
    ("source.indexing",),
    ("source.searching",),
    ("source.answering",),
    ("report.source_beside",),
    ("report.source_told",),
    ("report.source",),
    ("source.presenting",),
    ("source",),
    ("console",),
    ("archive_run",),
    ("archive_cli", "source_cli"),
    ("cli",),
)
"""From the lowest to the highest; a package stands for all its modules but those that are named themselves."""

PART_OF: dict[str, str] = {
    "_claims": "media",
    "_container": "media",
    "_keyframes": "media",
    "_picture": "media",
    "_sparse": "media",
    "_tally": "media",
}
"""Private modules, and the stage of which each is a part: the law sees the two as one."""

PLUGINS = ("cues", "landmarks", "report")
"""Packages of plug-ins or writers: the package may name each of its modules, and each of them the package."""

SHARED: dict[str, str] = {
    "landmarks.layouts": "the index tables of a layout serve every backend that gives it",
    "landmarks.squares": "the geometry of turned squares serves every backend",
    "report.archive": "the tables of an archive look alike",
    "report.values": "whatever is written as JSON is rounded alike",
    "report.wording": "all reports use the same words, and show names from outside in the same harmless way",
    "cues.reasons": "one code, wording and remedy for what several cues lack",
}
"""Modules of a plug-in package that all its plug-ins may import, and why."""

WITHIN_A_LAYER: dict[tuple[str, str], str] = {
    ("calibration_reading", "calibration"): "reads what a calibration is",
    ("shaping", "calibration"): "fits what a calibration applies",
    ("usable", "agreement"): "the audio clock has one rate",
    ("usable", "course"): "a median over usable frames is a weighted median",
    ("crops", "views"): "a crop is laid level as a view is",
    ("splicing", "crops"): "the networks are those of the scopes of the crops",
    ("media", "sound"): "one decode gives both, and puts the sound on the clock of the pictures",
    ("report.validation", "report.plots"): "the page shows the plots",
    ("report.binding", "report.seal"): "a page that is bound is sealed",
    ("report.html", "report.binding"): "the page is bound as every page is",
    ("report.html", "report.drawing"): "the page draws it",
    ("report.html", "report.json"): "the page holds the analysis",
    ("report.html", "report.seal"): "the page carries the twin of the analysis",
    ("report.html", "report.told"): "the page says it",
    ("report.seal", "report.json"): "a page carries the text that the JSON file has",
    ("report.verification", "report.json"): "both are written as the same kind of text",
}
"""Importer and imported of one layer, and why."""

UPWARD: dict[tuple[str, str], str] = {
    ("records.Analysis.to_dict", "report.json"): "a result writes itself; bound late, it costs the records nothing",
}
"""Function and the module of a higher layer that it, and nothing else of its module, may import, and why."""

RESERVED: dict[str, tuple[str, ...]] = {
    "torch": (
        "landmarks.face_alignment",
        "predictor",
        "speech",  # Silero VAD takes and gives torch tensors
        "splice_training",
        "splicing",
        "training",
    ),
    "silero_vad": ("speech",),
    "av": ("encoding", "media"),
    "c2pa": ("provenance",),
    "typer": ("archive_cli", "archive_run", "cli", "console", "source_cli"),
    "pickle": (),
    "socket": (),
    "urllib": ("reporting",),  # quotes the names in relative URLs
    "http": (),
    "requests": (),
}
"""Libraries that only the named modules may import: heavy ones, and what would load code or use a network."""

MODULE_NAME = re.compile(r"lipaccord(\.[a-z_]\w*)+")


@dataclass(frozen=True)
class Import:
    """An import as it stands in a source: the module it names, and where."""

    target: str
    function: str
    line: int


class Imports(ast.NodeVisitor):
    """Collects the imports of one module, each with the dotted name of the function around it."""

    def __init__(self, modules: frozenset[str]) -> None:
        self.modules = modules
        self.scope: list[str] = []
        self.functions = 0
        self.found: list[Import] = []

    def _add(self, node: ast.stmt | ast.expr, target: str) -> None:
        function = ".".join(self.scope) if self.functions else ""
        self.found.append(Import(target, function, node.lineno))

    def _visit_scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        is_function = not isinstance(node, ast.ClassDef)
        self.scope.append(node.name)
        self.functions += is_function
        self.generic_visit(node)
        self.functions -= is_function
        self.scope.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_scope  # noqa: N815

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self._add(node, "." * node.level + (node.module or ""))
            return
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            self._add(node, submodule if submodule in self.modules else str(node.module))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and MODULE_NAME.fullmatch(node.value):
            self._add(node, node.value)


def read_package(folder: Path) -> dict[str, str]:
    """Return the source of every module below `folder` by its name inside the package (the root: ``""``)."""
    sources = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


def whole(module: str) -> str:
    """Return the module of which `module` is a part, or itself."""
    return PART_OF.get(module, module)


def layer_of(module: str) -> int | None:
    """Return the layer of a module of the package; None where the law knows no place for it."""
    room = whole(module)
    while room:
        if (level := next((level for level, rooms in enumerate(LAYERS) if room in rooms), None)) is not None:
            return level
        room = room.rpartition(".")[0]
    return None


def may_import(module: str, entry: Import) -> bool:
    """Tell whether the law lets `module` import another module of the package, as in `entry`."""
    module, target = whole(module), whole(entry.target.removeprefix("lipaccord."))
    own, other = layer_of(module), layer_of(target)
    if own is None or other is None:
        return False
    if other < own or target == module:
        return True
    if other > own:
        return (f"{module}.{entry.function}", target) in UPWARD
    return within_plugins(module, target) or (module, target) in WITHIN_A_LAYER


def within_plugins(module: str, target: str) -> bool:
    """Tell whether one of the two is the package of plug-ins in which the other lies, or `target` is shared there."""
    package = module.partition(".")[0]
    if package not in PLUGINS or target.partition(".")[0] != package:
        return False
    return package in {module, target} or target in SHARED


def violations_of(sources: dict[str, str]) -> list[str]:
    """Return every breach of the law in a package, in plain words."""
    modules = frozenset(f"lipaccord.{name}" for name in sources if name)
    breaches = []
    for module, source in sources.items():
        if module and layer_of(module) is None:
            breaches.append(f"{module}: has no layer; add it to LAYERS")
            continue
        visitor = Imports(modules)
        visitor.visit(ast.parse(source))
        for entry in visitor.found:
            place = f"{module or '__init__'}:{entry.line}"
            library = entry.target.split(".")[0]
            if entry.target.startswith("."):
                breaches.append(f"{place}: {entry.target} is a relative import; name it in full")
            elif library in RESERVED and whole(module) not in RESERVED[library]:
                breaches.append(f"{place}: {entry.target} is kept for {', '.join(RESERVED[library]) or 'nobody'}")
            elif not module or entry.target == "lipaccord":
                # The root binds the public names late, and holds the version for whoever asks.
                continue
            elif library == "lipaccord" and not may_import(module, entry):
                breaches.append(f"{place}: must not import {entry.target.removeprefix('lipaccord.')}")
    return breaches


def test_imports_point_down_only() -> None:
    sources = read_package(PACKAGE)
    assert "records" in sources
    assert violations_of(sources) == []


def test_no_exception_is_out_of_use() -> None:
    sources = read_package(PACKAGE)
    modules = frozenset(f"lipaccord.{name}" for name in sources if name)
    used: set[str | tuple[str, str]] = set()
    for module, source in sources.items():
        visitor = Imports(modules)
        visitor.visit(ast.parse(source))
        for entry in visitor.found:
            target = entry.target.removeprefix("lipaccord.")
            used |= {target, (module, target), (f"{module}.{entry.function}", target)}
    assert (PART_OF.keys() | SHARED.keys() | WITHIN_A_LAYER.keys() | UPWARD.keys()) - used == set()


@pytest.mark.parametrize(
    ("module", "source", "breach"),
    [
        ("mouth", "from lipaccord.faces import follow", "mouth:1: must not import faces"),
        ("mouth", "from lipaccord import faces", "mouth:1: must not import faces"),
        ("mouth", "import lipaccord.faces", "mouth:1: must not import faces"),
        ("mouth", "def f():\n    import lipaccord.pipeline", "mouth:2: must not import pipeline"),
        ("mouth", "PLUGIN = 'lipaccord.pipeline'", "mouth:1: must not import pipeline"),
        ("mouth", "if TYPE_CHECKING:\n    from lipaccord.faces import x", "mouth:2: must not import faces"),
        ("mouth", "from .faces import x", "mouth:1: .faces is a relative import; name it in full"),
        ("pipeline", "import lipaccord.cli", "pipeline:1: must not import cli"),
        ("cues.sync", "import lipaccord.cues.blur", "cues.sync:1: must not import cues.blur"),
        ("mouth", "import lipaccord.landmarks.layouts", "mouth:1: must not import landmarks.layouts"),
        ("report.json", "import lipaccord.report.html", "report.json:1: must not import report.html"),
        ("records", "import lipaccord.report.json", "records:1: must not import report.json"),
        (
            "records",
            "class Clip:\n    def to_dict(self):\n        import lipaccord.report.json",
            "records:3: must not import report.json",
        ),
        ("mouth", "import lipaccord._tally", "mouth:1: must not import _tally"),
        ("_tally", "import lipaccord.faces", "_tally:1: must not import faces"),
        ("attic", "import math", "attic: has no layer; add it to LAYERS"),
        ("mouth", "import lipaccord.attic", "mouth:1: must not import attic"),
        (
            "mouth",
            "import torch.nn",
            "mouth:1: torch.nn is kept for landmarks.face_alignment, predictor, speech, splice_training, ",
        ),
        ("mouth", "def f():\n    from torch import nn", "mouth:2: torch is kept for landmarks.face_alignment, "),
        ("", "import torch", "__init__:1: torch is kept for landmarks.face_alignment, "),
        ("media", "import pickle", "media:1: pickle is kept for nobody"),
    ],
)
def test_a_breach_is_reported(module: str, source: str, breach: str) -> None:
    reported = violations_of({"faces": "", module: source})
    assert len(reported) == 1
    assert reported[0].startswith(breach)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mouth", "from lipaccord.records import FaceTrack"),
        ("mouth", "from lipaccord import __version__"),
        ("pipeline", "from lipaccord import faces, mouth"),
        ("cues", "CUES = {'sync': 'lipaccord.cues.sync'}"),
        ("media", "from lipaccord._tally import x\nimport av"),
        ("_tally", "import av\nimport lipaccord._claims"),
        ("cues.sync", "from lipaccord.cues import block_bootstrap"),
        ("landmarks.mediapipe", "from lipaccord.landmarks.layouts import LAYOUTS"),
        ("training", "def fit():\n    import torch"),
        ("records", "class Analysis:\n    def to_dict(self):\n        from lipaccord.report.json import x"),
        ("mouth", "TEXT = 'lipaccord.analyze(path) returns an Analysis'"),
    ],
)
def test_what_the_law_allows(module: str, source: str) -> None:
    assert violations_of({"faces": "", "mouth": "", module: source}) == []
