"""Score a large folder with faults in it, kill the run again and again, and see what the store holds.

    python tests/benchmarks/archive_faults.py FOLDER [--clips 2000] [--kills 12] [--seed 0]

Makes the clips in FOLDER/clips (windows of the fixtures and of simulations, each encoded in its own way; every 20th
entry is a fault: empty, cut off, no media, a pipe, a dangling link, odd names, no sound, no picture, hours long by its
clock, one that vanishes and one that changes while the run goes on), scores them to FOLDER/archive.db, and ends the run
by SIGKILL at random moments. Prints what it found; the exit status is 1 where something is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from lipaccord.archive.database import connect
from lipaccord.archive.schema import STORE
from lipaccord.encoding import encode
from lipaccord.media import open_clip
from lipaccord.records import Frame, Sound
from lipaccord.simulate import Plan, simulate

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
SCORE = (str(Path(sys.executable).with_name("lipaccord")), "archive", "score")
KINDS = ("blur", "freeze", "shift", "replace")
WINDOW_S = 3.0
EVERY = 20  # one entry in so many is a fault
ODD_NAMES = (b"new\nline.mp4", b"no-utf8-\xff.mp4", b"\x1b[31mred.mp4", b"=cell.mp4")


def sources(folder: Path) -> list[Path]:
    """Return the clips of which windows are taken; simulations are made if they are not there."""
    fixtures = sorted(FIXTURES.glob("obama_*.mp4"))
    speech = FIXTURES / "obama_speech.mp4"
    made = []
    for kind in KINDS:
        out = folder / f"{kind}.mp4"
        if not out.exists():
            simulate(speech, out, Plan(kind), other=FIXTURES / "synthetic.mp4" if kind == "replace" else None)
        made.append(out)
    return fixtures + made


def windows(clip: Path) -> Iterator[tuple[list[Frame], Sound]]:
    """Yield windows of a clip, one a third of a second."""
    with open_clip(clip) as reader:
        sound, frames = reader.sound(), list(reader.frames())
    last_s = min(frames[-1].time_s, sound.start_s + sound.duration_s) - WINDOW_S
    for start_s in np.arange(0.0, last_s, 1 / 3):
        kept = [frame for frame in frames if start_s <= frame.time_s < start_s + WINDOW_S]
        first = round((start_s - sound.start_s) * sound.rate_hz)
        part = sound.samples[first : first + round(WINDOW_S * sound.rate_hz)]
        moved = [replace(frame, time_s=frame.time_s - start_s) for frame in kept]
        yield moved, replace(sound, samples=part, start_s=0.0)


def make_clips(folder: Path, count: int, seed: int) -> None:
    """Make `count` good clips, every 30th of which is a copy of the one before it."""
    base = [window for clip in sources(folder) for window in windows(clip)]
    chooser = random.Random(seed)
    clips = folder / "clips"
    last = None
    for number in range(count):
        target = clips / f"{number // 100:02d}" / f"clip-{number:04d}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        frames, sound = chooser.choice(base)
        crf = chooser.randrange(16, 30)
        if target.exists():
            last = target
        elif last is not None and number % 30 == 29:
            target.write_bytes(last.read_bytes())
        else:
            gain = np.float32(chooser.uniform(0.5, 1.0))
            encode(target, frames, replace(sound, samples=sound.samples * gain), crf=crf, preset="ultrafast")
            last = target


def _without(source: Path, target: Path, kind: str) -> None:
    """Copy a clip without its streams of one kind."""
    with av.open(str(source)) as given, av.open(str(target), "w") as taken:
        streams = {one.index: taken.add_stream_from_template(one) for one in given.streams if one.type != kind}
        for packet in given.demux(*(one for one in given.streams if one.type != kind)):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                taken.mux(packet)


def _hours_long(source: Path, target: Path) -> None:
    """Copy a clip whose second half comes twelve hours later."""
    with open_clip(source) as reader:
        frames = list(reader.frames())
        half = len(frames) // 2
        later = [replace(frame, time_s=frame.time_s + 12 * 3600) for frame in frames[half:]]
        encode(target, frames[:half] + later, reader.sound(), preset="ultrafast")


def make_faults(folder: Path, good: Path, count: int) -> None:
    """Make `count` entries that can't be examined, or that have odd names."""
    whole = good.read_bytes()
    makers: list[Callable[[Path], object]] = [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(whole[: len(whole) // 3]),
        lambda path: path.write_bytes(os.urandom(5000)),
        lambda path: path.write_text("this is no film\n"),
        os.mkfifo,
        lambda path: path.symlink_to(path.with_suffix(".gone")),
        lambda path: _without(good, path, "audio"),
        lambda path: _without(good, path, "video"),
        lambda path: _hours_long(good, path),
        lambda path: path.write_bytes(whole[:200] + bytes(len(whole) - 200)),
    ]
    faults = folder / "clips" / "faults"
    faults.mkdir(parents=True, exist_ok=True)
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(faults) + b"/" + name)).write_bytes(whole)
    for number in range(count - len(ODD_NAMES)):
        target = faults / f"fault-{number:03d}.mp4"
        if not os.path.lexists(target):
            makers[number % len(makers)](target)
    loop = faults / "loop"
    if not loop.is_symlink():
        loop.symlink_to(faults.parent, target_is_directory=True)


def disturb(folder: Path) -> None:
    """Take one clip away and alter another one, both among the last."""
    for name, act in (("vanishes.mp4", Path.unlink), ("changes.mp4", lambda path: path.write_bytes(b"other"))):
        path = folder / "clips" / "zz" / name
        if path.exists():
            act(path)


def command(folder: Path, jobs: int) -> list[str]:
    options = ["--db", str(folder / "archive.db"), "--jobs", str(jobs), "--log", str(folder / "log.jsonl")]
    return [*SCORE, str(folder / "clips"), *options]


def killed_runs(folder: Path, kills: int, jobs: int, chooser: random.Random) -> int:
    """Run until the end, killed `kills` times on the way; return how often it was killed."""
    done = 0
    while True:
        run = subprocess.Popen(command(folder, jobs), start_new_session=True)
        try:
            run.wait(chooser.uniform(15, 120) if done < kills else None)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            done += 1
            if done == kills // 2:
                disturb(folder)
            print(f"killed {done} times; integrity {integrity(folder)}; {rows(folder)[0]} outcomes", flush=True)
        else:
            print(f"ended by itself with {run.returncode}")
            return done


def integrity(folder: Path) -> str:
    connection = connect(folder / "archive.db", STORE)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def rows(folder: Path) -> tuple[int, Counter[str], dict[str, int]]:
    """Count outcomes, statuses, and the names that have not exactly one row."""
    connection = sqlite3.connect(folder / "archive.db")
    try:
        found = connection.execute("SELECT name, status, error FROM row").fetchall()
    finally:
        connection.close()
    statuses = Counter(f"{status} {error}".strip() for _, status, error in found if status)
    names = Counter(name for name, _, _ in found)
    return sum(statuses.values()), statuses, {name: count for name, count in names.items() if count != 1}


def done_twice(log: Path) -> Counter[str]:
    """Count how often clips had their outcome kept more than once."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    counts = Counter(line["clip"] for line in lines if line["event"] == "clip")
    return Counter({clip: count - 1 for clip, count in counts.items() if count > 1})


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    faults = chosen.clips // EVERY
    make_clips(folder, chosen.clips - faults, chosen.seed)
    good = folder / "clips" / "00" / "clip-0000.mp4"
    make_faults(folder, good, faults - 2)
    late = folder / "clips" / "zz"
    late.mkdir(exist_ok=True)
    for name in ("vanishes.mp4", "changes.mp4"):
        (late / name).write_bytes(good.read_bytes() + name.encode())
    begin = time.monotonic()
    kills = killed_runs(folder, chosen.kills, chosen.jobs, random.Random(chosen.seed))
    first_s = time.monotonic() - begin
    begin = time.monotonic()
    second = subprocess.run(command(folder, chosen.jobs), capture_output=True, text=True, check=False)
    second_s = time.monotonic() - begin
    total, statuses, uneven = rows(folder)
    twice = done_twice(folder / "log.jsonl")
    size = (folder / "archive.db").stat().st_size
    print(f"first run: {first_s:.0f} s, killed {kills} times; second run: {second_s:.1f} s: {second.stdout.strip()}")
    print(f"{total} outcomes, {dict(statuses)}; not exactly one row: {uneven}; kept twice: {dict(twice)}")
    print(f"integrity {integrity(folder)}; store {size} bytes, {size / max(1, total):.0f} a clip")
    is_right = not uneven and total >= chosen.clips and integrity(folder) == "ok" and not twice
    return 0 if is_right and second.stdout.startswith("Nothing to do") and second_s < 5 else 1


if __name__ == "__main__":
    sys.exit(main())
