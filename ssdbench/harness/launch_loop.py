"""Measures launches one by one. Each is stored before the next starts; an invalid one is replaced, a few times."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.launchers.torchrun import CASE_FILE, read_left
from ssdbench.harness.legs import Leg
from ssdbench.harness.machine.gpu_conditions import case_gpus
from ssdbench.harness.machine.gpu_monitor import GpuMonitor
from ssdbench.harness.machine.validity import Validity
from ssdbench.harness.stores.codec import read_training
from ssdbench.harness.training_folders import seed_folder
from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.case import Case, LaunchRequest, StepCounts
from ssdbench.schema.launch_rules import may_be_replaced, usable_measurement
from ssdbench.schema.names import file_name
from ssdbench.schema.plausibility import implausibility
from ssdbench.schema.record import Arm, Failure, Measurement, Record, Run, StageName
from ssdbench.schema.training import Training
from ssdbench.schema.variables import mask_secrets

Event = dict[str, object]

# What a launch whose GPU is lost ends with: a CUDA error, lost peers, or a timeout.
_BY_A_LOST_GPU = ("crash", "lost", "timeout")


class Launcher(Protocol):
    """Starts the worker of a launch, and follows it to its end."""

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch; its files are kept in `request.output`, those of a training in `request.training_folder`."""


@runtime_checkable
class QueuedLauncher(Launcher, Protocol):
    """A launcher with a queue, such as Slurm's: several launches can be pending, and they outlive the host process.

    It monitors the GPUs of its launches itself, as they are on other machines.
    """

    jobs: int

    def submit(self, request: LaunchRequest) -> None:
        """Submit a launch before its turn; `launch` with the same request collects it."""

    def holds(self, folder: Path) -> bool:
        """Whether the launch with this output folder is pending or running, or has ended and was not collected."""

    def run_seconds(self, folder: Path) -> float:
        """How long the collected launch with this output folder ran, without its time in the queue."""

    def withdraw(self) -> None:
        """Cancel what was submitted and not collected."""


class Sink(Protocol):
    """Stores records, each completely or not at all."""

    def append(self, record: Record) -> bool:
        """Store a record; False if it is stored already."""


class Observer(Protocol):
    """Receives the progress of a run."""

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        """The launches known to remain, as the case key of each."""

    def launch_started(self, case: Case, name: str) -> None:
        """A launch starts."""

    def event(self, event: Event) -> None:
        """Rank 0 of the launch sent an event (see `worker.events`)."""

    def launch_finished(self, record: Record, name: str) -> None:
        """A launch has ended, and its record is stored."""

    def round_finished(self, records: Sequence[Record]) -> None:
        """Called before the first round and after every round, with the records so far."""


class LaunchLoop:
    """Measures the launches of a run; an interruption loses only the launch in progress."""

    def __init__(
        self, run: Run, data: PreparedData | None, launchers: Mapping[Arm, Launcher], sink: Sink, work_folder: Path,
        observer: Observer, training_folder: Path | None = None, leg: Leg | None = None,
    ) -> None:  # fmt: skip
        self.records = list(run.records)
        self._last_by_place = {_place(record): record for record in run.records}
        self.observer = observer
        self._header = run.header
        self._data = data
        self._launchers = launchers
        self._sink = sink
        self._work_folder = work_folder / run.header.run_id
        self._training_folder = training_folder
        self._leg = leg
        # An interrupted training continues from its checkpoint only when its run is resumed.
        self._resumable = {record.id for record in run.records if _can_continue(record)}
        limit = run.header.options.foreign_cpu_limit_cores
        self._validity = Validity(host=run.header.host, foreign_cpu_limit_cores=limit)
        if run.header.options.slurm is not None:  # the GPUs here are not those that measured
            self._validity = replace(self._validity, query=tuple)
        self._submitted: dict[str, LaunchRequest] = {}

    @property
    def run(self) -> Run:
        """The run with the records so far."""
        return Run(header=self._header, records=tuple(self.records))

    def is_measured(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> bool:
        """Whether nothing is left to do for this launch: it is valid, failed, or may not be replaced again."""
        last = self._last(case_key, arm, stage, launch)
        if last is None or last.id in self._resumable or (self._leg is not None and self._leg.continues(last)):
            return False
        return not may_be_replaced(last, self.records)

    def measure(self, case: Case, arm: Arm, stage: StageName, launch: int, name: str) -> None:
        """Measure one launch, and repeat it if it was invalid."""
        while not self.is_measured(case.key, arm, stage, launch):
            self.observer.launch_started(case, name)
            record = self._measure(case, arm, stage, launch, self._replacement(case.key, arm, stage, launch))
            self._sink.append(record)
            self.records.append(record)
            self._last_by_place[_place(record)] = record
            self.observer.launch_finished(record, name)

    def submit(self, launches: Sequence[tuple[Case, int]]) -> None:
        """Submit the next launches of the plan, as many as a launcher with a queue accepts at once."""
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
        """Cancel launches that were submitted and will not be collected."""
        for launcher in self._launchers.values():
            if isinstance(launcher, QueuedLauncher):
                launcher.withdraw()
        self._submitted.clear()

    def _awaits_counts(self, case: Case) -> bool:
        """Whether a submitted launch will decide the number of steps for the other launches of its case."""
        undecided = case.protocol.in_seconds and self._step_counts(case) is None
        return undecided and any(request.case.key == case.key for request in self._submitted.values())

    def _step_counts(self, case: Case) -> StepCounts | None:
        """The steps of the case's first valid launch in this run, of either arm; None if the protocol says."""
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
            return replace(record, failure=_masked(outcome), training=_partial_training(request.training_folder))
        if isinstance(outcome, Training):
            return replace(record, training=outcome)
        return replace(record, measurement=outcome, invalid_reason=self._validity.invalid_reason(outcome, case))

    def _launch(self, launcher: Launcher, request: LaunchRequest) -> Measurement | Training | Failure:
        """The outcome of a launch with the samples of its GPUs; nothing is started if one of them is lost."""
        case = request.case
        if lost := self._validity.lost_gpus(case):
            return Failure(kind="lost", message=f"{lost}: no launch was started")
        # A training is judged by its curve, whatever state the GPU is in.
        is_watched = request.training_folder is None and not isinstance(launcher, QueuedLauncher)
        watched = case_gpus(case, self._header.host) if is_watched else ()
        with GpuMonitor(watched, Path(request.output) / CASE_FILE) as monitor:
            outcome = launcher.launch(request, _call_both(monitor.on_event, self.observer.event))
        if isinstance(outcome, Failure) and outcome.kind in _BY_A_LOST_GPU and (lost := self._validity.lost_gpus(case)):
            return replace(outcome, kind="lost", message=f"{lost}: {outcome.message}")
        if not isinstance(outcome, Measurement):
            return outcome
        if wrong := implausibility(outcome, case, request.step_counts):
            return Failure(kind="crash", message=f"bad measurement: {wrong}")
        return replace(outcome, gpus=outcome.gpus or monitor.samples(outcome.wall_seconds))

    def _request(self, case: Case, arm: Arm, launch: int, place: str) -> LaunchRequest:
        header = self._header
        seed = header.plan.seed + launch
        return LaunchRequest(
            schema_version=EXCHANGE_VERSION,
            case=case,
            launch=launch,
            # Both arms of a pair use the same initial weights and the same images.
            seed=seed,
            output=str(self._output_folder(place, self._launchers[arm])),
            prepared_data=str(self._data.path) if self._data else None,
            backbone_weights=_absolute(header.options.backbone_weights),
            allow_download=header.options.allow_download,
            training_folder=self._training_folder_for(case, seed, arm),
            step_counts=self._step_counts(case),
        )

    def _training_folder_for(self, case: Case, seed: int, arm: Arm) -> str | None:
        if case.workload != "accuracy":
            return None
        assert self._training_folder is not None
        return str(seed_folder(self._training_folder, self._header.run_id, case.key, seed, arm).absolute())

    def _last(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> Record | None:
        return self._last_by_place.get((case_key, arm, stage, launch))

    def _replacement(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> int:
        earlier = self._last(case_key, arm, stage, launch)
        return earlier.replacement + 1 if earlier else 0

    def _output_folder(self, place: str, launcher: Launcher) -> Path:
        """A new folder, or that of an earlier host process whose launch can still be collected."""
        # An interrupted launch has left its folder: its logs are kept, and the new attempt gets another folder.
        for suffix in ["", *(f"-again{n}" for n in range(1, 1000))]:
            folder = (self._work_folder / f"{place}{suffix}").absolute()
            if not folder.exists() or (isinstance(launcher, QueuedLauncher) and launcher.holds(folder)):
                break
        return folder


def _place(record: Record) -> tuple[str, Arm, StageName, int]:
    """What a record and its replacements have in common."""
    return record.case.key, record.arm, record.stage, record.launch


def _folder_name(case: Case, arm: Arm, stage: StageName, launch: int, replacement: int) -> str:
    """The name of a launch's folder: like its record's id, so that a resumed run finds what it had started."""
    return f"{file_name(case.key)}-{stage}-{arm}-{launch}-{replacement}"


def _call_both(first: Callable[[Event], None], second: Callable[[Event], None]) -> Callable[[Event], None]:
    def call(event: Event) -> None:
        first(event)
        second(event)

    return call


def _partial_training(training_folder: str | None) -> Training | None:
    """The log of a training that did not finish; None if nothing was trained."""
    log = Path(training_folder) / "training.json" if training_folder is not None else None
    if log is None or not log.is_file():
        return None
    found = read_left(log, read_training)
    return found if isinstance(found, Training) else None


def _can_continue(record: Record) -> bool:
    """Whether a training failed for an external reason, which may be gone; a loss that is not finite is a result."""
    external = ("crash", "lost", "timeout", "interrupted", "out_of_memory", "disk_full", "bad_data")
    return record.case.workload == "accuracy" and record.failure is not None and record.failure.kind in external


def _masked(failure: Failure) -> Failure:
    """The failure without the values of secrets: a worker inherits them, and may print them."""
    log = None if failure.log is None else mask_secrets(failure.log, os.environ)
    return replace(failure, message=mask_secrets(failure.message, os.environ), log=log)


def _absolute(weights: str | None) -> str | None:
    # Workers run in another folder. What is not a file is a name that torchvision knows.
    return str(Path(weights).absolute()) if weights is not None and Path(weights).is_file() else weights
