"""How long it takes to judge 10,000 interleaved launches: under two seconds.

pytest benchmarks/micro/test_verdict.py
"""

import pytest

from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.schema.settings import Settings
from tests.analysis.verdicts.launch_values import some_launches


@pytest.mark.benchmark(max_time=5)
def test_judge_a_run_of_10000_launches(benchmark):
    launches = some_launches(cases=140, noise=2e-3, changes={0: 0.02, 1: 0.05})
    assert sum(case.measure.pairs + case.confirm.pairs for case in launches.values()) * 2 >= 10_000
    verdicts = benchmark(judge, launches, Settings())
    assert len(verdicts) == 140
    assert benchmark.stats["median"] < 2.0
