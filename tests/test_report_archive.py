from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from analyses import analysis
from lipaccord.archive.records import Gist
from lipaccord.report.archive import clock, print_comparison, print_top, shortened, standing_out
from lipaccord.report.archive_clip import MOST_TURNS, print_clip
from lipaccord.report.archive_figures import one_in, print_figures
from lipaccord.report.json import analysis_to_dict
from made_archives import LACKING, gist, unrelated

HOSTILE = "/made/a[bold]\x1b[31m\u202egnp\n\\xff.mp4"
METHOD = {"id": 1, "digest": "58c610d3b6ff9a2b", "bundle": "stub\x1b 1", "version": "0.0.0"}


def printed(show: Callable[[Console], None], width: int = 100) -> str:
    file = io.StringIO()
    show(Console(file=file, width=width, highlight=False, markup=False, emoji=False))
    return file.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def row(one: Gist, **changes: Any) -> dict[str, Any]:
    values = dataclasses.asdict(one) | {"reasons": list(one.reasons), "cues": list(one.cues)}
    place = {"id": 7, "name": "/made/clip-7.mp4", "speaker": "Ada", "date": "2020-01-01", "sha256": "ab" * 32}
    rest = {"size": 1234, "turns": 1, "lead": 1, "start_s": None, "end_s": None, "verdict": None, "what": None}
    return values | place | rest | changes


def top(*rows: dict[str, Any], width: int = 100) -> str:
    return printed(lambda console: print_top(rows, console, method="58 (stub)", clips="1,234"), width)


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.34, "12.3 s"), (60, "1:00"), (185.9, "3:05"), (3725, "1:02:05"), (360000, "100:00:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("text", ["a/b.mp4", "/made/" + "x" * 60 + "/clip.mp4", "映像" * 30 + "/字.mp4"])
@pytest.mark.parametrize("cells", [8, 12, 21, 200])
def test_a_name_is_shortened_in_its_middle(text: str, cells: int) -> None:
    short = shortened(text, cells)
    assert cell_len(short) <= cells
    assert (short == text) == (cell_len(text) <= cells)
    assert short[0] == text[0]
    assert short.endswith(".mp4")


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (unrelated(1.114), ["sync: unrelated (LR 13)"]),
        (gist(sync_status="offset", offset_ms=240.2), ["sync: offset (+240 ms, LR 1)"]),
        (gist(), ["sync: inconclusive (LR 1)", "resynthesis: inconclusive (LR 1/10)"]),
        (
            gist(resynthesis_status="resynthesised", resynthesis_log10_lr=None, cues=("flicker", "new\x1b")),
            ["resynthesis: mouth re-synthesised", "texture from frame to frame; new\\x1b"],
        ),
        (LACKING, ["not examinable: no face"]),
        (Gist("failed", error="TimeLimit"), ["failed: TimeLimit"]),
        (gist(sync_status="odd\x1b"), ["sync: odd\\x1b (LR 1)", "resynthesis: inconclusive (LR 1/10)"]),
    ],
)
def test_what_stands_out_is_told_in_words(one: Gist, lines: list[str]) -> None:
    assert list(standing_out(row(one))) == lines


def test_the_top_shows_rank_number_name_and_where_to_look() -> None:
    long = row(unrelated(1.5), turns=12, lead=3, start_s=3725.0, end_s=3740.0, verdict="confirm", what="sound")
    text = top(long, row(LACKING, id=8, triage=None, speaker=None, date=None))
    assert "1 7 1.50 /made/clip-7.mp4 sync: unrelated (LR 32)" in words(text)
    assert "Ada, 2020-01-01 turn 3 of 12: 1:02:05 to 1:02:20 decided: confirm sound" in words(text)
    assert "2 8 - /made/clip-7.mp4 not examinable: no face" in words(text)
    assert "The first 2 of 1,234 clips. Method 58 (stub)." in words(text)


def test_a_top_without_clips_says_so() -> None:
    assert top() == "No clip to show. Method 58 (stub).\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider_than_the_console_or_obeyed_by_it(width: int) -> None:
    hostile = row(unrelated(400.0), name=HOSTILE * 3, speaker=HOSTILE, date="映像" * 20)
    text = top(hostile, width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.replace("\n", "").isprintable()


def figures(**changes: Any) -> dict[str, Any]:
    finding = {"statuses": {"unrelated": 5, "not_examinable": 2}, "judged": 5}
    work = {"work_s": 7200.0, "footage_per_work": 3.0, "clips_per_core_hour": 450.0, "peak_mb": 812.0}
    return {
        "clips": 10,
        "method": METHOD,
        "statuses": {"examined": 5, "not_examinable": 2, "failed": 1, "waiting": 2},
        "findings": {"sync": finding, "resynthesis": finding},
        "errors": {"TimeLimit": 1},
        "reasons": {f"no_face{number}\x1b": 9 - number for number in range(9)},
        "footage_s": 3600.0,
        "speakers": {"number": 12, "most": [{"speaker": HOSTILE, "clips": 4, "examined": 3, "claimed": 1}]},
        "work": work | {"store_bytes": 2_500_000, "store_bytes_per_clip": 250_000.0},
        "decisions": {"confirm sound": 1},
        "base_rate": None,
        "expected": None,
    } | changes


def told(**changes: Any) -> str:
    return words(printed(lambda console: print_figures(figures(**changes), console)))


def expected(**changes: Any) -> dict[str, Any]:
    group = {"clips": 400, "turns": 900, "altered": 3.14, "authentic": 396.86}
    few = {"clips": 20, "turns": 20, "altered": 0.021, "authentic": 19.979}
    false = {"log10_lr": 1.0, "share": 0.02, "groups": 99, "turns": 17.98, "turns_at_most": 26.8}
    one = {
        "judged": group,
        "claimed": few,
        "first": few,
        "ranked": 100,
        "claim": "unrelated",
        "claims": 25,
        "false_claims": false,
    }
    return one | changes


def test_figures_are_told_with_their_shares() -> None:
    text = told()
    assert "10 clips; method 58c610d3b6ff9a2b (bundle stub\\x1b 1)" in text
    assert "5 50.0% examined 2 20.0% not examinable 1 10.0% failed 2 20.0% waiting, or changed since" in text
    assert "sync: 5 clips judged, 62.5% of all 5 62.5% unrelated 2 25.0% not examinable" in text
    assert "9 112.5% no face0\\x1b" in text
    assert "1 12.5% 1 more kinds" in text
    assert "4 /made/a[bold]\\x1b[31m\\u202egnp\\n\\xff.mp4: 3 examined, 1 unrelated or re-synthesised" in text
    assert "and 11 more speakers" in text
    assert "1.0 hours of footage examined in 2.0 hours of work on a core" in text
    assert "450 clips an hour and core" in text
    assert "the store takes 2.5 MB, 250,000 bytes a clip" in text
    assert "altered" not in text


def test_what_to_expect_at_a_base_rate_is_told_with_its_assumptions() -> None:
    text = told(base_rate=0.001, expected={"sync": expected()})
    assert "If 1 in 1,000 clips is altered sync: 400 clips could be judged, in 900 turns." in text
    assert (
        "Expect about 0.4 of them to have sound recorded apart by the base rate alone, 3.1 with their ratios." in text
    )
    assert (
        "Claimed (unrelated) of 20 clips: expect about 0.02 of these to have sound recorded apart, and 20 not." in text
    )
    assert "Of the first 100 in the ranking, 20 could be judged: expect about 0.02 of these" in text
    assert "2.0% of the calibration's authentic clips reach the ratio of the weakest claim (LR 10)" in text
    assert (
        "so may about 18 authentic turns here, up to 27 judging by 99 people or sources. 25 turns were claimed" in text
    )
    assert "These numbers hold as far as the calibration does for this footage" in text


def test_nothing_is_expected_where_nothing_was_judged_or_claimed() -> None:
    none = {"clips": 0, "turns": 0, "altered": 0.0, "authentic": 0.0}
    judged = expected(claimed=none, first=none, false_claims=None, claim="resynthesised")
    text = told(base_rate=0.25, expected={"sync": expected(judged=none), "resynthesis": judged})
    assert "sync: no clip has a likelihood ratio, so nothing can be expected." in text
    assert "Claimed (mouth re-synthesised) of none. These numbers" in text
    assert "If 1 in 4 clips is altered" in text


def test_figures_of_nothing_leave_their_headings_out() -> None:
    none = figures()["work"] | {"footage_per_work": None, "peak_mb": None, "store_bytes_per_clip": None, "work_s": 0.0}
    statuses = dict.fromkeys(("examined", "not_examinable", "failed"), 0) | {"waiting": 0}
    text = told(clips=0, statuses=statuses, errors={}, reasons={}, decisions={}, work=none)
    assert "Errors" not in text
    assert "clips an hour" not in text


@pytest.mark.parametrize(("rate", "text"), [(0.5, "1 in 2"), (0.3, "1 in 3.33"), (0.0001, "1 in 10,000")])
def test_one_in(rate: float, text: str) -> None:
    assert one_in(rate) == text


def comparison(**changes: Any) -> dict[str, Any]:
    none = {"clips": 0, "low": None, "median": None, "high": None, "rank_correlation": None}
    some = {"clips": 9, "low": -0.5, "median": 0.0, "high": 0.25, "rank_correlation": 0.91234}
    changed = {"id": 3, "name": HOSTILE, "status": ["failed", "examined"], "sync_status": ["", "in_sync"]}
    moved = {"id": 4, "name": "/made/clip-4.mp4", "rank": [1200, 3], "triage": [0.1, 2.0]}
    return {
        "methods": [METHOD, METHOD | {"digest": "35f4"}],
        "both": 10,
        "crossed": {
            "status": [["examined", "examined", 9], ["failed", "examined", 1]],
            "sync_status": [["", "in_sync", 1], ["in_sync", "in_sync", 9]],
            "resynthesis_status": [["inconclusive", "inconclusive", 10]],
        },
        "differences": {"triage": some, "sync_log10_lr": none, "resynthesis_log10_lr": none},
        "changed": {"number": 30, "clips": [changed]},
        "moved": [moved],
        "only_first": {"number": 0, "clips": []},
        "only_second": {"number": 1, "clips": [{"id": 5, "name": "/made/clip-5.mp4"}]},
    } | changes


def test_a_comparison_tells_changes_differences_and_moves() -> None:
    text = words(printed(lambda console: print_comparison(comparison(), console)))
    assert "First: 58c610d3b6ff9a2b (bundle stub\\x1b 1, lipaccord 0.0.0) Second: 35f4" in text
    assert "Outcome 1 failed -> examined 9 unchanged Sync 1 none -> in sync 9 unchanged" in text
    assert "triage 9 -0.50 +0.00 +0.25 0.912" in text
    assert "sync, log10 LR 0 - - - -" in text
    assert "Changed status: 30" in text
    assert "failed -> examined; sync: none -> in sync and 29 more; -n lists them" in text
    assert "rank 1,200 -> 3, triage 0.10 -> 2.00" in text
    assert "Only by the first" not in text
    assert "Only by the second: 1 5 /made/clip-5.mp4" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_comparison_obeys_no_name_and_fits(width: int) -> None:
    text = printed(lambda console: print_comparison(comparison(), console), width)
    assert text.replace("\n", "").isprintable()
    assert max(map(cell_len, text.splitlines())) <= max(width, 75)


def test_a_comparison_of_nothing_in_common_is_short() -> None:
    text = printed(lambda console: print_comparison(comparison(both=0, moved=[]), console))
    assert "Outcome" not in text


def outcome(one: Gist, *turns: Gist | None, **changes: Any) -> dict[str, Any]:
    listed = [
        {
            "number": number,
            "start_s": 60.0 * number,
            "end_s": 60.0 * number + 30,
            "gist": None if turn is None else row(turn),
        }
        for number, turn in enumerate(turns, 1)
    ]
    facts = {"method": "58c6", "bundle": "stub 1", "version": "0.0.0", "duration_s": 3725.0, "turns": listed}
    return row(one) | facts | {"lead": 2, "examined_at": "2026-01-01T00:00:00Z", "worker": "host\x1b:1"} | changes


def clip(*outcomes: dict[str, Any], decisions: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    facts = row(gist(), name=HOSTILE, carried={"speaker": "Ada", "id": "a\x1b1", "empty": ""})
    return {"clip": facts, "outcomes": list(outcomes), "decisions": list(decisions)}


def shown(found: dict[str, Any], made: dict[str, Any] | None = None, width: int = 100, turn: int | None = None) -> str:
    return printed(lambda console: print_clip(found, {"58c6": made or {}}, console, turn), width)


def test_a_clip_is_shown_with_its_facts_and_outcomes() -> None:
    text = words(shown(clip(outcome(unrelated(2.0, reasons=("too_small",))), outcome(LACKING))))
    assert text.startswith(
        "/made/a[bold]\\x1b[31m\\u202egnp\\n\\xff.mp4 id 7; SHA-256 " + "ab" * 32 + " 1,234 bytes; speaker Ada; "
        "date 2020-01-01 id: a\\x1b1 By 58c6 (bundle stub 1, lipaccord 0.0.0) sync: unrelated (LR 100)"
    )
    assert "could not be judged: too small triage 2 10.0 s of 1:02:05 examined in 5.0 s of work" in text
    assert "2026-01-01T00:00:00Z, by host\\x1b:1" in text
    assert "not examinable: no face" in text


def test_a_failure_is_shown_with_its_message() -> None:
    one = Gist("failed", error="TimeLimit", message="too slow; give it more time")
    assert "failed (TimeLimit): too slow; give it more time" in shown(clip(outcome(one)))


def test_a_clip_that_waits_says_so() -> None:
    assert "It waits for an outcome" in shown(clip())


def test_reasons_and_remedies_are_those_of_the_analysis() -> None:
    text = words(shown(clip(outcome(gist())), analysis_to_dict(analysis())))
    assert "sync: The sound comes 240 ms late." in text
    assert "remedy: use a larger copy" in text
    assert "Look at" in text


@pytest.mark.parametrize(
    "made", [{}, {"findings": 3, "segments": 3}, {"findings": {"sync": {"reasons": [3]}}, "segments": [3, {}]}]
)
def test_an_analysis_that_is_none_is_passed_over(made: dict[str, Any]) -> None:
    text = shown(clip(outcome(gist())), made)
    assert "Because" not in text
    assert "Look at" not in text


def test_turns_are_a_table_in_the_order_of_time() -> None:
    text = words(shown(clip(outcome(unrelated(2.0), gist(0.1), unrelated(2.0), None))))
    assert "1 1:00 - 1:30 0.10 sync: inconclusive (LR 1); resynthesis: inconclusive (LR 1/10)" in text
    assert "*2 2:00 - 2:30 2.00 sync: unrelated (LR 100)" in text
    assert "3 3:00 - 3:30 - waiting, or changed since" in text


def test_of_very_many_turns_those_that_matter_are_listed() -> None:
    turns = [gist(number / 1000) for number in range(MOST_TURNS + 20)]
    text = shown(clip(outcome(gist(), *turns)))
    assert "20 turns of smaller triage are not listed." in text
    assert "*2" in text
    assert " 3 " not in "".join(line[:6] for line in text.splitlines())


def test_the_analysis_of_another_turn_is_named() -> None:
    made = {"findings": {"sync": {"reasons": [{"text": "it is late", "remedy": ""}]}}}
    found = clip(outcome(gist(), gist(), gist()))
    assert "Because, turn 1" in shown(found, made, turn=1)
    assert "Because, turn 2" in shown(found, made)


def test_decisions_are_told_with_who_and_when() -> None:
    first = {"verdict": "confirm", "what": "sound", "note": "heard\x1b it", "user": "Noor", "decided_at": "2026-01-02"}
    second = {"verdict": "unsure", "what": "", "note": "", "user": "", "decided_at": "2026-01-01"}
    found = clip(
        decisions=(first | {"withdrawn_at": None, "current": 1}, second | {"withdrawn_at": "2026-01-03", "current": 0})
    )
    text = words(shown(found))
    assert "2026-01-02 Noor: confirm sound, counts: heard\\x1b it" in text
    assert "2026-01-01 somebody: unsure (withdrawn 2026-01-03)" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_clip_fits_the_console(width: int) -> None:
    found = clip(outcome(unrelated(2.0), gist(), unrelated(1.0)))
    text = shown(found, analysis_to_dict(analysis()), width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.replace("\n", "").isprintable()
