"""The columns of the table of seeds, on a page and in Markdown."""

from ssdbench.report.numbers import duration, rounded
from ssdbench.schema.report import SeedRow

SEED_COLUMNS = ("Epochs", "AP", "AP@.50", "Time to train", "Evaluation", "images/s (global)")
"""The columns after the name of a seed and its outcome."""


def seed_cells(seed: SeedRow) -> tuple[str, ...]:
    """The values of one seed as text; a hyphen for what it did not reach."""
    return (
        str(seed.epochs),
        "-" if seed.ap is None else f"{seed.ap:.4f}",
        "-" if seed.ap_50 is None else f"{seed.ap_50:.4f}",
        "-" if seed.seconds is None else duration(seed.seconds),
        "-" if seed.evaluation_share is None else f"{100 * seed.evaluation_share:.1f}%",
        "-" if seed.images_per_second is None else rounded(seed.images_per_second, 4),
    )
