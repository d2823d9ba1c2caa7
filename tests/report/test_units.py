"""The lines below a table of a terminal that say what its units count."""

from ssdbench.report.tables import units
from ssdbench.schema.metrics import METRICS


def test_a_unit_of_one_metric_stands_alone_and_one_of_several_has_their_titles() -> None:
    throughput, median, mean = (METRICS[name] for name in ("throughput", "latency_p50", "latency_mean"))
    assert units([throughput.name, median.name, throughput.name]).plain.splitlines() == [
        f"images/s: {throughput.description}",
        f"ms: {median.description}",
    ]
    assert units([median.name, mean.name]).plain.splitlines() == [
        f"{median.title}, ms: {median.description}",
        f"{mean.title}, ms: {mean.description}",
    ]
