"""One small picture of a clip, decoded when somebody looks, in a process of its own; the last ones are kept in memory.

The file is not read as a whole: the picture is sought. It serves to recognise a clip and is no evidence.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any

from lipaccord.archive.records import Errand, Limits
from lipaccord.archive.review.bench import Bench

PICTURE = "lipaccord.archive.review.thumbnails:picture"
LIMITS = Limits(seconds=15.0, memory_mb=2048)
PATIENCE_S = 40.0
"""How long somebody waits for a picture, with those that were asked for before."""
LONG_SIDE = 256
QUALITY = 78
MOST_KEPT = 1024
"""Pictures in memory; one takes 5 to 15 kB."""
MOST_WAITING = 32


@dataclass(frozen=True, slots=True)
class Sight:
    """Where to look.

    Attributes
    ----------
    path : str
        Of a local file.
    mark : str
        What changes when the file does.
    time_s : float
    """

    path: str
    mark: str
    time_s: float


def picture(payload: dict[str, Any]) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Decode the first picture at or after a time, or the last one before it, as a small JPEG.

    Parameters
    ----------
    payload : dict
        ``path`` and ``time_s``.

    Raises
    ------
    MediaError
        The file can't be read, or shows no picture.
    """
    import cv2
    import numpy as np

    from lipaccord._keyframes import picture_near

    image = np.ascontiguousarray(picture_near(payload["path"], payload["time_s"])[..., ::-1])
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    made, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert made
    return {"width": size[0], "height": size[1]}, (data.tobytes(),)


class Thumbnails:
    """Pictures by clip, the least recently seen of them forgotten first."""

    def __init__(self) -> None:
        self._bench = Bench("pictures")
        self._kept: OrderedDict[Sight, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting = 0

    def get(self, sight: Sight) -> tuple[bytes, str]:
        """Return a JPEG, or nothing and why there is none."""
        with self._lock:
            if sight in self._kept:
                self._kept.move_to_end(sight)
                return self._kept[sight], ""
            if self._waiting >= MOST_WAITING:
                return b"", "too many pictures at once"
            self._waiting += 1
        try:
            return self._made(sight)
        finally:
            with self._lock:
                self._waiting -= 1

    def _made(self, sight: Sight) -> tuple[bytes, str]:
        asked = self._bench.ask(Errand(PICTURE, {"path": sight.path, "time_s": sight.time_s}, LIMITS))
        try:
            reply = asked.result(PATIENCE_S)
        except (Late, CancelledError):
            asked.cancel()
            return b"", "no picture in time"
        if reply.trouble is not None or not reply.blobs:
            return b"", "no picture in time" if reply.trouble and reply.trouble.error == "TimeLimit" else "no picture"
        with self._lock:
            self._kept[sight] = reply.blobs[0]
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return reply.blobs[0], ""

    def close(self) -> None:
        """End the process that decodes."""
        self._bench.close()
