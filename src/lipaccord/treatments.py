"""Everything that an evaluation can do to a clip before it is examined, each step by its name.

A clip that is shared is encoded again, shrunk, brought to another rate, trimmed, filtered, and played under music. Each
`Treatment` is one such step at one severity, and all go through one door, `treat`: a clip in, an MP4 out.

- The field's seven corruptions at five severities (`corruptions`; DeeperForensics-1.0, Jiang et al., CVPR 2020).
- A ladder of H.264 rate factors and one of AAC bit rates. Sound is stored at 48,000 samples a second for the latter, as
  is usual where it is shared: at 16,000 AAC can't hold 128 kbit/s.
- Smaller pictures, fewer or more pictures a second, noise or music under the voice (`interferers`), both ends cut off.
- `RUNGS`: the matched encodes of `matching`.

Conventions: what a treatment does not name goes through one gentle encode (rate factor 18, 64 kbit/s AAC of 16 kHz
mono). Times stay on the clip's own clock, and picture and sound keep their offset. Every choice that is left to chance
is drawn from a seed that comes of the treatment's name and the frame's index: the same clip gives the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import soxr  # type: ignore[import-untyped]

from lipaccord import corruptions, encoding, interferers
from lipaccord.corruptions import COMPRESSION_CRF, CORRUPTIONS, rescaled
from lipaccord.encoding import encode
from lipaccord.errors import SettingsError
from lipaccord.interferers import with_music, with_noise
from lipaccord.media import open_clip
from lipaccord.records import Frame, Image, Interval, Sound

PRESET = "medium"  # of the encoder: its own default, which is what most tools leave
GENTLE_CRF = 18
SHARED_RATE_HZ = 48_000
EDGE_S = 0.5
CLOCK_S = 0.001
"""Containers round times, the coarsest to this: a picture that comes as little late is taken as there."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One step at one severity.

    Attributes
    ----------
    name : str
        Of small letters, digits, hyphens and points: safe in the name of a file.
    family : str
    severity : int
        Position in the family, from 1, the gentlest.
    meaning : str
        What is done, in plain words.
    picture : callable or None
        From a picture and a generator to the treated picture of the same size; None leaves it.
    sound : callable or None
        The same for the sound, whose start it keeps.
    crf : int
        Constant rate factor of H.264.
    scale : float
        Share of its size each way at which the picture is stored.
    sound_kbps : int or None
        Bit rate of AAC in kbit/s; None is the encoder's usual one.
    rate_hz : float or None
        Pictures a second, each the one that was on display at its time; None leaves all.
    cut_s : float
        Taken off both ends.
    """

    name: str
    family: str
    severity: int
    meaning: str
    picture: Callable[[Image, np.random.Generator], Image] | None = None
    sound: Callable[[Sound, np.random.Generator], Sound] | None = None
    crf: int = GENTLE_CRF
    scale: float = 1.0
    sound_kbps: int | None = None
    rate_hz: float | None = None
    cut_s: float = 0.0

    def _chance(self, place: int) -> np.random.Generator:
        seed = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")
        return np.random.default_rng((seed, place))

    def pictures(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Treat pictures as they come; at most two are held at a time."""
        for frame in frames if self.rate_hz is None else on_display(frames, self.rate_hz):
            if self.picture is None:
                yield frame
            else:
                image = self.picture(frame.image, self._chance(frame.index + 1))
                yield Frame(frame.index, frame.time_s, image)

    def heard(self, sound: Sound) -> Sound:
        """Treat the sound."""
        return sound if self.sound is None else self.sound(sound, self._chance(0))


def on_display(frames: Iterable[Frame], rate_hz: float) -> Iterator[Frame]:
    """Bring pictures to another rate, as a screen would that is looked at `rate_hz` times a second.

    At each new time, from that of the first picture on, the last picture that has come by then is taken (`CLOCK_S` of
    grace). So pictures are left out or shown again, and none is mixed. As on any screen a picture may be shown up to
    one old interval after its own time: half of one on average where the new rate is no whole part of the old.

    Parameters
    ----------
    frames : iterable of Frame
        In the order of their times, at any rate, steady or not.
    rate_hz : float

    Yields
    ------
    Frame
        Up to the time at which the last picture would have been followed by another.
    """
    shown, first_s, interval_s, count = None, 0.0, 0.0, 0
    for frame in frames:
        if shown is None:
            first_s = frame.time_s
        else:
            interval_s = frame.time_s - shown.time_s
            while (time_s := first_s + count / rate_hz) < frame.time_s - CLOCK_S:
                yield Frame(count, time_s, shown.image)
                count += 1
        shown = frame
    if shown is not None:
        while (time_s := first_s + count / rate_hz) < shown.time_s + max(interval_s - CLOCK_S, CLOCK_S):
            yield Frame(count, time_s, shown.image)
            count += 1


def _at_rate(rate_hz: int, sound: Sound, rng: np.random.Generator) -> Sound:
    """Resample a sound by a filter of linear phase, its delay compensated."""
    return Sound(soxr.resample(sound.samples, sound.rate_hz, rate_hz, quality="HQ"), rate_hz, sound.start_s)


def _corrupted() -> Iterator[Treatment]:
    for name, kind in CORRUPTIONS.items():
        for severity, amount in enumerate(kind.amounts, 1):
            picture = partial(kind.apply, amount)
            yield Treatment(f"{name}-{severity}", name, severity, kind.meaning.format(amount), picture)
    for severity, crf in enumerate(COMPRESSION_CRF, 1):
        yield Treatment(f"compression-{severity}", "compression", severity, f"H.264 at rate factor {crf}", crf=crf)


def _encoded_again() -> Iterator[Treatment]:
    for severity, crf in enumerate((18, 23, 28, 33, 38), 1):
        yield Treatment(f"crf{crf}", "h264", severity, f"H.264 at rate factor {crf}", crf=crf)
    for severity, kbps in enumerate((128, 64, 32, 16), 1):
        sound = partial(_at_rate, SHARED_RATE_HZ)
        yield Treatment(f"aac{kbps}", "aac", severity, f"AAC of {kbps} kbit/s", sound=sound, sound_kbps=kbps)


def _reshaped() -> Iterator[Treatment]:
    for severity, scale in enumerate((0.75, 0.5, 0.35), 1):
        yield Treatment(f"size-{scale:g}", "size", severity, f"stored at {scale:g} of its size", scale=scale)
    for severity, rate_hz in enumerate((30, 24, 15, 12), 1):
        yield Treatment(f"rate-{rate_hz}", "rate", severity, f"{rate_hz} pictures a second", rate_hz=rate_hz)
    yield Treatment("edges-cut", "edges", 1, f"{EDGE_S:g} s cut off each end", cut_s=EDGE_S)


def _drowned() -> Iterator[Treatment]:
    for name, add in (("noise", with_noise), ("music", with_music)):
        for severity, ratio_db in enumerate((20, 10, 5, 0), 1):
            meaning = f"{name} {ratio_db} dB below the sound" if ratio_db else f"{name} as strong as the sound"
            yield Treatment(f"{name}-{ratio_db}db", name, severity, meaning, sound=partial(add, ratio_db))


def _rung(severity: int, crf: int, scale: float) -> Treatment:
    if scale == 1.0:
        return Treatment(f"crf{crf}", "matched", severity, f"H.264 at rate factor {crf}", crf=crf)
    meaning = f"shrunk to {scale:g} and enlarged again, H.264 at rate factor {crf}"
    return Treatment(f"crf{crf}-scale{scale:g}", "matched", severity, meaning, partial(rescaled, scale), crf=crf)


TREATMENTS: dict[str, Treatment] = {
    treatment.name: treatment for treatment in (*_corrupted(), *_encoded_again(), *_reshaped(), *_drowned())
}
"""What an evaluation of robustness goes through, by name; each family from the gentlest to the harshest."""

RUNGS: tuple[Treatment, ...] = (
    _rung(1, 18, 1.0),
    _rung(2, 24, 1.0),
    _rung(3, 31, 1.0),
    _rung(4, 24, 0.7),
    _rung(5, 24, 0.5),
    _rung(6, 31, 0.5),
    _rung(7, 27, 0.35),
)
"""The ladder of matched encodes, from the gentlest to the harshest; one named as in `TREATMENTS` is the same encode."""

_BY_NAME = {rung.name: rung for rung in RUNGS} | TREATMENTS


def treatment_named(name: str) -> Treatment:
    """Return a treatment or a rung by its name.

    Raises
    ------
    SettingsError
        There is none of that name.
    """
    if name not in _BY_NAME:
        raise SettingsError(f"there is no treatment {name!r}; there are: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def named_treatments(names: str | None) -> tuple[str, ...]:
    """List the treatments of a sweep: all, or those of some names and families, separated by commas.

    Raises
    ------
    SettingsError
        There is none of such a name.
    """
    if names is None:
        return tuple(TREATMENTS)
    families = {treatment.family for treatment in TREATMENTS.values()}
    chosen: dict[str, None] = {}
    for name in (part.strip() for part in names.split(",")):
        of_name = [one.name for one in TREATMENTS.values() if name in (one.name, one.family)]
        if not of_name:
            there = ", ".join([*sorted(families), *TREATMENTS])
            raise SettingsError(f"there is no treatment {name!r}; there are the families and treatments {there}")
        chosen |= dict.fromkeys(of_name)
    return tuple(chosen)


@cache
def _makers() -> str:
    """Identify the code that decides what a treated clip holds."""
    digest = hashlib.sha256()
    for file in (corruptions.__file__, encoding.__file__, interferers.__file__, __file__):
        digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
    return digest.hexdigest()


def recipe(treatment: Treatment) -> str:
    """Identify all that a treated clip depends on, but for the clip and its part: other code is another recipe."""
    return f"{treatment.name}|{_makers()}"


def _without_edges(path: Path, cut_s: float, start_s: float | None, end_s: float | None) -> Interval:
    """Find what is left of the picture once both ends are cut off; this takes a decode of its own."""
    with open_clip(path, start_s=start_s, end_s=end_s) as reader:
        times = [frame.time_s for frame in reader.frames()]
    stop_s = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0.0)
    length_s = stop_s - times[0]
    if length_s <= 2 * cut_s:
        raise SettingsError(f"{str(path)!r} shows {length_s:.2f} s: too little to cut {cut_s:g} s off each end")
    # Sums are not exact: a picture at the very time of the cut must not depend on that.
    return Interval(times[0] + cut_s - float(encoding.TICK), stop_s - cut_s - float(encoding.TICK))


def _cut(sound: Sound, frames: Iterable[Frame], kept: Interval) -> tuple[Sound, Iterator[Frame]]:
    """Keep a stretch of sound and pictures.

    AAC stores the time of its first sample in whole samples. So both are moved together, by half a sample at most, to
    where that is exact, and their offset is stored as it was.
    """
    first, stop = (math.ceil((time_s - sound.start_s) * sound.rate_hz) for time_s in (kept.start_s, kept.end_s))
    samples = sound.samples[max(0, first) : max(0, stop)]
    start_s = sound.start_s + max(0, first) / sound.rate_hz
    stored_s = round(start_s * sound.rate_hz) / sound.rate_hz
    moved = (
        replace(frame, time_s=frame.time_s + stored_s - start_s)
        for frame in frames
        if kept.start_s <= frame.time_s < kept.end_s
    )
    return Sound(samples, sound.rate_hz, stored_s), moved


def treat(
    path: Path, treatment: Treatment, out: Path, start_s: float | None = None, end_s: float | None = None
) -> None:
    """Write a clip, or a part of it, as `treatment` leaves it; `out` appears whole or not at all.

    Parameters
    ----------
    path : Path
    treatment : Treatment
    out : Path
        An MP4.
    start_s, end_s : float, optional
        The part, on the clip's clock, which the new clip keeps.

    Raises
    ------
    MediaError
        The clip can't be read.
    SettingsError
        It is too short to be cut.
    OSError
        `out` can't be written.
    """
    kept = _without_edges(path, treatment.cut_s, start_s, end_s) if treatment.cut_s else None
    with open_clip(path, start_s=start_s, end_s=end_s) as reader:
        sound, frames = treatment.heard(reader.sound()), treatment.pictures(reader.frames())
        if kept is not None:
            sound, frames = _cut(sound, frames, kept)
        bits = None if treatment.sound_kbps is None else 1000 * treatment.sound_kbps
        encode(out, frames, sound, crf=treatment.crf, preset=PRESET, scale=treatment.scale, sound_bit_rate=bits)
