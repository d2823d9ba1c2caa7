"""Clock, memory, random numbers and TF32 of a real GPU."""

import gc
import time

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ssdbench.runtime.device import CudaGpu, random_state, restore_random_state
from ssdbench.runtime.out_of_memory import memory_exhausted
from ssdbench.runtime.precision import PrecisionPolicy

pytestmark = pytest.mark.gpu

# Relative errors of a convolution and of a product with 2304 and 2048 terms: the least and the largest, by precision.
# Measured on an H100: 8e-7, 3.0e-4, 3.7e-4 and 2.9e-3 for the convolution.
ERRORS = {"fp32": (0.0, 2e-6), "tf32": (5e-5, 1e-3), "amp": (5e-5, 2e-3), "bf16": (5e-4, 1e-2)}


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found.double().cpu() - exact).norm() / exact.norm())


@pytest.mark.parametrize("precision", ERRORS)
def test_a_precision_is_what_its_name_says_by_its_error_against_float64(precision: str, gpu: CudaGpu) -> None:
    gpu.allow_tf32(precision == "fp32")  # what was set before must not stay
    if torch.cuda.get_device_capability() < (8, 0) and precision in ("tf32", "bf16"):
        pytest.skip("this GPU has neither TF32 nor bfloat16")
    policy = PrecisionPolicy(precision, gpu)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False  # as it is measured
    generator = torch.Generator().manual_seed(1)
    images, weight = torch.randn(2, 256, 19, 19, generator=generator), torch.randn(256, 256, 3, 3, generator=generator)
    left, right = torch.randn(512, 2048, generator=generator), torch.randn(2048, 512, generator=generator)
    with torch.no_grad(), policy.autocast():
        convolved = F.conv2d(images.cuda(), weight.cuda(), padding=1)
        product = left.cuda() @ right.cuda()
    low, high = ERRORS[precision]
    for found, exact in (
        (convolved, F.conv2d(images.double(), weight.double(), padding=1)),
        (product, left.double() @ right.double()),
    ):
        assert low <= relative_error(found, exact) <= high


def test_the_event_clock_counts_seconds_of_the_device(gpu: CudaGpu) -> None:
    torch.cuda._sleep(1_000_000)
    gpu.synchronize()
    clock, cycles = gpu.clock(), 300_000_000
    begin = time.perf_counter()
    clock.mark()
    torch.cuda._sleep(cycles)
    clock.mark()
    clock.mark()
    submitted = time.perf_counter() - begin
    slept, nothing = clock.seconds()
    wall = time.perf_counter() - begin
    assert submitted < wall / 2  # marks wait for nothing
    assert wall / 2 < slept < 2 * wall
    assert 0.2e9 < cycles / slept < 5e9  # the clock of any GPU, in Hz
    assert nothing < slept / 10


def test_peak_memory_is_reset_and_in_bytes(gpu: CudaGpu) -> None:
    gc.collect()
    gpu.reset_peak_memory()
    before, size, rounding = gpu.peak_memory_bytes(), 64 * 2**20, 2**21
    block = torch.empty(size, dtype=torch.uint8, device="cuda")
    del block
    assert size <= gpu.peak_memory_bytes() - before < size + rounding
    gpu.reset_peak_memory()
    assert gpu.peak_memory_bytes() < before + rounding


def test_random_numbers_continue_from_the_saved_state(gpu: CudaGpu) -> None:
    torch.rand(5, device="cuda")
    state = random_state(gpu)
    first = torch.rand(5), torch.rand(5, device="cuda")
    other = torch.rand(5), torch.rand(5, device="cuda")
    restore_random_state(gpu, state)
    again = torch.rand(5), torch.rand(5, device="cuda")
    for mine, same, different in zip(again, first, other, strict=True):
        assert torch.equal(mine, same)
        assert not torch.equal(mine, different)


def test_a_gpu_out_of_memory_is_recognised_and_the_next_step_works(gpu: CudaGpu) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**46, dtype=torch.uint8, device="cuda")
    assert memory_exhausted(caught.value) == "gpu"
    assert float(torch.ones(3, device="cuda").sum()) == 3.0
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2, 3, device="cuda") @ torch.ones(2, 3, device="cuda")
    assert memory_exhausted(caught.value) is None


def test_waiting_for_the_stream_leaves_other_streams_alone(gpu: CudaGpu) -> None:
    mine, theirs = torch.cuda.Event(), torch.cuda.Event()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(2_000_000_000)
        theirs.record()
    torch.cuda._sleep(10_000_000)
    mine.record()
    gpu.synchronize_stream()
    assert mine.query()
    assert not theirs.query()
    gpu.synchronize()
    assert theirs.query()
