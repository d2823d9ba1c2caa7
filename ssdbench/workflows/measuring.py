"""Measures a planned run from its beginning to its end: images, launches, verdicts where they are due, exit code."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.errors import ExitCode, StoreError, StoreUnreachableError
from ssdbench.harness import run_setup
from ssdbench.harness.cache import KEPT_DAYS, clean_work, work_folder
from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.forecast import Forecast, forecast, guess_ceilings_seconds
from ssdbench.harness.gpu_group import GpuGroup
from ssdbench.harness.launch_loop import LaunchLoop, Observer
from ssdbench.harness.launchers.limits import LimitsByCase, LimitsLauncher, find_limits, limited_cases
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.launchers.pausing import PausingLauncher
from ssdbench.harness.legs import Leg
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.locks import Lock
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite import find_suite, load_suite
from ssdbench.harness.suite_tables import Suite
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Record, Run, RunHeader, RunOptions
from ssdbench.schema.verdict import Comparison
from ssdbench.workflows.deciding import is_judged_at_its_end, measure_launches
from ssdbench.workflows.display import Display, Quiet
from ssdbench.workflows.judging import Judgement, judge_run
from ssdbench.workflows.manifests import keep_manifests, with_contents_if_known


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """A run whose header is stored and whose images are ready; `run` has the launches measured before.

    `lock` keeps other processes from measuring the same run, until it is released or this object is gone.
    """

    setup: RunSetup
    store: Store
    run: Run
    data: PreparedData | None
    lock: Lock

    @property
    def header(self) -> RunHeader:
        """The header of the run."""
        return self.run.header

    def forecast(self) -> Forecast:
        """How long its launches will take."""
        return predict(self.store, self.setup)

    def loop(
        self,
        observer: Observer,
        training_folder: Path | None = None,
        leg: Leg | None = None,
        limits: LimitsByCase | None = None,
    ) -> LaunchLoop:
        """The loop that measures a run's launches one by one; seeds are trained below `training_folder`.

        With `leg` they pause at its end. `limits` are what measurements are held against.
        """
        clean_work(KEPT_DAYS)
        launchers, work = run_setup.build_launchers(self.setup), work_folder()
        if limits is not None:
            launchers = {arm: LimitsLauncher(launcher, limits) for arm, launcher in launchers.items()}
        return LaunchLoop(self.run, self.data, launchers, self, work, observer, training_folder, leg)

    def gpu_groups(
        self, loop: LaunchLoop, gpus: Iterable[tuple[GpuState, ...]], stop: threading.Event, leg: Leg | None = None
    ) -> list[GpuGroup]:
        """What launches on each of these groups of GPUs, until `stop` is set; with `leg` trainings pause at its end."""
        groups = []
        for own in gpus:
            machine = replace(self.setup.machine, host=replace(self.setup.machine.host, gpus=own))
            launchers = run_setup.build_launchers(replace(self.setup, machine=machine), stop)
            if leg is not None:
                launchers = {arm: PausingLauncher(launcher, leg) for arm, launcher in launchers.items()}
            groups.append(loop.gpu_group(launchers, replace(self.header.host, gpus=own)))
        return groups

    def append(self, record: Record) -> bool:
        """Store a launch of this run.

        Raises:
            StoreLockedError: another process has taken this run over.
        """
        is_new = self.store.append(record)
        with suppress(StoreUnreachableError):
            self.lock.require()
        return is_new


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """A run after measuring; `comparison` is None unless the run was measured in order to be decided."""

    run: Run
    comparison: Comparison | None
    exit_code: ExitCode


def setup_suite(
    suite: str | Path, *, seed: int = 1, python: str | None = None, data_folder: Path | None = None
) -> RunSetup:
    """Plan a suite for this machine; nothing is measured or stored.

    Args:
        suite: its name, or the path of a .toml file.
        seed: of weights, augmentation and the order of images.
        python: interpreter that measures; None: the one of ssdbench.
        data_folder: images laid out as COCO 2017; None: the suite's synthetic ones.

    Raises:
        UsageError: no such suite, or it has a mistake.
        EnvironmentLacksError: the interpreter cannot run.
    """
    found = load_suite(find_suite(str(suite)))
    return run_setup.new_setup(found, options_of(found, python=python, data_folder=data_folder), seed)


def options_of(suite: Suite, *, python: str | None = None, data_folder: Path | None = None) -> RunOptions:
    """How a suite is measured on this machine, as the run's header keeps it."""
    return RunOptions(
        data_folder=str(data_folder) if data_folder else None,
        synthetic=suite.data.synthetic_data(),
        python=python,
        foreign_cpu_limit_cores=suite.foreign_cpu_limit_cores,
    )


def predict(store: Store, setup: RunSetup) -> Forecast:
    """How long the launches of a plan will take, from earlier runs in the store where there are any."""
    found = forecast(setup.plan, setup.machine.hardware, run_setup.earlier_records(store))
    return replace(found, ceilings_seconds=guess_ceilings_seconds(_limited(setup)))


def measure(
    store: Store, setup: RunSetup, display: Display | None = None, *, deadline_seconds: float | None = None
) -> MeasuredRun:
    """Measure what is not measured yet of a run; every launch is stored when it ends.

    The run is judged if it is measured in order to be decided (in pairs, or until a baseline can decide).

    Args:
        store: where the run goes.
        setup: what to measure: `setup_suite`, or a function of `harness.run_setup`.
        display: what shows the progress; None: nothing does.
        deadline_seconds: no launch begins after this time of the monotonic clock.

    Raises:
        EnvironmentLacksError: nothing of the plan can be measured here.
        DataError: the images have a fault, or are others than those of the resumed run.
        StoreError: the run cannot be stored.
    """
    display = display or Quiet()
    return finish(begin(store, setup, display), display, deadline_seconds=deadline_seconds)


def begin(store: Store, setup: RunSetup, display: Display, *, may_be_empty: bool = False) -> BegunRun:
    """Make the images ready and store the header of the run, or continue the run that is resumed.

    Raises:
        EnvironmentLacksError: nothing of the plan can be measured here, and it may not be empty.
        DataError, StoreError: as `measure`; StoreLockedError: another process measures the run that is resumed.
        UsageError: the run will be judged, and the file of waivers cannot be read.
    """
    if setup.baseline_arm is not None or setup.options.until_decided is not None:
        read_waivers(store.waivers_file)
    lock = store.measuring(setup.resumed.header.run_id) if setup.resumed is not None else None
    for remark in setup.machine.remarks:
        display.message(remark)
    if not may_be_empty:
        run_setup.require_something_to_measure(setup.plan)
    with display.images() as on_progress:
        data = run_setup.prepare_images(setup, on_progress)
    run = run_setup.begin_run(store, setup, data)
    lock = lock or store.measuring(run.header.run_id)
    return BegunRun(setup=setup, store=store, run=run, data=data, lock=lock)


@contextmanager
def closing_lock(begun: BegunRun) -> Iterator[None]:
    """Release the lock of a run at the end of the block."""
    try:
        yield
    finally:
        begun.lock.release()


def finish(begun: BegunRun, display: Display, *, deadline_seconds: float | None = None) -> MeasuredRun:
    """Measure what is left of a run that has begun, and judge it if it is measured in order to be decided."""
    store, run = begun.store, measure_rest(begun, display, deadline_seconds=deadline_seconds)
    keep_manifests(store, run, begun.setup.options, display.message)
    comparison, code = None, ExitCode.OK
    if is_judged_at_its_end(begun.header):
        judgement = with_creep_if_known(store, judge_run(store, run), display)
        judgement = with_contents_if_known(store, judgement, display.message)
        comparison, code = judgement.comparison, judgement.exit_code
        display.judged(comparison, code)
    elif any(record.failure for record in run.records):
        code = ExitCode.CASE_FAILED
    return MeasuredRun(run=run, comparison=comparison, exit_code=code)


def measure_rest(begun: BegunRun, display: Display, *, deadline_seconds: float | None = None) -> Run:
    """Measure what is left of a run that has begun, without judging it."""
    with closing_lock(begun):
        limits = _find_limits(begun, display)
        with display.launches(begun) as observer:
            loop = begun.loop(observer, limits=limits)
            measure_launches(loop, begun.store, begun.header, deadline_seconds)
    return loop.run


def _find_limits(begun: BegunRun, display: Display) -> LimitsByCase | None:
    """What the device can do at most, measured now, with nothing else running; None where that is not measured."""
    setup, cases = begun.setup, _limited(begun.setup)
    launcher = run_setup.build_launchers(setup)["candidate"]
    if not cases or not isinstance(launcher, LocalLauncher):
        return None
    display.message("measuring what this device can do at most (--no-ceilings omits this)")
    found = find_limits(launcher, cases, work_folder() / begun.header.run_id, begun.header.plan.seed)
    for note in found.notes:
        display.message(note)
    return found.of_cases


def _limited(setup: RunSetup) -> tuple[Case, ...]:
    """The cases whose limits are measured; none through Slurm, where each launch may get another node."""
    is_asked = setup.options.ceilings is not False and setup.options.slurm is None
    return limited_cases(setup.plan) if is_asked else ()


def with_creep_if_known(store: Store, judgement: Judgement, display: Display) -> Judgement:
    """The judgement with the distance of the run from older results, or a message that these cannot be read."""
    # A verdict that took hours to measure is shown, also where older results cannot be read.
    try:
        return judgement.with_creep(store)
    except StoreError as error:
        display.message(f"creep was not looked for: {error}")
        return judgement
