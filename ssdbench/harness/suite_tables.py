"""The tables of a suite's TOML file: which keys they have, and which values."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from ssdbench.harness.toml_tables import Table
from ssdbench.schema.case import (
    BACKBONES,
    DECODES,
    LAYOUTS,
    PIPELINES,
    PRECISIONS,
    WORKLOADS,
    Decode,
    Layout,
    OptionValue,
    Protocol,
)
from ssdbench.schema.names import LONGEST_NAME, did_you_mean, is_name, quoted
from ssdbench.schema.record import SyntheticData
from ssdbench.schema.settings import Rule, Settings


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _one_of(*names: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value in names:
            return value
        raise ValueError(f"{quoted(value)} is not known: {did_you_mean(value, names)}choose from {', '.join(names)}")

    return BeforeValidator(check)


def _suite_name(text: str) -> str:
    if is_name(text):
        return text
    raise ValueError(
        f"{quoted(text)} is no name: use up to {LONGEST_NAME} letters, digits, '.', '_' and '-', "
        f"beginning with a letter or digit"
    )


LARGEST_SEED = 2**62
_MOST, _MOST_RULES = 1_000_000, 1_000
_LONGEST_SECONDS = 1e7
Count = Annotated[int, Field(ge=1, le=_MOST)]
CountOrNone = Annotated[int, Field(ge=0, le=_MOST)]
Seconds = Annotated[float, Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)]
WorkloadName = Annotated[str, _one_of(*WORKLOADS)]
PrecisionName = Annotated[str, _one_of(*PRECISIONS)]
BackboneName = Annotated[str, _one_of(*BACKBONES)]
PipelineName = Annotated[str, _one_of(*PIPELINES)]
LayoutName = Annotated[Layout, _one_of(*LAYOUTS)]
DecodeName = Annotated[Decode, _one_of(*DECODES)]
OneOrMore = BeforeValidator(_as_list)


AXES = (
    "workload", "backbone", "pipeline", "decode", "layout", "compile", "cuda_graph", "world_size", "nodes", "precision",
    "batch_size_per_gpu",
)  # fmt: skip


class ProtocolTable(Table):
    """Overrides of the protocol; None keeps the outer value."""

    warmup_steps: CountOrNone | None = None
    steps: Count | None = None
    launches: Count | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=_LONGEST_SECONDS)] | None = None
    warmup_seconds: Seconds | None = None
    timed_seconds: Seconds | None = None

    def over(self, other: Protocol) -> Protocol:
        """`other` with the values that are set here."""
        changes = {name: value for name, value in self.model_dump().items() if value is not None}
        return Protocol(**{name: getattr(other, name) for name in Protocol.__dataclass_fields__} | changes)


class DataTable(Table):
    """The synthetic data set that is created when no --data is given."""

    train_images: Count = SyntheticData().train_images
    val_images: Count = SyntheticData().val_images
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = SyntheticData().seed
    easy: bool = SyntheticData().easy

    def synthetic_data(self) -> SyntheticData:
        """The data set as a run's header describes it."""
        return SyntheticData(**self.model_dump())


class VerdictTable(Table):
    """Levels and limits of the verdict rule; None keeps the default of `schema.settings.Settings`."""

    rule: Rule | None = None
    margin: float | None = None
    alpha: float | None = None
    plan_power: float | None = None
    power: float | None = None
    pilot_pairs: CountOrNone | None = None
    replans: CountOrNone | None = None
    pair_cap: CountOrNone | None = None
    confirm_pair_cap: Annotated[
        CountOrNone | None,
        Field(validation_alias=AliasChoices("confirm_pair_cap", "fresh_pair_cap")),  # its name in 0.1
    ] = None
    trim: float | None = None
    noise_floor: float | None = None
    drift_cap: float | None = None
    minimum_sessions: CountOrNone | None = None
    minimum_launches: CountOrNone | None = None
    maximum_age_days: CountOrNone | None = None

    def settings(self) -> Settings:
        """The settings of a run of this suite."""
        return Settings(**self.model_dump(exclude_none=True))


class MatrixTable(Table):
    """Axes of a grid: each key takes a value or a list. The cases are the product, without those in `exclude`."""

    workload: Annotated[list[WorkloadName], OneOrMore]
    world_size: Annotated[list[Count], OneOrMore] = [1]
    nodes: Annotated[list[Count], OneOrMore] = [1]
    batch_size_per_gpu: Annotated[list[Count], OneOrMore] = [32]
    precision: Annotated[list[PrecisionName], OneOrMore] = ["fp32"]
    backbone: Annotated[list[BackboneName], OneOrMore] = ["resnet50"]
    pipeline: Annotated[list[PipelineName], OneOrMore] = ["dali"]
    decode: Annotated[list[DecodeName], OneOrMore] = ["mixed"]
    layout: Annotated[list[LayoutName], OneOrMore] = ["channels_last"]
    compile: Annotated[list[bool], OneOrMore] = [False]
    cuda_graph: Annotated[list[bool], OneOrMore] = [False]
    threads_per_rank: CountOrNone = 0
    options: dict[str, OptionValue] = {}
    protocol: ProtocolTable = ProtocolTable()
    below_capability: Annotated[str, Field(pattern=r"^[0-9]{1,3}\.[0-9]{1,3}$")] | None = None
    exclude: Annotated[list[dict[str, OptionValue]], Field(max_length=_MOST_RULES)] = []

    @property
    def combinations(self) -> int:
        """The size of the product of the axes, before `exclude`."""
        return math.prod(len(getattr(self, axis)) for axis in AXES)


class Suite(Table):
    """A named set of cases; `device` "auto" is the GPU if there is one, else the CPU.

    A launch is invalid, and replaced, if other processes kept more than `foreign_cpu_limit_cores` cores busy. Without
    this key the limit follows from the machine and the ranks' needs (`harness.machine.validity`).
    """

    name: Annotated[str, AfterValidator(_suite_name)]
    description: str = ""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    foreign_cpu_limit_cores: Annotated[float, Field(ge=0)] | None = None
    protocol: ProtocolTable = ProtocolTable()
    data: DataTable = DataTable()
    verdict: VerdictTable = VerdictTable()
    matrix: Annotated[list[MatrixTable], Field(min_length=1)]
