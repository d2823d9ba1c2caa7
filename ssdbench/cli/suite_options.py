"""The options that name a suite or an ad hoc grid and say how it is measured, and the suite that results from them."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

import typer

from ssdbench.cli.options import DEFAULT_RESULTS, STORE_HELP, open_store
from ssdbench.cli.slurm_options import slurm_options
from ssdbench.errors import UsageError
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite import Suite, find_suite, load_suite, parse_suite
from ssdbench.schema.record import RunOptions

_NUMBERS = ("world_size", "nodes", "batch_size_per_gpu")
_AXES = ("workload", *_NUMBERS, "precision", "backbone", "pipeline", "decode", "layout", "compile", "cuda_graph")
_PROTOCOL = ("warmup_steps", "warmup_seconds", "steps", "timed_seconds", "launches", "timeout_seconds")


def _option(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help)


_NAME = typer.Argument(metavar="[SUITE]", help="A suite by name (smoke, nightly, monthly) or a .toml file.")
_SEVERAL = "several by commas"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """The options as given; None was not given."""

    LEFT_OUT: ClassVar[tuple[str, ...]] = ()

    name: Annotated[str | None, _NAME] = None
    workload: Annotated[str | None, _option(f"Ad hoc grid: train, infer, detect, input; {_SEVERAL}.")] = None
    world_size: Annotated[str | None, _option("Ranks: GPUs, or processes on a CPU, e.g. 1,2.", "--gpus")] = None
    nodes: Annotated[str | None, _option("Machines that the ranks are spread over; needs --launcher slurm.")] = None
    batch_size_per_gpu: Annotated[str | None, _option("Images per GPU, e.g. 32,64.", "--batch-size")] = None
    precision: Annotated[str | None, _option(f"fp32, tf32, amp, bf16; {_SEVERAL}.")] = None
    backbone: Annotated[str | None, _option(f"resnet18, resnet34, resnet50, resnet101, resnet152; {_SEVERAL}.")] = None
    pipeline: Annotated[str | None, _option(f"dali, torchvision, resident; {_SEVERAL}.")] = None
    decode: Annotated[str | None, _option(f"Where dali decodes for a GPU: cpu, mixed; {_SEVERAL}.")] = None
    layout: Annotated[str | None, _option(f"channels_last, contiguous; {_SEVERAL}.")] = None
    compile: Annotated[bool | None, _option("Compile the model with torch.compile.", "--compile/--eager")] = None
    cuda_graph: Annotated[
        bool | None, _option("Replay the network as a CUDA graph (train, infer).", "--cuda-graph/--no-cuda-graph")
    ] = None
    option: Annotated[list[str] | None, _option("The workload's own option, as name=value: timing=synchronised.")] = (
        None
    )
    device: Annotated[str | None, _option("cuda, cpu, or auto: the GPU where there is one.")] = None
    warmup_steps: Annotated[int | None, _option("Steps before the timed ones.", "--warmup")] = None
    warmup_seconds: Annotated[float | None, _option("Seconds of further warm-up after those steps.")] = None
    steps: Annotated[int | None, _option("Timed steps of a launch, at least.")] = None
    timed_seconds: Annotated[float | None, _option("Time enough steps to fill these seconds, at least --steps.")] = None
    launches: Annotated[int | None, _option("Launches (fresh process groups) of each case.")] = None
    timeout_seconds: Annotated[float | None, _option("Seconds one launch may take.", "--timeout")] = None
    foreign_cpu_limit_cores: Annotated[
        float | None,
        _option("Cores others may keep busy; default: by the machine (METHOD.md).", "--foreign-cpu"),
    ] = None
    margin: Annotated[float | None, _option("Relative change that a verdict is about, 0.01 for 1 %.")] = None
    data: Annotated[Path | None, _option("Images laid out as COCO 2017; default: synthetic ones.")] = None
    weights: Annotated[str | None, _option("Backbone weights: torchvision's name, or a file; default: random.")] = None
    download: Annotated[bool, _option("Allow named weights to be downloaded.", "--download")] = False
    python: Annotated[str | None, _option("Interpreter that measures; default: the one of ssdbench.")] = None
    launcher: Annotated[str, _option("Where launches run: local, or slurm (docs/slurm.md).")] = "local"
    slurm: Annotated[list[str] | None, _option("How to submit to Slurm, as name=value: partition=gpu.")] = None
    results: Annotated[Path, _option("Folder of records and baselines, and of files of launches.")] = DEFAULT_RESULTS
    store_url: Annotated[str | None, typer.Option("--store", metavar="URL", help=STORE_HELP)] = None
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, augmentation and order of images.")] = 1

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
                f"{next(iter(axes), 'option')} is of an ad hoc grid and does not go with suite {self.name}"
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
        return parse_suite(content, self.name or "command line")

    def store(self) -> Store:
        """Where records and baselines are; errors as `options.open_store`."""
        return open_store(self.results, self.store_url)

    def run_options(self, suite: Suite) -> RunOptions:
        """What is kept in the run's header beside its plan."""
        return RunOptions(
            data_folder=str(self.data) if self.data else None,
            synthetic=suite.data.synthetic_data(),
            python=self.python,
            backbone_weights=self.weights,
            allow_download=self.download,
            foreign_cpu_limit_cores=suite.foreign_cpu_limit_cores,
            slurm=slurm_options(self.launcher, self.slurm or []),
        )

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
            matrix[axis] = [_number(part) if axis in _NUMBERS else part for part in parts]
        return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions(SuiteOptions):
    """What `converge` is asked: a suite of workload accuracy, or an ad hoc recipe; nothing of what times steps."""

    LEFT_OUT: ClassVar[tuple[str, ...]] = (
        *("workload", "warmup_steps", "warmup_seconds", "steps", "timed_seconds", "launches", "margin"),
        "foreign_cpu_limit_cores",
    )

    name: Annotated[str | None, _option("Recipe: a suite by name, or a .toml file.", "--suite")] = None
    option: Annotated[list[str] | None, _option("Of an ad hoc recipe, as name=value: epochs=10.")] = None

    def suite(self) -> Suite:
        """The suite asked for; without one, the published recipe, or an ad hoc one where any axis is given."""
        if self.name is not None:
            return SuiteOptions.suite(self)
        ad_hoc = self.option or any(getattr(self, axis) is not None for axis in _AXES)
        return SuiteOptions.suite(replace(self, workload="accuracy") if ad_hoc else replace(self, name="convergence"))


def takes_options(verb: Callable[..., None]) -> Callable[..., None]:
    """A command whose options are those of its `options` and the verb's own; the verb gets them as `options`."""
    kind: type[SuiteOptions] = get_type_hints(verb)["options"]
    options = [field for field in fields(kind) if field.name not in kind.LEFT_OUT]

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


def _assignment(text: str) -> tuple[str, int | float | str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--option {text}: write it as name=value")
    return name.strip(), _number(value.strip())


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
