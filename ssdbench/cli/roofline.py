"""`ssdbench roofline`: how fast a step could be on a device, and how close a run comes."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from ssdbench.cli.counting import data_progress
from ssdbench.cli.help import MEASURING, OUTPUT, argument, option
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.streams import say
from ssdbench.cli.suite_options import SuiteOptions, takes_options
from ssdbench.errors import UsageError
from ssdbench.harness.stores import codec
from ssdbench.report.roofline import render_roofline
from ssdbench.schema.case import Case, DeviceKind
from ssdbench.workflows.judging import load_run
from ssdbench.workflows.roofline import CeilingsSource, grid_cases, measured_cases, predict_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineOptions(SuiteOptions):
    """An ad hoc grid, without the options for measuring it."""

    OMITTED: ClassVar[tuple[str, ...]] = (
        *("name", "case", "nodes", "world_size", "pipeline", "option", "warmup_steps", "steps", "launches"),
        *("timeout_seconds", "foreign_cpu_limit_cores", "margin", "data", "weights", "download"),
        *("launcher", "slurm", "seed", "compile", "measure_ceilings"),
    )


@takes_options
def roofline(
    options: RooflineOptions,
    run: Annotated[str | None, argument("Run id, the beginning of one, a .jsonl file, or latest.", "RUN")] = None,
    gpu: Annotated[
        str | None,
        option(
            "Name of a GPU or a part of it, such as 'h100 80gb'; default: this machine's.",
            metavar="NAME",
            panel=MEASURING,
        ),
    ] = None,
    ceilings: Annotated[
        str | None,
        option("Ceilings, such as matmul=805e12,tf32=403e12,copy=3.02e12.", metavar="NAME=VALUE,...", panel=MEASURING),
    ] = None,
    measure: Annotated[
        bool, option("First measure the ceilings of this machine's GPU or CPU.", "--measure", panel=MEASURING)
    ] = False,
    groups: Annotated[bool, option("Show the groups of operations of each case.", "--groups", panel=OUTPUT)] = False,
    as_json: Json = False,
) -> None:
    """Predict the time of a training or inference step from its operations, and compare it with a run.

    Each operation takes at least the time of its arithmetic at the rate of a matrix product, and of its bytes at the
    rate of a copy. docs/performance.md describes what is counted, and how close an H100 comes.
    """
    if (run is None) == (options.workload is None):
        raise UsageError("give either a run (`ssdbench roofline latest`) or an ad hoc grid (`--workload train ...`)")
    loaded = load_run(options.store(), run, say) if run is not None else None
    cases = measured_cases(loaded) if loaded is not None else _grid(options)
    source = CeilingsSource(gpu=gpu, values=ceilings, measure=measure)
    with data_progress() as on_progress:
        found = predict_steps(cases, loaded, source, options.python, on_progress)
    if as_json:
        print_json(codec.dump(found))
    else:
        Terminal().print(render_roofline(found, groups=groups or len(found.cases) == 1))


def _grid(options: SuiteOptions) -> list[Case]:
    """On one GPU, on the CPU only if asked for: a prediction needs no GPU."""
    device: DeviceKind = "cpu" if options.device == "cpu" else "cuda"
    return grid_cases(replace(options, device=device, pipeline="resident").suite(), device)
