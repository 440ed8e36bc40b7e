"""A clip and some times -> the pictures at these times, with as little decoding as that takes.

The pictures are those of `media.ClipReader.frames`, pixel by pixel.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from lipaccord._claims import read_claims
from lipaccord._container import hash_file, open_container, still_the_same
from lipaccord._sparse import pictures_at
from lipaccord.errors import SettingsError, UnreadableMedia
from lipaccord.records import Frame


def stills(
    path: str | os.PathLike[str],
    times_s: Iterable[float],
    *,
    sha256: str,
    start_s: float | None = None,
    threads: int = 2,
) -> Iterator[Frame]:
    """Read single pictures of a clip that was examined.

    Parameters
    ----------
    path : path-like
    times_s : iterable of float
        Times of pictures, to a microsecond, in any order.
    sha256 : str
        Of the file that was examined, in hexadecimal.
    start_s : float, optional
        Where the examined part began.
    threads : int
        Threads of the decoder; the pictures of an undamaged stream are the same with any number.

    Returns
    -------
    iterator of Frame
        In the order of time, each once; the index counts them.

    Raises
    ------
    SettingsError
        `threads` is less than 1.
    UnreadableMedia
        The file is not the one that was examined, changes meanwhile, or shows no picture at one of the times.
    NoVideo, NoAudio
        As for `media.open_clip`.
    """
    if threads < 1:
        raise SettingsError(f"threads is {threads}: at least 1 is needed")
    file = hash_file(os.fsdecode(path))
    if file.sha256 != sha256:
        raise UnreadableMedia(f"{file.path!r} is not the file that was examined: name that one, or examine it again")
    wanted = sorted({float(time_s) for time_s in times_s})
    with open_container(file) as container:
        index = read_claims(file.path, container).video.index
    count = 0
    for time_s, image in pictures_at(file, index, wanted, start_s, threads):
        yield Frame(count, time_s, image)
        count += 1
    if count < len(wanted):
        raise UnreadableMedia(
            f"{file.path!r} shows no picture at one of the times asked for, from {wanted[count]:.6f} s on: name times "
            "of pictures that were examined"
        )
    still_the_same(file)
