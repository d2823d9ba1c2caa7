"""The options that name a suite or an ad hoc grid and say how it is measured, and the suite that results from them."""

import inspect
import math
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

from ssdbench.cli.help import DECIDING, MEASURING, MODEL, SUITE, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, Results, StoreUrl, open_store, store_words
from ssdbench.cli.slurm_options import slurm_options
from ssdbench.errors import UsageError
from ssdbench.harness.process import SOURCE
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite import find_suite, load_suite, parse_suite
from ssdbench.harness.suite_tables import LARGEST_SEED, Suite
from ssdbench.harness.trust import Trust, started_by
from ssdbench.schema.names import quoted
from ssdbench.schema.record import BaselineArm, RunOptions

_NUMBERS = ("world_size", "nodes", "batch_size_per_gpu")
_AXES = ("workload", *_NUMBERS, "precision", "backbone", "pipeline", "decode", "layout", "compile", "cuda_graph")
LIST, PAIR, SECONDS = "LIST", "NAME=VALUE", "SECONDS"
"""Names of values; the values of a list are separated by commas."""

_PROTOCOL = ("warmup_steps", "warmup_seconds", "steps", "timed_seconds", "launches", "timeout_seconds")
_FLAGS = {key: f"--{key.replace('_', '-')}" for key in (*_AXES, *_PROTOCOL, "device")} | {
    "world_size": "--gpus",
    "batch_size_per_gpu": "--batch-size",
    "warmup_steps": "--warmup",
    "timeout_seconds": "--timeout",
    "foreign_cpu_limit_cores": "--foreign-cpu",
}
"""The option that sets a key of a suite."""


_suite = partial(option, panel=SUITE)
_model = partial(option, panel=MODEL)
_measuring = partial(option, panel=MEASURING)


TrustRun = Annotated[
    bool,
    option(
        "Start the interpreters, checkouts, engines, images and Slurm options that a stored run names (SECURITY.md).",
        "--trust-run",
        panel=MEASURING,
    ),
]

SuiteMargin = Annotated[
    float | None, option("Relative change that matters, such as 0.01 for 1 %.", metavar="FRACTION", panel=DECIDING)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """The options as given; None was not given."""

    OMITTED: ClassVar[tuple[str, ...]] = ()

    name: Annotated[str | None, argument("Suite by name (smoke, nightly, monthly), or a .toml file.", "SUITE")] = None
    case: Annotated[
        list[str] | None,
        _suite("Only the cases with this key, or these words in their names; may be repeated.", metavar="PATTERN"),
    ] = None
    workload: Annotated[
        str | None, _suite("Ad hoc grid instead of SUITE: train, infer, detect, input.", metavar=LIST)
    ] = None
    world_size: Annotated[
        str | None, _suite("Ranks: GPUs, or processes on a CPU, such as 1,2.", "--gpus", metavar=LIST)
    ] = None
    nodes: Annotated[str | None, _suite("Machines to spread the ranks over; needs --launcher slurm.", metavar=LIST)] = (
        None
    )
    batch_size_per_gpu: Annotated[
        str | None, _suite("Images per GPU, such as 32,64.", "--batch-size", metavar=LIST)
    ] = None
    device: Annotated[str | None, _suite("cuda, cpu, or auto: a GPU if there is one.", metavar="DEVICE")] = None
    option: Annotated[
        list[str] | None, _suite("Option of the workload, such as timing=synchronised; may be repeated.", metavar=PAIR)
    ] = None
    data: Annotated[Path | None, _suite("Images laid out as COCO 2017; default: synthetic ones.", metavar="FOLDER")] = (
        None
    )
    follow_links: Annotated[
        bool, _suite("Allow links that lead out of the data folder, to a shared store.", "--follow-links")
    ] = False
    seed: Annotated[
        int, _suite("Seed of weights, augmentation and order of images.", min=0, max=LARGEST_SEED, metavar="N")
    ] = 1
    precision: Annotated[str | None, _model("fp32, tf32, amp, bf16.", metavar=LIST)] = None
    backbone: Annotated[str | None, _model("resnet18, resnet34, resnet50, resnet101, resnet152.", metavar=LIST)] = None
    pipeline: Annotated[str | None, _model("dali, torchvision, resident.", metavar=LIST)] = None
    decode: Annotated[str | None, _model("Where dali decodes for a GPU: cpu, mixed.", metavar=LIST)] = None
    layout: Annotated[str | None, _model("channels_last, contiguous.", metavar=LIST)] = None
    compile: Annotated[bool | None, _model("Compile the model with torch.compile.", "--compile/--eager")] = None
    cuda_graph: Annotated[
        bool | None, _model("Replay the network as a CUDA graph (train, infer).", "--cuda-graph/--no-cuda-graph")
    ] = None
    weights: Annotated[
        str | None, _model("Backbone weights: torchvision's name, or a file; default: random.", metavar="NAME|FILE")
    ] = None
    download: Annotated[bool, _model("Allow named weights to be downloaded.", "--download")] = False
    warmup_steps: Annotated[int | None, _measuring("Steps before the timed ones.", "--warmup", metavar="N")] = None
    warmup_seconds: Annotated[float | None, _measuring("Further warm-up after those steps.", metavar=SECONDS)] = None
    steps: Annotated[int | None, _measuring("Timed steps of a launch, at least.", metavar="N")] = None
    timed_seconds: Annotated[
        float | None, _measuring("Time enough steps to fill this time, at least --steps.", metavar=SECONDS)
    ] = None
    launches: Annotated[int | None, _measuring("Launches (fresh process groups) of each case.", metavar="N")] = None
    timeout_seconds: Annotated[
        float | None, _measuring("Time after which a launch is ended.", "--timeout", metavar=SECONDS)
    ] = None
    foreign_cpu_limit_cores: Annotated[
        float | None,
        _measuring(
            "Cores that other processes may keep busy; default: depends on the machine (METHOD.md).",
            "--foreign-cpu",
            metavar="CORES",
        ),
    ] = None
    python: Annotated[
        str | None, _measuring("Interpreter that measures; default: that of ssdbench.", metavar="FILE")
    ] = None
    measure_ceilings: Annotated[
        bool,
        _measuring(
            "First measure the highest rates of the device, for MFU and the roofline; takes seconds.",
            "--ceilings/--no-ceilings",
        ),
    ] = True
    launcher: Annotated[str, _measuring("Where launches run: local, or slurm (docs/slurm.md).", metavar="NAME")] = (
        "local"
    )
    slurm: Annotated[
        list[str] | None, _measuring("How to submit to Slurm, such as partition=gpu; may be repeated.", metavar=PAIR)
    ] = None
    margin: SuiteMargin = None
    results: Results = DEFAULT_RESULTS
    store_url: StoreUrl = None

    def suite(self) -> Suite:
        """The named suite, or the ad hoc one, with device and protocol as given.

        Raises:
            UsageError: neither or both are asked for, or a value does not exist.
        """
        axes = {axis: value for axis in _AXES if (value := getattr(self, axis)) is not None}
        if (self.name is None) == (self.workload is None):
            raise UsageError("give either a suite (`ssdbench run smoke`) or an ad hoc grid (`--workload train ...`)")
        if self.name is not None and (axes or self.option):
            raise UsageError(
                f"{_FLAGS[next(iter(axes))] if axes else '--option'} is for an ad hoc grid and cannot be combined with "
                f"suite {quoted(self.name)}"
            )
        content: dict[str, Any] = (
            self._stored() if self.name is not None else {"name": "ad-hoc", "matrix": [self._matrix(axes)]}
        )
        changes = {key: value for key in _PROTOCOL if (value := getattr(self, key)) is not None}
        content["protocol"] = content.get("protocol", {}) | changes
        for matrix in content["matrix"]:
            matrix["protocol"] = {k: v for k, v in matrix.get("protocol", {}).items() if k not in changes}
        for key in ("device", "foreign_cpu_limit_cores"):
            if getattr(self, key) is not None:
                content[key] = getattr(self, key)
        if self.margin is not None:
            content["verdict"] = content.get("verdict", {}) | {"margin": self.margin}
        flags = {key: flag for key, flag in _FLAGS.items() if getattr(self, key) is not None}
        return parse_suite(content, self.name or "command line", flags)

    def resumed_suite(self) -> str | None:
        """The name that the plans of this suite have, also where it is given as a file; None: any suite.

        Raises:
            UsageError: the file is not there, or has a mistake.
        """
        is_file = self.name is not None and self.name.endswith(".toml")
        return load_suite(find_suite(self.name)).name if self.name is not None and is_file else self.name

    def refuse_cases_to_resume(self) -> None:
        """Raises UsageError for --case next to --resume: the run has its plan already."""
        if self.case:
            raise UsageError("--resume continues the run with the cases that it has: omit --case")

    def refuse_run_without_resume(self, run_id: str | None, *, resume: bool) -> None:
        """Raises UsageError for --run without --resume: it would begin another run instead."""
        if run_id is not None and not resume:
            raise UsageError("--run names the run that --resume continues: give --resume as well, or omit --run")

    def store(self, waivers: Path | None = None) -> Store:
        """Where records and baselines are; errors as `options.open_store`."""
        return open_store(self.results, self.store_url, waivers)

    def store_words(self, store: Store) -> str:
        """The options that name the store in another command, with a blank before them."""
        return store_words(store, self.results, self.store_url)

    def run_options(self, suite: Suite) -> RunOptions:
        """How the run is measured, as its header keeps it."""
        return RunOptions(
            data_folder=str(self.data) if self.data else None,
            follow_links=self.follow_links or None,
            synthetic=suite.data.synthetic_data(),
            python=self.python,
            backbone_weights=self.weights,
            allow_download=self.download,
            foreign_cpu_limit_cores=suite.foreign_cpu_limit_cores,
            slurm=slurm_options(self.launcher, self.slurm or []),
            ceilings=None if self.measure_ceilings else False,
        )

    def trust(
        self, *, everything: bool, baseline_python: str | None = None, baseline_checkout: Path | None = None
    ) -> Trust:
        """What a stored run may start: what these options name, or everything that it names."""
        arm = BaselineArm(python=baseline_python or sys.executable, source=str((baseline_checkout or SOURCE).resolve()))
        options = RunOptions(python=self.python, slurm=slurm_options(self.launcher, self.slurm or []))
        return Trust(named=started_by(options, arm), everything=everything)

    def _stored(self) -> dict[str, Any]:
        assert self.name is not None
        return load_suite(find_suite(self.name)).model_dump(exclude_unset=True)

    def _matrix(self, axes: dict[str, Any]) -> dict[str, Any]:
        matrix: dict[str, Any] = {"options": dict(_assignment(text) for text in self.option or [])}
        for axis, value in axes.items():
            if isinstance(value, bool):
                matrix[axis] = value
                continue
            parts = [part.strip() for part in value.split(",") if part.strip()]
            if not parts:
                raise UsageError(
                    f"{_FLAGS[axis]} {quoted(value)}: names nothing; give one value, or several such as a,b"
                )
            matrix[axis] = [_whole(_FLAGS[axis], part) if axis in _NUMBERS else part for part in parts]
        return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions(SuiteOptions):
    """A suite of workload accuracy, or an ad hoc recipe; without the options for timing steps."""

    OMITTED: ClassVar[tuple[str, ...]] = (
        *("workload", "warmup_steps", "warmup_seconds", "steps", "timed_seconds", "launches", "margin"),
        *("foreign_cpu_limit_cores", "measure_ceilings"),
    )

    name: Annotated[str | None, _suite("Recipe: a suite by name, or a .toml file.", "--suite", metavar="SUITE")] = None
    option: Annotated[
        list[str] | None, _suite("Option of an ad hoc recipe, such as epochs=10; may be repeated.", metavar=PAIR)
    ] = None

    parallel: Annotated[
        int | None,
        _measuring("Trainings at a time, each on GPUs of its own; default: 1.", "--parallel", min=1, metavar="N"),
    ] = None

    def suite(self) -> Suite:
        """The named suite; without a name an ad hoc recipe if any axis is given, else the published one."""
        if self.name is not None:
            return SuiteOptions.suite(self)
        ad_hoc = self.option or any(getattr(self, axis) is not None for axis in _AXES)
        return SuiteOptions.suite(replace(self, workload="accuracy") if ad_hoc else replace(self, name="convergence"))


def takes_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Turn a verb with a parameter `options` into a command that takes those options one by one, and the verb's own."""
    kind: Any = get_type_hints(verb)["options"]  # a dataclass with OMITTED, the fields that are no options
    options = [field for field in fields(kind) if field.name not in kind.OMITTED]

    def command(**given: Any) -> None:
        asked = {field.name: given.pop(field.name) for field in options}
        verb(options=kind(**asked), **given)

    own = [parameter for parameter in inspect.signature(verb).parameters.values() if parameter.name != "options"]
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default if field.default is not MISSING else inspect.Parameter.empty,
            annotation=field.type,
        )
        for field in options
    ]
    parameters = [*shared, *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = verb.__doc__
    command.__name__ = verb.__name__
    return command


def _whole(flag: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UsageError(f"{flag}: {quoted(text)} is no whole number; give one, or several such as 1,2")
    return int(text)


def _assignment(text: str) -> tuple[str, int | float | str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--option {quoted(text)}: write it as name=value")
    return name.strip(), _number(value.strip())


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text
