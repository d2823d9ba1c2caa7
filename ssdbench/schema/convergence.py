"""Trainings compared over seeds: the baseline distribution, the rule's settings, verdicts and tables."""

from __future__ import annotations

from ssdbench.compatibility import dataclass
from ssdbench.errors import UsageError
from ssdbench.schema.case import Case
from ssdbench.schema.environment import Hardware, Host
from ssdbench.schema.published import PublishedFigure
from ssdbench.schema.record import Dataset
from ssdbench.schema.training import EvaluationProtocol, Training
from ssdbench.schema.verdict import Status

MINIMUM_SEEDS = 5
"""Seeds that a distribution needs at least.

With 4 seeds of the spread known of this family of models (0.45 %) the interval of one more is wider than the margin
of 2 %, so that no seed could ever be cleared; with 5 it is narrower.
"""

RECOMMENDED_SEEDS = 10
"""Seeds from which a change of the margin is found nearly always; 15 are better (docs/convergence.md)."""

_RANGES = (
    ("margin_one_seed", 1e-6, 5.0),  # a short recipe can tell a factor and no more
    ("margin_seeds", 1e-6, 5.0),
    ("confidence", 0.5, 1.0),
    ("power", 0.5, 1.0),
    ("gate_alpha", 1e-9, 0.5),
    ("gate_power", 0.5, 1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergenceSettings:
    """Levels of the rule, kept with every verdict.

    margin_one_seed, margin_seeds: relative change of AP that matters, of fewer than `seeds_for_margin` candidate seeds,
        and of that many or more.
    confidence: that of each bound of an interval.
    power: chance of finding the smallest detectable change.
    gate_alpha, gate_looks: chance that the early gate stops a correct seed, over `gate_looks` looks (more if the
        recipe has more evaluations).
    gate_power: chance of finding the change that the early gate prints.

    Raises:
        UsageError: a value outside of its range.
    """

    margin_one_seed: float = 0.02
    margin_seeds: float = 0.01
    seeds_for_margin: int = 5
    confidence: float = 0.99
    power: float = 0.95
    gate_alpha: float = 0.001
    gate_looks: int = 8
    gate_power: float = 0.8

    def __post_init__(self) -> None:
        for name, least, below in _RANGES:
            value = getattr(self, name)
            if not least <= value < below:
                raise UsageError(f"convergence setting {name} = {value:g} is not from {least:g} to below {below:g}")

    @staticmethod
    def of(margin: float) -> ConvergenceSettings:
        """The defaults with this margin, however many seeds there are."""
        return ConvergenceSettings(margin_one_seed=margin, margin_seeds=margin)

    def margin(self, seeds: int) -> float:
        """The margin for this number of candidate seeds."""
        return self.margin_seeds if seeds >= self.seeds_for_margin else self.margin_one_seed


DEFAULT_CONVERGENCE_SETTINGS = ConvergenceSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """Everything that trainings must share to be compared; only the seed may differ.

    `protocol` is the evaluations' one, `evaluated_images` and `epoch_images` the images that each evaluation judged
    and each epoch trained on (global); None where no epoch was finished or evaluated.
    """

    case: Case
    hardware: Hardware
    dataset: Dataset | None
    backbone_weights: str | None
    workload_version: int
    global_batch_size: int
    epochs: int
    decay_epochs: tuple[int, ...]
    validation_epochs: tuple[int, ...]
    protocol: EvaluationProtocol | None
    evaluated_images: int | None
    epoch_images: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionHeader:
    """First line of a distribution's file: its name, why it was accepted, what was trained; `seeds` counts the rest."""

    schema_version: int
    name: str
    reason: str
    accepted_at: str
    run_ids: tuple[str, ...]
    recipe: TrainingRecipe
    host: Host
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedDistribution:
    """A baseline of accuracy: whole, finite trainings of one recipe that differ in their seed, in order of seed."""

    header: DistributionHeader
    seeds: tuple[Training, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """One seed to be judged: its curve as far as it came, what was trained, and why it did not end well, if so."""

    launch: int
    training: Training | None
    recipe: TrainingRecipe | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvergenceVerdict:
    """The judgement of one or several seeds; changes are relative to the baseline (-0.02 is 2 % less AP).

    `epoch` is that of an early gate, None where the end of training was judged. `low` and `high` bound the change;
    `baseline_ap` and `candidate_ap` are geometric means over seeds and evaluations. `smallest_detectable_drop` would
    have been found with the chance `detection_power`. The seeds needed are those after which any estimate could be
    decided at this spread, on the candidate's side alone, or on both; None where they do not help or are not needed.
    """

    schema_version: int
    status: Status
    sentence: str
    baseline: str
    settings: ConvergenceSettings
    epoch: int | None = None
    margin: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    baseline_ap: float | None = None
    candidate_ap: float | None = None
    baseline_seeds: int = 0
    candidate_seeds: int = 0
    smallest_detectable_drop: float | None = None
    detection_power: float | None = None
    more_candidate_seeds: int | None = None
    more_seeds_on_both_sides: int | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Final AP over seeds, computed from their curves; `sd` divides by seeds - 1, None for one seed."""

    seeds: int
    mean: float
    sd: float | None
    minimum: float
    maximum: float
    median: float


_FLOAT_SLACK = 1e-12
"""How far arithmetic on floats moves a share; some thousand units of its last place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A value as printed: the true one lies between `low` and `high`, half a unit of its last digit away."""

    low: float
    high: float

    @staticmethod
    def of(value: float, decimals: int) -> Printed:
        """`value` rounded to `decimals` decimal places."""
        return Printed.within(value, 0.5 * 10.0**-decimals)

    @staticmethod
    def within(value: float, half: float) -> Printed:
        """The value with half a unit to either side, and with what float arithmetic may add to it."""
        half += _FLOAT_SLACK
        return Printed(low=value - half, high=value + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedStability:
    """Somebody's summary over seeds. It is no distribution: nothing can be judged against it."""

    seeds: int
    mean: Printed
    sd: Printed
    minimum: Printed
    maximum: Printed
    median: Printed


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTraining:
    """The published AP of one training, or of one set of seeds, with every fault found in it.

    `figures` are a single `map`, or the five of a stability table.
    """

    container: str
    gpu: str
    gpus: int
    batch_size_per_gpu: int
    precision: str
    figures: tuple[PublishedFigure, ...]
    faults: tuple[str, ...] = ()
