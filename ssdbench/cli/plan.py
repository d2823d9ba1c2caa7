"""`ssdbench plan`: what would be measured, what would be skipped and why, and how long it would take."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.cli.suite_options import SuiteOptions, takes_options
from ssdbench.harness.forecast import Forecast
from ssdbench.harness.run_setup import RunSetup, new_setup, require_speed
from ssdbench.report.numbers import duration
from ssdbench.schema.case import Case, Plan, Protocol
from ssdbench.workflows.measuring import predict


@takes_options
def plan(options: SuiteOptions, as_json: Json = False) -> None:
    """Print the plan of a suite or an ad hoc grid for this machine, without measuring.

    A LIST is one value, or several separated by commas.
    """
    suite = options.suite()
    setup = new_setup(suite, options.run_options(suite), options.seed, cases=options.case or ())
    require_speed(setup.plan)
    prediction = predict(options.store(), setup)
    if as_json:
        print_plan_as_json(setup, prediction)
    else:
        print_plan(setup, prediction)


def print_plan(setup: RunSetup, prediction: Forecast) -> None:
    """Print cases, launches, reasons of those skipped, and the predicted duration."""
    plan, console = setup.plan, Terminal()
    measured = [planned.case for planned in plan.cases if planned.skip_reason is None]
    skipped = [planned for planned in plan.cases if planned.skip_reason is not None]
    console.say("Suite ", (plan.suite, "bold"), f" on {setup.machine.hardware.key}")
    for remark in setup.machine.remarks:
        console.say(remark)
    if gpus := _gpus(setup, measured):
        console.say(gpus)
    if measured:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, justify in (("case", "left"), ("launches", "right"), ("steps", "right"), ("predicted", "right")):
            table.add_column(heading, justify="left" if justify == "left" else "right", overflow="fold")
        for case in measured:
            seconds = prediction.launch_seconds[case.key] * case.protocol.launches
            steps = _steps(case.protocol)
            about = "~" if case.key in prediction.guessed else ""
            table.add_row(Text(case.title), str(case.protocol.launches), steps, about + duration(seconds))
        console.print(table)
    for reason, titles in _by_reason(plan).items():
        _print_skipped(console, reason, titles, is_all=not measured and len(titles) == len(skipped))
    if prediction.ceilings_seconds:
        console.say(f"First the highest rates of the device are measured: ~{duration(prediction.ceilings_seconds)}")
    total = duration(prediction.total_seconds(plan) + prediction.ceilings_seconds)
    basis = f"; {len(prediction.guessed)} guessed (~), not measured before" if prediction.guessed else ""
    console.say(
        f"{len(measured)} cases, {len(plan.order)} launches, {len(skipped)} skipped; predicted duration {total}{basis}"
    )


def print_plan_as_json(setup: RunSetup, prediction: Forecast) -> None:
    """Print the same as JSON."""
    print_data(_as_json(setup, prediction))


def _gpus(setup: RunSetup, measured: Sequence[Case]) -> str | None:
    """On which GPUs of this machine the cases are measured; None if on none, and on a cluster."""
    most = max((case.world_size for case in measured if case.device == "cuda"), default=0)
    if not most or setup.options.slurm is not None:
        return None
    listed = ", ".join(f"GPU {gpu.index} ({gpu.uuid or 'no UUID'})" for gpu in setup.machine.host.gpus[:most])
    first = "" if most == 1 else "; a case uses the first ones, as many as it has ranks"
    return f"On {listed}{first}"


def _by_reason(plan: Plan) -> dict[str, list[str]]:
    """The titles of the cases that are skipped for the same reason."""
    found: dict[str, list[str]] = {}
    for planned in plan.cases:
        if planned.skip_reason is not None:
            found.setdefault(planned.skip_reason, []).append(planned.case.title)
    return found


def _print_skipped(terminal: Terminal, reason: str, titles: list[str], *, is_all: bool) -> None:
    """A reason once, with the cases that it is about; all of a suite need not be named."""
    subject = titles[0] if len(titles) == 1 else f"all {len(titles)} cases" if is_all else f"{len(titles)} cases"
    terminal.say(("skipped", "yellow"), f"  {subject}: {reason}")
    if len(titles) > 1 and not is_all:
        for title in titles:
            terminal.say(f"         {title}")


def _steps(protocol: Protocol) -> str:
    steps = f"{protocol.warmup_steps} + {protocol.steps}"
    return steps + (f", {protocol.warmup_seconds:g} + {protocol.timed_seconds:g} s" if protocol.in_seconds else "")


def _as_json(setup: RunSetup, prediction: Forecast) -> dict[str, object]:
    cases = [
        {
            "case_key": planned.case.key,
            "title": planned.case.title,
            "skip_reason": planned.skip_reason,
            "protocol": planned.case.protocol,
            "predicted_launch_seconds": prediction.launch_seconds.get(planned.case.key),
            "is_guessed": planned.case.key in prediction.guessed,
        }
        for planned in setup.plan.cases
    ]
    return {
        "suite": setup.plan.suite,
        "hardware_key": setup.machine.hardware.key,
        "remarks": setup.machine.remarks,
        "cases": cases,
        "launches": len(setup.plan.order),
        "ceilings_seconds": prediction.ceilings_seconds,
        "predicted_seconds": prediction.total_seconds(setup.plan) + prediction.ceilings_seconds,
    }
