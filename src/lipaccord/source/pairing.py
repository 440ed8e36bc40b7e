"""A clip, its source and how they lie in time -> the frames of the one beside those of the other, one pass of each.

Conventions: times are seconds on the clock of the clip each belongs to. The source is read from where the alignment
first needs it; it is opened again only where the clip jumps back in it, or far ahead.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from lipaccord.errors import NoVideo, SettingsError
from lipaccord.media import open_clip
from lipaccord.records import Frame, Image
from lipaccord.source.alignment import Alignment

REACH = 2
"""Frames of the source before and after the nearest one: an alignment may be off by that much."""

AHEAD_S = 5.0
LEAD_S = 0.5
CLOSE_S = 0.25  # from the time that is asked for to the nearest frame: farther is a gap of the source


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of the clip and what its source shows about then.

    Attributes
    ----------
    frame : Frame
        Of the clip.
    sources : tuple of Frame
        Of the source, in the order of time; empty where the alignment knows none.
    nearest : int
        Which of `sources` lies nearest to the time that the alignment gives.
    """

    frame: Frame
    sources: tuple[Frame, ...]
    nearest: int


def mirrored(image: Image) -> Image:
    """Return the picture as a mirror shows it."""
    return np.ascontiguousarray(image[:, ::-1])


class SourceFrames:
    """Reads a source forward and hands out the frames about a time; a context manager.

    Parameters
    ----------
    path : path-like
    is_mirrored : bool
        Hand out mirrored pictures.
    threads : int
        Of the decoder.
    """

    def __init__(self, path: str | os.PathLike[str], *, is_mirrored: bool, threads: int = 1) -> None:
        self._path, self._is_mirrored, self._threads = path, is_mirrored, threads
        self._open = ExitStack()
        self._frames: Iterator[Frame] = iter(())
        self._held: deque[Frame] = deque()
        self._ended = self._started = False
        self._beyond_s = np.inf  # from here on the source is known to have no picture
        self._since_s = np.inf  # from here on nothing is missing of what is held

    def __enter__(self) -> SourceFrames:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _begin(self, time_s: float) -> None:
        self._open.close()
        self._held.clear()
        self._ended, self._started, self._since_s = False, True, time_s
        try:
            reader = open_clip(self._path, start_s=time_s - LEAD_S, threads=self._threads, needs_sound=False)
        except SettingsError:  # the source ends before that
            self._frames, self._ended, self._beyond_s = iter(()), True, time_s
            return
        self._frames = self._open.enter_context(reader).frames()

    def _read(self) -> None:
        try:
            frame = next(self._frames, None)
        except NoVideo:  # its sound goes on for longer than its picture
            frame = None
        if frame is None:
            self._ended = True
            return
        image = mirrored(frame.image) if self._is_mirrored else frame.image
        self._held.append(Frame(frame.index, frame.time_s, image))

    def _forget(self, before_s: float) -> None:
        """Let frames go that lie before a time, but for the last `REACH` of them."""
        while len(self._held) > REACH + 1 and self._held[REACH + 1].time_s < before_s:
            self._held.popleft()
            self._since_s = self._held[0].time_s

    def _must_begin(self, time_s: float) -> bool:
        if not self._started:
            return True
        if not self._held:
            return time_s < self._beyond_s
        return not self._held[0].time_s - CLOSE_S <= time_s <= self._held[-1].time_s + AHEAD_S

    def about(self, time_s: float) -> tuple[tuple[Frame, ...], int]:
        """Return the frames about `time_s` and which of them is nearest; none where the source has a gap there.

        Raises
        ------
        MediaError
            The source can't be read.
        """
        if self._must_begin(time_s):
            self._begin(time_s)
        while not self._ended and (len(self._held) <= REACH or self._held[-1 - REACH].time_s < time_s):
            self._read()
            self._forget(time_s)
        if not self._held:
            return (), 0
        held = tuple(self._held)
        nearest = int(np.argmin([abs(frame.time_s - time_s) for frame in held]))
        if abs(held[nearest].time_s - time_s) > CLOSE_S:
            return (), 0
        first = max(0, nearest - REACH)
        return held[first : nearest + REACH + 1], nearest - first

    def between(self, low_s: float, high_s: float) -> tuple[Frame, ...]:
        """Return the frames from one time to another, as far as the source has any.

        Raises
        ------
        MediaError
            The source can't be read.
        """
        if low_s < self._since_s or (self._held and low_s > self._held[-1].time_s + AHEAD_S):
            self._begin(low_s)
        while not self._ended and (not self._held or self._held[-1].time_s <= high_s):
            self._read()
            self._forget(low_s)
        return tuple(frame for frame in self._held if low_s <= frame.time_s <= high_s)


def moments(
    clip: str | os.PathLike[str],
    source: str | os.PathLike[str],
    alignment: Alignment,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    threads: int = 1,
) -> Iterator[Moment]:
    """Lay the frames of a clip beside those of its source.

    Parameters
    ----------
    clip, source : path-like
    alignment : Alignment
        Of the clip in the source.
    start_s, end_s : float, optional
        Part of the clip.
    threads : int
        Of each decoder.

    Yields
    ------
    Moment
        For every frame of the clip; a handful of pictures is held at a time.

    Raises
    ------
    MediaError
        One of the two can't be read.
    """
    with (
        open_clip(clip, start_s=start_s, end_s=end_s, threads=threads, needs_sound=False) as reader,
        SourceFrames(source, is_mirrored=alignment.mirrored, threads=threads) as frames,
    ):
        for frame in reader.frames():
            at_s = float(alignment.source_s(np.array([frame.time_s]))[0])
            about, nearest = frames.about(at_s) if np.isfinite(at_s) else ((), 0)
            yield Moment(frame, about, nearest)
