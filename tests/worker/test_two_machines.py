"""A launch over two machines, both of them this one under two names: facts of a machine are reported once each."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.harness.launchers.torchrun import (
    launch_environment,
    new_rendezvous_id,
    read_result,
    worker_command,
    write_request,
)
from ssdbench.harness.process import SOURCE
from ssdbench.runtime.affinity import cpu_list
from ssdbench.schema.case import LaunchRequest, Protocol
from ssdbench.schema.record import Measurement
from tests.builders import a_case

CASE = a_case(
    workload="pace",
    backbone="none",
    pipeline="none",
    world_size=4,
    nodes=2,
    batch_size_per_gpu=1,
    options={"step_seconds": 0.01},
    protocol=Protocol(warmup_steps=1, steps=3, timeout_seconds=120),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.slow
def test_other_cpu_use_is_measured_once_per_machine_and_affinity_per_rank(tmp_path: Path) -> None:
    request = LaunchRequest(schema_version=1, case=CASE, launch=0, seed=1, output=str(tmp_path / "launch"))
    write_request(request, SOURCE)
    address = f"--rdzv-endpoint=127.0.0.1:{free_port()}"
    environment = launch_environment(CASE, SOURCE, ()) | {"GLOO_SOCKET_IFNAME": "lo"}
    nodes, rendezvous_id = [], new_rendezvous_id()
    for number in range(2):
        rendezvous = (address, f"--rdzv-conf=is_host={1 - number}")
        command = worker_command(sys.executable, request, rendezvous, rendezvous_id)
        name = {"SLURMD_NODENAME": f"node{number + 1}"}
        nodes.append(subprocess.Popen(command, env=environment | name, cwd=tmp_path))
    try:
        assert [node.wait(timeout=200) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.kill()
    measurement = read_result(request)
    assert isinstance(measurement, Measurement)
    assert sorted(node.host for node in measurement.node_cpus) == ["node1", "node2"]
    own = os.sched_getaffinity(0)
    assert {node.cpu_count for node in measurement.node_cpus} == {len(own)}
    shares = [node.foreign_cores for node in measurement.node_cpus]
    assert measurement.foreign_cpu_cores == max(share for share in shares if share is not None)
    assert measurement.rank_cpus == (cpu_list(own),) * 4
    assert measurement.network is not None
    assert sorted(measurement.network.rank_hosts) == ["node1", "node1", "node2", "node2"]
