"""A labelled manifest -> the calibration of a bundle: a laboratory's own, on its own footage.

The clips are measured as for an evaluation with matched encodes (`survey`), gathered into labelled scores (`samples`)
and calibrated (`fitting`). A finding whose classes are too few stays without a calibration, and the card says so. The
other parts of the bundle stay as they are; the calibration is tied to them by their hashes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lipaccord
from lipaccord.bundle import (
    CALIBRATION,
    CARD,
    MANIFEST,
    calibration_bytes,
    check_destination,
    load_bundle,
    with_section,
    write_bundle,
)
from lipaccord.calibration import FINDINGS, Calibrations
from lipaccord.calibration_reading import load_calibrations
from lipaccord.card import calibration_card
from lipaccord.errors import CalibrationError
from lipaccord.evaluation import rounded
from lipaccord.fitting import calibrate
from lipaccord.records import FindingName
from lipaccord.samples import resynthesis_sample, sync_sample
from lipaccord.settings import Settings
from lipaccord.survey import Progress, survey

UNSAID = "Nothing was said of the footage when it was calibrated (`--note`)."


def _command(*, match_encodes: bool, settings: Settings, finding: FindingName | None) -> str:
    """Return the command that repeats a calibration."""
    options = "" if finding is None else f" --finding {finding}"
    options += "" if match_encodes else " --as-they-came"
    options += "" if settings.end_s is None else f" --end {settings.end_s:g}"
    return f"lipaccord calibrate MANIFEST --out BUNDLE{options}"


def calibrate_bundle(
    manifest: Path,
    out: Path,
    *,
    work: Path | None = None,
    note: str | None = None,
    finding: FindingName | None = None,
    match_encodes: bool = True,
    processes: int | None = None,
    bundle: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> tuple[Calibrations, tuple[str, ...]]:
    """Calibrate a bundle on labelled clips.

    Parameters
    ----------
    manifest : Path
        See `manifest`.
    out : Path
        Folder of the bundle to write.
    work : Path, optional
        Folder for what is kept of each clip, the same as the folder of an evaluation; by default beside `out`.
    note : str, optional
        What the card should say of the footage: where it comes from, and what it must not be used for.
    finding : str, optional
        The one to calibrate; the calibration of the other is kept. By default both.
    match_encodes : bool
        Give authentic clips the encodes that synthesised ones went through.
    processes : int, optional
        Clips examined at a time; by default one for each processor.
    bundle : Path, optional
        Bundle to start from: its other parts are kept. By default `out` where it is there, else the one shipped.
    settings : Settings, optional
        What to examine and how.
    progress : callable, optional
        Told the stage and the fraction of it that is done.

    Returns
    -------
    dict of str to Calibration
        By finding.
    tuple of str
        What was left out, one line each, and findings that could not be calibrated.

    Raises
    ------
    ManifestError, BundleError, EvaluationError
        As their names say.
    CalibrationError
        No finding could be calibrated.
    OSError
        A file can't be written.
    """
    check_destination(out)
    start = bundle or (out if (out / MANIFEST).exists() else None)
    base = load_bundle(start)
    folder = work or out.with_name(f"{out.name}-work")
    found = survey(
        manifest,
        folder,
        base,
        match_encodes=match_encodes,
        processes=processes,
        bundle_path=start,
        settings=settings,
        progress=progress,
    )
    samples = {"sync": sync_sample(found), "resynthesis": resynthesis_sample(found, base)}
    made: Calibrations = {}
    kept = load_calibrations(base.calibration)
    refused: dict[FindingName, str] = {}
    command = _command(match_encodes=match_encodes, settings=settings or Settings(), finding=finding)
    for name in FINDINGS:
        labelled = samples[name]
        if finding not in (None, name):
            continue
        if labelled is None:
            refused[name] = f"{name} is not calibrated: there are no scored clips of both classes"
            continue
        try:
            encodes = "matched" if match_encodes else "as they came"
            population = labelled.population | {"command": command, "note": note or UNSAID, "encodes": encodes}
            made[name], _ = calibrate(labelled.sample, name, population, labelled.rescore)
        except CalibrationError as error:
            refused[name] = f"{name} is not calibrated: {error}"
    if not made:
        raise CalibrationError("; ".join(refused.values()))
    known: Calibrations = {name: one for name, one in kept.items() if name not in refused} | made
    everything: Calibrations = {name: known[name] for name in FINDINGS if name in known}
    numbers: dict[str, Any] = {name: rounded(one.to_dict()) for name, one in everything.items()}
    section = calibration_card(everything, refused)
    files = base.files | {CALIBRATION: calibration_bytes(base.files, numbers)}
    files[CARD] = with_section(base.card, "calibration", section).encode()
    write_bundle(out, base.name, lipaccord.__version__, files)
    return made, (*found.left_out, *refused.values())
