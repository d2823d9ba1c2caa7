"""Prepares a run: its plan, machine, interpreters, images and launchers."""

import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ssdbench.errors import DataError, EnvironmentLacksError, StoreError, StoreUnreachableError, UsageError
from ssdbench.harness.cache import work_folder
from ssdbench.harness.containers.commands import remove_leftovers
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.datasets import (
    OnProgress,
    PreparedData,
    image_folder,
    needs_images,
    prepare_dataset,
)
from ssdbench.harness.gpu_group import Launcher
from ssdbench.harness.launchers.container import ContainerLauncher
from ssdbench.harness.launchers.images import MeasuredImage
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.launchers.slurm.launcher import SlurmLauncher
from ssdbench.harness.launchers.slurm.placement import PairNodes
from ssdbench.harness.launchers.slurm.probe import probe_cluster
from ssdbench.harness.machine.probe import Machine, probe_machine
from ssdbench.harness.machine.validity import changed_settings
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.planning import make_plan, select_cases
from ssdbench.harness.process import SOURCE
from ssdbench.harness.source_copies import is_copy
from ssdbench.harness.stores.store import Store
from ssdbench.harness.suite_tables import Suite
from ssdbench.harness.trust import NOTHING, Trust, remember, require_complete, require_trusted, started_by
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import Plan
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.record import Arm, BaselineArm, ContainerImage, Record, Run, RunHeader, RunOptions, SlurmOptions
from ssdbench.schema.settings import Settings

_RUNS_TO_LEARN_FROM = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup:
    """A run that can start or continue; nothing is measured or created yet.

    `source` is the source that measures as the candidate; only the self-test and bisections measure another than ours.
    """

    machine: Machine
    worker: WorkerPython
    plan: Plan
    options: RunOptions
    settings: Settings
    baseline_arm: BaselineArm | None = None
    nightly: NightlyStage | None = None
    resumed: Run | None = None
    source: Path = SOURCE


def new_setup(
    suite: Suite,
    options: RunOptions,
    seed: int,
    baseline_arm: BaselineArm | None = None,
    *,
    cases: Sequence[str] = (),
) -> RunSetup:
    """Plan a suite for this machine; with `baseline_arm`, to be measured in pairs with that baseline.

    `cases` are patterns of the cases to plan, as `planning.select_cases` takes them; none: all of the suite.

    Raises:
        EnvironmentLacksError: the interpreter that would measure is missing, or there is no Slurm cluster.
        UsageError: the cluster refuses jobs with these options, or a pattern fits no case.
    """
    settings = suite.verdict.settings()
    if options.slurm is None:
        machine = probe_machine()
        on_gpu = bool(machine.hardware.gpu_count) and suite.device != "cpu" and options.image is None
        worker = inspect_python(options.python, with_gpu_code=on_gpu)
    else:
        machine, worker, options = probe_node(options.slurm, options, pairs=baseline_arm is not None)
    pilot_pairs = settings.first_pairs if baseline_arm else None
    plan = make_plan(suite, machine, None if options.image else worker, seed, pilot_pairs=pilot_pairs)
    plan = select_cases(plan, cases)
    measured_by = options.container.python if options.container and options.image else worker.executable
    options = replace(options, measured_by=measured_by, source=str(SOURCE))
    return RunSetup(
        machine=machine, worker=worker, plan=plan, options=options, settings=settings, baseline_arm=baseline_arm
    )


def resumed_setup(
    store: Store,
    run: str | None,
    suite: str | None,
    is_unfinished: Callable[[Run], bool],
    trust: Trust = NOTHING,
    source: Path = SOURCE,
) -> RunSetup:
    """Prepare to continue a run with this source; None is the newest unfinished one, of `suite` if that is given.

    Raises:
        StoreError: there is no such run, or no unfinished one.
        UsageError: it would start what `trust` does not name (before that is started), or was begun on other hardware,
            under other settings, or with other images.
        EnvironmentLacksError: its container engine does not answer.
    """
    resumed = store.load(run) if run is not None else _newest_unfinished(store, suite, is_unfinished)
    options, baseline_arm = resumed.header.options, resumed.header.baseline_arm
    require_trusted(resumed.header, started_by(options, baseline_arm), trust)
    options = replace(options, container=trust.container or options.container)
    require_complete(options)
    if options.source not in (None, str(source)) and is_copy(Path(options.source)):
        raise UsageError(
            f"run {resumed.header.run_id} is a probe of another commit: repeat the `ssdbench bisect` command"
        )
    machine = probe_machine() if options.slurm is None else _recorded_machine(resumed.header)
    if resumed.header.hardware != machine.hardware:
        raise UsageError(
            f"run {resumed.header.run_id} was started on {resumed.header.hardware.key}, this is "
            f"{machine.hardware.key}: resume it there, or start a new run here"
        )
    _require_images(resumed, options)
    if changed := changed_settings(resumed.header.host, machine.host):
        raise UsageError(
            f"run {resumed.header.run_id} was started under other settings: {changed}; restore them, or start a new run"
        )
    return RunSetup(
        machine=machine,
        worker=inspect_python(options.python),
        plan=resumed.header.plan,
        options=options,
        settings=resumed.header.settings,
        baseline_arm=baseline_arm,
        nightly=resumed.header.nightly,
        resumed=resumed,
        source=source,
    )


def trains_for_accuracy(plan: Plan) -> bool:
    """Whether a plan trains seeds rather than measuring speed."""
    return any(planned.case.workload == "accuracy" for planned in plan.cases)


def require_speed(plan: Plan) -> None:
    """Raises UsageError for a plan that trains for accuracy, which `ssdbench converge` does."""
    if trains_for_accuracy(plan):
        raise UsageError(
            f"{plan.suite} trains for accuracy: use `ssdbench converge` (--suite {plan.suite}, or --resume)"
        )


def require_something_to_measure(plan: Plan) -> None:
    """Raises EnvironmentLacksError with the reasons if every case is skipped."""
    if not plan.order:
        reasons = sorted({planned.skip_reason for planned in plan.cases if planned.skip_reason})
        raise EnvironmentLacksError(
            f"nothing of {plan.suite} can be measured here: {'; '.join(reasons)} (see `ssdbench env`)"
        )


def prepare_images(setup: RunSetup, on_progress: OnProgress) -> PreparedData | None:
    """Create and check the images of the run; None if no case reads any.

    Raises:
        WorkerError: the data set is faulty.
        DataError: the run was started with other images.
    """
    if not needs_images(setup.plan):
        return None
    data = prepare_dataset(setup.worker.executable, setup.options, on_progress)
    if setup.resumed is not None and setup.resumed.header.dataset != data.dataset:
        raise DataError(
            f"the images of run {setup.resumed.header.run_id} have changed since it was started "
            f"({setup.resumed.header.dataset} then, {data.dataset} now): start a new run"
        )
    return data


def begin_run(store: Store, setup: RunSetup, data: PreparedData | None) -> Run:
    """Store the header of a new run, or return the resumed run as it is now."""
    if setup.resumed is not None:
        return store.load(setup.resumed.header.run_id)
    now = datetime.now(timezone.utc)
    header = RunHeader(
        schema_version=SCHEMA_VERSION,
        run_id=f"{now:%Y%m%dT%H%M%S}-{setup.plan.suite}-{secrets.token_hex(2)}",
        created_at=now.isoformat(timespec="seconds"),
        plan=setup.plan,
        options=setup.options,
        hardware=setup.machine.hardware,
        host=setup.machine.host,
        dataset=data.dataset if data else None,
        baseline_arm=setup.baseline_arm,
        settings=setup.settings,
        nightly=setup.nightly,
    )
    header = store.begin(header)
    remember(header)
    return Run(header=header, records=())


def earlier_records(store: Store) -> list[Record]:
    """Records of the newest runs, for predicting durations."""
    records: list[Record] = []
    for header in store.headers()[-_RUNS_TO_LEARN_FROM:]:
        # An unreadable run must not prevent a prediction; a command that needs that run reports it.
        with suppress(StoreError):
            records += store.load(header.run_id).records
    return records


def build_launchers(setup: RunSetup, stop: threading.Event | None = None) -> dict[Arm, Launcher]:
    """The launcher of each arm; launches on this machine end when `stop` is set."""
    options, baseline_arm = setup.options, setup.baseline_arm
    nodes = PairNodes(setup.resumed.records if setup.resumed is not None else ()) if baseline_arm is not None else None
    candidate = _build_launcher(setup, options.image, setup.worker.executable, setup.source, nodes, stop)
    found: dict[Arm, Launcher] = {"candidate": candidate}
    if baseline_arm is not None:
        source = Path(baseline_arm.source)
        found["baseline"] = _build_launcher(setup, baseline_arm.image, baseline_arm.python, source, nodes, stop)
        if setup.nightly is not None and setup.nightly.against_itself:
            found["candidate"] = found["baseline"]
    return found


def _build_launcher(
    setup: RunSetup, image: ContainerImage | None, python: str, source: Path, nodes: PairNodes | None,
    stop: threading.Event | None,
) -> Launcher:  # fmt: skip
    options, machine = setup.options, setup.machine
    gpus = machine.host.gpus
    if image is None or options.container is None:
        if options.slurm is not None:
            return SlurmLauncher(options.slurm, python, machine.hardware, machine.host, source, None, nodes)
        return LocalLauncher(python, source, gpus, stop)
    images = image_folder(options).resolve()
    if options.slurm is None:
        return ContainerLauncher(options.container, image, images, gpus, source, machine.hardware, stop)
    measured = MeasuredImage(
        options=options.container, image=image, data_folder=images, source=source, hardware=machine.hardware
    )
    inside = options.container.python
    return SlurmLauncher(options.slurm, inside, machine.hardware, machine.host, source, measured, nodes)


def probe_node(slurm: SlurmOptions, options: RunOptions, *, pairs: bool) -> tuple[Machine, WorkerPython, RunOptions]:
    """The cluster's node that launches are like, its interpreter, and the options: with the node's name for `pairs`.

    Raises:
        EnvironmentLacksError: there is no Slurm cluster, or it has no interpreter.
        UsageError: the cluster refuses jobs with these options.
    """
    node = probe_cluster(slurm, options.python or sys.executable, work_folder())
    assert node.worker is not None
    if pairs:  # both launches of a pair on one node, or a difference between nodes would pass for a change
        options = replace(options, slurm=replace(slurm, nodelist=node.name))
    return node.machine, node.worker, options


def _recorded_machine(header: RunHeader) -> Machine:
    """The cluster's node at the start of the run; each launch checks that its own node is like it.

    Jobs inherit the variables set here, except for the visible GPUs, which Slurm sets along with the site's own.
    """
    here = probe_machine()
    ours = {name: value for name, value in here.host.variables.items() if name != "CUDA_VISIBLE_DEVICES"}
    host = replace(header.host, variables=header.host.variables | ours)
    return replace(here, hardware=header.hardware, host=host, remarks=())


def _require_images(run: Run, options: RunOptions) -> None:
    """Raises UsageError if an image is not the one that the run was started with.

    On a cluster each launch asks for it on its node, by id or digest.
    """
    if options.slurm is not None:
        return
    baseline_arm = run.header.baseline_arm
    if options.container is not None:
        remove_leftovers(options.container.engine)
    for image in (options.image, baseline_arm.image if baseline_arm else None):
        if image is None or image.failure is not None or options.container is None:
            continue
        now = inspect_image(
            options.container, image.id if options.container.engine.inspect and image.id else image.reference
        )
        if now.id != image.id or now.failure is not None:
            raise UsageError(
                f"run {run.header.run_id} was started with {image.reference} {image.id}, which is no longer here: "
                "fetch it again by its digest, or start a new run"
            )


def _newest_unfinished(store: Store, suite: str | None, is_unfinished: Callable[[Run], bool]) -> Run:
    headers = [header for header in store.headers() if suite is None or header.plan.suite == suite]
    for header in reversed(headers):
        try:
            run = store.load(header.run_id)
        except StoreUnreachableError:
            raise
        except StoreError:  # a run that cannot be read cannot be resumed
            continue
        if is_unfinished(run):
            return run
    of_suite = f" of suite {suite}" if suite else ""
    raise StoreError(
        f"{store.name} holds no unfinished run{of_suite} of this kind: start one without --resume (`ssdbench run` "
        "measures speed, `ssdbench converge` trains; `ssdbench runs` lists both)"
    )
