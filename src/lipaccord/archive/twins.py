"""Hold back a clip that may be equal to one that is being examined: one examination serves both.

Only clips of one size can be equal. Where two meet, both are identified, which costs no more than to read them; a clip
whose content is being examined waits for that, and any other goes on. Clips whose size is not known, and those on a
server, which would have to be fetched once more, are let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lipaccord.archive.records import Waiting
from lipaccord.archive.urls import is_url

MOST_HELD = 1000
"""More are let through: so many of one size at a time are hardly all equal."""

Step: TypeAlias = tuple[Literal["examine", "identify"], Waiting]


@dataclass(slots=True)
class _Clip:
    """A clip, its content once that is known (empty: it can't be), and whether somebody was asked for it."""

    waiting: Waiting
    sha256: str | None = None
    asked: bool = False


class Twins:
    """Knows which clips are being examined, and which wait for one of them."""

    def __init__(self) -> None:
        self._busy: dict[int, dict[int, _Clip]] = {}
        self._held: dict[int, dict[int, _Clip]] = {}
        self._held_count = 0

    def admit(self, waiting: Waiting) -> list[Step]:
        """Take in a clip that waits; return what to do now."""
        size = waiting.size
        if size is None or is_url(waiting.uri) or self._held_count >= MOST_HELD:
            return [("examine", waiting)]
        busy, held = self._busy.setdefault(size, {}), self._held.setdefault(size, {})
        if not busy and not held:
            busy[waiting.clip] = _Clip(waiting)
            return [("examine", waiting)]
        held[waiting.clip] = _Clip(waiting)
        self._held_count += 1
        unknown = [clip for clip in (*busy.values(), *held.values()) if clip.sha256 is None and not clip.asked]
        for clip in unknown:
            clip.asked = True
        return [("identify", clip.waiting) for clip in unknown]

    def identified(self, waiting: Waiting, sha256: str) -> list[Step]:
        """Take in the content of a clip, empty where it can't be read; return what to do now."""
        for clips in (self._busy, self._held):
            if (clip := clips.get(waiting.size or 0, {}).get(waiting.clip)) is not None:
                clip.sha256 = sha256
        return self._released(waiting)

    def settled(self, waiting: Waiting) -> list[Step]:
        """Take out a clip that has its outcome; return what to do now."""
        self._busy.get(waiting.size or 0, {}).pop(waiting.clip, None)
        return self._released(waiting)

    def _released(self, waiting: Waiting) -> list[Step]:
        size = waiting.size or 0
        busy, held = self._busy.get(size, {}), self._held.get(size, {})
        steps: list[Step] = []
        for clip in list(held.values()):
            contents = [other.sha256 for other in busy.values()]
            if clip.sha256 is None or None in contents or (clip.sha256 and clip.sha256 in contents):
                continue
            busy[clip.waiting.clip] = held.pop(clip.waiting.clip)
            self._held_count -= 1
            steps.append(("examine", clip.waiting))
        if not busy and not held:
            self._busy.pop(size, None)
            self._held.pop(size, None)
        return steps
