"""What a manipulation does to the sound of a clip: shifted, replaced, or replaced for a stretch.

Conventions: the new sound keeps the length, the rate and the start of the old one; the borders of a stretch are faded
over `FADE_S`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lipaccord.records import FloatArray, Interval, Sound

FADE_S = 0.010


@dataclass(frozen=True, slots=True)
class SoundKind:
    """One way to change a sound.

    Attributes
    ----------
    meaning : str
        What it stands for.
    unit : str or None
        What its strength counts; None where it takes none.
    usual : float or None
        Strength where none is given.
    needs_other : bool
        It takes the sound of another clip.
    """

    meaning: str
    unit: str | None = None
    usual: float | None = None
    needs_other: bool = False


SOUND_KINDS: dict[str, SoundKind] = {
    "shift": SoundKind("sound out of sync", "milliseconds, + = the sound comes late", 240.0),
    "replace": SoundKind("the sound of another clip", needs_other=True),
    "splice": SoundKind("a stretch of the sound replaced"),
}
"""Every kind by its name."""


def _late(samples: FloatArray, count: int) -> FloatArray:
    """Move samples later by `count`; what is left empty is silence."""
    moved = np.zeros_like(samples)
    kept = max(0, len(samples) - abs(count))
    if count >= 0:
        moved[count:] = samples[:kept]
    else:
        moved[:kept] = samples[-count:]
    return moved


def _share(sound: Sound, part: Interval | None) -> FloatArray:
    """Share of the new sound at every sample [shape=(n,)]."""
    if part is None:
        return np.ones(len(sound.samples), np.float32)
    times = sound.start_s + np.arange(len(sound.samples)) / sound.rate_hz
    inside = np.minimum(times - part.start_s, part.end_s - times) / FADE_S
    return np.clip(inside + 0.5, 0, 1).astype(np.float32)


def dubbed(
    kind: str, sound: Sound, strength: float | None = None, *, part: Interval | None = None, other: Sound | None = None
) -> Sound:
    """Change a sound.

    Parameters
    ----------
    kind : {"shift", "replace", "splice"}
    sound : Sound
    strength : float, optional
        Of a shift, in milliseconds.
    part : Interval, optional
        Stretch to change; by default all.
    other : Sound, optional
        Of another clip and of the same rate, repeated where it is shorter. A splice without it takes the sound of this
        clip from half its length away.

    Returns
    -------
    Sound

    Raises
    ------
    ValueError
        The other sound is missing, empty or of another rate.
    """
    samples = sound.samples
    if kind == "shift":
        milliseconds = SOUND_KINDS[kind].usual if strength is None else strength
        new = _late(samples, round((milliseconds or 0.0) / 1000 * sound.rate_hz))
    elif other is not None:
        if other.rate_hz != sound.rate_hz or not len(other.samples):
            raise ValueError(f"the other sound must have samples, {sound.rate_hz} a second")
        new = np.resize(other.samples, len(samples))
    elif SOUND_KINDS[kind].needs_other:
        raise ValueError(f"{kind} needs the sound of another clip")
    else:
        new = np.roll(samples, len(samples) // 2)
    share = _share(sound, part)
    return Sound((samples * (1 - share) + new * share).astype(np.float32), sound.rate_hz, sound.start_s)
