"""Where the launches of an explanation run: over Slurm, on the node on which the case was measured."""

from dataclasses import replace

from ssdbench.schema.environment import Network
from ssdbench.schema.record import Run, SlurmOptions
from ssdbench.workflows.explaining import _on_one_node
from tests.builders import a_case, a_measurement, a_record, a_run

ONE, OTHER = a_case(), a_case(batch_size_per_gpu=4)


def measured_on(*places: tuple[object, str]) -> Run:
    records = tuple(
        a_record(
            case=case,  # type: ignore[arg-type]
            launch=number,
            measurement=replace(a_measurement(), network=Network(rank_hosts=(host, host), backend="gloo")),
        )
        for number, (case, host) in enumerate(places)
    )
    return replace(a_run((ONE, (0.1,))), records=records)


def test_all_launches_are_on_the_node_of_the_case_whatever_was_asked_for() -> None:
    run = measured_on((ONE, "node1"), (OTHER, "node2"))
    assert _on_one_node(SlurmOptions(), run, [ONE]) == SlurmOptions(nodelist="node1")
    assert _on_one_node(SlurmOptions(nodelist="node[1-4]"), run, [OTHER]) == SlurmOptions(nodelist="node2")


def test_cases_over_several_nodes_are_placed_by_the_launcher() -> None:
    several = a_case(nodes=2, world_size=2)
    options = SlurmOptions(nodelist="node[1-4]")
    assert _on_one_node(options, measured_on((several, "node1")), [several]) == options
