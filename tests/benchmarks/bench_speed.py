"""Speed and memory of `lipaccord analyze` on 720p at 25 frames a second with one face.

Run by ``make bench``. Figures are printed, nothing is asserted about time. Decode and landmarks alone are measured in
the same run, on the same clip, with one thread.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clips import write_clip
from lipaccord.media import open_clip

SIZE = (1280, 720)
FRAME_RATE = 25

ALONE = """
import sys
from lipaccord.faces import FaceTracker
from lipaccord.landmarks import load_backend
from lipaccord.media import open_clip
tracker = FaceTracker(load_backend("mediapipe"))
with open_clip(sys.argv[1]) as reader:
    for frame in reader.frames():
        tracker.feed(frame)
"""
WHOLE = """
import sys
from lipaccord.pipeline import analyze
analyze(sys.argv[1], threads=int(sys.argv[2]))
"""


def _frames(source: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """Frames of the drawn face, enlarged on a canvas of 720p, forth and back."""
    with open_clip(source) as reader:
        small = [frame.image for frame in reader.frames()]
    loop = small + small[::-1]
    left = (SIZE[0] - SIZE[1]) // 2
    for number in range(count):
        canvas = np.full((SIZE[1], SIZE[0], 3), 96, np.uint8)
        canvas[:, left : left + SIZE[1]] = cv2.resize(loop[number % len(loop)], (SIZE[1], SIZE[1]))
        yield canvas


def _clip(source: Path, minutes: int, folder: Path) -> Path:
    path = folder / f"{minutes}min.mp4"
    with open_clip(source) as reader:
        samples = reader.sound().samples
    wanted = minutes * 60 * 16_000
    sound = np.tile(samples, wanted // len(samples) + 1)[:wanted]
    write_clip(
        path,
        frames=_frames(source, minutes * 60 * FRAME_RATE),
        rate=FRAME_RATE,
        sound=sound,
        sound_rate=16_000,
        options={"preset": "veryfast", "crf": "23"},
    )
    return path


def _run(code: str, *arguments: str) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak memory in MB of a fresh interpreter."""
    meter = (
        "import resource, subprocess, sys, time; t = time.perf_counter();"
        "subprocess.run([sys.executable, '-c', *sys.argv[1:]], check=True);"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(time.perf_counter() - t, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", meter, code, *arguments], check=True, capture_output=True, text=True)
    wall, cpu, memory = (float(value) for value in done.stdout.split())
    return wall, cpu, memory


@pytest.mark.parametrize("minutes", [1, 10])
def test_speed_and_memory(minutes: int, fixture_clip: Callable[[str], Path], tmp_path: Path) -> None:
    clip = str(_clip(fixture_clip("synthetic"), minutes, tmp_path))
    alone = _run(ALONE, clip)
    one = _run(WHOLE, clip, "1")
    two = _run(WHOLE, clip, "2")
    print(
        f"\n{minutes} min of 720p25: decode and landmarks alone {alone[1]:.1f} s CPU; "
        f"analyze on 1 thread {one[0]:.1f} s wall, {one[1]:.1f} s CPU, {one[2]:.0f} MB; "
        f"on 2 threads {two[0]:.1f} s wall, {two[1]:.1f} s CPU, {two[2]:.0f} MB: "
        f"{60 * minutes / two[0]:.1f} x real time, {one[1] / alone[1]:.2f} x the CPU of the two alone"
    )
