"""Whether two sets of detections are the same, image by image."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssdbench.schema.image_evaluation import DetectionAgreement, EvaluationSettings, Relabelling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]
    Bools = NDArray[np.bool_]

MOST_RELABELLINGS = 10


@dataclass(slots=True)
class _Counts:
    """What is summed up over images."""

    same: int = 0
    relabelled: int = 0
    score: float = 0.0
    box_px: float = 0.0


def agreement(baseline: "Rows", candidate: "Rows", settings: EvaluationSettings) -> DetectionAgreement:
    """Compare detections, rows (D, 7) of image, left, top, width, height, score, label.

    A detection has a counterpart if one of the same image has its label, and score and every edge within the
    tolerances. NMS keeps boxes of one label apart, so that no detection takes another's counterpart.
    """
    import numpy as np

    counts, moved = _Counts(), Counter[tuple[int, int]]()
    for there, here in _by_image(baseline, candidate):
        _compare(there, here, settings, counts, moved)
    largest = max(len(baseline), len(candidate))
    common = moved.most_common(MOST_RELABELLINGS)
    return DetectionAgreement(
        baseline_detections=len(baseline),
        candidate_detections=len(candidate),
        same=counts.same,
        relabelled=counts.relabelled,
        largest_score_difference=counts.score,
        largest_box_difference_px=counts.box_px,
        identical=bool(np.array_equal(baseline, candidate)),
        equal=largest - counts.same <= settings.unmatched_share * largest,
        relabellings=tuple(Relabelling(baseline=a, candidate=b, detections=n) for (a, b), n in common),
    )


def _by_image(baseline: "Rows", candidate: "Rows") -> "list[tuple[Rows, Rows]]":
    """The detections of both sets on each image that has any."""
    import numpy as np

    images = np.union1d(baseline[:, 0], candidate[:, 0])
    sides = []
    for rows in (baseline, candidate):
        ordered = rows[np.argsort(rows[:, 0], kind="stable")]
        sides.append(np.split(ordered, np.searchsorted(ordered[:, 0], images)[1:]))
    return list(zip(*sides, strict=True))


def _compare(
    there: "Rows", here: "Rows", settings: EvaluationSettings, counts: _Counts, moved: Counter[tuple[int, int]]
) -> None:
    """Add one image to the counts."""
    import numpy as np

    if not len(there) or not len(here):
        return
    scores = np.abs(there[:, None, 5] - here[None, :, 5])
    edges = np.abs(_edges(there)[:, None] - _edges(here)[None, :]).max(axis=2)
    near = (scores <= settings.score_tolerance) & (edges <= settings.box_tolerance_px)
    same = near & (there[:, None, 6] == here[None, :, 6])
    known_there, known_here = same.any(axis=1), same.any(axis=0)
    counts.same += int(min(known_there.sum(), known_here.sum()))
    if same.any():
        counts.score = max(counts.score, float(scores[same].max()))
        counts.box_px = max(counts.box_px, float(edges[same].max()))
    other = near & ~known_there[:, None] & ~known_here[None, :]
    pairs = np.flatnonzero(other.any(axis=1))
    counts.relabelled += len(pairs)
    # Of several labels at one place the nearest score is the same detection.
    nearest = np.where(other[pairs], scores[pairs], np.inf).argmin(axis=1) if len(pairs) else pairs
    moved.update((int(one), int(two)) for one, two in zip(there[pairs, 6], here[nearest, 6], strict=True))


def _edges(rows: "Rows") -> "Rows":
    """Left, top, right and bottom."""
    import numpy as np

    edges: Rows = np.concatenate([rows[:, 1:3], rows[:, 1:3] + rows[:, 3:5]], axis=1)
    return edges
