"""The request: a case, how long it is measured, and the plan that orders the launches of all cases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, Union

from ssdbench.compatibility import dataclass

DeviceKind = Literal["cuda", "cpu"]
Layout = Literal["channels_last", "contiguous"]
Decode = Literal["cpu", "mixed"]
OptionValue = Union[bool, int, float, str]

LAYOUTS: tuple[Layout, ...] = ("channels_last", "contiguous")
DECODES: tuple[Decode, ...] = ("cpu", "mixed")
BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
PIPELINES = ("dali", "torchvision", "resident")
NOT_USED = "none"
BINDINGS = ("none", "numa")
HOST_PROCESS = "SSDBENCH_HOST_PROCESS"
"""The variable by which a launch knows the process that started and follows it, where both see the same processes."""
LAUNCH_PROCESS = "SSDBENCH_LAUNCH_PROCESS"
"""The variable by which a rank knows the process that started it."""
RENDEZVOUS_FILE = "SSDBENCH_RENDEZVOUS_FILE"
"""The variable with the file in which the ranks of one machine meet; not set where torchrun started them."""

MOST_STEPS = 10_000
"""The most steps in a warm-up, or in a timed region, given in seconds: a record keeps two numbers for every step."""
_TO_SPARE = 1.1
_STREAMED, _SYNCHRONISED = TIMINGS = ("streamed", "synchronised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Arithmetic of the network: `autocast_dtype` is a torch dtype's name, None without autocast."""

    autocast_dtype: str | None
    scale_gradients: bool
    allow_tf32: bool
    minimum_capability: tuple[int, int]
    on_cpu: bool


# TF32 is on under amp and bf16 as well, as in the published recipe: it serves what autocast leaves in float32.
PRECISIONS: Mapping[str, Precision] = {
    "fp32": Precision(
        autocast_dtype=None, scale_gradients=False, allow_tf32=False, minimum_capability=(0, 0), on_cpu=True
    ),
    "tf32": Precision(
        autocast_dtype=None, scale_gradients=False, allow_tf32=True, minimum_capability=(8, 0), on_cpu=False
    ),
    "amp": Precision(
        autocast_dtype="float16",
        scale_gradients=True,
        allow_tf32=True,
        minimum_capability=(7, 0),
        on_cpu=False,
    ),
    "bf16": Precision(
        autocast_dtype="bfloat16",
        scale_gradients=False,
        allow_tf32=True,
        minimum_capability=(8, 0),
        on_cpu=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadTraits:
    """What the host must know about a workload without importing it.

    `gated_metric` is the one metric a verdict rests on (a name of `schema.verdict.METRICS`); None where curves are
    judged and not a metric (`ssdbench converge`). `records_graph`: its step can be replayed as a CUDA graph.
    """

    uses_model: bool
    trains: bool
    gated_metric: str | None
    records_graph: bool = False


WORKLOADS: Mapping[str, WorkloadTraits] = {
    "train": WorkloadTraits(uses_model=True, trains=True, gated_metric="throughput", records_graph=True),
    "infer": WorkloadTraits(uses_model=True, trains=False, gated_metric="latency_p50", records_graph=True),
    "detect": WorkloadTraits(uses_model=True, trains=False, gated_metric="latency_p50"),
    "input": WorkloadTraits(uses_model=False, trains=False, gated_metric="throughput"),
    "accuracy": WorkloadTraits(uses_model=True, trains=True, gated_metric=None),
    "pace": WorkloadTraits(uses_model=False, trains=False, gated_metric="throughput"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCounts:
    """How many steps a launch takes: before its timed region, and in it."""

    warmup_steps: int
    timed_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How long a case is measured; not part of its key, yet records of unequal protocols are not compared.

    `warmup_steps` and `steps` (timed ones) are the least numbers of steps. After the warm-up's steps come further ones
    for `warmup_seconds`, and the timed region is planned to last `timed_seconds`; with 0 there are the steps alone.
    Seconds never ask for more than `MOST_STEPS`.
    """

    warmup_steps: int = 10
    steps: int = 60
    launches: int = 3
    timeout_seconds: float = 900.0
    warmup_seconds: float = 0.0
    timed_seconds: float = 0.0

    @property
    def in_seconds(self) -> bool:
        """Whether the number of steps depends on how long they take."""
        return self.warmup_seconds > 0 or self.timed_seconds > 0

    def timed_steps(self, step_seconds: float) -> int:
        """Timed steps of a launch whose steps last `step_seconds`: a tenth more than fill `timed_seconds`.

        So the region still lasts that long where its steps are up to a tenth faster than those of the warm-up.
        """
        return max(self.steps, steps_filling(_TO_SPARE * self.timed_seconds, step_seconds))


def steps_filling(seconds: float, step_seconds: float) -> int:
    """The fewest steps of `step_seconds` that last `seconds`, `MOST_STEPS` at most; 0 for no seconds."""
    if seconds >= MOST_STEPS * step_seconds:
        return MOST_STEPS if seconds > 0 else 0
    return math.ceil(seconds / step_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One cell of the matrix.

    `world_size` counts ranks: one per GPU, or one process each on a CPU; they are spread evenly over `nodes` machines.
    `threads_per_rank` is the number of CPU threads a rank may use, for its arithmetic on a CPU and for its input
    pipeline everywhere.
    `decode` is where the dali pipeline decodes for a GPU: "cpu" as in the published pipeline, or "mixed", on the GPU.
    Where there is no such choice (`decode_is_a_choice`) it means nothing, and a plan holds "mixed".
    """

    workload: str
    device: DeviceKind
    world_size: int
    batch_size_per_gpu: int
    precision: str
    backbone: str
    pipeline: str
    layout: Layout = "channels_last"
    compile: bool = False
    cuda_graph: bool = False
    threads_per_rank: int = 1
    nodes: int = 1
    decode: Decode = "mixed"
    options: dict[str, OptionValue] = field(default_factory=dict)
    protocol: Protocol = Protocol()

    @property
    def key(self) -> str:
        """Readable identity: equal keys ask for the same measurement."""
        parts = [
            self.workload,
            self.backbone,
            self.pipeline,
            self.precision,
            self.layout,
            "compiled" if self.compile else "eager",
            *(["cuda_graph"] if self.cuda_graph else []),
            f"{self.world_size}x{self.device}{f'-{self.nodes}nodes' if self.nodes > 1 else ''}",
            f"bs{self.batch_size_per_gpu}",
            f"t{self.threads_per_rank}",
            "decode=cpu" if self.decode_is_a_choice and self.decode == "cpu" else NOT_USED,
        ]
        parts += [f"{name}={value}" for name, value in sorted(self.options.items())]
        return "-".join(part for part in parts if part != NOT_USED)

    @property
    def title(self) -> str:
        """Short name for tables: what a reader needs to tell the cases of one run apart; batch size is per GPU."""
        traits = WORKLOADS.get(self.workload)
        precision = self.precision if traits is None or traits.uses_model else NOT_USED
        named = " ".join(p for p in (self.workload, self.backbone, self.pipeline, precision) if p != NOT_USED)
        machines = f" on {self.nodes} nodes" if self.nodes > 1 else ""
        unit = "GPU" if self.device == "cuda" else "proc"
        ranks = f"{self.world_size} {unit}{machines} × batch {self.batch_size_per_gpu}"
        extras: list[str] = [self.layout] if self.layout != "channels_last" else []
        extras += ["compiled"] if self.compile else []
        extras += ["decode=cpu"] if self.decode_is_a_choice and self.decode == "cpu" else []
        extras += ["CUDA graph"] if self.cuda_graph else []
        extras += [f"{name}={value}" for name, value in sorted(self.options.items())]
        return " · ".join([named, ranks, *extras])

    @property
    def binds_to_numa_node(self) -> bool:
        """Whether each rank keeps to the CPUs of its GPU's NUMA node."""
        return self.options.get("bind") == "numa"

    @property
    def decode_is_a_choice(self) -> bool:
        """Whether the images can be decoded on either side: DALI does, for a GPU."""
        return self.pipeline == "dali" and self.device == "cuda"

    @property
    def is_synchronised(self) -> bool:
        """Whether every step is waited for before the next batch is asked for, so that a step's time is a latency."""
        return self.options.get("timing") == _SYNCHRONISED

    @property
    def ranks_per_node(self) -> int:
        """Ranks on each machine."""
        return self.world_size // self.nodes

    @property
    def global_batch_size(self) -> int:
        """Images of one step over all ranks."""
        return self.world_size * self.batch_size_per_gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCase:
    """A case of a plan; `skip_reason` is a sentence where this machine cannot measure it as asked."""

    case: Case
    skip_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One launch in a plan's order."""

    case_key: str
    launch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cases of a run and the order of their launches (cases take turns, so that drift meets all alike).

    `chosen` has the patterns of --case by which these cases were chosen; None if the suite was planned whole.
    """

    suite: str
    seed: int
    cases: tuple[PlannedCase, ...]
    order: tuple[Slot, ...]
    chosen: tuple[str, ...] | None = None

    def case(self, key: str) -> Case:
        """The case with this key."""
        return next(planned.case for planned in self.cases if planned.case.key == key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """Asks for a profiled launch, which measures nothing: so many steps, and no trace larger than that per rank."""

    steps: int
    largest_trace_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRequest:
    """Asks for a launch on an idle device that measures its ceilings, and counts the work of these cases."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """The content of case.json: what a worker needs for one launch of a case; all paths absolute.

    `prepared_data` is the folder of cleaned annotations (None where the pipeline reads no files),
    `output` the folder for events, failures and results. `checkpoint` is the file of a trained model to evaluate.
    `training_folder` is where an accuracy run keeps its checkpoints and takes up again what it finds. `source` is the
    tree of ssdbench that shall be measured: a worker that was imported from another refuses. `step_counts` are those of
    an earlier launch, to be taken in place of the protocol's, so that launches which are compared do equal work.
    `profile` makes it a profiled launch: its result is a profile and no measurement. `limits` makes it a launch that
    measures what the device can do at most.
    """

    schema_version: int
    case: Case
    launch: int
    seed: int
    output: str
    prepared_data: str | None = None
    backbone_weights: str | None = None
    allow_download: bool = False
    checkpoint: str | None = None
    training_folder: str | None = None
    source: str | None = None
    step_counts: StepCounts | None = None
    profile: ProfileRequest | None = None
    limits: LimitsRequest | None = None
