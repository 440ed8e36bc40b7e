"""What a calibration came to, as a table for people, on a console of rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from lipaccord.calibration import Calibrations


def print_calibrations(made: Calibrations, console: Console) -> None:
    """Print the cross-validated figures and the bounds of every finding that was calibrated.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    title = Text("Calibrated, cross-validated by group", style="bold")
    table = Table(title=title, title_justify="left", box=box.HORIZONTALS, pad_edge=False)
    for heading in ("finding", "groups", "Cllr", "Cllr_min", "bounds", "claimed at", "chosen"):
        table.add_column(heading, overflow="fold")
    for name, one in made.items():
        counts = " / ".join(str(one.population[f"{side}_groups"]) for side in ("suspicious", "innocent"))
        costs = [f"{one.figures[key]:.3f}" for key in ("cllr", "cllr_min")]
        pairs = [f"{low:+.2f} to {high:+.2f}" for low, high in (one.bounds, one.decide)]
        table.add_row(name, counts, *costs, *pairs, one.figures["candidate"])
    console.print(table)
    console.print(
        "Groups: suspicious / other, each counting once. Bounds and claims: log10 likelihood ratios; a claim beyond "
        "the bounds is never reached. Cllr in bits: 1 is what ratios of 1 throughout cost."
    )
