"""How long it takes to load and to compare 10,000 launches: each must stay under two seconds.

pytest benchmarks/micro/test_compare.py
"""

from pathlib import Path

import numpy as np
import pytest

from ssdbench.analysis.verdicts.compare import compare
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.lines import write_whole
from ssdbench.schema.case import Protocol
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from tests.builders import a_baseline, a_case, a_run

LAUNCHES = 5
CASES = 1000
PROTOCOL = Protocol(warmup_steps=10, steps=60, launches=LAUNCHES)


def five_thousand_launches(run_id: str, seed: int = 0) -> Run:
    cases = [a_case(batch_size_per_gpu=size, protocol=PROTOCOL) for size in range(1, CASES + 1)]
    times = 0.1 * np.exp(np.random.default_rng(seed).normal(0.0, 2e-3, (CASES, LAUNCHES)))
    return a_run(*zip(cases, times.tolist(), strict=True), run_id=run_id)


@pytest.mark.benchmark(max_time=5)
def test_compare_5000_launches_with_5000_of_a_baseline(benchmark):
    run, baseline = five_thousand_launches("run-1", seed=1), a_baseline(five_thousand_launches("run-0"))
    comparison = benchmark(compare, run, baseline, "main", Settings())
    assert len(comparison.cases) == CASES
    assert benchmark.stats["median"] < 2.0


@pytest.mark.benchmark(max_time=5)
def test_load_10000_launches(benchmark, tmp_path: Path):
    store = FileStore(tmp_path)
    store.save_baseline(a_baseline(five_thousand_launches("run-0")))
    header = store.list_baselines()[0]

    def load_twice() -> int:
        return sum(len(store.load_baseline(header.hardware.key, header.name).records) for _ in range(2))

    assert benchmark(load_twice) == 10_000
    assert benchmark.stats["median"] < 2.0


@pytest.mark.benchmark(max_time=5)
def test_load_and_compare_10000_launches(benchmark, tmp_path: Path):
    store = FileStore(tmp_path)
    store.save_baseline(a_baseline(five_thousand_launches("run-0")))
    run = five_thousand_launches("run-1", seed=1)
    store.begin(run.header)
    write_whole(tmp_path / "records" / "run-1.jsonl", map(codec.stored, [run.header, *run.records]))

    def from_files() -> int:
        measured = store.load("run-1")
        reference = store.find_reference(measured.header.hardware.key, "main")
        return len(compare(measured, reference, "main", Settings()).cases)

    assert benchmark(from_files) == CASES
    assert benchmark.stats["median"] < 2.0
