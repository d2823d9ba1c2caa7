"""The options that verbs share, and the store that they name."""

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import DECIDING, MEASURING, OUTPUT, STORING, argument, option
from ssdbench.cli.streams import say
from ssdbench.harness.stores import opening
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.harness.waivers import FILE_NAME

DEFAULT_RESULTS = Path("results")


class Better(str, Enum):
    """Which values are better."""

    HIGHER = "higher"
    LOWER = "lower"


STORE_HELP = (
    "Store of records and baselines: sqlite:///FILE, postgresql://USER@HOST/DATABASE, or a folder; default: "
    f"{opening.VARIABLE} in the environment, else --results."
)

RunName = Annotated[
    str, argument("Run id, the beginning of one if it is unique, a .jsonl file, or latest.", metavar="RUN")
]
Results = Annotated[
    Path,
    option("Folder of records and baselines.", metavar="FOLDER", panel=STORING, envvar=opening.RESULTS_VARIABLE),
]
StoreUrl = Annotated[str | None, option(STORE_HELP, "--store", metavar="URL", panel=STORING)]
BaselineName = Annotated[
    str | None,
    option(
        f"What to compare with; default: {DEFAULT_BASELINE}, or the run's own baseline arm if it has one.",
        "--baseline",
        metavar="NAME|RUN",
        panel=DECIDING,
    ),
]
Margin = Annotated[
    float | None,
    option(
        "Relative change that matters, such as 0.05 for 5 %; default: that of the run's suite.",
        metavar="FRACTION",
        panel=DECIDING,
    ),
]
MaximumAge = Annotated[
    int | None, option("A baseline of this age in days is stale.", "--max-age", metavar="DAYS", panel=DECIDING)
]
FailOnCreep = Annotated[
    bool,
    option(
        "End with exit code 10 if a case is worse than the anchor or the last release by more than the margin.",
        "--fail-on-creep",
        panel=DECIDING,
    ),
]
WaiversFile = Annotated[
    Path | None,
    option(
        f"File of known regressions to tolerate (docs/waivers.md); default: {FILE_NAME} in the folder of results.",
        "--waivers",
        metavar="FILE",
        panel=DECIDING,
    ),
]
Budget = Annotated[
    str | None, option("Begin no launch after this time: 90s, 30m, 2h.", metavar="DURATION", panel=MEASURING)
]
Json = Annotated[bool, option("Print one line of JSON.", "--json", panel=OUTPUT)]
OutputFile = Annotated[
    Path | None, option("File to write; default: standard output.", "--output", "-o", metavar="FILE", panel=OUTPUT)
]


def open_store(results: Path, url: str | None, waivers: Path | None = None) -> Store:
    """The store that was asked for; what becomes of its spool is reported on stderr. Errors as `opening.open_store`."""
    return opening.open_store(results, url, say, waivers)


def store_words(store: Store, results: Path, url: str | None) -> str:
    """The options that name this store in another command, with a blank before them; empty where it is the default."""
    if url is not None:
        return f" --store {shlex.quote(store.name)}"  # its name has no password
    return results_words(results)


def results_words(results: Path) -> str:
    """The option that names this folder in another command, with a blank before it; empty where it is the default."""
    return "" if results == opening.results_folder() else f" --results {shlex.quote(str(results))}"
