"""The verbs of the command line; each is imported only when it is called, so that help and the others start at once."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_group

from ssdbench.cli.help import PlainCommand, PlainGroup


class Verb(NamedTuple):
    """Its module in this package, its function there (or the `app` with commands of its own), and its line in the help.

    The line is the first sentence of the function's docstring, or the help of `app`.
    """

    module: str
    attribute: str
    help: str


VERBS: Mapping[str, Verb] = {
    "env": Verb("env", "env", "Report what can be measured on this machine, and what is missing."),
    "init": Verb("init", "init", "Write files to start from: a suite, a list of container images, CI pipelines."),
    "plan": Verb("plan", "plan", "Print the plan of a suite or an ad hoc grid for this machine, without measuring."),
    "run": Verb(
        "run",
        "run",
        "Measure a suite or an ad hoc grid on this machine; each launch is stored as soon as it ends.",
    ),
    "nightly": Verb(
        "nightly",
        "nightly",
        "Measure a suite, and what may have changed in pairs with the baseline's build; judge both together.",
    ),
    "evaluate": Verb(
        "evaluate",
        "evaluate",
        "Evaluate a checkpoint on the validation images: COCO's twelve box metrics.",
    ),
    "compare": Verb(
        "compare",
        "compare",
        "Judge a run against a baseline of the same hardware, against another run, or against its own baseline arm.",
    ),
    "explain": Verb(
        "explain",
        "explain",
        "Explain why cases changed: profile both builds in turns, and name the operators and waits that differ.",
    ),
    "runs": Verb(
        "runs",
        "runs",
        "List the stored runs, newest first: when, what, where, how many launches, the verdict, and their baselines.",
    ),
    "clean": Verb(
        "clean", "clean", "Remove the logs of old launches from the cache; records, baselines and images stay."
    ),
    "history": Verb(
        "history",
        "history",
        "Show cases over time with their change points; without CASE, list the measured cases.",
    ),
    "table": Verb(
        "table",
        "table",
        "Print runs in the layout of NVIDIA's published tables: accuracy, stability, throughput, scaling, latency.",
    ),
    "roofline": Verb(
        "roofline",
        "roofline",
        "Predict the time of a training or inference step from its operations, and compare it with a run.",
    ),
    "export": Verb(
        "export",
        "export",
        "Write a run as CSV or Parquet, or its results in the format of another tool.",
    ),
    "import": Verb(
        "import_",
        "import_",
        "Convert the files of other tools to a table of launches for `ssdbench verdict --csv`.",
    ),
    "report": Verb(
        "report",
        "report",
        "Write a self-contained HTML report of a run, or a Markdown summary for an issue or pull request.",
    ),
    "notify": Verb("notify", "notify", "Tell people what a run changed: each case that regressed or recovered, once."),
    "verdict": Verb("verdict", "verdict", "Judge launches of two arms, baseline and candidate, from a CSV file."),
    "data": Verb("data", "app", "Make a synthetic data set in the layout of COCO 2017, or check a data set."),
    "waive": Verb(
        "waive", "waive", "Tolerate a known regression up to a ceiling and a day, or list what is tolerated."
    ),
    "baseline": Verb(
        "baseline",
        "app",
        "Accept runs as the baseline of their hardware; show, list, compare, check and remove baselines.",
    ),
    "containers": Verb(
        "containers",
        "app",
        "Measure inside container images, compare them, and find the one that introduced a regression.",
    ),
    "bisect": Verb(
        "bisect",
        "app",
        "Find the image, the commit or the list of requirements that made a case slower or faster.",
    ),
    "converge": Verb(
        "converge",
        "app",
        "Train several seeds of a recipe, and judge their accuracy against a seed distribution.",
    ),
    "watch": Verb(
        "watch",
        "watch",
        "Report whether the regular runs still measure, still reach verdicts, and raise no false alarms.",
    ),
    "selftest": Verb(
        "selftest",
        "selftest",
        "Plant faults one by one on this machine, and demand that this installation sees each of them.",
    ),
    "store": Verb(
        "store", "app", "Copy, check and migrate stores of records and baselines: files, SQLite, PostgreSQL."
    ),
}


class LazyVerbs(PlainGroup):
    """A group of commands listed by `VERBS` and built when they are called."""

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
    app.command(name, cls=PlainCommand)(found)
    app.callback()(lambda: None)  # with a single command typer would drop the name
    return get_group(app).commands[name]
