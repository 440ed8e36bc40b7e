from __future__ import annotations

import dataclasses
import io
import re
from typing import Any

import pytest
from rich.console import Console

from analyses import (
    HOSTILE_NAME,
    LARGER,
    NOT_EXAMINABLE,
    RESYNTHESIS,
    SEGMENT,
    SOFT_S,
    SYNC,
    UNRELATED,
    UNSTEADY_S,
    analysis,
)
from lipaccord import records
from lipaccord.cues import RESYNTHESIS_CUES
from lipaccord.propositions import PROPOSITIONS, expectation, in_words
from lipaccord.records import Analysis, Finding, FindingName, Interval, Reason
from lipaccord.report.terminal import print_analysis, print_pairs
from lipaccord.report.wording import CUE_WORDS, STATUS_WORDS, plain

NOT_USED = re.compile(r"fake|probab|confiden|malicious|tamper", re.IGNORECASE)


def printed(result: Analysis, base_rate: float | None = None, **options: Any) -> str:
    stream = io.StringIO()
    print_analysis(result, Console(file=stream, **({"width": 80} | options)), base_rate)
    return stream.getvalue()


def words(result: Analysis, **options: Any) -> str:
    """Return what is printed, with line breaks and columns taken out."""
    return " ".join(printed(result, **options).split())


def examined(status: str, **changes: Any) -> Finding:
    of_sync = {"in_sync", "offset", "unrelated", "partly_unrelated"}
    name: FindingName = "sync" if status in of_sync else "resynthesis"
    reasons = NOT_EXAMINABLE.reasons if status == "not_examinable" else SYNC.reasons
    return dataclasses.replace(SYNC, name=name, status=status, **({"reasons": reasons} | changes))


def test_findings_faces_and_what_could_not_be_judged() -> None:
    text = words(analysis(), width=200)
    for part in (
        "10.0 s; 640 x 360 h264 at 25 frames a second; sound aac, 48 kHz stereo",
        "note: one frame is missing",
        "OFFSET: the mouth follows this speech, but the sound comes too late or too early",
        "+240 ms, 95% interval +221 to +262 ms (+ = the sound comes late)",
        "score 1.23 (larger = more suspicious)",
        "because The sound comes 240 ms late.",
        "measured The mouth agrees best with this speech at +240 ms.",
        "look at 2.00-3.50 s: Speech over a still mouth.",
        "the pictures at 2.50, 1.00 s (cue agreement, most telling first)",
        "NOT EXAMINABLE: there is too little to judge by",
        "because The eyes are 19 pixels apart. remedy use a larger copy",
        "face-1, examined: 0.00-9.96 s, located in 98% of its frames, eyes 57 pixels apart",
        "face-2: 1.00-2.00 s",
        "silence (sync): Nobody pauses long enough to compare. (remedy: use a longer stretch)",
        "It speaks of consistency, not of intent.",
        "Bundle lipaccord 1; settings 0123456789abcdef; triage 0.75",
    ):
        assert part in text
    assert text.count("2.00-3.50 s") == 1


def test_a_summary_that_is_the_reason_is_not_repeated() -> None:
    reason = records.Reason("late", SYNC.cues[1].summary)
    assert "measured" not in words(analysis(dataclasses.replace(SYNC, reasons=(reason,))))


def test_what_a_finding_has_said_is_not_repeated() -> None:
    text = words(analysis(), width=200)
    assert text.count("19 pixels apart") == 1
    assert text.count("use a larger copy") == 1


def test_equal_remedies_are_told_once() -> None:
    small = NOT_EXAMINABLE.reasons[0]
    short = dataclasses.replace(small, code="too_short", text="It is short.", remedy="use a longer stretch")
    reasons = (small, short, dataclasses.replace(small, code="too_soft", text="It is soft."))
    rows = (
        "because The eyes are 19 pixels apart. It is short. It is soft. remedy use a larger copy use a longer stretch"
    )
    text = words(analysis(dataclasses.replace(NOT_EXAMINABLE, reasons=reasons)))
    assert rows in text
    assert text.count("use a larger copy") == 1


def test_a_remedy_that_the_finding_has_told_is_not_repeated_for_its_cues() -> None:
    cues = (*NOT_EXAMINABLE.cues, *RESYNTHESIS.cues[-3:])
    text = words(analysis(dataclasses.replace(NOT_EXAMINABLE, cues=cues)), width=200)
    assert "resynthesis: occlusion (nothing passes); face, boundary (too small)" in text
    assert text.count("use a larger copy") == 1
    assert "remedy (nothing passes): use another stretch" in text


def test_every_status_of_the_contract_has_words() -> None:
    promised = set(re.findall(r"``([a-z]+_?[a-z_]*)``", str(records.Finding.__doc__))) - {"offset_ms"}
    assert promised - {"offset_interval_ms"} == set(STATUS_WORDS)


@pytest.mark.parametrize("status", STATUS_WORDS)
def test_every_status_is_printed_in_plain_words(status: str) -> None:
    text = words(analysis(examined(status)), width=200)
    name, meaning = STATUS_WORDS[status]
    assert f"{name.upper()}: {meaning}" in text
    assert not NOT_USED.search(text)


def test_a_calibrated_finding_gives_its_ratio_in_numbers_and_in_words() -> None:
    text = words(analysis(examined("offset", log10_lr=1.256, bounds=(-2.0, 1.5))), width=200)
    assert "LR 18 (log10 +1.26; bounds -2.00 to +1.50) in words (ENFSI 2015): moderate support for: this sound" in text
    assert f"in words (ENFSI 2015): {in_words('sync', 1.256)} compares" in text
    pair = PROPOSITIONS["sync"]
    assert f"compares that {pair.suspicious}, with that {pair.innocent}" in text
    assert "raw score" not in text
    assert "the most that the calibration backs" not in text
    assert "score 1.23 (larger = more suspicious)" in text


def test_a_ratio_below_one_is_told_as_a_fraction() -> None:
    text = words(analysis(examined("in_sync", log10_lr=-1.5, bounds=(-2.0, 1.5))), width=200)
    assert "LR 1/32 (log10 -1.50; bounds -2.00 to +1.50)" in text
    assert f"moderate support for: {PROPOSITIONS['sync'].innocent}" in text


def test_a_ratio_that_was_cut_off_says_so() -> None:
    text = words(analysis(UNRELATED), width=200)
    assert "(log10 +1.25; bounds -2.00 to +1.25), the most that the calibration backs in words" in text


def test_without_a_calibration_there_is_only_the_score() -> None:
    text = words(analysis(), width=200)
    assert "score 1.23 (larger = more suspicious)" in text
    for row in ("LR ", "ENFSI", "compares", "innocent?"):
        assert row not in text
    assert "at large" not in words(analysis(), width=200, base_rate=0.01)


def test_innocent_explanations_are_listed_after_the_reasons() -> None:
    text = words(analysis(UNRELATED), width=200)
    assert (
        "because The mouth does not follow. innocent? It was dubbed openly. An edit shows another moment. measured"
    ) in text


def test_what_a_ratio_means_among_many_clips_is_told_where_a_base_rate_is() -> None:
    assert "at large" not in words(analysis(UNRELATED), width=200)
    text = words(analysis(UNRELATED), width=200, base_rate=0.01)
    assert f"at large {expectation(1.25, (0.5, 0.0), (30, 19), 0.01)}" in text
    assert "If 1 in 100 clips is altered" in text


def test_unrelated_has_no_offset() -> None:
    assert "95% interval" not in words(analysis(examined("unrelated")))
    assert "95% interval" in words(analysis(examined("in_sync")))


def test_many_segments_are_cut_short() -> None:
    segments = tuple(dataclasses.replace(SEGMENT, interval=Interval(second, second + 0.5)) for second in range(7))
    text = words(analysis(segments=segments))
    assert "3.00-3.50 s" in text
    assert "4.00-4.50 s" not in text
    assert "3 more, in the JSON under segments" in text


def cue_lines(result: Analysis) -> list[str]:
    """Return the lines of the cues on a console of 80 columns."""
    names = "|".join([*CUE_WORDS, "constant"])
    found = (re.search(rf" +((?:{names}) +[+-]\d.*?) *$", line) for line in printed(result).splitlines())
    return [line[1] for line in found if line]


def test_the_score_stands_beside_what_is_usual_and_the_limit() -> None:
    assert "score 0.42; 5% of authentic clips exceed 0.31, 1% 0.85" in words(analysis(RESYNTHESIS))


def test_every_cue_has_one_line_in_the_order_of_its_share() -> None:
    assert cue_lines(analysis(RESYNTHESIS)) == [
        "blur        +2.4  +0.50  sharpness of the lower face",
        "teeth       +0.4  +0.05  sharpness of the teeth",
        "noise       -1.3  -0.23  noise from frame to frame",
        "retiming    +2.7      -  timing (beside the score)",
        "constant          +0.10",
    ]


def test_a_sum_without_a_constant_shows_none() -> None:
    finding = dataclasses.replace(RESYNTHESIS, score=0.3249)
    assert not any("constant" in line for line in cue_lines(analysis(finding)))


def test_every_cue_of_the_finding_fits_a_line_of_80_columns() -> None:
    cues = tuple(dataclasses.replace(RESYNTHESIS.cues[0], cue=name, score=-12.0) for name in RESYNTHESIS_CUES)
    shares = dict.fromkeys(RESYNTHESIS_CUES, -1.0)
    finding = dataclasses.replace(RESYNTHESIS, cues=cues, details=RESYNTHESIS.details | {"shares": shares})
    lines = cue_lines(analysis(finding))
    assert [line.split("-1.00  ")[-1] for line in lines[:-1]] == [CUE_WORDS[name] for name in RESYNTHESIS_CUES]


def test_sentences_and_times_are_those_of_the_cues_that_stand_out() -> None:
    text = words(analysis(RESYNTHESIS, segments=(SOFT_S, UNSTEADY_S)))
    assert "measured The lower face is soft. The mouth moves on." in text  # the second beyond its own limit
    assert "look at 4.00-5.50 s (blur) other stretches: 1, in the JSON under segments 5.50, 4.25 s (blur)" in text
    assert "0.64 s (retiming)" in text
    for quiet in ("The teeth", "The noise", "1.10", "6.00-6.50"):
        assert quiet not in text


def test_only_the_largest_shares_stand_out() -> None:
    names = ("splice", "swap", "blur", "teeth", "flicker")
    cues = tuple(dataclasses.replace(RESYNTHESIS.cues[0], cue=name, summary=f"It is {name}.") for name in names)
    shares = dict(zip(names, (0.2, 0.4, 0.3, 0.1, 0.5), strict=True))
    finding = dataclasses.replace(RESYNTHESIS, cues=cues, details=RESYNTHESIS.details | {"shares": shares})
    assert "measured It is flicker. It is swap. It is blur. look at" in words(analysis(finding))


def test_cues_that_abstain_share_a_line_by_reason() -> None:
    text = words(analysis(RESYNTHESIS))
    assert "resynthesis: occlusion (nothing passes); face, boundary (too small)" in text
    assert text.count("use a larger copy") == 1
    assert "remedy (nothing passes): use another stretch remedy (too small): use a larger copy" in text


def test_cues_of_one_remedy_share_a_line() -> None:
    few = Reason("too_few_frames", "Only 3 frames.", LARGER)
    cues = (dataclasses.replace(RESYNTHESIS.cues[-3], abstained=(few,)), *RESYNTHESIS.cues[-2:])
    text = words(analysis(dataclasses.replace(RESYNTHESIS, cues=cues)), width=200)
    assert "remedy (too few frames, too small): use a larger copy" in text


def test_a_clip_in_which_nothing_was_found() -> None:
    nothing = dataclasses.replace(
        SYNC, status="not_examinable", score=None, reasons=NOT_EXAMINABLE.reasons, cues=(), details={}
    )
    text = words(analysis(nothing, faces=(), segments=(), triage=None))
    assert "Faces none found" in text
    assert "triage none" in text
    assert "Could not be judged" not in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_wider_than_the_console(width: int) -> None:
    lines = printed(analysis(RESYNTHESIS), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert "more suspicious)" in " ".join(" ".join(lines).split())


def test_text_without_colour_has_no_escape_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in printed(analysis())
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = re.compile(r"\x1b\[[\d;]*3[0-7]")
    assert not coloured.search(printed(analysis(), force_terminal=True))
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    assert coloured.search(printed(analysis(), force_terminal=True))


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    hostile = dataclasses.replace(SYNC, reasons=(records.Reason("x", "[red]\x9b31m\rgone\u200b[/red]"),))
    text = printed(analysis(hostile, limits=("\x1b]0;title\x07",)), width=200)
    assert r"a[bold]bü[on red]\x1b[31m\u202egnp\n\xff.mp4" in text
    assert r"[red]\x9b31m\rgone\u200b[/red]" in text
    assert r"\x1b]0;title\x07" in text
    assert all(char.isprintable() or char == "\n" for char in text)


def test_a_stream_of_little_encoding_is_no_trouble() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    print_analysis(analysis(), Console(file=stream, width=80))
    stream.seek(0)
    assert "NOT EXAMINABLE" in stream.read()


def test_plain() -> None:
    assert plain("clip ü 映画.mp4") == "clip ü 映画.mp4"
    assert plain(HOSTILE_NAME) == r"a[bold]bü[on red]\x1b[31m\u202egnp\n\xff.mp4"
    assert plain("\ud800") == r"\ud800"


def test_pairs() -> None:
    stream = io.StringIO()
    print_pairs({"one": "[b]1[/b]", "three": f"{'a' * 64}\nb\x1b"}, Console(file=stream, width=40))
    assert stream.getvalue().splitlines() == ["one    [b]1[/b]", f"three  {'a' * 64}", r"       b\x1b"]


def test_resynthesis_alone_keeps_the_order_of_the_findings() -> None:
    text = words(analysis(NOT_EXAMINABLE))
    assert text.index("sync") < text.index("resynthesis")
