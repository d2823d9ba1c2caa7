"""The columns of the table of seeds, on a page and in Markdown."""

from ssdbench.report.numbers import duration, rounded
from ssdbench.schema.report import SeedRow
from ssdbench.schema.text import percent

SEED_COLUMNS = ("AP", "AP@.50", "Epochs", "Time to train", "Evaluation", "images/s (global)")
"""The columns between the name of a seed and its outcome."""


def seed_cells(seed: SeedRow, baseline: SeedRow | None = None) -> tuple[str, ...]:
    """The values of one seed as text, its AP also relative to that of `baseline`; a hyphen for what it lacks."""
    change = ""
    if seed.ap is not None and baseline is not None and baseline.ap:
        change = f" ({percent(seed.ap / baseline.ap - 1, sign='+')})"
    return (
        "-" if seed.ap is None else f"{seed.ap:.4f}{change}",
        "-" if seed.ap_50 is None else f"{seed.ap_50:.4f}",
        str(seed.epochs),
        "-" if seed.seconds is None else duration(seed.seconds),
        "-" if seed.evaluation_share is None else f"{100 * seed.evaluation_share:.1f}%",
        "-" if seed.images_per_second is None else rounded(seed.images_per_second, 4),
    )
