"""What a worker does with one clip: read it, know it by its content, cut it if it is long, sign the faces in it.

The worker reads the clip itself and sends back signatures, never pictures. Everything here is called in a process of
its own, with JSON values; see `archive.records.Errand`.
"""

from __future__ import annotations

from typing import Any

from lipaccord._claims import read_claims
from lipaccord._container import MediaFile, hash_file, open_container
from lipaccord.archive.remote import local_copy
from lipaccord.archive.urls import public_name
from lipaccord.errors import NoVideo, UnreadableMedia
from lipaccord.source.signing import sign

SIGN = "lipaccord.source.errands:sign_clip"

PART_S = 600.0
OVERLAP_S = 30.0
"""Parts run on into one another for so long: a shorter clip lies whole in one of them."""
MOST_PARTS = 1000

Answer = tuple[dict[str, Any], tuple[bytes, ...]]


def parts_of(duration_s: float) -> list[tuple[int, float, float]]:
    """Cut a recording into parts: number from 1, start and end in seconds; none where it is short enough."""
    if duration_s <= PART_S + OVERLAP_S:
        return []
    count = max(1, round(duration_s / PART_S))
    step = duration_s / count
    return [(number + 1, number * step, (number + 1) * step + OVERLAP_S) for number in range(count)]


def _planned(file: MediaFile, name: str) -> tuple[float | None, list[tuple[int, float, float]]]:
    """Return how long a file claims to last, and the parts that it is cut into."""
    with open_container(file) as container:
        duration_s = read_claims(file.path, container, needs_sound=False).duration_s
    if duration_s is None:
        return None, []
    if duration_s > MOST_PARTS * PART_S:
        raise UnreadableMedia(
            f"{name!r} claims to last {duration_s / 3600:.0f} hours: write it anew with its true length, or cut it"
        )
    return duration_s, parts_of(duration_s)


def _signed(path: str, landmarks: str, part: tuple[int, float, float] | None) -> tuple[str, tuple[bytes, ...]]:
    """Sign the faces; return what came of it, and the signatures."""
    try:
        if part is None:
            signatures = sign(path, landmarks=landmarks)
        else:
            signatures = sign(path, start_s=part[1], end_s=part[2], landmarks=landmarks)
    except NoVideo:
        if part is None or part[0] == 1:
            raise
        signatures = ()  # the picture ends before the length that the file claims
    if not signatures:
        return "no_face", ()
    status = "still" if all(signature.still for signature in signatures) else "signed"
    return status, tuple(signature.to_bytes() for signature in signatures)


def sign_clip(payload: dict[str, Any]) -> Answer:
    """Sign the faces of a clip, or of one part of it.

    Parameters
    ----------
    payload : dict
        ``uri``; ``landmarks``: the backend; ``known``: contents that are signed already, or cut into parts; for a part
        its number, start and end in ``part``, and the ``sha256`` that the content must have.

    Returns
    -------
    (dict, tuple of bytes)
        ``sha256``, and one of: nothing more, where the content is known; ``duration_s`` and ``parts``, where it is
        long: number, start and end of each; ``duration_s`` and ``status`` (``signed``, ``still`` or ``no_face``), with
        the signatures as bytes.

    Raises
    ------
    MediaError
        The clip can't be read, or changed meanwhile.
    BackendMissing, ArchiveError
        This worker can't do the work.
    """
    uri, part = payload["uri"], payload.get("part")
    name = public_name(uri)
    with local_copy(uri) as path:
        file = hash_file(path)
        if part is not None:
            if file.sha256 != payload["sha256"]:
                raise UnreadableMedia(f"{name!r} has changed since it was cut into parts: run the same command again")
            status, blobs = _signed(path, payload["landmarks"], tuple(part))
            return {"sha256": file.sha256, "status": status}, blobs
        if file.sha256 in payload["known"]:
            return {"sha256": file.sha256}, ()
        duration_s, parts = _planned(file, name)
        value: dict[str, Any] = {"sha256": file.sha256, "duration_s": duration_s}
        if parts:
            return value | {"parts": [list(part) for part in parts]}, ()
        status, blobs = _signed(path, payload["landmarks"], None)
        return value | {"status": status}, blobs
