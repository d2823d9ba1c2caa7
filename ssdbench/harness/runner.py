"""A plan becomes records: launches in the plan's order, each stored before the next begins; what is done stays done."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ssdbench.harness.datasets import PreparedData
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import Case, LaunchRequest, Slot
from ssdbench.schema.record import Failure, Measurement, Record, Run, RunHeader

Event = dict[str, object]


class Launcher(Protocol):
    """Starts the worker of one launch, somewhere, and follows it to its end."""

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Failure:
        """Run one launch; its files stay in `request.output`."""


class Sink(Protocol):
    """Keeps records, each whole or not at all."""

    def append(self, record: Record) -> bool:
        """Keep a record."""


class Observer(Protocol):
    """Watches a run, for progress."""

    def started(self, left: list[Slot]) -> None:
        """The run begins; these launches are to be measured."""

    def launch_started(self, case: Case, launch: int, order: int) -> None:
        """A launch begins."""

    def event(self, event: Event) -> None:
        """The launch's rank 0 said something (see `worker.events`)."""

    def launch_finished(self, record: Record) -> None:
        """A launch ended and its record is stored."""


class Runner:
    """Measures what of a run is not yet measured; an interruption loses the launch in progress and nothing else."""

    def __init__(self, launcher: Launcher, sink: Sink, work_folder: Path, observer: Observer) -> None:
        self._launcher = launcher
        self._sink = sink
        self._work_folder = work_folder
        self._observer = observer

    def run(self, run: Run, data: PreparedData | None) -> None:
        """Measure the launches of the run's plan that have no record."""
        plan = run.header.plan
        done = {(record.case.key, record.launch) for record in run.records}
        left = [(order, slot) for order, slot in enumerate(plan.order) if (slot.case_key, slot.launch) not in done]
        self._observer.started([slot for _, slot in left])
        for order, slot in left:
            case = plan.case(slot.case_key)
            self._observer.launch_started(case, slot.launch, order)
            request = LaunchRequest(
                schema_version=SCHEMA_VERSION,
                case=case,
                launch=slot.launch,
                seed=plan.seed + slot.launch,
                output=str(self._fresh_folder(run.header.run_id, slot, order)),
                prepared_data=str(data.path) if data else None,
                backbone_weights=run.header.options.backbone_weights,
                allow_download=run.header.options.allow_download,
            )
            begin = time.monotonic()
            outcome = self._launcher.launch(request, self._observer.event)
            record = _record(run.header, case, slot, order, time.monotonic() - begin, outcome)
            self._sink.append(record)
            self._observer.launch_finished(record)

    def _fresh_folder(self, run_id: str, slot: Slot, order: int) -> Path:
        # A launch that was interrupted has left its folder; its logs are kept beside those of the new try.
        name = f"{order:04d}-{slot.case_key}-{slot.launch}"
        tries = (
            self._work_folder / run_id / f"{name}{suffix}" for suffix in ["", *(f"-again{n}" for n in range(1, 1000))]
        )
        return next(folder.absolute() for folder in tries if not folder.exists())


def _record(
    header: RunHeader, case: Case, slot: Slot, order: int, launch_seconds: float, outcome: Measurement | Failure
) -> Record:
    return Record(
        schema_version=SCHEMA_VERSION,
        id=f"{header.run_id}/{slot.case_key}/{slot.launch}",
        run_id=header.run_id,
        case=case,
        launch=slot.launch,
        order=order,
        hardware=header.hardware,
        launch_seconds=launch_seconds,
        dataset=header.dataset,
        measurement=outcome if isinstance(outcome, Measurement) else None,
        failure=outcome if isinstance(outcome, Failure) else None,
    )
