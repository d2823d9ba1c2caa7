"""The `ssdbench` command: its verbs, its help, and how errors become a sentence and an exit code."""

import sys

import typer

from ssdbench import __version__
from ssdbench.cli import baseline, containers, converge, data, store
from ssdbench.cli.compare import compare
from ssdbench.cli.env import env
from ssdbench.cli.evaluate import evaluate
from ssdbench.cli.exchange import export, import_
from ssdbench.cli.history import history
from ssdbench.cli.plan import plan
from ssdbench.cli.report import report
from ssdbench.cli.roofline import roofline
from ssdbench.cli.run import run
from ssdbench.cli.table import table
from ssdbench.cli.verdict import verdict
from ssdbench.errors import EXIT_CODES, ExitCode, SsdbenchError

EPILOG = "\n\n".join(["Exit codes:", *(f"{code:d}  {meaning}" for code, meaning in EXIT_CODES.items())])

app = typer.Typer(
    name="ssdbench",
    help="Measure SSD300 v1.1 (PyTorch, DALI) and judge the figures against a baseline.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.command()(env)
app.command()(plan)
app.command()(run)
app.command()(evaluate)
app.add_typer(data.app, name="data")
app.command()(compare)
app.add_typer(baseline.app, name="baseline")
app.add_typer(containers.app, name="containers")
app.add_typer(converge.app, name="converge")
app.command()(history)
app.command()(table)
app.command()(roofline)
app.command()(export)
app.command("import")(import_)
app.command()(report)
app.add_typer(store.app, name="store")
app.command()(verdict)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print it."),
) -> None:
    """Measure SSD300 v1.1 (PyTorch, DALI) and judge the figures against a baseline."""


def main() -> None:
    """Entry point: a user's mistake is one sentence on stderr, never a traceback."""
    try:
        app()
    except SsdbenchError as error:
        print(f"ssdbench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
