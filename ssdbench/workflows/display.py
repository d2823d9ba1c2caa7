"""What a workflow reports while it works, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from ssdbench.errors import ExitCode
from ssdbench.harness.datasets import OnProgress
from ssdbench.harness.launch_loop import Event, Observer
from ssdbench.schema.case import Case
from ssdbench.schema.record import Record
from ssdbench.schema.verdict import Comparison

if TYPE_CHECKING:
    from ssdbench.workflows.measuring import BegunRun

Say = Callable[[str], None]
"""Takes one sentence for the user."""


class Display(Protocol):
    """Shows the user what a workflow does; `Quiet` is one that shows nothing."""

    def message(self, text: str) -> None:
        """Show a sentence, such as why a GPU is not measured."""

    def images(self) -> AbstractContextManager[OnProgress]:
        """Entered while images are made or checked; yields what takes their progress."""

    def launches(self, begun: BegunRun) -> AbstractContextManager[Observer]:
        """Entered while the launches of a run are measured; yields what watches them."""

    def judged(self, comparison: Comparison, code: ExitCode) -> None:
        """Show the verdicts on a run that was measured in order to be decided."""


class Quiet:
    """A display that shows nothing; an `observer` sees the launches all the same."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer or NoObserver()

    def message(self, text: str) -> None:
        pass

    def images(self) -> AbstractContextManager[OnProgress]:
        return nullcontext(_ignore)

    def launches(self, begun: BegunRun) -> AbstractContextManager[Observer]:  # noqa: ARG002  # as the protocol has it
        return nullcontext(self._observer)

    def judged(self, comparison: Comparison, code: ExitCode) -> None:
        pass


class NoObserver:
    """An observer that ignores everything."""

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        pass

    def launch_started(self, case: Case, name: str) -> None:
        pass

    def event(self, name: str, event: Event) -> None:
        pass

    def launch_finished(self, record: Record, name: str) -> None:
        pass

    def round_finished(self, records: Sequence[Record]) -> None:
        pass


def _ignore(_event: dict[str, object]) -> None:
    pass
