from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(("level", "outcome"), [("error", {"passed": 1, "errors": 1}), ("warning", {"passed": 1})])
def test_a_logged_error_fails_the_test(pytester: pytest.Pytester, level: str, outcome: dict[str, int]) -> None:
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(f"import logging\n\ndef test_it():\n    logging.getLogger('lipaccord').{level}('lost')\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(**outcome)
