"""A name says the direction of a metric, or nobody assumes one."""

import pytest

from ssdbench.schema.directions import direction_of
from ssdbench.schema.metrics import METRICS


def test_our_own_metrics_have_their_direction():
    assert {name: direction_of(name) for name in METRICS} == {
        name: metric.direction for name, metric in METRICS.items()
    }
    assert direction_of("latency-p50") is METRICS["latency_p50"].direction  # as Bencher's format has it


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("images/s", "higher"),
        ("Images/sec", "higher"),
        ("images_per_second", "higher"),
        ("samples_per_sec_per_gpu", "higher"),
        ("samples/s/GPU", "higher"),
        ("tokensPerSecond", "higher"),
        ("global_throughput_images_per_second", "higher"),
        ("GFLOPS", "higher"),
        ("eval_accuracy", "higher"),
        ("seconds", "lower"),
        ("step_time_ms", "lower"),
        ("ms/image", "lower"),
        ("seconds_per_step", "lower"),
        ("Latency (p99)", "lower"),
        ("wallTime", "lower"),
        ("peak_memory_bytes", "lower"),
        ("seed", None),
        ("score", None),
        ("memory_bandwidth", None),
        ("time_to_accuracy", None),
        ("", None),
        ("///", None),
    ],
)
def test_the_name_of_another_metric_may_say_it(name: str, word: str | None):
    found = direction_of(name)
    assert (found.word if found else None) == word
