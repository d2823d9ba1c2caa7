"""The description of a machine, made without torch."""

from pathlib import Path

from ssdbench.harness.machine.probe import network_links


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_links_to_other_machines_are_counted_by_kind_and_only_where_they_are_up(tmp_path: Path) -> None:
    for device, state in (("mlx5_0", "4: ACTIVE"), ("mlx5_1", "4: ACTIVE"), ("mlx5_2", "1: DOWN")):
        port = tmp_path / "infiniband" / device / "ports" / "1"
        put(port / "state", state)
        put(port / "rate", "400 Gb/sec (4X NDR)")
        put(port / "link_layer", "InfiniBand")
    for name, speed in (("eth0", "25000"), ("eth1", "-1")):
        put(tmp_path / "net" / name / "speed", speed)
        put(tmp_path / "net" / name / "device" / "vendor", "0x15b3")
    put(tmp_path / "net" / "docker0" / "speed", "10000")
    assert network_links(tmp_path) == ("2 × InfiniBand 400 Gb/sec (4X NDR)", "1 × network interface 25000 Mb/s")


def test_a_machine_without_such_links_has_none(tmp_path: Path) -> None:
    assert network_links(tmp_path) == ()
