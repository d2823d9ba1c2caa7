"""The option --store, and the store that a command is given."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.harness.stores import opening
from ssdbench.harness.stores.store import Store

STORE_HELP = (
    "Where records and baselines are: sqlite:///FILE, postgresql://USER@HOST/DATABASE, or a folder; default: "
    f"{opening.VARIABLE} of the environment, else --results."
)

StoreUrl = Annotated[str | None, typer.Option("--store", metavar="URL", help=STORE_HELP)]


def open_store(results: Path, url: str | None) -> Store:
    """The store that was asked for; what becomes of its spool is told on stderr. Errors as `opening.open_store`."""
    return opening.open_store(results, url, tell)


def tell(sentence: str) -> None:
    """Say something beside the output."""
    print(f"ssdbench: {sentence}", file=sys.stderr)
