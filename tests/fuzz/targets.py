"""What reads files that somebody else wrote: each takes any bytes, and gives a value or an error of ours."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ssdbench.analysis.frames.launches import launches_frame
from ssdbench.analysis.reports.export import exported
from ssdbench.errors import SsdbenchError
from ssdbench.harness.containers.config import load_containers
from ssdbench.harness.readers.formats import bmf, mllog, pytest_benchmark
from ssdbench.harness.readers.launch_csv import read_rows
from ssdbench.harness.readers.published import read_published
from ssdbench.harness.resources import CI, PUBLISHED, SUITES, resource
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.suite import expand, load_suite
from ssdbench.harness.waivers import read_waivers
from ssdbench.report import exporters
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.acceptance import Acceptance
from ssdbench.schema.bisection import Bisection
from ssdbench.schema.bisection import Step as BisectionStep
from ssdbench.schema.case import DeviceKind, LaunchRequest
from ssdbench.schema.convergence import DistributionHeader
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.names import file_name
from ssdbench.schema.record import Measurement, Record, RunHeader
from ssdbench.schema.settings import Settings
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import BaselineHeader
from ssdbench.ssd.annotations import read_annotations
from ssdbench.ssd.repair import repair_boxes
from ssdbench.workflows.judging_tables import judge_rows
from tests.builders import a_case, a_failure, a_run, an_evaluated_checkpoint
from tests.cli.running import keep
from tests.trainings import a_training

LONGEST_SECONDS = 20
"""Time after which an input counts as one that hangs."""
OLD = Path(__file__).parents[1] / "data" / "version-0.1" / "results"


WAIVERS = """# agreed on Monday
[[waiver]]
case = "train amp"
ceiling = "20%"
expires = 2026-12-31
issue = "https://example.org/7"
reason = "slower NMS"
"""


@dataclass(frozen=True)
class Target:
    """A reader: `samples` are sound texts that it takes, `file` is the name under which it gets a damaged one."""

    name: str
    samples: tuple[str, ...]
    read: Callable[[Path], object]
    file: str = "input"

    def check(self, content: bytes, folder: Path) -> None:
        """Raises whatever is no error of ours, and TimeoutError where the reader does not come back."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with _limited(), suppress(SsdbenchError):
            self.read(path)


@contextmanager
def _limited() -> Iterator[None]:
    def give_up(number: int, frame: object) -> None:
        raise TimeoutError(f"no answer after {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _line(kind: type) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        value: object = codec.read(kind, path.read_bytes(), "input")
        return codec.read(kind, codec.dump(value), "what was dumped")

    return read


def _read_run(path: Path) -> None:
    store = FileStore(path.parents[1])
    store.headers()
    run = store.load(path.stem)
    launches_frame([run])
    results = exported(run)
    for name in formats(exporters):
        find_format(exporters, name).render(results)


def _read_suite(path: Path) -> None:
    suite = load_suite(path)
    devices: tuple[DeviceKind, ...] = ("cpu", "cuda")
    for device in devices:
        for case, _ in expand(suite, device, 8, 2):
            assert "/" not in file_name(case.key)


def _read_table(path: Path) -> None:
    rows = read_rows(path)
    judged = judge_rows(rows, settings=Settings())
    json.dumps([codec.dump(verdict) for verdict in judged.verdicts.values()], allow_nan=False)


def _of_runs() -> Iterator[Target]:
    run = a_run((a_case(), (0.1, a_failure())), (a_case(workload="infer"), (0.1,)))
    old_run = sorted((OLD / "records").glob("*-paced-*.jsonl"))[0]
    old_header, old_record, *_ = old_run.read_text().splitlines()
    records = [codec.dump(record) for record in run.records]
    measurement = run.records[0].measurement
    assert measurement is not None
    samples: dict[type, list[str]] = {
        RunHeader: [codec.dump(run.header), old_header],
        Record: [*records, old_record],
        Measurement: [codec.dump(measurement)],
        CheckpointEvaluation: [codec.dump(an_evaluated_checkpoint())],
        Training: [codec.dump(a_training())],
        LaunchRequest: [codec.dump(LaunchRequest(schema_version=1, case=a_case(), launch=0, seed=1, output="/tmp/o"))],
    }
    of_before: tuple[type, ...] = (BaselineHeader, Acceptance, DistributionHeader, Bisection, BisectionStep)
    for kind in of_before:
        for stored in (line for path in sorted(OLD.rglob("*.jsonl")) for line in path.read_text().splitlines()):
            with suppress(SsdbenchError):
                codec.read(kind, stored, "sample")
                samples.setdefault(kind, [stored])
    for kind, texts in samples.items():
        yield Target(kind.__name__, tuple(texts), _line(kind))
    results = exported(run)
    foreign = (("bmf", bmf), ("mllog", mllog), ("pytest_benchmark", pytest_benchmark))
    for name, reader in foreign:
        yield Target(name, (find_format(exporters, name.replace("_", "-")).render(results),), reader.read)
    with tempfile.TemporaryDirectory() as folder:
        keep(Path(folder), run)
        stored_run = (Path(folder) / "records" / "run-1.jsonl").read_text()
    # Lines of before have no checksum, which would refuse most damage at once.
    run_of_before = old_run.read_text().replace(old_run.stem, "run-1")
    yield Target("run", (stored_run, run_of_before), _read_run, "records/run-1.jsonl")


TABLE = "\n".join(
    ["case,arm,launch,value,pair,stage,session,metric,direction"]
    + [
        f"a,{arm},{n},{1 + n / 100},{n},measure,,step_seconds,lower"
        for arm in ("baseline", "candidate")
        for n in range(3)
    ]
)
SESSIONS = "\n".join(
    ["case,arm,launch,value,session"]
    + [f"a,{arm},{n},{1 + n / 100},{arm}{n}" for arm in ("baseline", "candidate") for n in range(3)]
)
INSTANCES = {
    "images": [{"id": 5, "file_name": "a.jpg", "width": 64, "height": 48}],
    "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
    "annotations": [
        {"id": 7, "image_id": 5, "category_id": 3, "bbox": [1.5, 2, 10, 20.25], "area": 202.5, "iscrowd": 0},
        {"id": 8, "image_id": 5, "category_id": 1, "bbox": [0, 0, 64, 48]},
    ],
}
_published = resource(PUBLISHED, "nvidia_ssd300_published.csv").read_text()
TARGETS = (
    *_of_runs(),
    Target(
        "suite",
        tuple(resource(SUITES, f"{name}.toml").read_text() for name in ("smoke", "convergence-smoke")),
        _read_suite,
    ),
    Target("containers", (resource(CI, "containers.toml").read_text(),), load_containers),
    Target("waivers", (WAIVERS,), read_waivers),
    Target("table", (TABLE, SESSIONS), _read_table),
    Target("published", ("\n".join(_published.splitlines()[:4]),), read_published),
    Target("annotations", (json.dumps(INSTANCES),), lambda path: repair_boxes(read_annotations(path))),
)
