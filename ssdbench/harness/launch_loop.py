"""Measures launches one by one. Each is stored before the next starts; an invalid one is replaced, a few times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.gpu_group import GpuGroup, Launcher, Outcome, QueuedLauncher
from ssdbench.harness.launch_outcomes import can_continue, masked, partial_training
from ssdbench.harness.legs import Leg
from ssdbench.harness.machine.validity import Validity
from ssdbench.harness.training_folders import seed_folder
from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.case import Case, LaunchRequest, StepCounts
from ssdbench.schema.environment import Host
from ssdbench.schema.launch_rules import may_be_replaced, usable_measurement, with_gpu_settings
from ssdbench.schema.names import file_name
from ssdbench.schema.record import Arm, Failure, Record, Run, StageName
from ssdbench.schema.training import Training

Event = dict[str, object]


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

    def event(self, name: str, event: Event) -> None:
        """Rank 0 of the launch of this name sent an event (see `worker.events`)."""

    def launch_finished(self, record: Record, name: str) -> None:
        """A launch has ended, and its record is stored."""

    def round_finished(self, records: Sequence[Record]) -> None:
        """Called before the first round and after every round, with the records so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLaunch:
    """A launch that has begun, and has no record yet; `name` is how it is shown."""

    arm: Arm
    stage: StageName
    launch: int
    replacement: int
    name: str
    request: LaunchRequest


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
        self._resumable = {record.id for record in run.records if can_continue(record)}
        self._gpus = self.gpu_group(launchers, run.header.host)
        self._submitted: dict[str, LaunchRequest] = {}

    @property
    def run(self) -> Run:
        """The run with the records so far."""
        return Run(header=self._header, records=tuple(self.records))

    def gpu_group(self, launchers: Mapping[Arm, Launcher], host: Host) -> GpuGroup:
        """What launches on the GPUs of `host` under the conditions of this run."""
        options = self._header.options
        validity = Validity(host=host, foreign_cpu_limit_cores=options.foreign_cpu_limit_cores)
        if options.slurm is not None:  # the GPUs here are not those that measured
            validity = replace(validity, query=tuple)
        return GpuGroup(launchers=launchers, host=host, validity=validity)

    def is_measured(self, case_key: str, arm: Arm, stage: StageName, launch: int) -> bool:
        """Whether nothing is left to do for this launch: it is valid, failed, or may not be replaced again."""
        last = self._last(case_key, arm, stage, launch)
        if last is None or last.id in self._resumable or (self._leg is not None and self._leg.continues(last)):
            return False
        return not may_be_replaced(last, self.records)

    def measure(self, case: Case, arm: Arm, stage: StageName, launch: int, name: str) -> None:
        """Measure one launch, and repeat it if it was invalid."""
        while not self.is_measured(case.key, arm, stage, launch):
            self._measure(case, arm, stage, launch, name)

    def begin(self, case: Case, arm: Arm, stage: StageName, launch: int, name: str) -> OpenLaunch:
        """Prepare one launch, for `GpuGroup.launch`."""
        self.observer.launch_started(case, name)
        replacement = self._replacement(case.key, arm, stage, launch)
        place = _folder_name(case, arm, stage, launch, replacement)
        request = self._submitted.pop(place, None) or self._request(case, arm, launch, place)
        return OpenLaunch(arm=arm, stage=stage, launch=launch, replacement=replacement, name=name, request=request)

    def finish(
        self, opened: OpenLaunch, outcome: Outcome, seconds: float, gpus: GpuGroup | None = None, side_by_side: int = 1
    ) -> Record:
        """Store the record of a launch that took so many seconds on `gpus`, where so many may run side by side."""
        gpus = gpus or self._gpus
        record = with_gpu_settings(self._record(opened, outcome, seconds, gpus), gpus.host)
        if record.training is not None:
            record = replace(record, training=self._marked(record.training, side_by_side))
        self._sink.append(record)
        self.records.append(record)
        self._last_by_place[_place(record)] = record
        self.observer.launch_finished(record, opened.name)
        return record

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

    def _measure(self, case: Case, arm: Arm, stage: StageName, launch: int, name: str) -> Record:
        opened = self.begin(case, arm, stage, launch, name)
        return self.finish(opened, *self._gpus.launch(arm, opened.request, partial(self.observer.event, name)))

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

    def _record(self, opened: OpenLaunch, outcome: Outcome, seconds: float, gpus: GpuGroup) -> Record:
        header, case, request = self._header, opened.request.case, opened.request
        place = (opened.stage, opened.arm, opened.launch, opened.replacement)
        record = Record(
            schema_version=SCHEMA_VERSION,
            id="/".join(map(str, (header.run_id, case.key, *place))),
            run_id=header.run_id,
            case=case,
            launch=opened.launch,
            order=len(self.records),
            hardware=header.hardware,
            launch_seconds=seconds,
            dataset=header.dataset,
            arm=opened.arm,
            stage=opened.stage,
            replacement=opened.replacement,
        )
        if isinstance(outcome, Failure):
            return replace(record, failure=masked(outcome), training=partial_training(request.training_folder))
        if isinstance(outcome, Training):
            return replace(record, training=outcome)
        return replace(record, measurement=outcome, invalid_reason=gpus.validity.invalid_reason(outcome, case))

    def _marked(self, training: Training, side_by_side: int) -> Training:
        """The training with how many ran at a time; one that is continued has epochs of before."""
        before = (record.training.side_by_side or 1 for record in self.records if record.training is not None)
        most = max(side_by_side, *before, 1)
        return replace(training, side_by_side=most) if most > 1 else training

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


def _absolute(weights: str | None) -> str | None:
    # Workers run in another folder. What is not a file is a name that torchvision knows.
    return str(Path(weights).absolute()) if weights is not None and Path(weights).is_file() else weights
