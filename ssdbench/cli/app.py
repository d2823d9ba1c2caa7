"""The `ssdbench` command: its verbs, its help, and how errors become a sentence and an exit code."""

import errno
import signal
import sys
from contextlib import suppress

import typer

from ssdbench import __version__
from ssdbench.cli.streams import end_streams, guard_streams, print_text, say
from ssdbench.cli.verbs import LazyVerbs
from ssdbench.errors import EXIT_CODES, ExitCode, SsdbenchError
from ssdbench.schema.plain_text import shorten

EPILOG = "\n".join(["Exit codes:", *(f"{code:>3d}  {meaning}" for code, meaning in EXIT_CODES.items())])

app = typer.Typer(
    name="ssdbench",
    cls=LazyVerbs,
    help="Measure SSD300 v1.1 (PyTorch, DALI) and judge the results against a baseline.",
    epilog=EPILOG,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> None:
    if value:
        from ssdbench.harness.process import SOURCE  # here, as help loads nothing that it does not need
        from ssdbench.harness.version import source_commit

        commit = source_commit(SOURCE)
        print_text(f"{__version__} (commit {commit})" if commit else __version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print version and commit, and exit."
    ),
) -> None:
    """Measure SSD300 v1.1 (PyTorch, DALI) and judge the results against a baseline."""


def main() -> None:
    """Entry point: a user's mistake is one sentence on stderr, never a traceback."""
    guard_streams()
    _stop_as_ctrl_c_does()
    sys.exit(end_streams(_run()))


def _stop_as_ctrl_c_does() -> None:
    """Let the signals by which systems end a job do what Ctrl-C does: what is measured is kept, the launch is ended."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # nohup has SIGHUP ignored, and only the main thread may ask.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):
                signal.signal(number, signal.default_int_handler)


def _run() -> int:
    try:
        app()
    except SystemExit as end:
        return int(end.code or 0)
    except SsdbenchError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        say(f"{shorten(str(error.filename), 60)}: this name is too long for a file; choose a shorter one")
        return ExitCode.USAGE
    return ExitCode.OK
