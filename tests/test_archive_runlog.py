from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lipaccord.archive.runlog import Rate, RunLog, in_words
from lipaccord.errors import ArchiveError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_event_is_a_line_that_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with RunLog(path) as log:
        log.event("begun", clips=3)
        log.event("failed", uri="caf\udce9\x1b[31m\n.mp4", trouble=None)
        lines = path.read_text(encoding="ascii").splitlines()
    first, second = map(json.loads, lines)
    when = datetime.fromisoformat(first.pop("time"))
    assert when.utcoffset() == timedelta(0)
    assert first == {"event": "begun", "clips": 3}
    assert second.pop("time").endswith("Z")
    assert second == {"event": "failed", "uri": "caf\udce9\x1b[31m\n.mp4", "trouble": None}
    assert "\x1b" not in lines[1]


def test_a_log_is_added_to(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with RunLog(tmp_path / "run.jsonl") as log:
            log.event(name)
    lines = (tmp_path / "run.jsonl").read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["one", "two"]


def test_a_dash_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(Path("-")) as log:
        log.event("begun")
    with RunLog(Path("-")) as log:  # the stream is still open
        log.event("again")
    shown = capsys.readouterr()
    assert [json.loads(line)["event"] for line in shown.err.splitlines()] == ["begun", "again"]
    assert shown.out == ""


def test_without_a_path_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(None) as log:
        log.event("begun")
    assert capsys.readouterr() == ("", "")


def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ArchiveError, match=r"the log .*/missing/run can't be written \(No such file or directory\); name"
    ):
        RunLog(tmp_path / "missing" / "run")


def test_a_log_that_can_no_longer_be_written_is_told() -> None:
    trouble = r"the log /dev/full can't be written \(No space left on device\); name another place"
    with RunLog(Path("/dev/full")) as log, pytest.raises(ArchiveError, match=trouble):
        log.event("begun")


def test_the_rate_is_that_of_this_run() -> None:
    clock = Clock()
    rate = Rate(total=1000, done=400, clock=clock)
    assert rate.status(workers=2) == "400 of 1,000 clips; 2 workers"
    for number in range(20):
        clock.now += 36
        rate.add(footage_s=72.0, failed=number == 7)
    assert rate.clips_per_hour == pytest.approx(100)
    assert rate.footage_per_second == pytest.approx(2)
    assert rate.seconds_left == pytest.approx(580 * 36)
    assert rate.status(workers=1) == "420 of 1,000 clips; 100 an hour; 6 h left; 1 failed; 1 worker"


def test_the_window_moves_with_the_run() -> None:
    clock = Clock()
    rate = Rate(total=10_000, clock=clock)
    for _ in range(300):  # slow at first
        clock.now += 10
        rate.add()
    for _ in range(1000):
        clock.now += 1
        rate.add()
    assert rate.clips_per_hour == pytest.approx(3600, rel=0.01)


def test_slow_clips_are_all_counted() -> None:
    clock = Clock()
    rate = Rate(total=60, clock=clock)
    for seconds in (100, 7100):
        clock.now += seconds
        rate.add()
    assert rate.clips_per_hour == pytest.approx(1)
    assert rate.status(workers=1) == "2 of 60 clips; 1.0 an hour; 2 days left; 1 worker"


def test_the_rate_falls_while_nothing_is_done() -> None:
    clock = Clock()
    rate = Rate(total=10, clock=clock)
    clock.now += 60
    rate.add()
    clock.now += 60
    assert rate.clips_per_hour == pytest.approx(30)


def test_more_done_than_known_leaves_nothing() -> None:
    clock = Clock()
    rate = Rate(total=1, done=1, clock=clock)
    clock.now += 1
    rate.add()
    assert rate.seconds_left == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "2 h"), (172_799, "48 h"), (172_800, "2 days")],
)
def test_a_duration_has_the_unit_that_suits_it(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
