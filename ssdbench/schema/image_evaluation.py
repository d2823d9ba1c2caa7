"""One trained model judged in two container images: how far their detections agree, and what that does to AP."""

from __future__ import annotations

from ssdbench.compatibility import dataclass
from ssdbench.errors import UsageError
from ssdbench.schema.case import Case
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.record import ContainerImage, Dataset
from ssdbench.schema.verdict import Status

_RANGES = (
    ("margin", 1e-6, 1.0),
    ("confidence", 0.5, 1.0),
    ("resamples", 100, 1_000_000),
    ("score_tolerance", 0.0, 1.0),
    ("box_tolerance_px", 0.0, 1000.0),
    ("unmatched_share", 0.0, 1.0),
    ("relabelled_share", 0.0, 1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """Levels of the judgement, kept with it.

    margin: relative change of AP that matters.
    confidence: that of the interval of the difference of AP.
    resamples: how often the images are drawn again, with `seed`.
    score_tolerance, box_tolerance_px: how far score and every edge of a box may differ between two detections that are
        taken for the same. On a CPU, rounding alone moved scores by up to 1.3e-5 and edges by up to 0.01 px (fp32,
        ResNet-18 and -50; other kernels, memory layouts and batch sizes); the tolerances are ten times that and more.
        One grey level in the decoded images moves scores by 1e-2, and bf16 by 5e-2.
    unmatched_share: share of detections up to which the two sets are equal although these have no counterpart: a
        detection at the score threshold, or at the limit of NMS, is there or not by the last bit.
    relabelled_share: share of detections from which equal boxes and scores under other labels are a fault.

    Raises:
        UsageError: a value outside of its range.
    """

    margin: float = 0.01
    confidence: float = 0.99
    resamples: int = 2000
    seed: int = 1
    score_tolerance: float = 1e-3
    box_tolerance_px: float = 0.1
    unmatched_share: float = 1e-3
    relabelled_share: float = 0.01

    def __post_init__(self) -> None:
        for name, least, below in _RANGES:
            value = getattr(self, name)
            if not least <= value < below:
                raise UsageError(f"evaluation setting {name} = {value:g} is not from {least:g} to below {below:g}")


DEFAULT_EVALUATION_SETTINGS = EvaluationSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationQuestion:
    """What is asked: equal questions have equal answers, so that an interrupted one is continued.

    `checkpoint_sha256` is that of the file. Both images run this ssdbench, of `ssdbench_version` and `commit` (None if
    unknown).
    """

    schema_version: int
    run_id: str
    asked_at: str
    baseline: ContainerImage
    candidate: ContainerImage
    checkpoint: str
    checkpoint_sha256: str
    dataset: Dataset
    case: Case
    ssdbench_version: str
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """Detections of label `baseline` in one image that have label `candidate` in the other, labels from 1."""

    baseline: int
    candidate: int
    detections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionAgreement:
    """How far two sets of detections are the same.

    `same` have a counterpart with the same label in the other image, within the tolerances; `relabelled` have one under
    another label alone. `largest_score_difference` and `largest_box_difference_px` are those among the same. `equal`
    says that all but the allowed share are the same, `identical` that all are, to the last bit.
    """

    baseline_detections: int
    candidate_detections: int
    same: int
    relabelled: int
    largest_score_difference: float
    largest_box_difference_px: float
    identical: bool
    equal: bool
    relabellings: tuple[Relabelling, ...] = ()

    @property
    def compared(self) -> int:
        """Detections of the larger set."""
        return max(self.baseline_detections, self.candidate_detections)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageComparison:
    """The judgement; `change` is AP of the candidate minus AP of the baseline, `low` and `high` bound it.

    AP is that of the detections of each image, judged by one pycocotools outside of them; `baseline_evaluation` and
    `candidate_evaluation` are what each image computed itself. Without an answer of both there are only status and
    sentence.
    """

    schema_version: int
    status: Status
    sentence: str
    question: EvaluationQuestion
    settings: EvaluationSettings
    baseline_ap: float | None = None
    candidate_ap: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    agreement: DetectionAgreement | None = None
    baseline_evaluation: CheckpointEvaluation | None = None
    candidate_evaluation: CheckpointEvaluation | None = None
    findings: tuple[str, ...] = ()
