"""Starts other programs; no other module imports subprocess. Commands are argument lists, never shell text."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ssdbench.errors import EnvironmentLacksError, ExitCode, SsdbenchError
from ssdbench.harness.cache import cache_error
from ssdbench.harness.stores import opening
from ssdbench.schema.case import HOST_PROCESS

# The folder of the package: a worker imports this source, whatever its interpreter has installed.
SOURCE = Path(__file__).parents[2]

_NO_PYTHON = "name a Python interpreter"
_OF_ANOTHER_LAUNCHER = re.compile(
    r"PET_.*|TORCHELASTIC_.*|MASTER_(ADDR|PORT)|((LOCAL|GROUP|ROLE|NODE)_)?(RANK|WORLD_SIZE)|GROUP_WORLD_SIZE|ROLE_NAME"
)


class WorkerError(SsdbenchError):
    """A module of the worker refused its task; message and exit code are the module's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = ExitCode(exit_code)


def worker_environment(additions: Mapping[str, str], source: Path = SOURCE) -> dict[str, str]:
    """This process's environment with the ssdbench of `source` first on the import path, and nothing else of it.

    `source` may be a site-packages folder, whose other packages must not be imported by another interpreter. An
    ssdbench before 0.2.0 has no stand-in (`resources/import_path`), and is always a checkout.
    PYTHONSAFEPATH (Python 3.11) keeps the working directory off the path: a checkout there would be imported instead.
    Workers do not get the store's URL or password, nor what another launcher has set for its own ranks: torchrun reads
    its options from PET_..., and torch its peers from the others.
    """
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in opening.SECRETS and not _OF_ANOTHER_LAUNCHER.fullmatch(name)
    }
    alone = source / "ssdbench" / "resources" / "import_path"
    first = alone if alone.is_dir() else source
    path = os.pathsep.join([str(first), *([inherited] if inherited else [])])
    return {**environment, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", **additions}


def output_or_none(
    command: Sequence[str], environment: Mapping[str, str] | None = None, timeout_seconds: float = 10.0
) -> str | None:
    """The output of a short command; None if it is missing, fails or takes too long."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment, timeout=timeout_seconds
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """Output and exit code of a program."""

    exit_code: int
    out: str
    error: str


def run_command(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120.0,
    text: str | None = None,
) -> CommandResult:
    """Run a program to its end, with `text` on its standard input; one that exceeds the timeout has exit code -1.

    Raises:
        EnvironmentLacksError: it is not installed, or cannot be started.
    """
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, env=environment, check=False, timeout=timeout_seconds
        )
    except subprocess.TimeoutExpired:
        return CommandResult(exit_code=-1, out="", error=f"{command[0]} did not answer for {timeout_seconds:g} s")
    except FileNotFoundError:
        raise EnvironmentLacksError(
            f"{command[0]} is not on the PATH: install it, or use a machine that has it"
        ) from None
    except OSError as error:
        raise EnvironmentLacksError(f"cannot start {command[0]}: {error.strerror}") from None
    return CommandResult(exit_code=done.returncode, out=done.stdout, error=done.stderr)


def run_in_foreground(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program with this one's output; SIGTERM, SIGINT and SIGUSR1 are for the program and do not end this one."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)  # SIG_IGN would be inherited by the program
    with subprocess.Popen(command, env=environment) as process:
        return process.wait()


def run_module(
    python: str, arguments: Sequence[str], on_progress: Callable[[dict[str, object]], None] | None = None
) -> dict[str, object]:
    """Run `python -m ...` of the device side to its end and return its result event.

    The module prints JSON lines: any number of progress events (passed to `on_progress`), then a result or an error.
    It ends together with this process, and so does whatever it has started.

    Raises:
        WorkerError: the module reported a user's mistake, with its message and exit code.
        EnvironmentLacksError: the interpreter is missing, or the module crashed (with the last line of its log).
    """
    return _run_module(python, ["ssdbench.runtime.supervision", *arguments], arguments[0], on_progress)


def ask_module(python: str, arguments: Sequence[str], timeout_seconds: float) -> dict[str, object]:
    """Like `run_module`, for a question that any Python answers, also one that is too old for ssdbench.

    Raises:
        EnvironmentLacksError: as `run_module`, or there was no answer in time.
    """
    return _run_module(python, arguments, arguments[0], None, timeout_seconds)


def _run_module(
    python: str,
    arguments: Sequence[str],
    name: str,
    on_progress: Callable[[dict[str, object]], None] | None,
    timeout_seconds: float | None = None,
) -> dict[str, object]:
    last: dict[str, object] = {}
    try:
        # The log goes to a file: a pipe that nobody reads would block a module that logs much.
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log_file,
            subprocess.Popen(
                [python, "-m", *arguments],
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
                errors="replace",
                env=worker_environment({HOST_PROCESS: str(os.getpid())}),
            ) as process,
            _killed_after(process, timeout_seconds) as is_late,
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
    if is_late():
        raise EnvironmentLacksError(f"{python} -m {name} did not answer for {timeout_seconds:g} s: {_NO_PYTHON}")
    if last.get("event") == "error":
        raise WorkerError(str(last.get("message")), _exit_code(last.get("exit_code")))
    if last.get("event") != "result":
        raise EnvironmentLacksError(f"{python} -m {name} crashed: {last_line(log)}")
    return last


@contextmanager
def _killed_after(process: "subprocess.Popen[str]", seconds: float | None) -> Iterator[Callable[[], bool]]:
    """Kill a process that has not ended in time; yields whether that was done."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield late.is_set
    finally:
        if timer is not None:
            timer.cancel()


def _exit_code(value: object) -> int:
    known = {int(code) for code in ExitCode}
    return value if isinstance(value, int) and value in known else ExitCode.ENVIRONMENT


def _json_lines(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    """The JSON objects among the lines; libraries print other lines."""
    for line in lines:
        if line.startswith("{"):
            with suppress(ValueError, RecursionError):
                yield json.loads(line)


def last_line(text: str) -> str:
    """The last line with text in it, without Slurm's own, which only say that something ended."""
    lines = (line.strip() for line in reversed(text.splitlines()) if not line.startswith(("srun:", "slurmstepd:")))
    return next(filter(None, lines), "it printed nothing")


def is_rank_of(process: psutil.Process, case_file: Path) -> bool:
    """Whether a process is a rank of the launch with this case.json; in a container it is not a child of ours.

    Ranks are recognised by the end of their command line, which a launch's and an engine's command lines share.
    """
    with suppress(psutil.Error):
        command = process.cmdline()
        return command[-3:] == ["-m", "ssdbench.worker", str(case_file)] and "ssdbench.worker.launch" not in command
    return False


class ProcessTree:
    """A started program and all its descendants.

    Workers lead sessions of their own, so a signal to the process group does not reach them: the tree is walked.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        try:
            opened = log.open("wb")
        except OSError as error:
            raise cache_error(error) from None
        try:
            with opened as file:
                # A session of its own: Ctrl-C reaches the host only, which then stops the tree in order.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=environment,
                    cwd=log.parent,  # not a source tree: Python 3.10 would import from it
                    start_new_session=True,
                )
        except OSError as error:
            raise EnvironmentLacksError(f"cannot start {command[0]}: {error.strerror}") from None

    def exit_code(self) -> int | None:
        """The program's exit code (minus the signal's number if a signal ended it), None while it runs."""
        return self._process.poll()

    def descendants(self) -> list[psutil.Process]:
        """The running descendants of the program."""
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def failure(self) -> None:
        """None: the folder of the launch has everything that is known about a failure."""

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Terminate the whole tree, and kill what is left after the grace period. Returns when all of it has ended."""
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
