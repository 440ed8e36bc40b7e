"""What the page on the source of a clip says, as plain values: answers first, then the match, the search, the files.

Conventions: text that comes from a clip or its path is in the harmless form of `wording.plain`; markup is the page's.
Times are on the clock of the clip, or of the recording where that is said.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any

from lipaccord.archive.urls import public_name
from lipaccord.report.source_beside import span, times, told_beside
from lipaccord.report.wording import plain, remedies, sentence
from lipaccord.source.answering import Answer
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.finding import MOST_EXPECTED, Candidate, Searched, SourceFinding
from lipaccord.source.wording import NAMED, STATUS, WORDS, edits_in_words, full, recording_name, sound_in_words

LIMITS = (
    "It says whether this picture was made from that recording, and where the two differ; not who altered it, or why. "
    "Dubbing, translation and a filter change a mouth openly.",
    "Not found does not mean authentic: the recording may be missing from the index, the clip too short, or the whole "
    "picture drawn anew. Short clips are missed most.",
    "The statistics come from research footage, on which choices were made too; on footage of other kinds they may be "
    "others. Rates of false matches are extrapolated by several powers of ten.",
    "A small face, a hard encode or a caption over the mouth hides an altered mouth; what was hidden is said above.",
    "Where two faces are seen, each is compared; the page shows the one that differs most.",
)
TONES = {
    "same_recording": "quiet",
    "mouth_altered": "loud",
    "sound_replaced": "loud",
    "different_recording": "open",
    "not_found": "open",
    "not_examinable": "none",
}
STATES = {
    "there": "there, as it was signed",
    "gone": "gone since it was signed",
    "changed": "changed since it was signed",
    "not_looked_at": "on a server; not looked at",
}
RAREST = 1e-9  # that is told as a number of searches
STRETCHES = 12


def how_often(expected: float) -> str:
    """Say in searches how often chance gives as strong a match."""
    if expected < RAREST:
        return f"less than once in {1 / RAREST:,.0f} searches"
    if expected < 0.1:
        return f"about once in {float(f'{1 / expected:.1g}'):,.0f} searches"
    return f"about {float(f'{expected:.1g}'):,.12g} times in every search"


def _file_name(candidate: Candidate) -> str:
    """Name a recording in short."""
    name = recording_name(candidate)
    return plain(PurePath(name).name if candidate.places else name)


def _is_open(finding: SourceFinding, made: Exhibit | None) -> bool:
    """Tell whether the recording was found and nothing is known of the mouth."""
    return finding.status == "same_recording" and (made is None or made.status == "not_examinable")


def _tone(finding: SourceFinding, made: Exhibit | None) -> str:
    return "open" if _is_open(finding, made) else TONES[finding.status]


def _status(finding: SourceFinding, made: Exhibit | None) -> str:
    if _is_open(finding, made):
        return "Found: the recording is in the index; the mouth was not compared."
    return STATUS[finding.status]


def _found(finding: SourceFinding, best: Candidate | None) -> dict[str, str]:
    """Answer whether the recording is in the index."""
    question = "Is the recording from which it was made in the index?"
    if best is None:
        tone = TONES[finding.status]
        said = {
            "not_found": "It was not found. That does not mean that there is none: see what was searched.",
            "not_examinable": "It could not be searched for.",
        }[finding.status]
        if any(reason.code == "not_sure" for reason in finding.reasons):
            said = "It was not found for sure. One recording comes near: compare the two by eye."
        return {"tone": tone, "question": question, "text": said}
    if finding.status == "different_recording":
        text = (
            f"No. {_file_name(best)} came nearest, but laid over each other the two do not show the same moment: it "
            "was not made from this recording."
        )
        return {"tone": "open", "question": question, "text": text}
    stretches = best.alignment.stretches
    turned = ", mirrored" if best.alignment.mirrored else ""
    where = span(stretches[0].source_start_s, stretches[-1].source_end_s)
    return {"tone": "quiet", "question": question, "text": f"Yes: {_file_name(best)}, {where} of it{turned}."}


def _mouth(finding: SourceFinding, made: Exhibit | None) -> dict[str, str]:
    """Answer whether the mouth is that of the recording."""
    question = "Is the mouth that of the recording?"
    if made is None or made.status == "not_examinable":
        return {"tone": "none", "question": question, "text": f"Not compared. {full(finding.reasons[-1].text)}"}
    copies = f"{made.copies} unaltered copies of other recordings stayed below {times(made.limit)}"
    if made.status != "mouth_altered":
        text = f"As far as can be seen, yes: the lower face differs no more than an encode explains ({copies})."
        return {"tone": "quiet", "question": question, "text": text}
    if made.statistic is not None and made.statistic > made.limit:
        text = (
            f"No. With what an encode explains taken off, the lower face differs {times(made.statistic)} as much as "
            f"the upper one; {copies}."
        )
        return {"tone": "loud", "question": question, "text": text}
    return {"tone": "loud", "question": question, "text": "No. The whole face differs; what lies round it does not."}


def _sound(best: Candidate) -> dict[str, str]:
    """Answer whether the sound is that of the recording."""
    same = best.alignment.sound.same
    tone, word = {None: ("none", ""), True: ("quiet", "Yes: "), False: ("loud", "No: ")}[same]
    said = sound_in_words(best.alignment.sound)
    text = f"{word}{said if word else sentence(said)}."
    return {"tone": tone, "question": "Is the sound that of the recording?", "text": text}


def _answers(found: Answer, best: Candidate | None) -> Iterator[dict[str, str]]:
    yield _found(found.finding, best)
    if best is not None and found.finding.status != "different_recording":
        yield _mouth(found.finding, found.exhibit)
        yield _sound(best)


def _speed(candidate: Candidate) -> str:
    speed = float(candidate.to_values()["speed"])
    return "that of the recording" if abs(speed - 1) < 5e-4 else f"{speed:.3f} times that of the recording"


def _looks(candidate: Candidate) -> Iterator[tuple[str, str]]:
    named = {"near": "upper face", "wide": "head and surroundings"}
    looks = candidate.alignment.looks
    if looks:
        text = ", ".join(f"{named[name]} {share:.0%}" for name, share in looks.items())
        yield "Bits of the picture hashes that differ", f"{text} (of two unrelated pictures about half)"


def _alike(candidate: Candidate) -> Iterator[tuple[str, str]]:
    """Tell what the match rests on."""
    yield "Movement of the head", f"strength {candidate.alignment.strength:.0f}"
    seen = candidate.pictures
    if seen is not None:
        yield (
            "Pictures, moment by moment",
            f"in {seen.hits:.0%} of {seen.frames} frames no other moment of the recording is more alike; correlation "
            f"{seen.correlation:.3f}",
        )


def _chance(candidate: Candidate) -> str:
    return (
        f"in an index of this size chance gives as good a match {how_often(candidate.expected_false)} "
        f"({candidate.expected_false:.1g} expected in each)"
    )


def _match(candidate: Candidate) -> dict[str, Any]:
    """Tell where and how the clip lies in a recording."""
    alignment = candidate.alignment
    stretches = alignment.stretches
    rows = [
        ("Recording", plain(recording_name(candidate))),
        ("In the clip", f"{span(stretches[0].start_s, stretches[-1].end_s)} ({candidate.query_face})"),
        ("In the recording", f"{span(stretches[0].source_start_s, stretches[-1].source_end_s)} ({candidate.face})"),
        ("Frames of the clip that lie in it", f"{alignment.covered:.0%}"),
        ("Mirrored", "yes" if alignment.mirrored else "no"),
        ("Speed", _speed(candidate)),
        ("Sound", sentence(sound_in_words(alignment.sound))),
        *_looks(candidate),
        *_alike(candidate),
        ("How sure", sentence(_chance(candidate))),
    ]
    edits = list(edits_in_words(alignment))
    return {
        "rows": rows,
        "edits": [plain(edit) for edit in edits],
        "stretches": [
            (span(one.start_s, one.end_s), span(one.source_start_s, one.source_end_s), f"{one.speed:.3f}")
            for one in stretches[:STRETCHES]
        ],
        "more_stretches": max(0, len(stretches) - STRETCHES),
    }


def _others(candidates: Iterable[Candidate], best: Candidate | None) -> Iterator[dict[str, str]]:
    """Tell of the recordings that came next."""
    for one in candidates:
        if one is best:
            continue
        first = one.alignment.stretches[0]
        yield {
            "name": plain(recording_name(one)),
            "claimed": "also a match" if one.is_match else "no match",
            "where": f"{first.start_s:.2f} s of the clip at {first.source_start_s:.2f} s; "
            f"{one.alignment.covered:.0%} of its frames",
            "chance": f"Strength {one.alignment.strength:.0f}; {_chance(one)}",
        }


def _long(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def _searched(searched: Searched) -> dict[str, Any]:
    """Tell what was searched, and what could not be."""
    lacking = [f"{count:,} {WORDS[name]}" for name, count in searched.without.items() if count]
    return {
        "text": f"{searched.recordings:,} recordings with {searched.signatures:,} followed faces, "
        f"{_long(searched.hours)} in all.",
        "lacking": lacking,
        "astray": [(plain(public_name(uri)), STATES[state]) for uri, state in searched.astray[:NAMED]],
        "more_astray": max(0, len(searched.astray) - NAMED),
        "looked_after": searched.looked_after,
    }


def _command(clip: str, index: Path, part: tuple[float | None, float | None]) -> str:
    options = [f"{name} {value:g}" for name, value in zip(("--start", "--end"), part, strict=True) if value is not None]
    words = ["lipaccord match", shlex.quote(clip), "--index", shlex.quote(str(index)), *options, "--report report.html"]
    return plain(" ".join(words))


def _identity(found: Answer, clip: str, index: Path, landmarks: str, version: str) -> Iterator[tuple[str, str]]:
    best = found.finding.best
    yield "Clip as it was named", plain(clip)
    yield "SHA-256 of the clip", found.sha256
    if best is not None:
        yield "SHA-256 of the recording", best.sha256
        for uri, state in best.places:
            yield f"Recording, {STATES[state]}", plain(public_name(uri))
    yield "Index", plain(str(index))
    yield "Landmarks of index and clip", plain(landmarks)
    yield "Version of lipaccord", plain(version)


def told_source(
    found: Answer,
    clip: str,
    part: tuple[float | None, float | None],
    index: Path,
    landmarks: str,
    version: str,
) -> dict[str, Any]:
    """Return all that the page says in words.

    Parameters
    ----------
    found : Answer
    clip : str
        As it was named.
    part : tuple of float or None
        Of the clip that was examined: start and end.
    index : Path
    landmarks, version : str
        With which the index was made; of this program.
    """
    finding, best = found.finding, found.finding.best
    ends = ("the start" if part[0] is None else f"{part[0]:g} s", "the end" if part[1] is None else f"{part[1]:g} s")
    return {
        "name": plain(PurePath(clip).name),
        "part": None if part == (None, None) else f"Examined: from {ends[0]} to {ends[1]}",
        "sha256": found.sha256,
        "version": plain(version),
        "tone": _tone(finding, found.exhibit),
        "status": _status(finding, found.exhibit),
        "answers": list(_answers(found, best)),
        "reasons": [full(reason.text) for reason in finding.reasons],
        "remedies": [full(remedy) for remedy in remedies(finding.reasons)],
        "match": None if best is None else _match(best),
        "is_other": finding.status == "different_recording",
        "beside": None if found.exhibit is None else told_beside(found.exhibit),
        "searched": _searched(finding.searched),
        "others": list(_others(finding.candidates, best)),
        "most_expected": f"{1 / MOST_EXPECTED:,.0f}",
        "limits": LIMITS,
        "identity": list(_identity(found, clip, index, landmarks, version)),
        "command": _command(clip, index, part),
    }
