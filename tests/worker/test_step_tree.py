"""Traces made by hand, in the format of torch's profiler: every moment of a step is counted once."""

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from ssdbench.schema.profile import OperatorTime, RankProfile
from ssdbench.worker.chrome_trace import MARK, read_trace
from ssdbench.worker.step_tree import middle_half, reduce_trace

Event = dict[str, Any]
MAIN, AUTOGRAD, GLOO = 1, 2, 3
NHWC = [3 * 8 * 8, 1, 3 * 8, 3]
NCHW = [3 * 8 * 8, 8 * 8, 8, 1]


def span(category: str, name: str, begin: float, end: float, thread: object = MAIN, **arguments: object) -> Event:
    """Times in milliseconds, as they are read; the profiler writes microseconds."""
    named = {"ph": "X", "cat": category, "name": name, "tid": thread, "ts": 1e3 * begin, "dur": 1e3 * (end - begin)}
    return {**named, "args": {key.replace("_", " "): value for key, value in arguments.items()}}


def op(name: str, begin: float, end: float, thread: object = MAIN, **arguments: object) -> Event:
    return span("cpu_op", name, begin, end, thread, **arguments)


def mark(name: str, at: float) -> Event:
    return span("user_annotation", f"{MARK}{name}", at, at)


def marks(begin: float, *phases: tuple[str, float]) -> list[Event]:
    return [mark("", begin), *(mark(name, at) for name, at in phases)]


def reduced(events: Iterable[Event]) -> RankProfile:
    return reduce_trace(read_trace(events), rank=0)


def parts(found: RankProfile) -> dict[tuple[str, str], Any]:
    """Milliseconds by kind and phase."""
    return {(part.kind, part.phase): pytest.approx(1e3 * part.seconds) for part in found.parts}


def rows(found: RankProfile) -> dict[tuple[str, str, bool], OperatorTime]:
    return {(row.phase, row.operator, row.copies): row for row in found.operators}


def adds_up(found: RankProfile) -> bool:
    return sum(part.seconds for part in found.parts) == pytest.approx(found.step_seconds, abs=1e-12)


def test_a_step_on_a_cpu_is_input_operators_the_host_and_what_is_left() -> None:
    found = reduced(
        [
            *marks(0, ("fetch", 2), ("forward", 12), ("optimizer", 16)),
            op("aten::index", 0.5, 1.5),  # reads the batch: the step waits for it
            op("aten::conv2d", 3, 9),
            op("aten::mkldnn_convolution", 4, 8),
            span("user_annotation", "Optimizer.step#SGD.step", 12, 16),
            op("aten::add_", 13, 14),
            mark("", 17),
        ]
    )
    assert found.step_seconds == pytest.approx(0.017)
    assert parts(found) == {
        ("input", ""): 2,
        ("kernels", "forward"): 6,
        ("host", "forward"): 4,
        ("kernels", "optimizer"): 1,
        ("host", "optimizer"): 3,
        ("unexplained", ""): 1,
    }
    assert adds_up(found)
    assert {key: 1e3 * row.seconds for key, row in rows(found).items()} == {
        ("fetch", "aten::index", False): pytest.approx(1),
        ("forward", "aten::conv2d", False): pytest.approx(6),
        ("optimizer", "aten::add_", False): pytest.approx(1),
    }


def test_what_the_autograd_engine_calls_is_named_and_not_the_engine() -> None:
    found = reduced(
        [
            *marks(0, ("backward", 10)),
            op("autograd::engine::evaluate_function: ConvolutionBackward0", 1, 9),
            op("ConvolutionBackward0", 2, 9),
            op("aten::convolution_backward", 3, 8),
            mark("", 10),
        ]
    )
    assert list(rows(found)) == [("backward", "aten::convolution_backward", False)]
    assert parts(found) == {("kernels", "backward"): 5, ("host", "backward"): 5}


def test_copies_within_an_operator_have_a_row_of_their_own_and_nothing_counts_twice() -> None:
    found = reduced(
        [
            *marks(0, ("forward", 10)),
            op("aten::conv2d", 0, 10),
            op("aten::contiguous", 1, 4),
            op("aten::clone", 1.5, 4),  # within the copy
            op("aten::copy_", 2, 3.5),
            mark("", 10),
        ]
    )
    conv, copy = rows(found)["forward", "aten::conv2d", False], rows(found)["forward", "aten::conv2d", True]
    assert (conv.calls, copy.calls) == (1, 1)
    assert (1e3 * conv.seconds, 1e3 * copy.seconds) == (pytest.approx(7), pytest.approx(3))


@pytest.mark.parametrize(
    ("size", "strides", "layout"),
    [
        ([2, 3, 8, 8], NHWC, "channels_last"),
        ([2, 3, 8, 8], NCHW, "contiguous"),
        ([2, 3, 8, 8], [1, 2, 6, 48], "other"),
        ([2, 1, 8, 8], [64, 64, 8, 1], ""),  # both at once
        ([2, 3, 8, 8], None, ""),  # an older torch does not tell
    ],
)
def test_an_operator_has_the_shapes_and_the_layout_of_its_inputs(
    size: list[int], strides: list[int] | None, layout: str
) -> None:
    told = {} if strides is None else {"Input_Strides": [strides, [27, 9, 3, 1], []]}
    conv = op("aten::conv2d", 0, 5, Input_Dims=[size, [4, 3, 3, 3], []], **told)
    (row,) = reduced([*marks(0, ("forward", 5)), conv, mark("", 5)]).operators
    assert row.shapes == f"{'x'.join(map(str, size))} 4x3x3x3"
    assert row.layout == layout


def test_ranks_that_exchange_gradients_wait_only_while_nothing_else_runs() -> None:
    found = reduced(
        [
            *marks(0, ("backward", 20)),
            op("aten::convolution_backward", 0, 10),
            op("c10d::allreduce_", 9, 9.5),
            span("user_annotation", "gloo:all_reduce", 8, 18, GLOO),
            mark("", 20),
        ]
    )
    assert parts(found) == {("kernels", "backward"): 10, ("communication", ""): 8, ("host", "backward"): 2}
    assert list(rows(found)) == [("backward", "aten::convolution_backward", False)]


def waiting(*stretches: tuple[float, float]) -> dict[str, list[float]]:
    """Sums by mark of what was waited and run between them, given in milliseconds."""
    waited, ran = zip(*stretches, strict=True)
    return {"waited": [1e-3 * sum(waited[:n]) for n in range(len(waited) + 1)],
            "ran": [1e-3 * sum(ran[:n]) for n in range(len(ran) + 1)]}  # fmt: skip


def test_what_a_thread_waited_for_a_cpu_is_left_out_of_its_phase_in_proportion() -> None:
    """Of 10 ms of forward it had none for 4 ms, of the optimiser's 4 ms for all."""
    events = [
        *marks(0, ("fetch", 2), ("forward", 12), ("optimizer", 16)),
        op("aten::conv2d", 2, 7),
        op("aten::add_", 12, 16),
        mark("", 17),
    ]
    found = reduce_trace(read_trace(events, **waiting((0, 2), (4, 6), (4, 0), (0, 1))), rank=0)
    assert found.step_seconds == pytest.approx(0.017 - 0.008)
    assert found.waited_seconds == pytest.approx(0.008)
    assert parts(found) == {
        ("input", ""): 2,
        ("kernels", "forward"): 3,
        ("host", "forward"): 3,
        ("kernels", "optimizer"): 0,
        ("unexplained", ""): 1,
    }
    assert 1e3 * rows(found)["forward", "aten::conv2d", False].seconds == pytest.approx(3)
    assert adds_up(found)


def test_what_a_thread_slept_is_all_of_it_between_operators() -> None:
    """10 ms of forward: 2 ms asleep, 4 ms with a CPU, and 4 ms without one, of operators 6 ms."""
    events = [*marks(0, ("forward", 10)), op("aten::conv2d", 0, 6), mark("", 10)]
    found = reduce_trace(read_trace(events, **waiting((4, 4), (0, 0))), rank=0)
    assert parts(found) == {("kernels", "forward"): 3, ("host", "forward"): 3}
    asleep = reduce_trace(read_trace(events, **waiting((0, 1), (0, 0))), rank=0)
    assert parts(asleep) == {("kernels", "forward"): 6, ("host", "forward"): 4}
    assert asleep.waited_seconds == 0


def kernel(name: str, begin: float, end: float, correlation: int, **arguments: object) -> Event:
    return span("kernel", name, begin, end, "stream 7", correlation=correlation, **arguments)


def driver(begin: float, correlation: int, thread: object = MAIN) -> Event:
    return span("cuda_runtime", "cudaLaunchKernel", begin, begin + 0.01, thread, correlation=correlation)


def gpu_steps(count: int) -> list[Event]:
    """Steps of which the host submits one each 2 ms, and the GPU works 5 ms on each, 1 ms of it for a copy."""
    events = []
    for step in range(count):
        host, device = 2 * step, 1 + 6 * step
        events += [
            *marks(host, ("fetch", host + 0.2), ("forward", host + 1.8)),
            op("aten::conv2d", host + 0.4, host + 1, External_id=10 * step + 1),
            op("aten::cudnn_convolution", host + 0.5, host + 0.9, External_id=10 * step + 2),
            driver(host + 0.6, 2 * step),
            driver(host + 0.7, 2 * step + 1),
            kernel("cudnn::nchwToNhwcKernel", device, device + 1, 2 * step),
            kernel("sm90_xmma_fprop", device + 1, device + 5, 2 * step + 1),
        ]
    return [*events, mark("", 2 * count)]


def test_a_step_on_a_gpu_ends_with_its_last_kernel_and_kernels_go_by_what_launched_them() -> None:
    found = reduced(gpu_steps(8))
    assert found.step_seconds == pytest.approx(0.006)
    assert adds_up(found)
    assert parts(found)["kernels", "forward"] == 5
    conv, copy = rows(found)["forward", "aten::conv2d", False], rows(found)["forward", "aten::conv2d", True]
    assert conv.kernels == {"sm90_xmma_fprop": pytest.approx(4e-3)}
    assert copy.kernels == {"cudnn::nchwToNhwcKernel": pytest.approx(1e-3)}
    assert (conv.calls, copy.calls) == (1, 1)


def test_a_kernel_without_a_call_of_the_driver_goes_by_the_number_of_its_operator() -> None:
    conv = op("aten::conv2d", 0.4, 1, External_id=5)
    launched = span("kernel", "fprop", 2, 4, "stream 7", External_id=5)
    events = [*marks(0, ("fetch", 0.2), ("forward", 1.8)), conv, launched, mark("", 5)]
    assert rows(reduced(events))["forward", "aten::conv2d", False].kernels == {"fprop": pytest.approx(2e-3)}


def test_a_gpu_that_waits_for_its_host_says_in_which_phase_and_one_that_waits_for_input_too() -> None:
    events: list[Event] = []
    for step in range(4):
        at = 10 * step
        events += [
            *marks(at, ("fetch", at + 3), ("forward", at + 9)),
            op("aten::relu", at + 5, at + 5.2),
            driver(at + 5.1, step),
            kernel("relu_kernel", at + 6, at + 8, step),
        ]
    found = reduced([*events, mark("", 40)])
    # From the end of one kernel (8) to the next (18): 1 ms of forward, 1 between steps, 3 of fetch, 3 of forward.
    assert parts(found) == {
        ("kernels", "forward"): 2,
        ("input", ""): 3,
        ("host", "forward"): 4,
        ("unexplained", ""): 1,
    }


def test_communication_on_a_gpu_counts_where_no_other_kernel_runs() -> None:
    events = [
        *marks(0, ("fetch", 0.1), ("backward", 2)),
        op("aten::convolution_backward", 0.2, 1, AUTOGRAD),
        driver(0.3, 1, AUTOGRAD),
        kernel("dgrad", 1, 6, 1),
        driver(0.5, 2, AUTOGRAD),
        span("kernel", "ncclDevKernel_AllReduce_Sum_f32", 3, 9, "stream 20", correlation=2),
        mark("", 9),
    ]
    assert parts(reduced(events)) == {
        ("input", ""): 0.1,
        ("host", "backward"): 0.9,
        ("kernels", "backward"): 5,
        ("communication", ""): 3,
    }


@pytest.mark.parametrize("seed", range(20))
def test_whatever_runs_the_parts_add_up_to_the_step(seed: int) -> None:
    chance = random.Random(seed)
    events: list[Event] = []
    for step in range(5):
        cuts = sorted(chance.uniform(10 * step, 10 * step + 10) for _ in range(4))
        events += marks(10 * step, *zip(("fetch", "forward", "loss", "backward"), cuts, strict=True))
        for begin, end in pairwise(sorted(chance.uniform(10 * step, 10 * step + 10) for _ in range(12))):
            events.append(op(chance.choice(["aten::relu", "aten::copy_", "XBackward0", "gloo:x"]), begin, end))
        if seed % 2:
            begin = chance.uniform(10 * step, 10 * step + 30)
            events += [driver(10 * step + chance.random(), step), kernel("k", begin, begin + 5, step)]
    found = reduced([*events, mark("", 50)])
    assert adds_up(found)
    # Nobody waited for a CPU here, so the parts hold all of the time on the wall.
    assert found.waited_seconds == pytest.approx(0, abs=1e-9)
    assert all(part.seconds >= 0 for part in found.parts)


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([1.0], [0]),
        ([3.0, 1.0, 2.0], [0, 1, 2]),
        ([9.0, 1.0, 2.0, 3.0], [2, 3]),
        ([5, 1, 6, 2, 7, 3, 8, 4], [0, 2, 5, 7]),
    ],
)
def test_the_middle_half_of_the_steps_counts(lengths: Sequence[float], kept: list[int]) -> None:
    assert middle_half(lengths) == kept


def test_a_trace_without_marks_is_no_step() -> None:
    with pytest.raises(ValueError, match="no marks"):
        reduced([op("aten::relu", 0, 1)])
