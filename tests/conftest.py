"""What all tests share: made clips, one thread for every numeric library, and no logged error unnoticed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


def pytest_configure() -> None:
    """Keep numeric libraries to one thread; they read this when the test modules first import them."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def fixture_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from the name of a fixture clip to its path; each is made once a session."""
    from make_fixtures import make

    @cache
    def clip(name: str) -> Path:
        path: Path = make(name, tmp_path_factory.mktemp(name, numbered=False))
        return path

    return clip


@pytest.fixture(autouse=True)
def _no_logged_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which an error was logged: what goes wrong must be raised or reported."""
    yield
    errors = [
        record.getMessage()
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.ERROR
    ]
    if errors:
        pytest.fail(f"logged as an error: {'; '.join(errors)}", pytrace=False)
