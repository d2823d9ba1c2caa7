"""The progress of a run: a live display in a terminal, plain lines elsewhere (a CI log)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from ssdbench.analysis.metrics import throughput
from ssdbench.analysis.verdicts.interim import InterimState
from ssdbench.cli.counting import REDRAWS_PER_SECOND, data_progress
from ssdbench.cli.printing import Part, Terminal
from ssdbench.cli.time_left import TimeLeft, range_text
from ssdbench.errors import ExitCode
from ssdbench.harness.datasets import OnProgress
from ssdbench.harness.forecast import Forecast
from ssdbench.harness.launch_loop import Event, Observer
from ssdbench.report.numbers import duration
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.case import Case
from ssdbench.schema.record import Record, RunHeader
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import Comparison
from ssdbench.workflows.deciding import outlook_of
from ssdbench.workflows.measuring import BegunRun

LookOut = Callable[[Sequence[Record]], InterimState]


class TerminalDisplay:
    """Shows what a workflow does, on standard output; the making of images on standard error."""

    def __init__(self, store_words: str = "", *, continue_with: str | None = None) -> None:
        """What to say of a run that is not finished.

        `store_words` are the options that name the store in a command; `continue_with` says what continues the run
        where `run --resume` does not.
        """
        self._store_words = store_words
        self._continue_with = continue_with

    def message(self, text: str) -> None:
        console = Terminal()
        console.say(text)

    def images(self) -> AbstractContextManager[OnProgress]:
        return data_progress()

    def launches(self, begun: BegunRun) -> AbstractContextManager[Observer]:
        measured_before = len(begun.run.records)
        look_out = outlook_of(begun.store, begun.header)
        resume = self._continue_with or f"`ssdbench run --resume --run {begun.header.run_id}{self._store_words}`"
        return run_progress(begun.header, begun.forecast(), resume, measured_before, look_out)

    def judged(self, comparison: Comparison, code: ExitCode) -> None:
        console = Terminal()
        console.print(render_comparison(comparison, code, console.width))


@contextmanager
def run_progress(
    header: RunHeader,
    prediction: Forecast,
    continue_with: str,
    measured_before: int = 0,
    look_out: LookOut | None = None,
) -> Iterator[Observer]:
    """Watches a run; at its end, even after an error, prints how to continue with what is not measured.

    `continue_with` names the command that continues. `look_out` estimates what is decided after these records, in a
    run that is measured until it is.
    """
    console = Terminal()
    console.say("run ", (header.run_id, "bold"), f" on {header.hardware.key}")
    for planned in header.plan.cases:
        if planned.skip_reason is not None:
            console.say(("skipped", "yellow"), f" {planned.case.title}: {planned.skip_reason}")
    if measured_before:
        console.say(f"{pluralize(measured_before, 'launch', 'launches')} measured before")
    titles = {planned.case.key: planned.case.title for planned in header.plan.cases}
    watch = _Watch(console, prediction, titles, look_out, measured_before)
    is_stopped = False
    try:
        with watch.display:
            yield watch
    except KeyboardInterrupt:
        is_stopped = True
        raise
    finally:
        # A run that is stopped prints no verdicts, so its user has to hear of the launches of clear cases as well.
        if number := watch.launches_left(of_clear_cases=is_stopped):
            left = pluralize(number, "launch", "launches")
            console.say(f"{left} not measured; continue with {continue_with}")


def live_display(console: Terminal) -> Progress:
    """Bars with a note each, redrawn rarely, removed at their end; nothing without a terminal.

    In a narrow terminal the descriptions are cut, so that bars and notes remain.
    """
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=14),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
        expand=True,
        console=console,
        refresh_per_second=REDRAWS_PER_SECOND,
        transient=True,
        disable=not console.is_terminal,
    )


class _Watch:
    """Counts launches and steps, and prints a line for each launch that ended."""

    def __init__(
        self,
        console: Terminal,
        prediction: Forecast,
        titles: Mapping[str, str],
        look_out: LookOut | None,
        measured_before: int,
    ) -> None:
        self._console = console
        self._titles = titles
        self._look_out = look_out
        self._said: dict[str, str] = {}
        self._time = TimeLeft(prediction)
        self._left: list[str] | None = None
        # By case key: launches beyond those that are asked for now.
        self._least_more: Mapping[str, int] = {}
        self._most_more: Mapping[str, int] = {}
        self._records: Sequence[Record] = ()
        self._ended = measured_before
        self._case: Case | None = None
        self._last_step: tuple[int, float] | None = None
        self.display = live_display(console)
        self._run = self.display.add_task("launches", total=None, note="")
        self._launch = self.display.add_task("", total=1, note="", visible=False)

    def launches_left(self, *, of_clear_cases: bool) -> int:
        """Launches that are not measured, of cases without a clear result; or of these and the others."""
        left = self._left or []
        if self._look_out is None or of_clear_cases or not left:
            return len(left)
        found = self._look_out(self._records).open
        return sum(key in found and not found[key].is_decided for key in left)

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        is_first, self._left = self._left is None, list(case_keys)
        if is_first and not self._most_more and self._look_out is not None:
            self._look(Counter(case_keys))
        least, most = self._bounds()
        total = self._ended + least.total()
        self.display.update(self._run, completed=self._ended, total=total, note=self._standing(" of "))
        if is_first and most and not self._console.is_terminal:
            launches, cases = _count(least.total(), most.total()), pluralize(len(most), "case")
            noun = "launch" if launches == "1" else "launches"
            self._say(f"{launches} {noun} of {cases}, predicted {range_text(*self._time.range(least, most))}")

    def _bounds(self) -> tuple[Counter[str], Counter[str]]:
        """The fewest and the most launches of each case that are left."""
        least = Counter(self._left or ())
        most = least.copy()
        least.update(self._least_more)
        most.update(self._most_more)
        return least, most

    def _standing(self, between: str) -> str:
        """How many launches have ended, of how many, and how long the others take."""
        least, most = self._bounds()
        count = f"{self._ended}{between}{_count(self._ended + least.total(), self._ended + most.total())}"
        return f"{count} · {range_text(*self._time.range(least, most))} left" if most.total() else count

    def launch_started(self, case: Case, name: str) -> None:
        self._case, self._last_step = case, None
        steps = None if case.protocol.in_seconds else case.protocol.warmup_steps + case.protocol.steps
        title = f"{case.title} · {name}"
        # A task that has a total cannot be given none.
        self.display.remove_task(self._launch)
        self._launch = self.display.add_task(title, total=steps, note="starting")

    def event(self, name: str, event: Event) -> None:  # noqa: ARG002  # one launch at a time
        if event["event"] == "phase":
            self.display.update(self._launch, note=str(event["phase"]))
            return
        if event["event"] == "steps":  # where seconds decide how many there are, they are known after the warm-up
            steps = int(str(event["warmup_steps"])) + int(str(event["timed_steps"]))
            self.display.update(self._launch, total=steps)
            return
        step, seconds = int(str(event["step"])), float(str(event["seconds"]))
        total = self.display.tasks[-1].total
        note = f"step {step + 1} of {total:.0f}" if total else f"step {step + 1}"
        if self._last_step is not None and self._case is not None and seconds > self._last_step[1]:
            images = (step - self._last_step[0]) * self._case.global_batch_size
            note += f" · {images / (seconds - self._last_step[1]):.4g} images/s"
        self._last_step = (step, seconds)
        self.display.update(self._launch, completed=step + 1, note=note)

    def launch_finished(self, record: Record, name: str) -> None:
        self._ended += 1
        self._time.ended(record.case.key, record.launch_seconds)
        left = list(self._left or ())
        if record.case.key in left:
            left.remove(record.case.key)
        self.remaining_changed(left)
        result: list[Part]
        if record.measurement is not None:
            result = [(f"{throughput(record.measurement):10.4g} images/s", "green")]
        else:
            assert record.failure is not None
            result = [(record.failure.kind, "red"), f" {record.failure.message}"]
        invalid = f" invalid: {record.invalid_reason}" if record.invalid_reason else ""
        title = f"  {record.case.title} · {name}  "
        late = record.measurement.failed_afterwards if record.measurement is not None else None
        note = f" measured, then failed ({late.kind}: {late.message})" if late else ""
        # Above a live display nothing more is needed; a log has no other place for it.
        standing = "" if self._console.is_terminal else f" · {self._standing('/')}"
        seconds = f"{duration(record.launch_seconds)}{standing}"
        self._console.say(*result, title, (seconds, "dim"), (invalid + note, "yellow"))

    def round_finished(self, records: Sequence[Record]) -> None:
        self._records = records
        if self._look_out is None:
            return
        found = self._look()
        news = {key: text for key, text in found.said.items() if self._said.get(key) != text}
        self._said |= news
        for key, text in news.items():
            self._say(f"{self._titles[key]}: {text}")
        if news and found.open:
            cases, more = pluralize(len(found.open), "case"), _count(found.least_pairs, found.most_pairs, " to ")
            self._say(f"{cases} left, {more} more {'pair' if more == '1' else 'pairs'}")

    def _look(self, planned: Mapping[str, int] | None = None) -> InterimState:
        """Ask what is decided; `planned` are the launches that are left of a plan, where that is not what is asked."""
        assert self._look_out is not None
        found = self._look_out(self._records)
        per_pair = found.launches_per_pair
        asked = {key: per_pair * case.asked for key, case in found.open.items()} if planned is None else planned
        self._least_more = _beyond({key: per_pair * case.least for key, case in found.open.items()}, asked)
        self._most_more = _beyond({key: per_pair * case.most for key, case in found.open.items()}, asked)
        return found

    def _say(self, text: str) -> None:
        self._console.say(text)


def _beyond(total: Mapping[str, int], asked: Mapping[str, int]) -> dict[str, int]:
    return {key: max(0, number - asked.get(key, 0)) for key, number in total.items()}


def _count(least: int, most: int, between: str = "-") -> str:
    return str(least) if least == most else f"{least}{between}{most}"
