"""The result of a launch: its raw samples or how it failed, with everything needed to judge it again later."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Literal, get_args

from ssdbench.compatibility import dataclass
from ssdbench.schema.case import Case, Plan
from ssdbench.schema.container import ContainerOptions, redacted_arguments
from ssdbench.schema.environment import GpuSettings, Hardware, Host, Network, Software
from ssdbench.schema.gpu import GpuSamples
from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.settings import DEFAULT_SETTINGS, Settings
from ssdbench.schema.training import Training

FailureKind = Literal[
    "crash", "out_of_memory", "timeout", "not_finite", "bad_data", "unsupported", "interrupted", "lost", "disk_full"
]

Memory = Literal["gpu", "host"]

Arm = Literal["candidate", "baseline"]
StageName = Literal["measure", "confirm"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""In their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCount:
    """Images one pass over the data should have had and had, per GPU (rank 0)."""

    expected_images: int
    seen_images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCpus:
    """The CPUs of one machine that the launch could use, and how many of them others kept busy during the region.

    `foreign_cores` is None if the system does not report it. `cpu_quota_cores` is the quota of CPU time of the worker's
    control group, None if it has none below `cpu_count`.
    """

    host: str
    cpu_count: int
    foreign_cores: float | None = None
    cpu_quota_cores: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes:
    """One phase of a step by itself, the device waited for before and after it.

    `seconds` has each instrumented step on the rank that was slowest in this phase.
    """

    name: str
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a launch failed; `last_step` is the last one finished by the failing rank.

    `memory` is the one that ran out; None for every other kind, and in older records.
    """

    kind: FailureKind
    message: str
    rank: int | None = None
    last_step: int | None = None
    log: str | None = None
    memory: Memory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Raw samples of one launch, reduced over ranks; times in seconds.

    `step_seconds` holds every step, the first `warmup_steps` of them outside the timed region; each is the slowest
    rank's. `fetch_seconds` is the part of each step the slowest rank's host waited for its batch. `wall_seconds` is
    the timed region of the slowest rank, one device synchronisation at its end; `images` counts all ranks' images in
    it. `peak_memory_bytes` holds a value per rank: device memory allocated on a GPU, resident set size on a CPU.
    `losses` is the mean over ranks of each step. `foreign_cpu_cores` is the CPU use of other processes during the
    region, on the machine where it was largest, None if the system does not report it. `node_cpus` has each machine,
    `rank_cpus` the CPUs on which each rank could run as the kernel writes them ("0-31,64-95"); both are empty where
    they are not known. `phases` are those of further steps after the region, in order.
    `gpus` is what the host saw of the GPUs meanwhile, empty where it watched none. `gpu_multiprocessors` is how many
    each rank could use as CUDA told it, which are fewer in a slice (MIG) or under a limit of MPS; empty on a CPU.
    `network` says where the ranks were. `failed_afterwards` is how the launch failed once its timed region was done and
    stored; its `phases` may then be missing. `limits` is what its speed is held against, None where that is not known.
    """

    schema_version: int
    workload_version: int
    started_at: str
    timer: Literal["cuda_event", "perf_counter"]
    global_batch_size: int
    warmup_steps: int
    step_seconds: tuple[float, ...]
    fetch_seconds: tuple[float, ...]
    wall_seconds: float
    images: int
    rank_wall_seconds: tuple[float, ...]
    peak_memory_bytes: tuple[int, ...]
    losses: tuple[float, ...] | None = None
    epochs: tuple[EpochCount, ...] = ()
    foreign_cpu_cores: float | None = None
    node_cpus: tuple[NodeCpus, ...] = ()
    rank_cpus: tuple[str, ...] = ()
    phases: tuple[PhaseTimes, ...] = ()
    gpus: tuple[GpuSamples, ...] = ()
    gpu_multiprocessors: tuple[int, ...] = ()
    software: Software
    network: Network | None = None
    failed_afterwards: Failure | None = None
    limits: SpeedLimits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A file or folder that is mounted read-only over what an image has at `inside`; it is part of `component`."""

    component: str
    path: str
    inside: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerImage:
    """A container image that measures: as it was asked for, and what it is.

    `id` and `digest` are the engine's and the registry's name of its content, None if unknown. `python` and
    `packages` are versions as its interpreter sees them, `gpu_code` names what its torch was compiled for, None where
    that was not asked or torch does not report it. With a `failure` it cannot measure at all, and every launch
    fails so. `overlays` are parts of another image that stand in for its own (`ssdbench containers blame`), None
    everywhere else.
    """

    reference: str
    id: str | None = None
    digest: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    python: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    gpu_code: tuple[str, ...] | None = None
    failure: Failure | None = None
    overlays: tuple[Overlay, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Identity of the images that were read: records over unlike data are not compared."""

    name: str
    fingerprint: str
    train_images: int
    val_images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticData:
    """Parameters that, with the generator's version, determine every byte of a synthetic data set.

    `easy` is for learning in minutes: few categories, large objects distinguished by colour.
    """

    train_images: int = 256
    val_images: int = 64
    seed: int = 1
    easy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """How launches are submitted to Slurm; what is None is left to the cluster's default.

    Up to `jobs` launches are submitted at once. With `exclusive` each has its nodes to itself; without, a launch on
    GPUs shares its node with others, never a GPU. `arguments` go to sbatch as they are.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodelist: str | None = None
    jobs: int = 1
    exclusive: bool = True
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run was started, apart from its plan, so that it can be resumed; paths as the user wrote them.

    `data_folder` None is the synthetic data set; `python` None the interpreter of ssdbench itself. `measured_by` and
    `source` are the interpreter and the source tree that did measure, so that they can be asked again. A launch is
    invalid where other processes kept more than `foreign_cpu_limit_cores` busy; None is the rule by the machine and by
    what the ranks need (`harness.validity`). Launches are added until the baseline (or run) called `until_decided` can
    decide; None measures the plan alone. `budget` is the time that the run was given when it began ("30m"), None if it
    was not limited. `slurm` is how launches are submitted to a cluster; `image` is the container image in which the
    worker runs and `container` how it is started there; None is this machine itself. With
    `follow_links` links may lead from the data set to images elsewhere. With `ceilings` false, those of the device are
    not measured.
    """

    data_folder: str | None = None
    synthetic: SyntheticData = SyntheticData()
    python: str | None = None
    backbone_weights: str | None = None
    allow_download: bool = False
    foreign_cpu_limit_cores: float | None = None
    measured_by: str | None = None
    source: str | None = None
    until_decided: str | None = None
    budget: str | None = None
    slurm: SlurmOptions | None = None
    image: ContainerImage | None = None
    container: ContainerOptions | None = None
    follow_links: bool | None = None
    ceilings: bool | None = None

    def recorded(self) -> RunOptions:
        """These options as a record holds them."""
        if self.container is None and self.slurm is None:
            return self
        container = self.container and self.container.recorded()
        slurm = self.slurm and replace(self.slurm, arguments=redacted_arguments(self.slurm.arguments))
        return replace(self, container=container, slurm=slurm)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineArm:
    """The other arm of an interleaved run: the interpreter and the source tree that measure as the baseline.

    `image` is the container image that holds the interpreter; None is this machine itself. `commit` is that of the
    source tree when the run began, "+dirty" with uncommitted changes; None if unknown.
    """

    python: str
    source: str
    image: ContainerImage | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """First line of a run's file: what was asked, of which machine, over which data.

    `arrival` is one more than that of every run which the store held when this one began; 0 in older runs. It says
    which run is newer, whatever the machines' clocks say. `nightly` says which part of `ssdbench nightly` the run is,
    None if it is none.
    """

    schema_version: int
    run_id: str
    created_at: str
    plan: Plan
    options: RunOptions = RunOptions()
    hardware: Hardware
    host: Host
    dataset: Dataset | None = None
    baseline_arm: BaselineArm | None = None
    settings: Settings = DEFAULT_SETTINGS
    arrival: int = field(default=0, compare=False)
    nightly: NightlyStage | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", self.options.recorded())


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One launch: a measurement, or a failure. `order` is its place among the launches of its run.

    A launch of an accuracy run is one seed: it has `training` instead of a measurement, as far as it got if it failed.

    `launch_seconds` is the whole launch, from its first process to its end; it serves to predict durations.
    In an interleaved run `launch` numbers the pairs of a stage: `measure` has all cases, `confirm` the flagged ones.
    `replacement` counts the invalid launches that this one replaces.
    `gpu_settings` are those of its GPUs when its run began, each once; empty on a CPU, and where they are not known.
    `invalid_reason` marks a launch whose conditions were not those of the run; it is never set because of its time.
    """

    schema_version: int
    id: str
    run_id: str
    case: Case
    launch: int
    order: int
    hardware: Hardware
    launch_seconds: float = 0.0
    dataset: Dataset | None = None
    measurement: Measurement | None = None
    training: Training | None = None
    failure: Failure | None = None
    gpu_settings: tuple[GpuSettings, ...] = ()
    invalid_reason: str | None = None
    arm: Arm = "candidate"
    stage: StageName = "measure"
    replacement: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as read back: its header and its records in the order of measurement.

    `torn` says that the file ended in the middle of a line (the writer was killed) and that this line was left out.
    """

    header: RunHeader
    records: tuple[Record, ...]
    torn: bool = False
