"""`ssdbench converge`: train seeds of a recipe, and judge them against a distribution over seeds."""

from typing import Annotated

import typer

from ssdbench.cli.converge_run import Seeds, exit_code, train_seeds
from ssdbench.cli.request import TrainingRequest, takes_request

app = typer.Typer(help="Train seeds of a recipe, and judge their accuracy.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
@takes_request
def converge(
    request: TrainingRequest,
    context: typer.Context,
    seeds: Seeds = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run of seeds.")] = False,
    run_id: Annotated[str | None, typer.Option("--run", help="With --resume: go on with this run.")] = None,
) -> None:
    """Train seeds of a recipe; every epoch is kept, and a seed that broke off goes on where it was."""
    if context.invoked_subcommand is None:
        raise typer.Exit(exit_code(train_seeds(request, seeds, resume, run_id)))
