"""Starting other programs: the only door to subprocess. Commands are argument lists, never shell text."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ssdbench.errors import EnvironmentLacksError, ExitCode, SsdbenchError
from ssdbench.harness.stores import opening

# The folder that holds the package: a worker imports this very source, whatever its interpreter has installed.
SOURCE = Path(__file__).parents[2]


class WorkerError(SsdbenchError):
    """A worker's module refused its work; message and exit code are its own."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = ExitCode(exit_code)


def worker_environment(additions: Mapping[str, str], source: Path = SOURCE) -> dict[str, str]:
    """This process's environment with the ssdbench of `source` first on the import path, and nothing beside it.

    `source` may be a site-packages folder, whose other packages are not for a worker of another interpreter; an
    ssdbench before 0.2.0 has no stand-in (`resources/import_path`), and was always a checkout.
    PYTHONSAFEPATH (Python 3.11) keeps the working directory off it: in a checkout, its ssdbench would be found first.
    The store and its password are not for workers.
    """
    inherited = os.environ.get("PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in opening.SECRETS}
    alone = source / "ssdbench" / "resources" / "import_path"
    first = alone if alone.is_dir() else source
    path = os.pathsep.join([str(first), *([inherited] if inherited else [])])
    return {**environment, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", **additions}


def output_or_none(command: Sequence[str], timeout_seconds: float = 10.0) -> str | None:
    """What a short command prints; None where it is missing, fails or hangs."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout_seconds)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a program said, and how it ended."""

    exit_code: int
    out: str
    error: str


def run_command(
    command: Sequence[str], environment: Mapping[str, str] | None = None, timeout_seconds: float = 120.0
) -> CommandResult:
    """Run a program to its end; one that hangs counts as failed.

    Raises:
        EnvironmentLacksError: it is not here.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=timeout_seconds
        )
    except subprocess.TimeoutExpired:
        return CommandResult(exit_code=-1, out="", error=f"{command[0]} did not answer for {timeout_seconds:g} s")
    except FileNotFoundError:
        raise EnvironmentLacksError(f"{command[0]} is not on the PATH: install it, or run this where it is") from None
    except OSError as error:
        raise EnvironmentLacksError(f"cannot start {command[0]}: {error.strerror}") from None
    return CommandResult(exit_code=done.returncode, out=done.stdout, error=done.stderr)


def run_in_foreground(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program in this one's place: its output, and its signals too, which end it and not this one."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)  # not ignored, which the program would inherit
    with subprocess.Popen(command, env=environment) as process:
        return process.wait()


def run_module(
    python: str, arguments: Sequence[str], on_progress: Callable[[dict[str, object]], None] | None = None
) -> dict[str, object]:
    """Run `python -m ...` of the worker wing to its end and return its result event.

    The module prints JSON lines: any number of progress events (handed to `on_progress`), then a result or an error.

    Raises:
        WorkerError: the module found a user's mistake; its sentence and exit code.
        EnvironmentLacksError: the interpreter is missing, or the module broke down (with the end of its log).
    """
    last: dict[str, object] = {}
    try:
        # The log goes to a file: a pipe that nobody reads would stop a talkative module.
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log_file,
            subprocess.Popen(
                [python, "-m", *arguments],
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
                env=worker_environment({}),
            ) as process,
        ):
            assert process.stdout is not None
            for last in _json_lines(process.stdout):
                if last.get("event") == "progress" and on_progress is not None:
                    on_progress(last)
            process.wait()
            log_file.seek(0)
            log = log_file.read()
    except OSError as error:
        raise EnvironmentLacksError(f"cannot start the worker's interpreter {python}: {error.strerror}") from None
    if last.get("event") == "error":
        raise WorkerError(str(last["message"]), int(str(last["exit_code"])))
    if last.get("event") != "result":
        raise EnvironmentLacksError(f"{python} -m {arguments[0]} broke down: {last_line(log)}")
    return last


def _json_lines(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    for line in lines:
        if line.startswith("{"):
            yield json.loads(line)


def last_line(text: str) -> str:
    """The last line with text in it, without Slurm's own, which only say that something ended."""
    lines = (line.strip() for line in reversed(text.splitlines()) if not line.startswith(("srun:", "slurmstepd:")))
    return next(filter(None, lines), "it printed nothing")


def is_rank_of(process: psutil.Process, case_file: Path) -> bool:
    """Whether a process is a rank of the launch with this case.json, also in a container, where it is no child of ours.

    Ranks are known by their command, which torchrun's and an engine's end with as well.
    """
    with suppress(psutil.Error):
        command = process.cmdline()
        return command[-3:] == ["-m", "ssdbench.worker", str(case_file)] and "ssdbench.worker.launch" not in command
    return False


class ProcessTree:
    """A started program and all that it starts.

    Workers are session leaders of their own, so no signal to a process group reaches them: the tree is walked.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        try:
            with log.open("wb") as file:
                # A session of its own: Ctrl-C reaches the host alone, which then ends the tree in good order.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=environment,
                    cwd=log.parent,  # no source tree: Python 3.10 would import from it
                    start_new_session=True,
                )
        except OSError as error:
            raise EnvironmentLacksError(f"cannot start {command[0]}: {error.strerror}") from None

    def exit_code(self) -> int | None:
        """The program's exit code (negative: the signal that ended it), None while it runs."""
        return self._process.poll()

    def descendants(self) -> list[psutil.Process]:
        """The living processes below the program."""
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def failure(self) -> None:
        """Nothing is known of a failure here that is not in the folder of the launch."""

    def stop(self, grace_seconds: float = 5.0) -> None:
        """End the whole tree: first by request, after the grace by force. Returns when nothing of it is left."""
        members = self.descendants()
        if self._process.poll() is None:
            self._process.terminate()
        _, alive = psutil.wait_procs(members, timeout=grace_seconds)
        for process in [*alive, *self.descendants()]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
