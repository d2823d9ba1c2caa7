"""The progress of trainings: epoch, step, loss, AP so far, time left; plain lines without a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.progress import Progress

from ssdbench.cli.printing import Part, Terminal
from ssdbench.cli.progress import TerminalDisplay, live_display
from ssdbench.cli.time_left import range_text
from ssdbench.harness.launch_loop import Event, Observer
from ssdbench.report.numbers import duration
from ssdbench.schema.case import Case
from ssdbench.schema.record import Record, RunHeader
from ssdbench.schema.text import pluralize
from ssdbench.schema.training import Training
from ssdbench.workflows.measuring import BegunRun


class TrainingDisplay(TerminalDisplay):
    """Shows the training of seeds; with `stderr` on standard error, where something else is printed."""

    def __init__(self, store_words: str = "", *, continue_with: str | None = None, stderr: bool = False) -> None:
        super().__init__(store_words, continue_with=continue_with)
        self._stderr = stderr

    def message(self, text: str) -> None:
        Terminal(stderr=self._stderr).say(text)

    def launches(self, begun: BegunRun) -> AbstractContextManager[Observer]:
        own = f"`ssdbench converge --resume --run {begun.header.run_id}{self._store_words}`"
        return training_progress(begun.header, self._continue_with or own, stderr=self._stderr)


@contextmanager
def training_progress(header: RunHeader, continue_with: str, *, stderr: bool = False) -> Iterator[Observer]:
    """Watches the seeds of a run; at its end, even after an error, prints what continues with those that are left."""
    console = Terminal(stderr=stderr)
    console.say("run ", (header.run_id, "bold"), f" on {header.hardware.key}")
    watch = _Watch(console)
    try:
        with watch.display:
            yield watch
    finally:
        if watch.seeds_left:
            console.say(f"{pluralize(watch.seeds_left, 'seed')} not finished; continue with {continue_with}")


class _Watch:
    """Follows the seeds that are being trained, and prints a line for every evaluation."""

    def __init__(self, console: Terminal) -> None:
        self._console = console
        self.seeds_left = 0
        self._ended: list[float] = []
        self._seeds = 0
        self._running: dict[str, _Seed] = {}
        self.display = live_display(console)
        self._run = self.display.add_task("seeds", total=None, note="")

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        self.seeds_left = len(case_keys)
        self._seeds = max(self._seeds, self.seeds_left + len(self._ended))
        self._show_run()

    def launch_started(self, case: Case, name: str) -> None:
        self._running[name] = _Seed(self.display, f"{case.title} · {name}")

    def event(self, name: str, event: Event) -> None:
        seed = self._running[name]
        seed.event(event)
        if event["event"] == "step":
            self._show_run()
        elif event["event"] == "epoch" and event["ap"] is not None:
            self._console.say(f"{seed.evaluated(name, event)}{self._in_a_log()}")

    def launch_finished(self, record: Record, name: str) -> None:
        self._running.pop(name).end()
        result: list[Part]
        training = record.training
        if record.failure is not None:
            result = [(record.failure.kind, "red"), f" {record.failure.message}"]
        else:
            assert training is not None
            result = [(f"AP {_last_ap(training):.4f}", "green"), f" after {duration(training.seconds)}"]
            self.seeds_left -= 1
        self._ended.append(record.launch_seconds)
        self._show_run()
        title = f"  {record.case.title} · {name}  "
        self._console.say(*result, title, (f"{duration(record.launch_seconds)}{self._in_a_log()}", "dim"))

    def round_finished(self, records: Sequence[Record]) -> None:
        pass  # seeds are judged together, when all are trained

    def _show_run(self) -> None:
        done = self._seeds - self.seeds_left
        self.display.update(self._run, completed=done, total=self._seeds, note=self._standing(" of "))

    def _standing(self, between: str) -> str:
        """How many seeds are trained, of how many, and how long all that are left take."""
        count = f"{self._seeds - self.seeds_left}{between}{self._seeds} seeds"
        left = self._seconds_left()
        return count if left is None else f"{count} · {range_text(*left)} left"

    def _seconds_left(self) -> tuple[float, float] | None:
        """The least and the most seconds of the seeds that are left; None while nothing is known."""
        paces = [seed.pace for seed in self._running.values() if seed.pace is not None]
        if not paces or not self.seeds_left:
            return None
        whole = max(seconds for seconds, _ in paces)
        # Steps alone, as far as is known; evaluations and starts come on top, as earlier seeds show.
        shortest, longest = (min(self._ended), max(self._ended)) if self._ended else (whole, 1.5 * whole)
        rest = self.seeds_left - len(paces) + sum(share_left for _, share_left in paces)
        # Not shorter than the one that has most left, however many are trained side by side.
        rest = max(rest / len(self._running), max(share_left for _, share_left in paces))
        return rest * shortest / 1.1, rest * longest * 1.1

    def _in_a_log(self) -> str:
        """What a live display shows all the time, where there is none."""
        return "" if self._console.is_terminal else f" · {self._standing('/')}"


class _Seed:
    """The bar of one seed. `pace` is the seconds that its steps take in all, and the share that is left."""

    def __init__(self, display: Progress, title: str) -> None:
        self._display = display
        self._task = display.add_task(title, total=1, note="starting")
        self._epochs, self._steps = 1, 1
        self._loss = self._figures = ""
        self._begin: tuple[int, float] | None = None
        self.pace: tuple[float, float] | None = None

    def event(self, event: Event) -> None:
        """Show an event of its training."""
        match event["event"]:
            case "training":
                self._epochs, self._steps = _whole(event["epochs"]), _whole(event["steps"])
                self._display.update(self._task, total=self._epochs * self._steps)
            case "step":
                self._show(_whole(event["step"]), _number(event["seconds"]))
            case "loss":
                self._loss = f" · loss {_number(event['loss']):.3f}"
            case "phase":
                self._display.update(self._task, note=f"{event['phase']}{self._loss}{self._figures}")

    def evaluated(self, name: str, event: Event) -> str:
        """The line of an epoch that was evaluated."""
        ap, ap_50 = _number(event["ap"]), _number(event["ap_50"])
        self._figures = f" · AP {ap:.4f}"
        epoch = f"epoch {_whole(event['epoch']) + 1} of {self._epochs}"
        return (
            f"{_number(event['images_per_second']):10.4g} images/s  {name}, {epoch}: "
            f"loss {_number(event['loss']):.3f}, AP {ap:.4f}, AP@.50 {ap_50:.4f}, {duration(_number(event['seconds']))}"
        )

    def end(self) -> None:
        """Remove the bar."""
        self._display.remove_task(self._task)

    def _show(self, step: int, seconds: float) -> None:
        if self._begin is None:
            self._begin = (step, seconds)
        done = step - self._begin[0]
        note = f"epoch {step // self._steps + 1} of {self._epochs}, step {step % self._steps + 1} of {self._steps}"
        if done:
            all_steps = self._epochs * self._steps
            self.pace = ((seconds - self._begin[1]) / done * all_steps, (all_steps - step - 1) / all_steps)
        self._display.update(self._task, completed=step + 1, note=note + self._loss + self._figures)


def _last_ap(training: Training) -> float:
    return next(r.evaluation.ap for r in reversed(training.results) if r.evaluation is not None)


def _whole(value: object) -> int:
    return int(str(value))


def _number(value: object) -> float:
    return float(str(value))
