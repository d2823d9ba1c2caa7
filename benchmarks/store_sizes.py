"""What commands cost as a store grows: processor seconds and peak memory against the number of records.

python -m benchmarks.store_sizes                       # files and SQLite, 1,000 to 100,000 records
python -m benchmarks.store_sizes --records 1000 10000

The store holds runs of 1,000 launches each: 50 cases, 20 launches of each. `resume` is a run of that many records in
one file, up to the point where its next launch would start.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.store import Store
from tests.builders import a_case, a_header, a_record

CASES, LAUNCHES = 50, 20
SIZES = (1_000, 10_000, 100_000)
COMMANDS = {
    "compare": ("compare", "latest", "--baseline", "run-0"),
    "report": ("report", "latest", "--baseline", "run-0", "-o", os.devnull),
    "history": ("history",),
    "store check": ("store", "check"),
}
_RESUME = """
import sys
from pathlib import Path
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.runner import run_plan
from ssdbench.harness.stores.files import FileStore
from ssdbench.workflows.deciding import is_unfinished
from ssdbench.workflows.display import NoObserver

folder = Path(sys.argv[1])
store = FileStore(folder)
run = store.load("run-0")
assert not is_unfinished(store, run)
run_plan(LaunchLoop(run, None, {}, store, folder, NoObserver()), run.header.plan, None)
"""


def fill(store: Store, number: int, cases: int, launches: int) -> None:
    """Add a run with this many launches of each of these cases."""
    planned = [
        a_case(batch_size_per_gpu=batch, protocol=replace(a_case().protocol, launches=launches))
        for batch in range(1, cases + 1)
    ]
    run_id = f"run-{number}"
    store.begin(a_header(run_id=run_id, cases=planned))
    places = [(case, launch) for case in planned for launch in range(launches)]
    records = [
        a_record(run_id=run_id, case=case, launch=launch, order=order, step_seconds=0.1 + 1e-5 * (launch % 7))
        for order, (case, launch) in enumerate(places)
    ]
    store.archive.append(run_id, {record.id: codec.stored(record) for record in records})


def cost(*command: str) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of a command of this interpreter."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(kind: str, records: int, folder: Path) -> None:
    """Print a row for each command on a store of this kind and size."""
    results = folder / "results"
    files = FileStore(results)
    for number in range(records // (CASES * LAUNCHES)):
        fill(files, number, CASES, LAUNCHES)
    place = str(results)
    if kind == "sqlite":
        place = f"sqlite:///{folder / 'store.db'}"
        show(kind, records, "store sync", *cost("-m", "ssdbench", "store", "sync", str(results), place))
    for name, words in COMMANDS.items():
        show(kind, records, name, *cost("-m", "ssdbench", *words, "--results", str(folder / "other"), "--store", place))
    if kind == "files":
        # In a process of its own: the peak of a new process begins with that of the one that starts it.
        filling = multiprocessing.get_context("spawn").Process(target=_fill_one, args=(folder / "one", records))
        filling.start()
        filling.join()
        show(kind, records, "resume", *cost("-c", _RESUME, str(folder / "one")))


def _fill_one(folder: Path, records: int) -> None:
    fill(FileStore(folder), 0, CASES, records // CASES)


def show(kind: str, records: int, name: str, seconds: float, megabytes: float) -> None:
    print(f"| {name} | {kind} | {records:,} | {seconds:.1f} | {megabytes:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=SIZES)
    given = parser.parse_args()
    print("| command | store | records | processor seconds | peak memory in MB |\n|---|---|---|---|---|")
    for kind in ("files", "sqlite"):
        for records in given.records:
            with tempfile.TemporaryDirectory() as folder:
                measure(kind, records, Path(folder))


if __name__ == "__main__":
    main()
