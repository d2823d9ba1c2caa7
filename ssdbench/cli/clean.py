"""`ssdbench clean`: remove what launches left in the cache."""

from typing import Annotated

from ssdbench.cli.help import OUTPUT, option
from ssdbench.cli.streams import print_text
from ssdbench.harness.cache import KEPT_DAYS, clean_work, work_folder
from ssdbench.report.numbers import size
from ssdbench.schema.text import pluralize


def clean(
    days: Annotated[
        int, option("Remove what no launch has changed for so many days.", min=1, metavar="N", panel=OUTPUT)
    ] = KEPT_DAYS,
    dry_run: Annotated[
        bool, option("Print what would be removed, without removing it.", "--dry-run", panel=OUTPUT)
    ] = False,
) -> None:
    """Remove the logs of old launches from the cache; records, baselines and images stay.

    Every run does this first for launches of more than 30 days ago.
    """
    found = clean_work(days, dry_run=dry_run)
    for folder in found.folders:
        print_text(str(folder))
    runs, verb = pluralize(len(found.folders), "run"), "would be removed" if dry_run else "removed"
    print_text(f"{verb}: the launches of {runs} in {work_folder()}, {size(found.bytes)}")
