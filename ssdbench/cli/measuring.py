"""From a setup to its end: images made ready, launches measured and stored, verdicts printed where they are due."""

from rich.console import Console

from ssdbench.cli import decide as d
from ssdbench.cli.plan import print_remarks
from ssdbench.cli.progress import data_progress, run_progress
from ssdbench.errors import ExitCode
from ssdbench.harness import run_setup
from ssdbench.harness.datasets import PreparedData, cache_folder
from ssdbench.harness.forecast import Forecast
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Run


def begin(store: Store, setup: run_setup.RunSetup) -> tuple[Run, PreparedData | None]:
    """Make the images ready and write the run's header, or take up the run that is resumed.

    Raises:
        EnvironmentLacksError: nothing of the plan can be measured here.
    """
    print_remarks(Console(), setup)
    run_setup.require_something_to_measure(setup.plan)
    with data_progress() as on_progress:
        data = run_setup.prepare_images(setup, on_progress)
    return run_setup.begin_run(store, setup, data), data


def measure(
    store: Store, setup: run_setup.RunSetup, begun: Run, data: PreparedData | None,
    prediction: Forecast, deadline_seconds: float | None,
) -> ExitCode:  # fmt: skip
    """Measure what is left of a run, and judge it where that was asked for; the exit code says how it went."""
    with run_progress(begun.header, prediction, len(begun.records), d.outlook_of(begun.header)) as observer:
        loop = LaunchLoop(begun, data, run_setup.build_launchers(setup), store, cache_folder() / "work", observer)
        d.measure(loop, store, begun.header, deadline_seconds)
    code = d.judge_run(store, loop.run)
    if code is None and any(record.failure for record in loop.records):
        code = ExitCode.CASE_FAILED
    return ExitCode(code or ExitCode.OK)
