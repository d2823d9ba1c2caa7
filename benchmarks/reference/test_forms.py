"""Three forms of each piece of work as groups of pytest-benchmark, by CPU time of one thread.

pytest benchmarks/reference --benchmark-only
"""

import time
from collections.abc import Iterator

import pytest
import torch

from benchmarks.reference.inputs import Comparison, comparisons

pytestmark = pytest.mark.benchmark(max_time=1, min_rounds=3, warmup=True, warmup_iterations=1, timer=time.process_time)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("form", ["ours", "textbook", "torchvision"])
@pytest.mark.parametrize("work", comparisons(), ids=lambda work: work.name)
def test_form(benchmark, work: Comparison, form: str):
    benchmark.group = work.name
    benchmark(getattr(work, form))
