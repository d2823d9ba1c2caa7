"""How long it takes to put 10,000 launches into tables, loaded and printed: under two seconds without the loading.

pytest benchmarks/micro/test_table.py
"""

import numpy as np
import pytest

from ssdbench.analysis.tables.layout import published_style
from ssdbench.analysis.tables.measured import measured_sheets
from ssdbench.report.table_formats import html
from ssdbench.schema.case import Protocol
from ssdbench.schema.record import Run
from tests.builders import a_case, a_run

LAUNCHES, BATCHES = 10, 125
PROTOCOL = Protocol(warmup_steps=10, steps=60, launches=LAUNCHES)


def ten_thousand_launches() -> Run:
    cases = [
        a_case(workload=workload, precision=precision, world_size=gpus, batch_size_per_gpu=batch, protocol=PROTOCOL)
        for workload in ("train", "infer")
        for precision in ("fp32", "bf16")
        for gpus in (1, 2)
        for batch in range(1, BATCHES + 1)
    ]
    times = 0.1 * np.exp(np.random.default_rng(1).normal(0.0, 2e-3, (len(cases), LAUNCHES)))
    return a_run(*zip(cases, times.tolist(), strict=True))


@pytest.mark.benchmark(max_time=5)
def test_table_of_10000_launches(benchmark):
    run = ten_thousand_launches()
    assert len(run.records) == 10_000

    def table() -> str:
        return html.render(published_style(measured_sheets([run])), uncertainty=True)

    assert benchmark(table).count("<tr>") == 1003
    assert benchmark.stats["median"] < 2.0
