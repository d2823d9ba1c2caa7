"""The verbs of the command line, each imported when it is called and not before: help and the others start at once."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Verb(NamedTuple):
    """Its module in this package, its function there or the `app` that has verbs of its own, and its line in the help.

    The line is the first sentence of the function's docstring, or the help of `app`.
    """

    module: str
    attribute: str
    help: str


VERBS: Mapping[str, Verb] = {
    "env": Verb("env", "env", "Say in plain words what can be measured on this machine, and what is missing."),
    "init": Verb("init", "init", "Write files to start from: a suite, a list of container images, CI pipelines."),
    "plan": Verb("plan", "plan", "Print the plan of a suite or an ad hoc grid for this machine, and measure nothing."),
    "run": Verb(
        "run",
        "run",
        "Measure a suite, or an ad hoc grid, on this machine; every launch is stored as soon as it ends.",
    ),
    "evaluate": Verb(
        "evaluate",
        "evaluate",
        "Judge a checkpoint over the validation images: COCO's twelve figures for boxes.",
    ),
    "compare": Verb(
        "compare",
        "compare",
        "Judge a run against a baseline of the same hardware, against another run, or against its own baseline arm.",
    ),
    "history": Verb(
        "history",
        "history",
        "Show a case over time with its change points; without CASE, list the cases that were measured.",
    ),
    "table": Verb(
        "table",
        "table",
        "Print runs in the layout of NVIDIA's published tables: accuracy, stability, throughput, scaling, latency.",
    ),
    "roofline": Verb(
        "roofline",
        "roofline",
        "Predict a training or inference step from its operations, and put a run's steps beside it.",
    ),
    "export": Verb(
        "exchange",
        "export",
        "Write the figures of a run in the format of another tool; cases without a figure are named on stderr.",
    ),
    "import": Verb(
        "exchange",
        "import_",
        "Write the launches of other tools' files as a table for `ssdbench verdict --csv`.",
    ),
    "report": Verb(
        "report",
        "report",
        "Write what is said of a run as one HTML file that works anywhere, and as Markdown for issues.",
    ),
    "verdict": Verb("verdict", "verdict", "Judge launches of two arms, baseline and candidate, from a CSV file."),
    "data": Verb("data", "app", "Make a synthetic data set in the layout of COCO 2017, or check one."),
    "baseline": Verb(
        "baseline",
        "app",
        "Accept runs as the baseline of their hardware; show, list, compare, check and forget baselines.",
    ),
    "containers": Verb(
        "containers",
        "app",
        "Measure inside container images, compare them, find the one that brought a regression.",
    ),
    "converge": Verb(
        "converge",
        "app",
        "Train seeds of a recipe, and judge their accuracy against a distribution over seeds.",
    ),
    "store": Verb("store", "app", "Stores of records and baselines: files, SQLite, PostgreSQL (docs/stores.md)."),
}


class LazyVerbs(TyperGroup):
    """A group of commands that are listed by `VERBS` and made when they are called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=verb.help) for name, verb in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _made(str(command.name)), rest


def _made(name: str) -> Any:
    verb = VERBS[name]
    found = getattr(importlib.import_module(f"ssdbench.cli.{verb.module}"), verb.attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    app = typer.Typer()
    app.command(name)(found)
    app.callback()(lambda: None)  # with a single command the name would be left out
    return get_group(app).commands[name]
