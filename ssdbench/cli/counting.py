"""The progress of what is counted by itself: images that are made or checked, batches that are evaluated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ssdbench.cli.printing import Terminal, print_line
from ssdbench.harness.launch_loop import Event

REDRAWS_PER_SECOND = 2
"""Redrawing costs CPU time next to a measurement; twice a second is live enough."""


@contextmanager
def data_progress() -> Iterator[Callable[[dict[str, object]], None]]:
    """Shows the making and checking of images."""
    console = Terminal(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def on_progress(event: dict[str, object]) -> None:
            if event.get("event") == "warning":
                print_line(progress.console, f"warning: {event['message']}")
                return
            phase = str(event["phase"])
            if phase not in tasks:
                tasks[phase] = progress.add_task(phase)
                if not console.is_terminal:
                    console.say(phase)
            progress.update(tasks[phase], completed=int(str(event["done"])), total=int(str(event["total"])))

        yield on_progress


@contextmanager
def evaluation_progress(batches: int) -> Iterator[Callable[[Event], None]]:
    """Shows the progress of an evaluation of `batches` batches on rank 0."""
    console = Terminal(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches", markup=False),
        console=console,
        refresh_per_second=REDRAWS_PER_SECOND,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("starting", total=batches)

        def on_event(event: Event) -> None:
            if event["event"] == "phase":
                progress.update(task, description=str(event["phase"]))
                if not console.is_terminal:
                    console.say(str(event["phase"]))
            else:
                progress.update(task, completed=int(str(event["step"])) + 1)

        yield on_event
