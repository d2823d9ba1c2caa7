"""One launch after another, each stored before the next begins; an invalid one is replaced, a few times."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.launchers.torchrun import CASE_FILE
from ssdbench.harness.machine.gpu_conditions import case_gpus
from ssdbench.harness.machine.gpu_monitor import GpuMonitor
from ssdbench.harness.machine.validity import Validity
from ssdbench.harness.stores.codec import read_training
from ssdbench.harness.training_folders import seed_folder
from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.case import Case, LaunchRequest, StepCounts
from ssdbench.schema.launch_rules import may_be_replaced, usable_measurement
from ssdbench.schema.record import Arm, Failure, Measurement, Record, Run, StageName
from ssdbench.schema.training import Training

Event = dict[str, object]

# What ranks report where a GPU has fallen off: an error of CUDA, peers that are gone, or nothing for ever.
_BY_A_LOST_GPU = ("crash", "lost", "timeout")


class Launcher(Protocol):
    """Starts the worker of one launch, somewhere, and follows it to its end."""

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch; its files stay in `request.output`, those of a training in `request.training_folder`."""


@runtime_checkable
class QueuedLauncher(Launcher, Protocol):
    """A launcher whose launches wait for their turn elsewhere and outlive the host; several may be under way.

    Their GPUs are elsewhere too: it has them watched itself.
    """

    jobs: int

    def submit(self, request: LaunchRequest) -> None:
        """Hand a launch over before its turn; `launch` with the same request collects it."""

    def holds(self, folder: Path) -> bool:
        """Whether the launch with this output folder is under way, or has ended and was never collected."""

    def run_seconds(self, folder: Path) -> float:
        """How long the collected launch with this output folder ran, its time in the queue left out."""

    def withdraw(self) -> None:
        """End what was submitted and not collected."""


class Sink(Protocol):
    """Keeps records, each whole or not at all."""

    def append(self, record: Record) -> bool:
        """Keep a record."""


class Observer(Protocol):
    """Watches a run, for progress."""

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        """What is known to be left: the case of every launch."""

    def launch_started(self, case: Case, name: str) -> None:
        """A launch begins."""

    def event(self, event: Event) -> None:
        """The launch's rank 0 said something (see `worker.events`)."""

    def launch_finished(self, record: Record, name: str) -> None:
        """A launch ended and its record is stored."""

    def round_finished(self, records: Sequence[Record]) -> None:
        """Every case that needs it had its turn, and the verdict rule is asked about these records; or it begins."""


class LaunchLoop:
    """Measures launches of one run; an interruption loses the launch in progress and nothing else."""

    def __init__(
        self, run: Run, data: PreparedData | None, launchers: Mapping[Arm, Launcher], sink: Sink, work_folder: Path,
        observer: Observer, training_folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.records = list(run.records)
        self.observer = observer
        self._header = run.header
        self._data = data
        self._launchers = launchers
        self._sink = sink
        self._work_folder = work_folder / run.header.run_id
        self._training_folder = training_folder
        # A training that broke off goes on from its checkpoint when its run is resumed, and only then.
        self._resumable = {record.id for record in run.records if _can_continue(record)}
        limit = run.header.options.foreign_cpu_limit_cores
        self._validity = Validity(host=run.header.host, foreign_cpu_limit_cores=limit)
        if run.header.options.slurm is not None:  # the GPUs here are not those that measured
            self._validity = replace(self._validity, query=tuple)
        self._submitted: dict[str, LaunchRequest] = {}

    @property
    def run(self) -> Run:
        """The run as it stands."""
        return Run(header=self._header, records=tuple(self.records))

    def is_measured(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> bool:
        """Whether this launch needs no more work: it is valid, it failed, or it may not be replaced again."""
        last = self._last(case_key, arm, stage, launch)
        if last is None or last.id in self._resumable:
            return False
        return not may_be_replaced(last, self.records)

    def measure(self, case: Case, arm: Arm, stage: StageName, launch: int, name: str) -> None:
        """Measure one launch, and again where its conditions were not those of the run."""
        while not self.is_measured(case.key, arm, stage, launch):
            self.observer.launch_started(case, name)
            record = self._measure(case, arm, stage, launch, self._replacement(case.key, arm, stage, launch))
            self._sink.append(record)
            self.records.append(record)
            self.observer.launch_finished(record, name)

    def submit(self, launches: Sequence[tuple[Case, int]]) -> None:
        """Hand over launches of the plan that come next, as many as a launcher with a queue takes at once."""
        queue = self._launchers["candidate"]
        if not isinstance(queue, QueuedLauncher):
            return
        for case, launch in launches[: queue.jobs]:
            place = _folder_name(
                case, "candidate", "measure", launch, self._replacement(case.key, "candidate", "measure", launch)
            )
            if place not in self._submitted and not self._awaits_counts(case):
                self._submitted[place] = self._request(case, "candidate", launch, place)
                queue.submit(self._submitted[place])

    def withdraw(self) -> None:
        """End launches that were submitted and whose turn does not come."""
        for launcher in self._launchers.values():
            if isinstance(launcher, QueuedLauncher):
                launcher.withdraw()
        self._submitted.clear()

    def _awaits_counts(self, case: Case) -> bool:
        """Whether a launch is under way that decides how many steps the others of its case take."""
        undecided = case.protocol.in_seconds and self._step_counts(case) is None
        return undecided and any(request.case.key == case.key for request in self._submitted.values())

    def _step_counts(self, case: Case) -> StepCounts | None:
        """The steps of the case's first valid launch in this run, of either arm; None where the protocol names them."""
        if not case.protocol.in_seconds:
            return None
        for record in self.records:
            taken = usable_measurement(record)
            if record.case.key == case.key and taken is not None:
                timed = len(taken.step_seconds) - taken.warmup_steps
                return StepCounts(warmup_steps=taken.warmup_steps, timed_steps=timed)
        return None

    def _measure(self, case: Case, arm: Arm, stage: StageName, launch: int, replacement: int) -> Record:
        header, launcher = self._header, self._launchers[arm]
        place = _folder_name(case, arm, stage, launch, replacement)
        request = self._submitted.pop(place, None) or self._request(case, arm, launch, place)
        begin = time.monotonic()
        outcome = self._launch(launcher, request)
        seconds = time.monotonic() - begin
        record = Record(
            schema_version=SCHEMA_VERSION,
            id=f"{header.run_id}/{case.key}/{stage}/{arm}/{launch}/{replacement}",
            run_id=header.run_id,
            case=case,
            launch=launch,
            order=len(self.records),
            hardware=header.hardware,
            launch_seconds=launcher.run_seconds(Path(request.output))
            if isinstance(launcher, QueuedLauncher)
            else seconds,
            dataset=header.dataset,
            arm=arm,
            stage=stage,
            replacement=replacement,
        )
        if isinstance(outcome, Failure):
            return replace(record, failure=outcome, training=_partial_training(request.training_folder))
        if isinstance(outcome, Training):
            return replace(record, training=outcome)
        return replace(record, measurement=outcome, invalid_reason=self._validity.invalid_reason(outcome, case))

    def _launch(self, launcher: Launcher, request: LaunchRequest) -> Measurement | Training | Failure:
        """What came of a launch, with what was seen of its GPUs; nothing is started where one of them is lost."""
        case = request.case
        if lost := self._validity.lost_gpus(case):
            return Failure(kind="lost", message=f"{lost}: nothing was started")
        # A training is judged by its curve, whatever the state of the GPU.
        is_watched = request.training_folder is None and not isinstance(launcher, QueuedLauncher)
        watched = case_gpus(case, self._header.host) if is_watched else ()
        with GpuMonitor(watched, Path(request.output) / CASE_FILE) as monitor:
            outcome = launcher.launch(request, _call_both(monitor.on_event, self.observer.event))
        if isinstance(outcome, Failure) and outcome.kind in _BY_A_LOST_GPU and (lost := self._validity.lost_gpus(case)):
            return replace(outcome, kind="lost", message=f"{lost}: {outcome.message}")
        if isinstance(outcome, Measurement):
            return replace(outcome, gpus=outcome.gpus or monitor.samples(outcome.wall_seconds))
        return outcome

    def _request(self, case: Case, arm: Arm, launch: int, place: str) -> LaunchRequest:
        header = self._header
        seed = header.plan.seed + launch
        return LaunchRequest(
            schema_version=EXCHANGE_VERSION,
            case=case,
            launch=launch,
            # Both arms of a pair draw the same weights and the same images.
            seed=seed,
            output=str(self._output_folder(place, self._launchers[arm])),
            prepared_data=str(self._data.path) if self._data else None,
            backbone_weights=_absolute(header.options.backbone_weights),
            allow_download=header.options.allow_download,
            training_folder=self._training_folder_for(case, seed),
            step_counts=self._step_counts(case),
        )

    def _training_folder_for(self, case: Case, seed: int) -> str | None:
        if case.workload != "accuracy":
            return None
        assert self._training_folder is not None
        return str(seed_folder(self._training_folder, self._header.run_id, case.key, seed).absolute())

    def _last(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> Record | None:
        place = (case_key, arm, stage, launch)
        same = (r for r in reversed(self.records) if (r.case.key, r.arm, r.stage, r.launch) == place)
        return next(same, None)

    def _replacement(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> int:
        earlier = self._last(case_key, arm, stage, launch)
        return earlier.replacement + 1 if earlier else 0

    def _output_folder(self, place: str, launcher: Launcher) -> Path:
        """A fresh folder; or that of an earlier host, where what it began there is still to be had."""
        # A launch that was interrupted has left its folder; its logs are kept beside those of the new try.
        for suffix in ["", *(f"-again{n}" for n in range(1, 1000))]:
            folder = (self._work_folder / f"{place}{suffix}").absolute()
            if not folder.exists() or (isinstance(launcher, QueuedLauncher) and launcher.holds(folder)):
                break
        return folder


def _folder_name(case: Case, arm: Arm, stage: StageName, launch: int, replacement: int) -> str:
    """What a launch's folder is called: as its record's id, so that a resumed run finds what it had begun."""
    return f"{case.key}-{stage}-{arm}-{launch}-{replacement}"


def _call_both(first: Callable[[Event], None], second: Callable[[Event], None]) -> Callable[[Event], None]:
    def told(event: Event) -> None:
        first(event)
        second(event)

    return told


def _partial_training(training_folder: str | None) -> Training | None:
    """How far a training came that broke off; None where nothing was trained."""
    log = Path(training_folder) / "training.json" if training_folder is not None else None
    return read_training(log.read_text(encoding="utf-8"), str(log)) if log is not None and log.is_file() else None


def _can_continue(record: Record) -> bool:
    """Whether a training stopped for a reason outside of itself; a loss that is not finite is its own result."""
    outside = ("crash", "lost", "timeout", "interrupted", "out_of_memory", "disk_full")
    return record.case.workload == "accuracy" and record.failure is not None and record.failure.kind in outside


def _absolute(weights: str | None) -> str | None:
    # Workers run in a folder of their own; what is no file is one of torchvision's names.
    return str(Path(weights).absolute()) if weights is not None and Path(weights).is_file() else weights
