"""The `ssdbench` command: its verbs, its help, and how errors become a sentence and an exit code."""

import sys

import typer

from ssdbench import __version__
from ssdbench.cli.verbs import LazyVerbs
from ssdbench.errors import EXIT_CODES, ExitCode, SsdbenchError

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
        typer.echo(f"{__version__} (commit {commit})" if commit else __version__)
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
    try:
        app()
    except SsdbenchError as error:
        print(f"ssdbench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
