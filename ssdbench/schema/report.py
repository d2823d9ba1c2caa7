"""The content of a report in any format: the comparison, and the data of each case's charts."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.errors import ExitCode
from ssdbench.schema.convergence import ConvergenceVerdict, SeedDistribution
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.history import Series
from ssdbench.schema.image_evaluation import ImageComparison
from ssdbench.schema.record import RunHeader, StageName
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import CaseVerdict, Comparison, Difference

Side = Literal["baseline", "candidate"]
SIDES: tuple[Side, ...] = ("baseline", "candidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchValue:
    """One launch of an arm: `value` of the gated metric, in its unit."""

    side: Side
    value: float
    stage: StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTrace:
    """The steps of one launch, thinned: (number of the step, seconds), warm-up first.

    `fetches` is the share of each step spent waiting for its batch (0 to 1), empty where it was not recorded.
    `throttled` are stretches of steps (first, last) during which a GPU was throttled, `throttle_reasons` says by what.
    """

    side: Side
    warmup_steps: int
    steps: tuple[tuple[int, float], ...]
    fetches: tuple[tuple[int, float], ...]
    throttled: tuple[tuple[int, int], ...] = ()
    throttle_reasons: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePair:
    """A phase of a step alone, in each arm, median seconds; None if an arm has no such phase."""

    name: str
    baseline: float | None
    candidate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FigurePair:
    """The trimmed mean of one metric in each arm, in its unit; `change` is relative to the baseline."""

    metric: str
    baseline: float | None
    candidate: float | None
    change: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLaunch:
    """A launch that failed: a sentence, and the end of its log, line by line; empty if it has none."""

    sentence: str
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """The content of a report about one case; launches and traces in measuring order, the baseline's first.

    `why` explains its change, where its run has a profile of it.
    """

    judged: CaseVerdict
    launches: tuple[LaunchValue, ...] = ()
    traces: tuple[StepTrace, ...] = ()
    phases: tuple[PhasePair, ...] = ()
    figures: tuple[FigurePair, ...] = ()
    history: tuple[Series, ...] = ()
    failures: tuple[FailedLaunch, ...] = ()
    why: Explanation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflinePoint:
    """A case on one of its GPUs (or processes): operations for each byte, operations a second, and their shares.

    `mfu` is that of the matrix product's rate, `share_of_roof` that of the lower one of this rate and of what a copy's
    rate allows; None where a rate is not known.
    """

    title: str
    case_key: str
    flop_per_byte: float
    flop_per_second_per_gpu: float
    mfu: float | None
    share_of_roof: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflinePicture:
    """The cases of a run under the ceilings that were measured with it, in its order; several of one kind: the highest.

    `matmul_flop_per_second` is by the name of an arithmetic.
    """

    points: tuple[RooflinePoint, ...]
    matmul_flop_per_second: dict[str, float]
    copy_bytes_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that was not measured, or was measured and not judged; `why` is a sentence."""

    title: str
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture to show: `media_type` is image/png or image/jpeg, `caption` says what it shows."""

    caption: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run and what the report says about it; cases worst first. `reference` says what it is compared with, in words.

    `builds` says for each arm what was measured: a commit and where it was, or an image. `places` are names and values:
    where it was measured, besides the host of the run. `roofline` is None where no ceilings were measured.
    """

    header: RunHeader
    comparison: Comparison
    code: ExitCode
    reference: str
    software: tuple[tuple[str, str], ...]
    cases: tuple[CaseReport, ...]
    gaps: tuple[Gap, ...]
    builds: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    roofline: RooflinePicture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRow:
    """One seed of a training for accuracy, as far as it came; None for what it did not reach.

    `ap` and `ap_50` are of its last evaluation, in [0, 1]. `seconds` is the time to train, over all finished epochs,
    and `evaluation_share` the part of it (0 to 1) that was spent on evaluation. `images_per_second` is the global
    throughput of training, evaluation left out. These three are None for a seed that was trained side by side with
    others. `curve` is its place among the report's trainings. `is_sound` says that it ended well, `outcome` how it
    ended, in words.
    """

    name: str
    outcome: str
    is_sound: bool
    epochs: int = 0
    ap: float | None = None
    ap_50: float | None = None
    seconds: float | None = None
    evaluation_share: float | None = None
    images_per_second: float | None = None
    curve: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedAp:
    """The AP of one seed as the verdict uses it, in [0, 1]: the geometric mean of the evaluations that are judged."""

    side: Side
    name: str
    ap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyReport:
    """A run of trainings and what is said of it; seeds in the order of their launches.

    `verdict` is None where there is no distribution to judge by; `reference` then says so. `baseline` is the mean of
    the distribution's seeds, in the columns of a seed; `judged` has each seed of both sides that could be judged.
    """

    header: RunHeader
    title: str
    case_key: str
    recipe: tuple[tuple[str, str], ...]
    verdict: ConvergenceVerdict | None
    distribution: SeedDistribution | None
    reference: str
    software: tuple[tuple[str, str], ...]
    seeds: tuple[SeedRow, ...]
    baseline: SeedRow | None = None
    judged: tuple[SeedAp, ...] = ()
    builds: tuple[tuple[str, str], ...] = ()
    trainings: tuple[Training, ...]
    differences: tuple[Difference, ...]
    gaps: tuple[Gap, ...]
    pictures: tuple[Picture, ...] = ()
    places: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """One trained model judged in two images, and what is said of it.

    `detectable_loss` is the loss of AP that would be called regressed in 95 of 100 comparisons like this one; None
    where the detections are equal or AP says nothing.
    """

    found: ImageComparison
    detectable_loss: float | None = None
    pictures: tuple[Picture, ...] = ()
    gaps: tuple[Gap, ...] = ()
