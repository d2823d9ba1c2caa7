"""What `env` and `plan` say of GPUs that NVML tells little of, beside a stub of the driver."""

from pathlib import Path

import pytest

from tests.harness.stubbed_nvml import beside_stub, compile_stub

pytestmark = pytest.mark.xdist_group("nvml")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stub(tmp_path_factory.mktemp("nvml"))


def test_env_names_every_gpu_with_what_is_known_and_why_it_is_not_measured(library: Path) -> None:
    told = beside_stub(
        library, "-m", "ssdbench", "env",
        NVML_STUB_COUNT="4", NVML_STUB_NAME0="NVIDIA GB10", NVML_STUB_NAME3="NVIDIA GB10", NVML_STUB_CAPABILITY0="121",
        NVML_STUB_NAME2="Tesla T4", NVML_STUB_LOST="1", NVML_STUB_REFUSES="nvmlDeviceGetMemoryInfo",
    ).splitlines()  # fmt: skip
    assert "GPU 0: NVIDIA GB10, unknown memory, GPU-zero" in told
    assert "GPU 3: NVIDIA GB10, unknown memory, GPU-three" in told
    assert "GPU 1 does not respond (NVML: GPU is lost)" in told
    assert any(line.startswith("GPU 2 (Tesla T4) is not measured with GPU 0 (NVIDIA GB10)") for line in told)
    assert any(line.startswith("Baselines of this hardware are kept under 2x-nvidia-gb10--") for line in told)
    assert "NVIDIA driver 525.60" in told


def test_env_without_an_answer_of_nvml_says_what_the_cpu_can(library: Path) -> None:
    told = beside_stub(library, "-m", "ssdbench", "env", NVML_STUB_DOWN="1")
    assert "No GPU: no NVIDIA driver is available here (NVML: RM has detected an NVML/RM version mismatch.)" in told
    assert "On the CPU can be measured:" in told
    assert "  workloads   train, infer, detect, input, accuracy\n" in told
    assert "torch has code for" not in told  # where there is no GPU nobody waits for torch


def test_plan_skips_a_gpu_that_torch_has_no_code_for(library: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    flags = torch._C._cuda_getArchFlags().split() if torch.version.cuda else []
    if "sm_30" in flags or any(flag.startswith("compute_") for flag in flags):
        pytest.skip("this torch has code for every GPU")
    told = beside_stub(
        library, "-m", "ssdbench", "plan", "--workload", "infer", "--batch-size", "4", "--results", str(tmp_path),
        NVML_STUB_NAME0="Tesla K10", NVML_STUB_CAPABILITY0="30", NVML_STUB_MIB0="16384",
    )  # fmt: skip
    assert "has no code for Tesla K10 of compute capability 3.0" in told or "was built without CUDA" in told
    assert "GPU 1 (Stub) is not measured with GPU 0 (Tesla K10)" in told
    assert "0 launches" in told


def test_a_plan_that_goes_to_the_cpu_where_a_gpu_was_named_says_why(library: Path, tmp_path: Path) -> None:
    arguments = ("-m", "ssdbench", "plan", "--workload", "infer", "--batch-size", "4", "--results", str(tmp_path))
    reason = "CUDA_VISIBLE_DEVICES=MIG-377e0049 leaves no GPU to measure on"
    assert reason in beside_stub(library, *arguments, CUDA_VISIBLE_DEVICES="MIG-377e0049")
    assert "CUDA_VISIBLE_DEVICES" not in beside_stub(library, *arguments, CUDA_VISIBLE_DEVICES="")


def test_a_run_on_the_cpu_beside_a_lost_gpu_goes_to_its_end_and_names_the_gpu(library: Path, tmp_path: Path) -> None:
    told = beside_stub(
        library, "-m", "ssdbench", "run", "--workload", "pace", "--warmup", "0", "--steps", "5", "--launches", "1",
        "--device", "cpu", "--foreign-cpu", "100", "--results", str(tmp_path), NVML_STUB_LOST="1",
        SSDBENCH_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert "GPU 1 does not respond (NVML: GPU is lost)" in told
    assert "images/s" in told
