from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lipaccord.comparison import Check, Difference, Verification
from lipaccord.report.verification import (
    NOTHING_SIGNED,
    ONLY_SIGNED,
    STATES,
    print_manifest,
    print_request,
    print_verification,
    verification_to_dict,
    write_verification,
)

HOSTILE = "[bold]\x1b[2J\u202e</b>\nü"
SHOWN = "[bold]\\x1b[2J\\u202e</b>\\nü"
GOOD = Verification(True, (Check("report", ok=True, text="unchanged"), Check("clip", ok=True, text="the file")), ())
BAD = Verification(
    False,
    (Check("report", ok=True, text="unchanged"), Check("numbers", ok=False, text=f"1 value differs {HOSTILE}")),
    (Difference(f'limits["{HOSTILE}"]', '"old"', f'"{HOSTILE}"'),),
)
MANIFEST: dict[str, Any] = {
    "state": "valid",
    "problems": ["signingCredential.untrusted: signing certificate untrusted"],
    "title": HOSTILE,
    "claim_generators": ["Camera 1", ""],
    "signer": {"issuer": "Maker", "name": "Device", "algorithm": "Es256", "time": ""},
    "actions": [{"action": "c2pa.created", "when": "", "software": "Editor", "source_type": ""}],
    "ingredients": [{"title": "part", "format": "video/mp4", "relationship": "componentOf"}],
}


def console(stream: io.StringIO, width: int = 110) -> Console:
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def printed(verification: Verification, width: int = 110) -> str:
    stream = io.StringIO()
    print_verification(verification, console(stream, width))
    return stream.getvalue()


def shown(manifest: dict[str, Any] | None) -> str:
    stream = io.StringIO()
    print_manifest(manifest, console(stream))
    return stream.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_first_word_is_the_outcome() -> None:
    assert printed(GOOD).startswith("REPRODUCED: the report is unchanged")
    assert printed(BAD).startswith("NOT REPRODUCED: ")


def test_every_check_has_its_row() -> None:
    rows = [line.split() for line in printed(BAD).splitlines()]
    assert ["report", "ok", "unchanged"] in rows
    assert ["numbers", "FAILS", "1", "value", "differs", *SHOWN.split()] in rows
    assert "FAILS" not in printed(GOOD)


def test_what_differs_is_listed_only_where_something_does() -> None:
    lines = printed(BAD).splitlines()
    place = lines.index("Values that differ")
    assert lines[place + 1].strip() == f'limits["{SHOWN}"]: was "old", is "{SHOWN}"'
    assert "Values that differ" not in printed(GOOD)


@pytest.mark.parametrize("verification", [GOOD, BAD])
def test_what_a_digest_does_not_prove_is_said_each_time(verification: Verification) -> None:
    assert "Whoever can change a report can compute its digest anew" in flat(printed(verification))


def test_a_narrow_terminal_loses_nothing() -> None:
    checks = (Check("clip", ok=True, text=f"the file that was examined, SHA-256 {'0123456789abcdef' * 4}"),)
    text = printed(Verification(True, checks, ()), width=50)
    assert max(map(len, text.splitlines())) <= 50
    assert "0123456789abcdef" * 4 in "".join(text.split())


def test_a_verification_as_json() -> None:
    assert verification_to_dict(BAD) == {
        "schema": "lipaccord/verification/1",
        "reproduced": False,
        "checks": [
            {"name": "report", "ok": True, "text": "unchanged"},
            {"name": "numbers", "ok": False, "text": f"1 value differs {HOSTILE}"},
        ],
        "differences": [{"path": f'limits["{HOSTILE}"]', "was": '"old"', "now": f'"{HOSTILE}"'}],
    }
    assert verification_to_dict(GOOD, {"c2pa": None})["c2pa"] is None


def test_it_is_written_to_a_file_and_to_a_stream(tmp_path: Path) -> None:
    stream = io.StringIO()
    write_verification(BAD, tmp_path / "out.json", {"c2pa": MANIFEST})
    write_verification(BAD, stream, {"c2pa": MANIFEST})
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    assert text == stream.getvalue()
    assert text.isascii()
    assert json.loads(text) == verification_to_dict(BAD, {"c2pa": MANIFEST})


def test_no_manifest_proves_nothing() -> None:
    assert flat(shown(None)) == NOTHING_SIGNED
    assert "proves nothing" in NOTHING_SIGNED


def test_a_manifest_is_shown_with_what_it_proves() -> None:
    text = shown(MANIFEST)
    assert [line.strip() for line in text.splitlines()[:8]] == [
        f"C2PA manifest: {STATES['valid']}",
        "problem: signingCredential.untrusted: signing certificate untrusted",
        f"title: {SHOWN}",
        "made by: Camera 1",
        "signed by: Device, Maker, Es256",
        "action: c2pa.created, Editor",
        "ingredient: part, video/mp4, componentOf",
        " ".join(text.splitlines()[7].split()),
    ]
    assert flat(text).endswith(ONLY_SIGNED)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_words_even_where_nothing_is_known(state: str) -> None:
    nothing = dict.fromkeys(("issuer", "name", "algorithm", "time"), "")
    lists: dict[str, list[Any]] = {name: [] for name in ("problems", "claim_generators", "actions", "ingredients")}
    text = shown({"state": state, "title": "", "signer": nothing, **lists})
    assert flat(text) == f"C2PA manifest: {STATES[state]} {ONLY_SIGNED}"


def test_a_request_says_how_to_send_it() -> None:
    stream = io.StringIO()
    print_request(Path("a dir/out.tsq"), Path("report.json"), console(stream, 40))
    text = stream.getvalue()
    assert "a dir/out.tsq asks to time-stamp report.json." in flat(text)
    command = "curl -H 'Content-Type: application/timestamp-query' --data-binary @'a dir/out.tsq' URL > 'a dir/out.tsr'"
    assert f"  {command}" in text.splitlines()
