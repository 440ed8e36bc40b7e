"""One frozen Settings: TOML in, digest out.

Only what changes a result belongs here; threads, paths and outputs do not. The digest is the first 16
hexadecimal digits of the SHA-256 of the canonical JSON of all values.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lipaccord.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may change about an examination.

    Attributes
    ----------
    landmarks : str
        Landmark backend by name.
    face : str or None
        Track to examine (``face-2``); None picks the speaking face.
    max_faces : int
        Faces followed at a time, 1 to 16.
    max_lag_s : float
        Agreement is searched over offsets of plus and minus this much, 0.5 to 5 seconds.
    min_speech_s : float
        Less speech over a measurable mouth than this is not examinable, at least 1 second.
    min_texture_frames : int
        Fewer measured frames than this are not examinable for texture, at least 10.
    start_s, end_s : float or None
        Part of the clip to examine.
    """

    landmarks: str = "mediapipe"
    face: str | None = None
    max_faces: int = 3
    max_lag_s: float = 1.0
    min_speech_s: float = 2.0
    min_texture_frames: int = 20
    start_s: float | None = None
    end_s: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_faces", 1, 16),
            ("max_lag_s", 0.5, 5.0),
            ("min_speech_s", 1.0, 3600.0),
            ("min_texture_frames", 10, 100_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"setting {name} = {value} is out of range; it takes {low} to {high}")

    @property
    def digest(self) -> str:
        """Identify the values: equal digests mean equal settings."""
        values = dataclasses.asdict(self)
        for field in dataclasses.fields(self):
            if "float" in str(field.type) and values[field.name] is not None:
                values[field.name] = float(values[field.name])  # 1 and 1.0 are equal
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_settings(path: Path) -> Settings:
    """Read settings from a TOML file whose keys are the fields of `Settings`.

    Raises
    ------
    SettingsError
        The file can't be read, is no TOML, or holds an unknown key, a wrong type or a value out of range.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the settings file {path} can't be read: {error}") from error
    fields = {field.name: field.type for field in dataclasses.fields(Settings)}
    for name, value in values.items():
        if name not in fields:
            raise SettingsError(f"{path}: there is no setting {name!r}; there are: {', '.join(fields)}")
        wanted = str(fields[name])
        kinds: tuple[type, ...] = (str,) if "str" in wanted else (int, float) if "float" in wanted else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise SettingsError(f"{path}: setting {name} = {value!r} is not of type {wanted}")
    return Settings(**values)
