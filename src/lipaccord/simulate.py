"""An authentic clip -> the same clip with a known manipulation, and the truth about it.

The truth file (schema ``lipaccord/simulation/1``) says what was done, to which face and where in it, when, how strongly
and from which seed, how it was encoded, and from which file, by its SHA-256. The control goes through the identical
encode without the manipulation. Whatever is left to chance is drawn from the seed: the same clip, options and versions
give the same bytes.

Conventions: times in the arguments are on the clock of the source, times in the truth on that of the new clip, which
begins at zero where a part of the source is taken.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import lipaccord
from lipaccord.dubbing import SOUND_KINDS, dubbed
from lipaccord.encoding import encode
from lipaccord.errors import SettingsError, SimulationError
from lipaccord.files import write_text
from lipaccord.harms import KINDS, Harm
from lipaccord.masks import DILATION, FEATHER, MaskName
from lipaccord.media import open_clip
from lipaccord.records import Frame, Interval, Sound
from lipaccord.reel import Progress, Reel, read_reel

SCHEMA = "lipaccord/simulation/1"
PRESET = "medium"
LIBRARIES = ("av", "numpy", "opencv-python")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do to a clip.

    Attributes
    ----------
    kind : str
        A key of `harms.KINDS` or `dubbing.SOUND_KINDS`.
    seed : int
    strength : float or None
        None takes the middle of the kind's ladder.
    from_s, to_s : float or None
        Stretch to manipulate, on the source's clock; by default all, for a splice of sound the middle third.
    mask : {"mouth", "lower_face", "face"} or None
        Where in the face, if not where the kind does it.
    face : str or None
        By default the largest.
    """

    kind: str
    seed: int = 0
    strength: float | None = None
    from_s: float | None = None
    to_s: float | None = None
    mask: MaskName | None = None
    face: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS and self.kind not in SOUND_KINDS:
            there = ", ".join([*KINDS, *SOUND_KINDS])
            raise SettingsError(f"there is no manipulation {self.kind!r}; there are: {there}")
        if self.kind in KINDS:
            low, high = KINDS[self.kind].low, KINDS[self.kind].high
            if self.strength is not None and not low <= self.strength <= high:
                raise SettingsError(f"{self.kind} takes a strength of {low:g} to {high:g}, not {self.strength:g}")
        elif self.strength is not None and SOUND_KINDS[self.kind].unit is None:
            raise SettingsError(f"{self.kind} takes no strength")
        elif self.mask is not None or self.face is not None:
            raise SettingsError(f"{self.kind} changes the sound: it takes no mask and no face")
        if self.mask is not None and self.mask not in DILATION:
            raise SettingsError(f"there is no mask {self.mask!r}; there are: {', '.join(DILATION)}")

    @property
    def changes_sound(self) -> bool:
        """Whether the sound is changed and the picture left alone."""
        return self.kind in SOUND_KINDS


def harm_reel(reel: Reel, plan: Plan) -> tuple[Harm, dict[str, Any]]:
    """Prepare the manipulation of the picture.

    Returns
    -------
    Harm
        Of the reel's frames.
    dict
        The truth about it.

    Raises
    ------
    SimulationError, SettingsError
        There is no such face, it is seen too seldom, or the stretch is empty.
    """
    kind, track, part = KINDS[plan.kind], reel.face(plan.face), reel.part(plan.from_s, plan.to_s)
    strength = kind.ladder[len(kind.ladder) // 2] if plan.strength is None else plan.strength
    rng = np.random.default_rng(plan.seed)
    try:
        harm = Harm(plan.kind, reel.footage(track), strength, rng, part=part, mask=plan.mask)
    except ValueError as error:
        raise SimulationError(f"{reel.path!r}: {error}; name another clip, part or strength") from error
    changed = [moment for moment in part if harm.changes(moment)]
    if not changed:
        raise SimulationError(f"the face is not seen in {reel.path!r} where it was to be manipulated")
    mask = None if harm.mask is None else {"name": harm.mask, "dilation": DILATION[harm.mask], "feather": FEATHER}
    interval = reel.interval(range(changed[0], changed[-1] + 1))
    truth = {
        "what": "picture",
        "meaning": kind.meaning,
        "strength": strength,
        "unit": kind.unit,
        "face": track.id,
        "mask": mask,
        "interval_s": [interval.start_s, interval.end_s],
        "frames": len(changed),
    }
    return harm, truth


def _dub_reel(reel: Reel, plan: Plan, other: Sound | None) -> tuple[Sound, dict[str, Any]]:
    """Manipulate the sound; return it with the truth about it."""
    kind, sound = SOUND_KINDS[plan.kind], reel.sound
    start_s, end_s = sound.start_s, sound.start_s + sound.duration_s
    if plan.kind == "splice" and plan.from_s is None and plan.to_s is None:
        start_s, end_s = start_s + sound.duration_s / 3, end_s - sound.duration_s / 3
    start_s = start_s if plan.from_s is None else max(start_s, plan.from_s - reel.offset_s)
    end_s = end_s if plan.to_s is None else min(end_s, plan.to_s - reel.offset_s)
    if start_s >= end_s:
        raise SettingsError(f"there is no sound from {plan.from_s} s to {plan.to_s} s: name another stretch")
    whole = (start_s, end_s) == (sound.start_s, sound.start_s + sound.duration_s)
    strength = kind.usual if plan.strength is None else plan.strength
    part = Interval(start_s, end_s)
    try:
        changed = dubbed(plan.kind, sound, strength, part=None if whole else part, other=other)
    except ValueError as error:
        raise SettingsError(f"{error}: name a clip with --other") from error
    truth = {
        "what": "sound",
        "meaning": kind.meaning,
        "strength": strength,
        "unit": kind.unit,
        "interval_s": [start_s, end_s],
    }
    return changed, truth


def _pictures(reel: Reel, harm: Harm) -> Iterator[Frame]:
    for frame in reel.frames:
        yield Frame(frame.index, frame.time_s, harm.frame(frame.index))


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def truth_path(out: Path) -> Path:
    """Return where the truth about a simulated clip goes: beside it."""
    return out.with_suffix(".json")


def simulate(
    path: str | os.PathLike[str],
    out: Path,
    plan: Plan,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    crf: int = 18,
    control: Path | None = None,
    other: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a clip with a known manipulation, and the truth about it beside it.

    Parameters
    ----------
    path : path
        The authentic clip; read, never written.
    out : Path
        Where to, an MP4; the truth goes to the same name with ``.json``.
    plan : Plan
        What to do.
    start_s, end_s : float, optional
        Part of the source to take.
    crf : int
        Constant rate factor of the encoder.
    control : Path, optional
        Where to write the control.
    other : Path, optional
        Clip whose sound is put in.
    progress : callable, optional
        Told the fraction of the clip that is read.

    Returns
    -------
    dict
        The truth.

    Raises
    ------
    MediaError, SettingsError, SimulationError
        As their names say.
    OSError
        A file can't be written.
    """
    if out.suffix != ".mp4":
        raise SettingsError(f"{out} must end in .mp4: an MP4 is written")
    if other is not None and not plan.changes_sound:
        raise SettingsError(f"{plan.kind} does not change the sound: it takes no other clip")
    reel = read_reel(path, start_s=start_s, end_s=end_s, with_faces=not plan.changes_sound, progress=progress)
    second: dict[str, str] | None = None
    borrowed: Sound | None = None
    if other is not None:
        with open_clip(other) as reader:
            borrowed, second = reader.sound(), {"path": str(other), "sha256": reader.sha256}
    pictures, sound = iter(reel.frames), reel.sound
    if plan.changes_sound:
        sound, what = _dub_reel(reel, plan, borrowed)
    else:
        harm, what = harm_reel(reel, plan)
        pictures = _pictures(reel, harm)
    encode(out, pictures, sound, crf=crf, preset=PRESET)
    if control is not None:
        encode(control, reel.frames, reel.sound, crf=crf, preset=PRESET)
    own = {"lipaccord": lipaccord.__version__}
    if reel.landmarks is not None:
        own["landmarks"] = reel.landmarks
    truth: dict[str, Any] = {
        "schema": SCHEMA,
        "source": {"path": reel.path, "sha256": reel.sha256, "start_s": start_s, "end_s": end_s},
        "manipulation": {"kind": plan.kind, "seed": plan.seed, **what},
        "other": second,
        "encode": {"video": "h264", "crf": crf, "preset": PRESET, "sound": f"aac, {sound.rate_hz} Hz mono"},
        "clip": {"path": out.name, "sha256": _hashed(out)},
        "control": None if control is None else {"path": control.name, "sha256": _hashed(control)},
        "versions": own | {library: version(library) for library in LIBRARIES},
    }
    write_text(truth_path(out), json.dumps(truth, indent=1, allow_nan=False) + "\n")
    return truth
