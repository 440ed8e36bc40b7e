"""A clip and an index -> the recordings from which it may have been made, how it lies in them, and how sure that is.

Method: the signatures whose movements have most votes, and those whose pictures are most alike (`voting`), are laid
under the clip frame by frame (`aligning`) and ranked by the strength of that. Of the first of them the pictures are
compared, where they are there (`confirming`).
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from lipaccord._container import hash_file
from lipaccord.errors import UnreadableMedia
from lipaccord.landmarks import load_backend
from lipaccord.records import Reason
from lipaccord.source.aligning import align
from lipaccord.source.alignment import Alignment
from lipaccord.source.confirming import Beside
from lipaccord.source.finding import (
    MOST_EXPECTED,
    Candidate,
    Pictures,
    Searched,
    SourceFinding,
    Status,
    expected_false,
    observed_log10_false,
)
from lipaccord.source.index import Index, Kept, open_index
from lipaccord.source.indexing import LANDMARKS, neighbours_of
from lipaccord.source.neighbours import Neighbours
from lipaccord.source.reused import reused
from lipaccord.source.signature import Signature
from lipaccord.source.signing import sign
from lipaccord.source.voting import Vote, likest_of, votes_of
from lipaccord.source.whereabouts import astray, places
from lipaccord.source.windowing import windows

ALIGNED = 12  # signatures with most votes, and as many that look most alike, that are laid under the clip
MOST_LIKE_S = 1800.0  # of those that look alike: without a vote the clip is laid under the whole of each
BESIDE = 5  # candidates of a face of which the pictures are compared
SHOWN = 5
LOOKED_AFTER = 20_000
"""Sources of which it is looked whether they are gone or changed; each costs a look at the disk."""
UNSURE = 0.1
"""False matches as good as one that is not claimed, up to which it is pointed out."""
BY_EYE = "compare the likest with the clip by eye, or search by a longer part of it"
NOBODY = "use a part in which a face is seen for a second or longer, or a copy with more pixels"
MOVING = "use a part of the clip in which the head moves: a still picture agrees with every recording"


def _affordable(index: Index, likest: Sequence[int]) -> Sequence[int]:
    """Keep the first of these signatures, and others up to `MOST_LIKE_S` in all."""
    ends_s = list(accumulate(index.seconds(number, number) for number in likest))
    return likest[: max(1, sum(end_s <= MOST_LIKE_S for end_s in ends_s))]


def _aligned(
    index: Index, query: Signature, votes: Sequence[Vote], likest: Sequence[int]
) -> list[tuple[Kept, Alignment]]:
    """Lay signatures under the clip, those without a vote anywhere; of each recording keep the best."""
    voted = {vote.signature: vote for vote in votes}
    kept = index.kept(dict.fromkeys([*voted, *likest]))
    best: dict[str, tuple[Kept, Alignment]] = {}
    for number, known in kept.items():
        hint_s = voted[number].ahead_s + known.start_s if number in voted else None
        alignment = align(query, index.signature(number), hint_s)
        if alignment is None:
            continue
        if known.sha256 not in best or best[known.sha256][1].strength < alignment.strength:
            best[known.sha256] = known, alignment
    return sorted(best.values(), key=lambda one: (-one[1].strength, one[0].number))


def _candidates(
    index: Index, query: Signature, found: Sequence[tuple[Kept, Alignment]], hours: float
) -> list[Candidate]:
    """Say of each recording how often chance gives as much, by what is calibrated and by the others found."""
    is_likely = [expected_false(alignment.log10_false, hours) <= MOST_EXPECTED for _, alignment in found]
    others = [(one.strength, one.log10_false) for (_, one), likely in zip(found, is_likely, strict=True) if not likely]
    candidates = []
    for (known, alignment), likely in zip(found, is_likely, strict=True):
        rate = alignment.log10_false
        if likely:
            rate = max(rate, observed_log10_false(alignment.strength, rate, others, hours))
        expected = expected_false(rate, hours)
        lying = tuple((place.uri, place.state) for place in places(index, known.sha256))
        candidates.append(
            Candidate(query.face, known.face, known.sha256, lying, alignment, rate, expected, expected <= MOST_EXPECTED)
        )
    return candidates


def _of_face(index: Index, files: Sequence[Neighbours], query: Signature, hours: float) -> list[Candidate]:
    """Return the recordings in which a face may be found; one that hardly moves has those that look alike alone."""
    likest = _affordable(index, likest_of(files, query, ALIGNED))
    return _candidates(index, query, _aligned(index, query, votes_of(files, query)[:ALIGNED], likest), hours)


def _searched(index: Index, files: Sequence[Neighbours]) -> Searched:
    counts = index.tally()
    many = sum(counts.values()) > LOOKED_AFTER
    lost = () if many else tuple((place.uri, place.state) for place in astray(index))
    return Searched(
        recordings=index.recordings(),
        signatures=index.last()[0],
        hours=sum(file.covered.seconds for file in files) / 3600,
        without={name: count for name, count in counts.items() if name != "signed"},
        astray=lost,
        looked_after=not many,
    )


def _unfit(queries: Sequence[Signature]) -> Reason | None:
    """Say why a clip can't be searched for; None where it can."""
    if not queries:
        return Reason("no_face", "No face is seen for long enough.", NOBODY)
    if all(query.still for query in queries):
        return Reason("still", "The picture stands still: it would agree with every recording.", MOVING)
    return None


def _moves(query: Signature) -> bool:
    """Tell whether a face moves enough to be searched for by its movements."""
    return len(windows(query)[0]) > 0


def _compared(candidates: Sequence[Candidate], beside: Callable[[Candidate], Pictures | None]) -> Iterator[Candidate]:
    """Compare the pictures of candidates."""
    for candidate in candidates:
        pictures = beside(candidate)
        yield candidate if pictures is None else candidate.with_pictures(pictures, BESIDE)


def _surest(candidate: Candidate) -> tuple[object, ...]:
    """Order candidates: those for which chance is the worst explanation first."""
    return candidate.expected_false, -candidate.alignment.strength, candidate.sha256, candidate.query_face


def _verdict(searched: Searched, candidates: Sequence[Candidate], *, moves: bool) -> tuple[Status, Reason]:
    best = next((candidate for candidate in candidates if candidate.is_match), None)
    if best is None and not moves:
        return "not_examinable", Reason("too_short", "No face is followed, and moves, for long enough.", NOBODY)
    if best is None:
        extent = f"{searched.recordings:,} recordings with a face, {searched.hours:.2f} hours, were searched."
        expected = candidates[0].expected_false if candidates else math.inf
        if expected > UNSURE:
            text = f"No recording in the index shows this head in this movement: {extent}"
            return "not_found", Reason("not_found", text)
        text = (
            f"No recording in the index is sure to show this head in this movement: {extent} The likest may: others as "
            f"good are expected {expected:.1g} times in such a search; a claim asks for {MOST_EXPECTED:g} at most."
        )
        return "not_found", Reason("not_sure", text, BY_EYE)
    if best.alignment.sound.same is False:
        return "sound_replaced", Reason("sound_differs", "The picture is that of the recording; the sound is another.")
    heard = "and so is the sound" if best.alignment.sound.same else "too little is heard in both to compare the sound"
    text = f"The picture round the mouth is that of the recording, {heard}."
    return "same_recording", Reason("picture_agrees", text)


def search(
    index: Index,
    queries: Sequence[Signature],
    most: int = SHOWN,
    beside: Callable[[Candidate], Pictures | None] | None = None,
) -> SourceFinding:
    """Search an index for the recordings in which the faces of a clip are found.

    Parameters
    ----------
    index : Index
    queries : sequence of Signature
        Of the clip.
    most : int
        Candidates to return for each face.
    beside : callable, optional
        Compares the pictures of the clip with those of a candidate; None where that can't be done. Asked for the first
        `BESIDE` candidates of each face. By default the signatures alone decide.

    Returns
    -------
    SourceFinding

    Raises
    ------
    ArchiveError
        The index was made with other landmarks, is damaged, or its files for the search have to be made and can't be.
    BackendMissing
        faiss is not installed.
    """
    for query in queries:
        index.check_landmarks(query.landmarks)
    files = neighbours_of(index)
    searched = _searched(index, files)
    if (reason := _unfit(queries)) is not None:
        return SourceFinding("not_examinable", (reason,), searched)
    candidates: list[Candidate] = []
    moving = [_moves(query) for query in queries]
    for query, moves in zip(queries, moving, strict=True):
        of_face = _of_face(index, files, query, searched.hours)
        if beside is not None and moves:  # the pictures of a head that hardly moves agree at every moment
            of_face = [*_compared(of_face[:BESIDE], beside), *of_face[BESIDE:]]
        candidates += sorted(of_face, key=_surest)[:most]
    candidates.sort(key=_surest)
    status, reason = _verdict(searched, candidates, moves=any(moving))
    return SourceFinding(status, (reason, *_warnings(searched)), searched, tuple(candidates))


def _warnings(searched: Searched) -> Iterator[Reason]:
    """Say what the search could not reach."""
    if lacking := searched.without.get("failed", 0) + searched.without.get("waiting", 0):
        yield Reason("sources_missing", f"{lacking} sources of the index were not signed, and so not searched.")
    if searched.astray:
        text = f"{len(searched.astray)} sources are gone or changed since they were signed: searched is what they held."
        yield Reason("sources_astray", text)
    if not searched.looked_after:
        yield Reason("sources_not_looked_after", "It was not looked whether sources have changed since.")


def match(
    path: str | os.PathLike[str],
    folder: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    most: int = SHOWN,
    threads: int = 1,
) -> tuple[str, SourceFinding]:
    """Sign a clip, or a part of it, search an index for its source, and compare the pictures of what comes nearest.

    Parameters
    ----------
    path : path-like
    folder : Path
        The index.
    start_s, end_s : float, optional
        Part of the clip.
    most : int
        Candidates to return for each face.
    threads : int
        Of the decoder.

    Returns
    -------
    sha256 : str
        Of the clip.
    finding : SourceFinding

    Raises
    ------
    MediaError, BackendMissing, SettingsError
        As for `signing.sign`.
    ArchiveError
        As for `search`, or there is no index.
    """
    with open_index(folder) as index:
        sha256 = hash_file(os.fsdecode(path)).sha256
        queries = sign(path, start_s=start_s, end_s=end_s, landmarks=LANDMARKS, threads=threads)
        if any(query.sha256 != sha256 for query in queries):
            raise UnreadableMedia(f"{os.fsdecode(path)!r} changed while it was signed: work on a copy")
        beside = Beside(path, load_backend(LANDMARKS), threads)
        return sha256, dataclasses.replace(search(index, queries, most, beside), reused=reused(queries))
