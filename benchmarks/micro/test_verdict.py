"""How long it takes to judge 10,000 interleaved launches: under two seconds.

pytest benchmarks/micro/test_verdict.py
"""

import pytest

from ssdbench.analysis.decide import judge
from ssdbench.schema.verdict import Settings
from tests.analysis.nights import a_night


@pytest.mark.benchmark(max_time=5)
def test_judge_a_night_of_10000_launches(benchmark):
    night = a_night(cases=140, noise=2e-3, changes={0: 0.02, 1: 0.05})
    assert sum(case.measured.pairs + case.fresh.pairs for case in night.values()) * 2 >= 10_000
    verdicts = benchmark(judge, night, Settings())
    assert len(verdicts) == 140
    assert benchmark.stats["median"] < 2.0
