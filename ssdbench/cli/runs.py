"""`ssdbench runs`: the stored runs, with the verdict on each."""

from typing import Annotated

from ssdbench.cli.help import OUTPUT, SUITE, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, WaiversFile, open_store
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.streams import say
from ssdbench.harness.stores import codec
from ssdbench.report.run_tables import render_runs
from ssdbench.workflows.listing import list_runs

_LAST = 20


def runs(
    suite: Annotated[str | None, option("Only runs of this suite.", metavar="NAME", panel=SUITE)] = None,
    hardware: Annotated[str, option("Only runs on hardware with this in its key.", metavar="KEY", panel=SUITE)] = "",
    last: Annotated[
        int, option("Show the newest runs, this many; 0: all.", "--last", min=0, metavar="N", panel=OUTPUT)
    ] = _LAST,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    waivers: WaiversFile = None,
    as_json: Json = False,
) -> None:
    """List the stored runs, newest first: when, what, where, how many launches, the verdict, and their baselines.

    The verdict is that of `ssdbench compare RUN`; a run without one is a training, or has no baseline.
    """
    found = list_runs(open_store(results, store_url, waivers), say, last=last, suite=suite, hardware=hardware)
    if as_json:
        print_json(codec.dump(found))
    else:
        Terminal().print(render_runs(found))
