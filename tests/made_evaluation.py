"""Stand-ins for what an evaluation spends its time on: clips that are small texts, examined, encoded and crossed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from analyses import analysis
from lipaccord import crossing, examining, matching, treatments
from lipaccord.bundle import CALIBRATION, Bundle, calibration_bytes, load_bundle, packed, write_bundle
from lipaccord.calibration import Calibration
from lipaccord.crossing import Meeting
from lipaccord.errors import UnreadableMedia
from lipaccord.examining import Job, Record, keep
from lipaccord.findings import nothing_to_examine
from lipaccord.records import Analysis
from lipaccord.settings import Settings
from lipaccord.treatments import Treatment
from made_survey import CONDITIONS, PLAIN, SYNC_FIGURES, WHY, heard, seen

HEADING = "path,mouth,sound,method,group,pair"
LOSS = {"crf18": 0.1, "crf24": 0.3, "crf31": 0.8}


def clip(folder: Path, name: str, forehead: float | None = 0.0, blur: float | None = 1.0, **more: Any) -> str:
    """Write a stand-in for a clip: a file that says what will be measured of it; return its name."""
    truth = {"name": name, "forehead": forehead, "blur": blur, **more}
    (folder / name).write_text(json.dumps(truth))
    return name


def told(path: Path) -> dict[str, Any]:
    """Return what a stand-in says."""
    truth: dict[str, Any] = json.loads(path.read_text())
    return truth


def plain_bundle(folder: Path, groups: tuple[str, ...] = (), **made: Calibration) -> Bundle:
    """Write a bundle by which the score of the finding resynthesis is that of the cue `blur`, and read it back."""
    base = load_bundle()
    files = base.files | {"resynthesis.json": packed(PLAIN.to_dict() | {"groups": list(groups)})}
    numbers = {name: one.to_dict() for name, one in made.items()}
    write_bundle(folder, "plain", "made", files | {CALIBRATION: calibration_bytes(files, numbers)})
    return load_bundle(folder)


class StandIns:
    """Take the place of what is slow: the pipeline, the encoder, the measure of the forehead, and the sounds.

    Attributes
    ----------
    analysed, encoded, listened, met : list of str
        What was done, by name.
    lengths : tuple of int
        Frames of the windows that every clip gives, one of each.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.analysed: list[str] = []
        self.encoded: list[str] = []
        self.listened: list[str] = []
        self.met: list[str] = []
        self.lengths: tuple[int, ...] = (300,)
        monkeypatch.setattr(examining, "analyze", self._analyze)
        monkeypatch.setattr(treatments, "treat", self._treat)
        monkeypatch.setattr(matching, "forehead_detail", lambda path, tracks, face, start, end: told(path)["forehead"])
        monkeypatch.setattr(crossing, "hear", self._hear)
        monkeypatch.setattr(crossing, "meet", self._meet)

    def _analyze(
        self, path: Path, *, settings: Settings, bundle: Path | None, save_tracks: Path, threads: int
    ) -> Analysis:
        truth = told(path)
        assert threads == 1
        if truth.get("trouble") == "media":
            raise UnreadableMedia(f"{path} is damaged: copy it again")
        if truth.get("trouble") == "bug":
            raise ZeroDivisionError("by nothing")
        if truth.get("trouble") == "kill":
            (path.parent / truth["name"]).write_text(json.dumps(truth | {"trouble": ""}))
            raise KeyboardInterrupt
        self.analysed.append(truth["name"])
        if truth["forehead"] is None:
            return analysis(*nothing_to_examine(WHY), faces=(), segments=())
        conditions = CONDITIONS | {"detail": truth["forehead"]}
        return analysis(seen(truth["blur"], conditions), heard(truth.get("sync", -5.0)), segments=())

    def _treat(self, path: Path, treatment: Treatment, out: Path, start: float | None, end: float | None) -> None:
        truth = told(path)
        self.encoded.append(f"{truth['name']} {treatment.name}")
        loss = LOSS.get(treatment.name, 2.0)
        out.write_text(json.dumps(truth | {"forehead": truth["forehead"] - loss, "blur": truth["blur"] + loss}))

    def _hear(self, job: Job) -> Record:
        truth = told(job.path)
        assert job.face == "face-1"
        self.listened.append(f"{truth['name']} {job.rung}")
        if truth.get("trouble") == "deaf":
            raise UnreadableMedia(f"{job.path} has no sound any more")
        return keep(job.heard, {"windows": [(job.sha256, 0, length) for length in self.lengths]})

    def _meet(self, meeting: Meeting) -> Record:
        """Find that a clip's own sound agrees by 5, and another one not at all."""
        self.met.append(told(meeting.job.path)["name"])
        own = told(meeting.job.path).get("sync", -5.0)
        rows = [
            _row(sound, truth, own if not truth else 0.0)
            for mouth, others in zip(meeting.own, meeting.others, strict=True)
            for sound, truth in ((mouth, 0), *((other, 1) for other in others))
        ]
        return keep(meeting.kept_at, {"rows": rows})


def _row(sound: crossing.Place, truth: int, score: float | None) -> dict[str, Any]:
    return {
        "truth": truth,
        "sound": sound[0],
        "length_s": sound[2] / 100,
        "start_s": 0.0,
        "sound_start_s": sound[1] / 100,
        "version": "2",
        "score": score,
        "conditions": {"speech_s": 2.9, "eyes_px": 80.0},
        "abstained": [],
        "details": SYNC_FIGURES,
    }


def manifest(folder: Path, *rows: str) -> Path:
    """Write a manifest of these rows."""
    path = folder / "manifest.csv"
    path.write_text("\n".join([HEADING, *rows]) + "\n")
    return path


def people(folder: Path, count: int = 8, **more: Any) -> Path:
    """Write one authentic clip and one of the method Paint for each person; Paint lost 0.3 of the forehead's detail."""
    rows = []
    for n in range(count):
        own = clip(folder, f"real{n}.mp4", forehead=0.01 * n, blur=1.0 + 0.01 * n)
        fake = clip(folder, f"fake{n}.mp4", forehead=0.01 * n - 0.3 + 0.001, blur=1.2 + 0.01 * n, **more)
        rows += [f"{own},camera,together,,p{n},", f"{fake},synthesised,driven,Paint,p{n},"]
    return manifest(folder, *rows)


def table(out: Path, name: str = "clips.csv") -> list[dict[str, str]]:
    """Read a table of an evaluation."""
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))
