"""The machine and the folder in which the commands of the pages are run: eight A100, some weeks of stored runs.

Nothing here is measured: the runs are made by hand. `latest` is a run of speed, and in the folder `accuracy` one of
seeds, for the pages on accuracy.
"""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.cli.verbs import VERBS
from ssdbench.harness import datasets
from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState, Hardware, Software
from ssdbench.schema.record import Record, Run, SyntheticData
from tests.builders import HOST, SOFTWARE, a_case, a_header, a_run
from tests.cli.running import accept, keep
from tests.docs.shown import ROOT
from tests.paced import write_paced
from tests.trainings import a_distribution, a_training_run, some_seeds

GPU = "NVIDIA A100-SXM4-80GB"
HARDWARE = Hardware(
    cpu_model="Example CPU @ 2.00GHz",
    cpu_count=64,
    gpu_model=GPU,
    gpu_count=8,
    gpu_memory_bytes=80 * 2**30,
    compute_capability=(8, 0),
)
MACHINE = Machine(
    hardware=HARDWARE,
    host=replace(
        HOST,
        driver="580.2",
        gpus=tuple(GpuState(index=n, uuid=f"GPU-{n}", model=GPU, memory_bytes=80 * 2**30) for n in range(8)),
    ),
    cpu_has_bf16=True,
    no_gpu_reason=None,
)
WORKER = WorkerPython(
    executable=sys.executable,
    version="3.11.2",
    packages={"torch": "2.11.0", "torchvision": "0.26.0", "dali": "2.4.0", "pycocotools": "2.0.11", "numpy": "2.4.6"},
    has_cpp_compiler=True,
    gpu_code=("sm_70", "sm_80", "sm_90"),
)
SESSIONS = 7
RUN = "20260103T020000-nightly-aaaa"
"""The run that the pages call RUN."""
_CSV = "case,arm,launch,value\n" + "".join(
    f"train,{arm},{launch},{100 + launch}\n" for arm in ("baseline", "candidate") for launch in range(8)
)


def _cases() -> tuple[Case, ...]:
    gpu = {"device": "cuda", "backbone": "resnet50", "pipeline": "dali", "precision": "amp", "decode": "cpu"}
    train = a_case(workload="train", batch_size_per_gpu=64, **gpu)
    infer = a_case(workload="infer", batch_size_per_gpu=8, **gpu)
    return train, replace(train, world_size=8), infer


def _session(number: int) -> Run:
    run = a_run(
        *((case, [0.1 + 1e-4 * ((number + launch) % 3) for launch in range(3)]) for case in _cases()),
        run_id=f"202601{number + 1:02d}T020000-nightly-aaaa",
        created_at=f"2026-01-{number + 1:02d}T02:00:00+00:00",
        hardware=HARDWARE,
        host=MACHINE.host,
    )
    software = replace(SOFTWARE, container_release="25.01" if number < 5 else f"25.{number - 3:02d}")
    return replace(run, records=tuple(_measured_with(software, record) for record in run.records))


def _measured_with(software: Software, record: Record) -> Record:
    assert record.measurement is not None
    return replace(record, measurement=replace(record.measurement, software=software))


def make_world(folder: Path) -> None:
    """Fill a folder; commands are run in its folders `speed` and `accuracy`."""
    speed, accuracy = folder / "speed", folder / "accuracy"
    begun = a_header(run_id="20260101T010000-nightly-0000", created_at="2026-01-01T01:00:00+00:00", cases=_cases())
    keep(speed / "results", Run(header=replace(begun, hardware=HARDWARE, host=MACHINE.host), records=()))
    keep(speed / "results", *(_session(number) for number in range(SESSIONS)))
    sessions = [f"2026010{number + 1}T02" for number in range(5)]
    accepted = accept(speed / "results", *sessions)
    assert accepted.code == 0, accepted.err
    keep(accuracy / "results", a_training_run(some_seeds(), run_id="seeds", hardware=HARDWARE, host=MACHINE.host))
    DistributionStore(FileStore(accuracy / "results").archive).save(a_distribution())
    write_paced(speed)
    (speed / "my-suite.toml").write_bytes((ROOT / "ssdbench/resources/suites/smoke.toml").read_bytes())
    (speed / "launches.csv").write_text(_CSV)
    for name, seconds in (("a.json", 0.101), ("b.json", 0.1)):
        (speed / name).write_text(json.dumps({"train": {"latency": {"value": seconds}}}))
    for name in ("release", "before"):
        (folder / name).symlink_to(ROOT)
    datasets.synthesise(sys.executable, folder / "coco", SyntheticData(train_images=6, val_images=3), lambda _: None)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find eight A100 here, and an interpreter that can measure on them."""
    for verb in VERBS.values():  # what is imported while names are replaced would keep them
        importlib.import_module(f"ssdbench.cli.{verb.module}")
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("ssdbench."):
            for name, value in (("probe_machine", MACHINE), ("inspect_python", WORKER)):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, lambda *_, found=value, **__: found)
