"""The GPUs that NVML reports, whatever it refuses, and those that CUDA shows; with a stub of the driver in C."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.stubbed_nvml import beside_stub, compile_stub

pytestmark = pytest.mark.xdist_group("nvml")

MIXED = {
    "NVML_STUB_COUNT": "4",
    **{f"NVML_STUB_NAME{i}": name for i, name in enumerate(("Tesla T4", "NVIDIA A100", "Tesla T4", "NVIDIA A100"))},
    **{f"NVML_STUB_CAPABILITY{i}": capability for i, capability in enumerate(("75", "80", "75", "80"))},
    **{f"NVML_STUB_MIB{i}": mib for i, mib in enumerate(("15360", "81920", "15360", "81920"))},
}
FOUR = {"NVML_STUB_COUNT": "4"}
SLICED = {
    "NVML_STUB_NAME0": "NVIDIA A100-SXM4-80GB", "NVML_STUB_MIB0": "81920", "NVML_STUB_CAPABILITY0": "80",
    "NVML_STUB_COUNT": "1", "NVML_STUB_MIG": "0",
}  # fmt: skip

# CUDA_VISIBLE_DEVICES on four GPUs -> the indices that CUDA shows, in its order.
SHOWN = {
    "0": [0],
    "2,0": [2, 0],
    " 1 , 3 ": [1, 3],
    "+1": [1],
    "1gpu2": [1],
    "0,1,7,2": [0, 1],
    "0,-1,2": [0],
    "0,,2": [0],
    "1,1": [],
    "-1": [],
    "": [],
    "NoDevFiles": [],
    "GPU-two": [2],
    "GPU-three,GPU-zero": [3, 0],
    "GPU-z": [0],
    "GPU-t": [],  # begins two of them
    "GPU-o,GPU-t,GPU-z": [1],
    "GPU-one,GPU-o": [],  # the same one twice
    "GPU-one,0": [1],
    "0,GPU-one": [0],
    "two": [],
    "MIG-01": [],
}

MACHINES: dict[str, dict[str, str]] = {
    **{f"shows {value}": {**FOUR, "CUDA_VISIBLE_DEVICES": value} for value in SHOWN},
    "plain": {},
    "set clocks": {"NVML_STUB_APPLICATION": "1200", "NVML_STUB_LOCKED": "900"},
    "other settings": {"NVML_STUB_WATTS0": "400", "NVML_STUB_ECC_OFF": "1", "NVML_STUB_NOT_PERSISTENT": "0"},
    "no memory": {"NVML_STUB_COUNT": "1", "NVML_STUB_REFUSES": "nvmlDeviceGetMemoryInfo"},
    "no name": {"NVML_STUB_REFUSES": "nvmlDeviceGetName"},
    "no UUID": {"NVML_STUB_REFUSES": "nvmlDeviceGetUUID"},
    "no capability": {"NVML_STUB_REFUSES": "nvmlDeviceGetCudaComputeCapability"},
    "no driver version": {"NVML_STUB_REFUSES": "nvmlSystemGetDriverVersion"},
    "nothing": {
        "NVML_STUB_REFUSES": " ".join(
            f"nvmlDeviceGet{what}"
            for what in (
                *("UUID", "Name", "MemoryInfo", "CudaComputeCapability", "MaxClockInfo", "ApplicationsClock", "Clock"),
                *("DefaultApplicationsClock", "MigMode", "EnforcedPowerLimit", "PowerManagementDefaultLimit"),
                *("EccMode", "PersistenceMode"),
            )
        )
    },
    "down": {"NVML_STUB_DOWN": "1"},
    "no GPU": {"NVML_STUB_COUNT": "0"},
    "no count": {"NVML_STUB_REFUSES": "nvmlDeviceGetCount_v2"},
    "one lost": {"NVML_STUB_LOST": "0"},
    "one lost with a handle": {"NVML_STUB_LOST_OPEN": "1"},
    "a lost one that is not visible": {"NVML_STUB_LOST": "1", "CUDA_VISIBLE_DEVICES": "0"},
    "all lost": {"NVML_STUB_LOST": "0 1"},
    "the visible one lost": {"NVML_STUB_LOST": "1", "CUDA_VISIBLE_DEVICES": "1"},
    "given the second of a node": {"NVML_STUB_FORBIDDEN": "0", "CUDA_VISIBLE_DEVICES": "0"},
    "mixed": MIXED,
    "mixed, by index": {**MIXED, "CUDA_VISIBLE_DEVICES": "1"},
    "mixed, by index of the bus": {**MIXED, "CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
    "mixed, by UUID": {**MIXED, "CUDA_VISIBLE_DEVICES": "GPU-one"},
    "alike, by index": {"CUDA_VISIBLE_DEVICES": "1"},
    "of two sizes": {"NVML_STUB_MIB0": "8192", "NVML_STUB_MIB1": "12288"},
    "mixed, the second": {**MIXED, "CUDA_VISIBLE_DEVICES": "3,2,1"},
    "sliced": SLICED,
    "sliced, the card by index": {**SLICED, "CUDA_VISIBLE_DEVICES": "0"},
    "sliced, the card by UUID": {**SLICED, "CUDA_VISIBLE_DEVICES": "GPU-zero"},
    "sliced, the second": {**SLICED, "CUDA_VISIBLE_DEVICES": "MIG-04-slice"},
    "sliced, the second by its beginning": {**SLICED, "CUDA_VISIBLE_DEVICES": "MIG-04"},
    "sliced, the second by its old name": {**SLICED, "CUDA_VISIBLE_DEVICES": "MIG-GPU-zero/4/0"},
    "sliced, both": {**SLICED, "CUDA_VISIBLE_DEVICES": "MIG-04-slice,MIG-02-slice"},
    "sliced, unclear": {**SLICED, "CUDA_VISIBLE_DEVICES": "MIG-0"},
    "sliced, a slice of another machine": {**SLICED, "CUDA_VISIBLE_DEVICES": "MIG-GPU-other/4/0"},
    "sliced, none made": {**SLICED, "NVML_STUB_SLICES": "0"},
    "sliced beside a whole one": {"NVML_STUB_MIG": "1"},
    "the whole one beside": {"NVML_STUB_MIG": "1", "CUDA_VISIBLE_DEVICES": "0"},
    "sliced, without names": {**SLICED, "NVML_STUB_REFUSES": "slice:nvmlDeviceGetName slice:nvmlDeviceGetMemoryInfo"},
    "a part of a slice": {
        **SLICED, "NVML_STUB_REFUSES": "slice:nvmlDeviceGetName", "NVML_STUB_COMPUTE_SLICES": "1",
    },
    "sliced, telling nothing": {
        **SLICED, "NVML_STUB_REFUSES": "slice:nvmlDeviceGetName slice:nvmlDeviceGetAttributes_v2",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stub(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def told(library: Path) -> dict[str, Any]:
    """What `probed_machines.py` told of the machines."""
    script = str(Path(__file__).with_name("probed_machines.py"))
    found: dict[str, Any] = json.loads(beside_stub(library, script, text=json.dumps(MACHINES)))
    return found


@pytest.mark.parametrize("value", SHOWN)
def test_cuda_visible_devices_is_read_as_the_driver_reads_it(told: dict[str, Any], value: str) -> None:
    machine = told[f"shows {value}"]
    assert [gpu["index"] for gpu in machine["gpus"]] == SHOWN[value]
    assert (machine["reason"] is None) == bool(SHOWN[value])


def test_a_variable_that_names_no_gpu_is_quoted_in_the_reason(told: dict[str, Any]) -> None:
    assert told["shows two"]["reason"] == "CUDA_VISIBLE_DEVICES=two leaves no GPU to measure on"
    assert told["shows two"]["remarks"] == [told["shows two"]["reason"]]
    for value in ("", "-1"):  # how one asks for none
        assert told[f"shows {value}"]["remarks"] == []


def test_settings_of_a_gpu_include_its_clocks(told: dict[str, Any]) -> None:
    first, second = told["plain"]["gpus"]
    assert first == {
        **{"index": 0, "uuid": "GPU-zero", "model": "Stub", "memory_bytes": 2**30, "power_limit_watts": 700.0},
        **{"sm_clock_limit_mhz": 1980, "memory_clock_limit_mhz": 2619},
        **{"sm_application_clock_mhz": 1410, "memory_application_clock_mhz": 1593},
        **{"sm_default_clock_mhz": 1410, "memory_default_clock_mhz": 1593},
        **{"sm_target_clock_mhz": 1410, "memory_target_clock_mhz": 1593},
        **{"ecc": True, "mig": False, "persistence": True, "power_default_watts": 700.0},
    }
    assert second == first | {"index": 1, "uuid": "GPU-one"}
    first, second = told["set clocks"]["gpus"]
    assert (first["sm_application_clock_mhz"], first["sm_default_clock_mhz"], first["sm_target_clock_mhz"]) == (
        *(1200, 1410, 900),
    )
    assert (second["sm_application_clock_mhz"], second["sm_target_clock_mhz"]) == (1200, 1410)


def test_settings_of_a_gpu_are_its_own(told: dict[str, Any]) -> None:
    names = ("power_limit_watts", "power_default_watts", "ecc", "persistence")
    first, second = ([gpu[name] for name in names] for gpu in told["other settings"]["gpus"])
    assert first == [400.0, 700.0, True, False]
    assert second == [700.0, 700.0, False, True]


def test_whatever_nvml_refuses_is_none_and_the_gpus_are_described(told: dict[str, Any]) -> None:
    assert told["no memory"]["key"] == "1x-stub"
    assert told["no memory"]["gpus"][0]["memory_bytes"] is None
    assert told["no name"]["key"] == "2x-unknown-gpu-of-compute-capability-9-0-1gib"
    assert [gpu["uuid"] for gpu in told["no UUID"]["gpus"]] == [None, None]
    assert (told["no capability"]["key"], told["no capability"]["hardware"]["compute_capability"]) == (
        *("2x-stub-1gib", None),
    )
    assert (told["no driver version"]["driver"], told["no driver version"]["key"]) == (None, "2x-stub-1gib")
    assert told["nothing"]["key"] == "2x-unknown-gpu"
    for gpu in told["nothing"]["gpus"]:
        assert {value for name, value in gpu.items() if name not in ("index", "model")} == {None}
    assert told["plain"]["key"] == "2x-stub-1gib"


def test_a_lost_gpu_is_omitted_and_named_if_it_would_be_measured(told: dict[str, Any]) -> None:
    for name, lost, left in (("one lost", 0, 1), ("one lost with a handle", 1, 0)):
        assert [gpu["index"] for gpu in told[name]["gpus"]] == [left]
        assert told[name]["remarks"] == [f"GPU {lost} does not respond (NVML: GPU is lost)"]
    assert [gpu["index"] for gpu in told["a lost one that is not visible"]["gpus"]] == [0]
    assert told["a lost one that is not visible"]["remarks"] == []
    assert told["the visible one lost"]["reason"] == "GPU 1 does not respond (NVML: GPU is lost)"
    assert told["all lost"]["reason"] == (
        "GPU 0 does not respond (NVML: GPU is lost); GPU 1 does not respond (NVML: GPU is lost)"
    )
    assert (
        told["down"]["reason"]
        == "no NVIDIA driver is available here (NVML: RM has detected an NVML/RM version mismatch.)"
    )
    assert told["no GPU"]["reason"] == told["no count"]["reason"] == "NVML finds no GPU here"


def test_gpus_that_this_process_may_not_use_have_no_number(told: dict[str, Any]) -> None:
    (gpu,) = told["given the second of a node"]["gpus"]
    assert (gpu["index"], gpu["uuid"]) == (1, "GPU-one")


def test_gpus_of_two_models_are_distinguished_and_never_counted_together(told: dict[str, Any]) -> None:
    first, second = told["mixed"], told["mixed, the second"]
    assert (first["key"], [gpu["index"] for gpu in first["gpus"]]) == ("2x-tesla-t4-15gib", [0, 2])
    assert first["hardware"]["compute_capability"] == [7, 5]
    assert first["remarks"][0] == (
        "GPU 1 (NVIDIA A100) is not measured with GPU 0 (Tesla T4): a case uses GPUs of one model; select this one "
        "with CUDA_VISIBLE_DEVICES"
    )
    assert [remark[:5] for remark in first["remarks"]] == ["GPU 1", "GPU 3"]
    assert (second["key"], [gpu["index"] for gpu in second["gpus"]]) == ("2x-nvidia-a100-80gib", [3, 1])
    assert second["hardware"]["compute_capability"] == [8, 0]


def test_gpus_of_one_name_with_unlike_memory_are_two_models(told: dict[str, Any]) -> None:
    machine = told["of two sizes"]
    assert (machine["key"], [gpu["index"] for gpu in machine["gpus"]]) == ("1x-stub-8gib", [0])
    assert machine["remarks"] == [
        "GPU 1 (Stub with 12 GiB) is not measured with GPU 0 (Stub with 8 GiB): a case uses GPUs of one model; select "
        "this one with CUDA_VISIBLE_DEVICES"
    ]


def test_an_index_that_may_mean_another_gpu_to_cuda_is_remarked(told: dict[str, Any]) -> None:
    (remark,) = told["mixed, by index"]["remarks"]
    assert remark.startswith("CUDA_VISIBLE_DEVICES=1 is read in the order of the PCI bus, as nvidia-smi lists GPUs")
    assert [gpu["uuid"] for gpu in told["mixed, by index"]["gpus"]] == ["GPU-one"]
    for name in ("mixed, by index of the bus", "mixed, by UUID", "alike, by index"):
        assert told[name]["remarks"] == []


@pytest.mark.parametrize(
    ("name", "uuid"),
    [
        ("sliced", "MIG-02-slice"),
        ("sliced, the card by index", "MIG-02-slice"),
        ("sliced, the card by UUID", "MIG-02-slice"),
        ("sliced, the second", "MIG-04-slice"),
        ("sliced, the second by its beginning", "MIG-04-slice"),
        ("sliced, the second by its old name", "MIG-04-slice"),
        ("sliced, both", "MIG-04-slice"),
        ("sliced, without names", "MIG-02-slice"),
    ],
)
def test_a_slice_is_hardware_of_its_own_and_never_the_whole_card(told: dict[str, Any], name: str, uuid: str) -> None:
    machine = told[name]
    (gpu,) = machine["gpus"]
    assert machine["key"] == "1x-nvidia-a100-sxm4-80gb-mig-3g-40gb-39gib"
    assert (gpu["model"], gpu["uuid"], gpu["index"], gpu["memory_bytes"], gpu["mig"]) == (
        *("NVIDIA A100-SXM4-80GB MIG 3g.40gb", uuid, 0, 40192 * 2**20, True),
    )
    assert (gpu["sm_clock_limit_mhz"], machine["hardware"]["compute_capability"]) == (1980, [8, 0])
    is_chosen = "MIG-" in MACHINES[name].get("CUDA_VISIBLE_DEVICES", "") and "," not in MACHINES[name].get(
        "CUDA_VISIBLE_DEVICES", ""
    )
    assert bool(machine["remarks"]) != is_chosen


def test_the_slice_that_cuda_uses_is_named(told: dict[str, Any]) -> None:
    assert told["sliced"]["remarks"] == [
        "MIG is on: CUDA shows a process a single slice and no whole GPU, here the first, NVIDIA A100-SXM4-80GB "
        "MIG 3g.40gb of GPU 0 (MIG-02-slice); choose another by its UUID in CUDA_VISIBLE_DEVICES"
    ]
    assert [gpu["uuid"] for gpu in told["sliced beside a whole one"]["gpus"]] == ["MIG-12-slice"]
    assert "no whole GPU" in told["sliced beside a whole one"]["remarks"][0]
    assert [gpu["uuid"] for gpu in told["the whole one beside"]["gpus"]] == ["GPU-zero"]


def test_a_card_that_is_to_be_sliced_is_not_measured_whole(told: dict[str, Any]) -> None:
    for name in ("sliced, unclear", "sliced, a slice of another machine", "sliced, none made"):
        assert told[name]["gpus"] == []
        assert told[name]["key"].startswith("cpu-")
    assert told["sliced, none made"]["reason"] == ("GPU 0 has MIG on and no slice, so CUDA cannot use it")


def test_a_slice_that_does_not_tell_its_name_is_called_by_what_it_is_made_of(told: dict[str, Any]) -> None:
    assert told["a part of a slice"]["gpus"][0]["model"] == "NVIDIA A100-SXM4-80GB MIG 1c.3g.40gb"
    assert told["sliced, telling nothing"]["gpus"][0]["model"] == "NVIDIA A100-SXM4-80GB MIG slice"
