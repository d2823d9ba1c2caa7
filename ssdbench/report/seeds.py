"""The table of seeds, the same on a page and in Markdown."""

from ssdbench.report.numbers import duration, rounded
from ssdbench.schema.report import SeedRow

SEED_COLUMNS = ("Epochs", "AP", "AP@.50", "Time to train", "Evaluation", "images/s (global)")
"""What stands behind the name of a seed and how it ended."""


def seed_cells(seed: SeedRow) -> tuple[str, ...]:
    """The figures of one seed as text; a hyphen for what it did not come to."""
    return (
        str(seed.epochs),
        "-" if seed.ap is None else f"{seed.ap:.4f}",
        "-" if seed.ap_50 is None else f"{seed.ap_50:.4f}",
        "-" if seed.seconds is None else duration(seed.seconds),
        "-" if seed.evaluation_share is None else f"{100 * seed.evaluation_share:.1f}%",
        "-" if seed.images_per_second is None else rounded(seed.images_per_second, 4),
    )
