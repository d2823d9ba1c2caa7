"""Where a GPU is on the machine's buses, asked of the driver before anything is made on it."""

import ctypes
from typing import Any

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.cuda_libraries import pci_bus_id


class Driver:
    """libcuda with two GPUs; `refuses` is the call that fails."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses, self.calls = refuses, list[str]()

    def _called(self, name: str, fails: bool = False) -> int:
        self.calls.append(name)
        return 100 if fails or name == self.refuses else 0

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self._called("cuInit")

    def cuDeviceGet(self, handle: Any, ordinal: int) -> int:  # noqa: N802
        handle._obj.value = 70 + ordinal
        return self._called("cuDeviceGet", ordinal > 1)

    def cuDeviceGetPCIBusId(self, text: Any, size: int, handle: ctypes.c_int) -> int:  # noqa: N802
        text.value = {70: b"0000:3B:00.0", 71: b"0000:D8:00.0"}[handle.value]
        assert size == len(text)
        return self._called("cuDeviceGetPCIBusId")


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    def load(name: str) -> Driver:
        assert name == "libcuda.so.1"
        if driver is None:
            raise OSError("libcuda.so.1: cannot open shared object file")
        return driver

    monkeypatch.setattr(ctypes, "CDLL", load)


@pytest.mark.parametrize(("local_rank", "place"), [(0, "0000:3B:00.0"), (1, "0000:D8:00.0")])
def test_the_driver_says_where_the_gpu_of_a_rank_is(
    monkeypatch: pytest.MonkeyPatch, local_rank: int, place: str
) -> None:
    driver = Driver()
    with_driver(monkeypatch, driver)
    assert pci_bus_id(local_rank) == place
    assert driver.calls == ["cuInit", "cuDeviceGet", "cuDeviceGetPCIBusId"]


@pytest.mark.parametrize("call", ["cuInit", "cuDeviceGet", "cuDeviceGetPCIBusId"])
def test_a_driver_that_refuses_fails_with_the_call_and_its_error(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    with_driver(monkeypatch, Driver(refuses=call))
    with pytest.raises(EnvironmentLacksError, match=rf"^bind = numa: .*where GPU 1 is \({call}: 100\)"):
        pci_bus_id(1)


def test_a_rank_without_a_gpu_or_a_machine_without_a_driver_gets_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, Driver())
    with pytest.raises(EnvironmentLacksError, match="where GPU 2 is"):
        pci_bus_id(2)
    with_driver(monkeypatch, None)
    with pytest.raises(EnvironmentLacksError, match="there is no NVIDIA driver"):
        pci_bus_id(0)


@pytest.mark.gpu
def test_a_real_driver_and_the_kernel_agree_on_where_the_gpu_is() -> None:
    from ssdbench.runtime.affinity import cpus_near, usable_cpus

    near, usable = cpus_near(pci_bus_id(0)), usable_cpus()
    assert usable is not None
    assert near & usable
