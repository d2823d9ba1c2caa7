"""Suites: reads TOML files and expands them into cases. A mistake is one sentence with file, key and remedy."""

import difflib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from ssdbench.errors import UsageError
from ssdbench.harness.resources import SUITES, resource
from ssdbench.harness.toml_tables import Table, read_toml, validated
from ssdbench.schema.accuracy import accuracy_options
from ssdbench.schema.case import (
    BACKBONES,
    DECODES,
    LAYOUTS,
    NOT_USED,
    PIPELINES,
    PRECISIONS,
    WORKLOADS,
    Case,
    Decode,
    DeviceKind,
    Layout,
    OptionValue,
    Protocol,
    binding_options,
    timing_options,
)
from ssdbench.schema.record import SyntheticData
from ssdbench.schema.settings import Settings

SUITES_FOLDER = Path("benchmarks/suites")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _one_of(*names: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value in names:
            return value
        close = difflib.get_close_matches(str(value), names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"{value!r} is not known: {hint}choose from {', '.join(names)}")

    return BeforeValidator(check)


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
WorkloadName = Annotated[str, _one_of(*WORKLOADS)]
PrecisionName = Annotated[str, _one_of(*PRECISIONS)]
BackboneName = Annotated[str, _one_of(*BACKBONES)]
PipelineName = Annotated[str, _one_of(*PIPELINES)]
LayoutName = Annotated[Layout, _one_of(*LAYOUTS)]
DecodeName = Annotated[Decode, _one_of(*DECODES)]
OneOrMore = BeforeValidator(_as_list)


class ProtocolTable(Table):
    """Overrides of the protocol; None keeps the outer value."""

    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    steps: Count | None = None
    launches: Count | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
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
    seed: Annotated[int, Field(ge=0)] = SyntheticData().seed
    easy: bool = SyntheticData().easy

    def synthetic_data(self) -> SyntheticData:
        """The data set as a run's header describes it."""
        return SyntheticData(**self.model_dump())


class VerdictTable(Table):
    """Levels and limits of the verdict rule; None keeps the default of `schema.settings.Settings`."""

    margin: float | None = None
    alpha: float | None = None
    plan_power: float | None = None
    power: float | None = None
    pilot_pairs: int | None = None
    replans: int | None = None
    pair_cap: int | None = None
    confirm_pair_cap: Annotated[
        int | None, Field(validation_alias=AliasChoices("confirm_pair_cap", "fresh_pair_cap"))  # its name in 0.1
    ] = None
    trim: float | None = None
    noise_floor: float | None = None
    drift_cap: float | None = None
    minimum_sessions: int | None = None
    minimum_launches: int | None = None
    maximum_age_days: int | None = None

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
    threads_per_rank: Annotated[int, Field(ge=0)] = 0
    options: dict[str, OptionValue] = {}
    protocol: ProtocolTable = ProtocolTable()
    below_capability: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    exclude: list[dict[str, OptionValue]] = []


class Suite(Table):
    """A named set of cases; `device` "auto" is the GPU if there is one, else the CPU.

    A launch is invalid, and replaced, if other processes kept more than `foreign_cpu_limit_cores` cores busy. Without
    this key the limit follows from the machine and the ranks' needs (`harness.machine.validity`).
    """

    name: str
    description: str = ""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    foreign_cpu_limit_cores: Annotated[float, Field(ge=0)] | None = None
    protocol: ProtocolTable = ProtocolTable()
    data: DataTable = DataTable()
    verdict: VerdictTable = VerdictTable()
    matrix: Annotated[list[MatrixTable], Field(min_length=1)]


AXES = (
    "workload", "backbone", "pipeline", "decode", "layout", "compile", "cuda_graph", "world_size", "nodes", "precision",
    "batch_size_per_gpu",
)  # fmt: skip


def find_suite(name: str) -> Path:
    """The file of a suite given by its path, or by its name: of benchmarks/suites here, else of ssdbench's own suites.

    Raises:
        UsageError: there is none.
    """
    folders = [SUITES_FOLDER, resource(SUITES)]
    for path in [Path(name), *(folder / f"{name}.toml" for folder in folders)]:
        if path.is_file():
            return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    raise UsageError(f"there is no suite {name!r}: give a .toml file or one of {', '.join(known) or '(none found)'}")


def load_suite(path: Path) -> Suite:
    """Read and check a suite.

    Raises:
        UsageError: not TOML, or a key or value that a suite does not have.
    """
    return parse_suite(read_toml(path), str(path))


def parse_suite(content: dict[str, Any], origin: str) -> Suite:
    """Check a suite's content; `origin` is what a message calls it.

    Raises:
        UsageError: a key or value that a suite does not have, or an exclude that never applies.
    """
    suite = validated(Suite, content, origin)
    suite.verdict.settings()
    for number, matrix in enumerate(suite.matrix, start=1):
        where = f"{origin}: matrix {number}"
        if "decode" in matrix.model_fields_set and "dali" not in matrix.pipeline:
            raise UsageError(
                f"{where}: decode is for the pipeline dali, and its pipeline is "
                f"{', '.join(matrix.pipeline)}: omit decode, or add dali"
            )
        _check_protocol(_protocol(suite, matrix), where)
        _check_options(matrix, where)
        for rule in matrix.exclude:
            _check_exclude(rule, matrix, where)
    return suite


def _protocol(suite: Suite, matrix: MatrixTable) -> Protocol:
    return matrix.protocol.over(suite.protocol.over(Protocol()))


def _check_protocol(protocol: Protocol, where: str) -> None:
    seconds = protocol.warmup_seconds + protocol.timed_seconds
    if seconds >= protocol.timeout_seconds:
        raise UsageError(
            f"{where}: warmup_seconds and timed_seconds sum to {seconds:g} s, and a launch may take only "
            f"{protocol.timeout_seconds:g} s: increase timeout_seconds"
        )


def _check_options(matrix: MatrixTable, where: str) -> None:
    try:
        for workload in matrix.workload:
            timing_options(workload, matrix.options)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _check_exclude(rule: dict[str, OptionValue], matrix: MatrixTable, where: str) -> None:
    for key, value in rule.items():
        if key not in AXES:
            raise UsageError(f"{where}: exclude has {key!r}, which is not an axis: choose from {', '.join(AXES)}")
        if value not in getattr(matrix, key):
            raise UsageError(f"{where}: exclude never applies: {key} = {value!r} is not in {getattr(matrix, key)}")


def expand(suite: Suite, device: DeviceKind, cpu_count: int, gpu_count: int = 0) -> Iterator[tuple[Case, str | None]]:
    """All cases in the suite's order, each with the compute capability below which it is wanted (None: always).

    `threads_per_rank` 0 becomes a share of the logical CPUs of a machine with `cpu_count` CPUs and `gpu_count` GPUs,
    see `_default_threads`.
    """
    seen: set[str] = set()
    for matrix in suite.matrix:
        protocol = _protocol(suite, matrix)
        for values in itertools.product(*(getattr(matrix, axis) for axis in AXES)):
            axes = dict(zip(AXES, values, strict=True))
            if any(all(axes[key] == value for key, value in rule.items()) for rule in matrix.exclude):
                continue
            threads = matrix.threads_per_rank or _default_threads(axes, device, cpu_count, gpu_count)
            case = Case(
                device=device,
                threads_per_rank=threads,
                options=timing_options(axes["workload"], binding_options(matrix.options)),
                protocol=protocol,
                **_without_unused(axes, device),
            )
            if case.workload == "accuracy":
                accuracy_options(case)  # refuses wrong options before anything is started
            if case.key not in seen:
                seen.add(case.key)
                yield case, matrix.below_capability


def _default_threads(axes: dict[str, Any], device: DeviceKind, cpu_count: int, gpu_count: int) -> int:
    """CPU threads of a rank if the suite gives no number.

    On a CPU the ranks share all CPUs. On a GPU a rank gets the share that it would get if every GPU of the machine were
    in use, so that throughput of one and of eight GPUs differs by the GPUs only; one CPU of that share is left for the
    rank's main thread, which keeps the GPU busy. torchvision's threads are processes with two batches each in shared
    memory: at most 8, as in the published loader.
    """
    ranks: int = max(1, axes["world_size"] // axes["nodes"])
    if device == "cpu":
        return max(1, cpu_count // ranks)
    share = max(1, cpu_count // max(ranks, gpu_count) - 1)
    return min(8, share) if axes["pipeline"] == "torchvision" else share


def _without_unused(axes: dict[str, Any], device: DeviceKind) -> dict[str, Any]:
    """Set axes that a workload does not use to fixed values: `input` of resnet18 and of resnet50 is one case."""
    unused: dict[str, Any] = {}
    if not WORKLOADS[axes["workload"]].uses_model:
        unused |= {"backbone": NOT_USED, "precision": "fp32", "compile": False, "cuda_graph": False}
    if axes["workload"] == "pace":
        unused |= {"pipeline": NOT_USED, "layout": "channels_last"}
    if device == "cpu" or (axes | unused)["pipeline"] != "dali":
        unused |= {"decode": "mixed"}
    return axes | unused
