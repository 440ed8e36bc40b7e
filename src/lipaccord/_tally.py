"""What was counted while decoding, and what the examiner must be told about it in plain words.

Conventions: a frame is shown until the next one; the last one is given the median interval. A gap reaches from
the frame before it to the frame after it.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from lipaccord._claims import Claims
from lipaccord._container import Damage
from lipaccord.records import AudioFacts, Interval, VideoFacts
from lipaccord.sound import TOLERANCE_S, SoundTrack

CLAIM_TOLERANCE_S = 0.040
MAX_LEAP_S = 3600.0
MAX_EXTENT_S = 86_400.0
CHANGED = "the file is probably truncated or damaged"


class FrameTimes:
    """The times of the delivered frames; 8 bytes a frame is all that is kept of them.

    Attributes
    ----------
    duplicates : int
        Frames whose time does not lie after that of the frame before.
    misplaced : int
        Frames whose time lies absurdly far ahead.
    """

    def __init__(self, tick_s: float) -> None:
        self.duplicates = 0
        self.misplaced = 0
        self._tick_s = tick_s
        self._times = array("d")

    def accept(self, time_s: float) -> bool:
        """Tell whether a frame at `time_s` may follow; count it if it may not."""
        if not self._times:
            return True
        if time_s <= self._times[-1]:
            self.duplicates += 1
            return False
        if time_s - self._times[-1] > MAX_LEAP_S or time_s - self._times[0] > MAX_EXTENT_S:
            self.misplaced += 1
            return False
        return True

    def add(self, time_s: float) -> None:
        """Keep the time of a delivered frame."""
        self._times.append(time_s)

    def __len__(self) -> int:
        return len(self._times)

    def timing(self) -> Timing:
        """Measure the intervals between the frames."""
        times = np.frombuffer(self._times, np.float64)
        intervals = np.diff(times)
        if not len(intervals):
            return Timing(float(times[0]), 0.0, None, False, ())
        median = float(np.median(intervals))
        # Rounding to the container's clock moves an interval by up to one tick. Where a tick is about as long as
        # the interval itself, as in AVI, nothing is rounded and every step counts.
        rounding = 1.5 * self._tick_s if self._tick_s < median / 4 else self._tick_s / 2
        long = np.flatnonzero(intervals > 2 * median + min(self._tick_s, median / 10))
        return Timing(
            start_s=float(times[0]),
            duration_s=float(times[-1] - times[0]) + median,
            interval_s=median,
            variable=bool(np.ptp(intervals) > rounding),
            gaps=tuple(Interval(float(times[i]), float(times[i + 1])) for i in long),
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """How the frames lie in time; `interval_s` is the median, None for a single frame."""

    start_s: float
    duration_s: float
    interval_s: float | None
    variable: bool
    gaps: tuple[Interval, ...]


def count(number: int, noun: str) -> str:
    """Return "1 packet", "2 packets", "1,234 packets"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration_of(video: VideoFacts, audio: AudioFacts, sound_end_s: float, part_end_s: float | None) -> float:
    """Return the seconds from the earlier start to the later end of the two streams, or to the end of the part."""
    end_s = max(video.start_s + video.counted_duration_s, sound_end_s)
    if part_end_s is not None:
        end_s = min(end_s, part_end_s)
    return end_s - min(video.start_s, audio.start_s)


def stream_notes(claims: Claims) -> list[str]:
    """Tell what was chosen among several streams, and how the pixels are to be shown."""
    notes = []
    if claims.video.siblings > 1:
        notes.append(f"there are {claims.video.siblings} moving pictures: the largest one was examined")
    if claims.audio.siblings > 1:
        notes.append(f"there are {claims.audio.siblings} sound streams: only the main one was examined")
    width, height = claims.pixel_aspect
    if width != height and min(width, height) > 0:
        notes.append(f"the stored pixels are not square ({width}:{height}) and were left so")
    return notes


def video_notes(facts: VideoFacts, times: FrameTimes, damage: Damage, untimed: int) -> list[str]:
    """Tell what is odd about the decoded picture."""
    notes = []
    if facts.rotation_deg:
        notes.append(f"the picture was turned clockwise by {facts.rotation_deg} degrees, as the container asks")
    if facts.variable_rate:
        notes.append("the frame rate is variable")
    if facts.gaps:
        longest = max(facts.gaps, key=lambda gap: gap.duration_s)
        notes.append(f"the picture has {count(len(facts.gaps), 'gap')}, the longest at {longest}")
    if facts.duplicate_timestamps:
        notes.append(f"{count(facts.duplicate_timestamps, 'frame')} dropped: the time did not rise")
    if times.misplaced:
        notes.append(f"{count(times.misplaced, 'frame')} dropped: the time lies absurdly far ahead")
    if untimed:
        notes.append(f"{count(untimed, 'frame')} dropped: the container gives no time")
    if damage.rebuilt_times:
        notes.append("the container stores no presentation times for the picture: they follow from the storage order")
    return notes + _damage_notes("picture", facts.decode_errors, damage)


def audio_notes(facts: AudioFacts, track: SoundTrack, damage: Damage) -> list[str]:
    """Tell what is odd about the decoded sound."""
    notes = []
    if facts.gaps:
        longest = max(facts.gaps, key=lambda gap: gap.duration_s)
        notes.append(f"the sound has {count(len(facts.gaps), 'gap')} filled with silence, the longest at {longest}")
    if track.overlap_s > TOLERANCE_S:
        notes.append(f"{track.overlap_s:.2f} s of sound dropped: its time was already taken")
    if track.misplaced:
        notes.append(f"{count(track.misplaced, 'block')} of sound dropped: the time lies absurdly far ahead")
    if track.untimed:
        notes.append(f"{count(track.untimed, 'block')} of sound dropped: the container gives no time")
    return notes + _damage_notes("sound", facts.decode_errors, damage)


def _damage_notes(kind: str, refused: int, damage: Damage) -> list[str]:
    notes = []
    if refused:
        notes.append(f"the {kind} is damaged: the decoder refused {count(refused, 'packet')}")
    if damage.unread:
        notes.append(f"the container could not be read on {count(damage.unread, 'time')} while decoding the {kind}")
    return notes


def claim_notes(claims: Claims, video: VideoFacts, audio: AudioFacts, sound_end_s: float, block_s: float) -> list[str]:
    """Compare what the container claims with what was counted; `block_s` is the longest block of sound."""
    interval_s = 1 / video.counted_rate_hz if video.counted_rate_hz else 0.0
    picture_end_s = video.start_s + video.counted_duration_s
    notes = []
    if claims.frames is not None and abs(claims.frames - video.counted_frames) > 1:
        notes.append(
            f"the container claims {count(claims.frames, 'frame')}, {video.counted_frames:,} were delivered: "
            "an edit list hides some, or the file is damaged"
        )
    # The sound may end within a block, and a container may count the encoder's priming: two blocks are no lie.
    tolerances = {"picture": max(CLAIM_TOLERANCE_S, interval_s), "sound": max(CLAIM_TOLERANCE_S, 2 * block_s)}
    ends = {"picture": (picture_end_s, claims.video), "sound": (sound_end_s, claims.audio)}
    for kind, (end_s, stream) in ends.items():
        if stream.duration_s is not None:
            start_s = video.start_s if kind == "picture" else audio.start_s
            claimed_s = (start_s if stream.start_s is None else stream.start_s) + stream.duration_s
            notes += _end_note(f"the {kind} stops", end_s, claimed_s, tolerances[kind])
    if claims.end_s is not None and claims.video.duration_s is None and claims.audio.duration_s is None:
        end_s = max(picture_end_s, sound_end_s)
        notes += _end_note("picture and sound stop", end_s, claims.end_s, max(tolerances.values()))
    return notes


def _end_note(subject: str, end_s: float, claimed_s: float, tolerance_s: float) -> list[str]:
    if abs(end_s - claimed_s) <= tolerance_s + 1e-6:
        return []
    reason = CHANGED if end_s < claimed_s else "its header is wrong"
    return [f"{subject} at {end_s:.2f} s although the container claims {claimed_s:.2f} s: {reason}"]
