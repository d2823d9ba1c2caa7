"""The CPU time of the host process does not count as other processes' work, even for launches in containers."""

from dataclasses import replace

import pytest

from ssdbench.harness.launchers.own_cpu import OwnCpu
from ssdbench.harness.launchers.torchrun import launch_environment, launch_variables
from ssdbench.schema.case import HOST_PROCESS
from ssdbench.schema.record import Measurement, NodeCpus
from tests.builders import a_case, a_measurement

SEEN = a_measurement(
    wall_seconds=10.0, foreign_cpu_cores=0.3, node_cpus=(NodeCpus(host="here", cpu_count=2, foreign_cores=0.3),)
)


def without_own(measurement: Measurement, **cpu_seconds: float) -> Measurement:
    """Given this process's CPU time as it heard of each phase."""
    now = iter(cpu_seconds.values())
    own = OwnCpu(lambda: next(now))
    for phase in cpu_seconds:
        own.on_event({"event": "step", "step": 1})
        own.on_event({"event": "phase", "phase": phase, "seconds": 0.0})
    return own.without_own(measurement)


def test_the_cpu_time_of_this_process_during_the_region_is_subtracted() -> None:
    found = without_own(SEEN, build=1.0, measure=5.0, profile=7.0, write=9.0)
    assert found.foreign_cpu_cores == pytest.approx(0.1)
    assert [node.foreign_cores for node in found.node_cpus] == pytest.approx([0.1])
    assert replace(found, foreign_cpu_cores=0.3, node_cpus=SEEN.node_cpus) == SEEN


def test_no_more_is_subtracted_than_there_was() -> None:
    found = without_own(SEEN, measure=0.0, profile=100.0)
    assert (found.foreign_cpu_cores, found.node_cpus[0].foreign_cores) == (0.0, 0.0)


def test_a_launch_that_did_not_tell_is_left_as_it_is() -> None:
    assert without_own(SEEN, measure=1.0) == SEEN
    unknown = replace(SEEN, foreign_cpu_cores=None, node_cpus=(NodeCpus(host="here", cpu_count=2),))
    assert without_own(unknown, measure=1.0, profile=2.0) == unknown


def test_only_a_launch_that_sees_the_processes_of_the_host_gets_the_number_of_the_host_process(tmp_path) -> None:
    import os

    assert launch_environment(a_case(), tmp_path, ())[HOST_PROCESS] == str(os.getpid())
    assert HOST_PROCESS not in launch_variables(a_case(), ())  # all that a container gets
