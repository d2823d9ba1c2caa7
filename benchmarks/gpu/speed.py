"""Stages that time steps in this process: training, inference, detection, small batches, graphs, compilation."""

import time
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.gpu.check import Check, Stage, Step
from benchmarks.gpu.subjects import decoding, ours, plain
from ssdbench.schema.work import model_gflop_per_image
from ssdbench.ssd.boxes import decode

BIG, MIDDLE = 128, 64  # images per GPU
CANDIDATE_SCORE = 0.05


def train(check: Check) -> None:
    """Images a second of our step and of the plain loop, in the same process."""
    rate = _timed(check, f"train amp b{BIG}", ours(check, "train", BIG), BIG, trains=True)
    plain_rate = _timed(check, f"train amp b{BIG}, plain loop", plain(check, BIG), BIG, trains=True)
    check.row("ours over the plain loop", ratio=rate / plain_rate)


def train_bf16(check: Check) -> None:
    """bf16, which was slower than amp on the first H100."""
    _timed(check, f"train bf16 b{BIG}", ours(check, "train", BIG, "bf16"), BIG, trains=True)


def train_slow(check: Check) -> None:
    """tf32 and fp32 at batch 32: cuDNN's search takes minutes in fp32 at 128."""
    for precision in ("tf32", "fp32") if check.cuda else ("fp32",):
        _timed(check, f"train {precision} b32", ours(check, "train", 32, precision), 32, trains=True)


def infer(check: Check) -> None:
    """The forward pass at batch 64, and at batch 1 where the host sets the pace."""
    _timed(check, f"infer amp b{MIDDLE}", ours(check, "infer", MIDDLE), MIDDLE)
    one = ours(check, "infer", 1)
    check.row("infer amp b1", **asdict(check.pace(one, 1, check.pick(600, 2), check.pick(400, 1))))


def small(check: Check) -> None:
    """Training at small batches, where the host's share of a step shows."""
    for batch_size in (8, 32):
        _timed(check, f"train amp b{batch_size}", ours(check, "train", batch_size), batch_size, trains=True)


def detect(check: Check) -> None:
    """Detection at batch 64 and 128, the decoding by itself, and how many candidates it has to choose from."""
    for batch_size in check.pick((MIDDLE, BIG), (2,)):
        _timed(check, f"detect amp b{batch_size}", ours(check, "detect", batch_size), batch_size)
        with check.released():
            work = decoding(check, batch_size)
            images = len(work.loc)
            candidates = int((work.logits.float().softmax(1)[:, 1:] > CANDIDATE_SCORE).sum()) / images
            step = lambda work=work: decode(work.loc, work.logits, **work.options)  # noqa: E731
            found = check.pace(step, images, check.pick(10, 2), check.pick(3, 1))
            check.row(f"decoding alone b{batch_size}", candidates_per_image=candidates, **asdict(found))


def compiled(check: Check) -> None:
    """torch.compile of the case as the suite measures it, against eager in the same process."""
    eager = _timed(check, f"train amp b{MIDDLE}, eager", ours(check, "train", MIDDLE), MIDDLE, trains=True)
    step = ours(check, "train", MIDDLE, compile=True)
    begin = time.monotonic()
    step()
    check.device.synchronize()
    check.say(f"  compiled in {time.monotonic() - begin:.0f} s")
    rate = _timed(check, f"train amp b{MIDDLE}, compiled", step, MIDDLE, trains=True)
    check.row("compiled over eager", ratio=rate / eager)


def kernels(check: Check) -> None:
    """Where the time of a training step goes: milliseconds on the device, by operation and by kernel."""
    for precision in check.pick(("amp", "bf16"), ("fp32",)):
        step = ours(check, "train", MIDDLE, precision)
        with check.released():
            for _ in range(check.pick(8, 1)):
                step()
            check.device.synchronize()
            operations, launched = _device_milliseconds(check, step, check.pick(10, 1))
        name = f"kernels of train {precision} b{MIDDLE}"
        check.row(name, **_longest(operations, 16))
        check.facts[name] = _longest(launched, 50)


def _device_milliseconds(check: Check, step: Step, steps: int) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds a step, by the operation that submits a kernel and by the kernel; on a CPU by operation alone."""
    activity = torch.profiler.ProfilerActivity
    on_device = [activity.CUDA] if check.cuda else []
    with torch.profiler.profile(activities=[activity.CPU, *on_device]) as profiler:
        for _ in range(steps):
            step()
        check.device.synchronize()
    field = "self_device_time_total" if check.cuda else "self_cpu_time_total"
    found: tuple[dict[str, float], dict[str, float]] = {}, {}
    for event in profiler.key_averages():
        by_kernel = event.device_type != torch.profiler.DeviceType.CPU
        found[by_kernel][event.key] = 1e-3 * getattr(event, field) / steps
    return found


def _longest(milliseconds: dict[str, float], count: int) -> dict[str, float]:
    most = sorted(milliseconds, key=milliseconds.__getitem__, reverse=True)[:count]
    shown = {name[:120]: milliseconds[name] for name in most}
    return shown | {"rest": sum(milliseconds.values()) - sum(shown.values())}


def graph(check: Check) -> None:
    """Cases with `cuda_graph` beside the same cases submitted by the host, and how long the GPU is idle in each."""
    for workload, batch_size in (("train", 8), ("train", 32), ("infer", 1)):
        name, rates = f"{workload} amp b{batch_size}", []
        for cuda_graph in (False, True):
            step = ours(check, workload, batch_size, cuda_graph=cuda_graph)
            with check.released():
                found = check.pace(step, batch_size, 40, 10)
                idle = _idle_share(check, step)
            check.row(f"{name}{', CUDA graph' if cuda_graph else ''}", **asdict(found), gpu_idle_share=idle)
            rates.append(found.images_per_second)
        check.row(f"CUDA graph over eager, {name}", ratio=rates[1] / rates[0])


def _idle_share(check: Check, step: Step, steps: int = 10) -> float | None:
    """The share of these steps in which no kernel runs, by torch's profiler; None where that sees no kernels."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        check.device.synchronize()
        seconds = time.perf_counter() - begin
    busy = 1e-6 * sum(event.self_device_time_total for event in profiler.key_averages())
    return 1 - busy / seconds if busy else None


def beside_plain(check: Check) -> None:
    """Our step beside the plain loop in the other precisions, at batch 32 with cuDNN's own choice of kernels."""
    searched, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False  # the search takes minutes
    try:
        for precision in check.pick(("bf16", "tf32", "fp32"), ("fp32",)):
            found = []
            for step in (ours(check, "train", 32, precision), plain(check, 32, precision)):
                with check.released():
                    found.append(check.pace(step, check.pick(32, 2), check.pick(12, 2), check.pick(4, 1)))
            ratio = found[0].images_per_second / found[1].images_per_second
            both = {
                "images_per_second": found[0].images_per_second,
                "plain_images_per_second": found[1].images_per_second,
            }
            check.row(f"ours over the plain loop, {precision} b32", ratio=ratio, **both)
    finally:
        torch.backends.cudnn.benchmark = searched


def _timed(check: Check, name: str, step: Step, batch_size: int, *, trains: bool | None = None) -> float:
    """Keep the row of a step, with its arithmetic rate where it trains; images a second."""
    with check.released():
        found = check.pace(step, check.pick(batch_size, min(batch_size, 2)))
    more: dict[str, Any] = {}
    if trains:
        gflop = model_gflop_per_image(check.pick("resnet50", "resnet18"), trains=True)
        more["model_tflop_per_second"] = 1e-3 * gflop * found.images_per_second
    check.row(name, **asdict(found), **more)
    return found.images_per_second


STAGES = (
    Stage(
        name="train",
        run=train,
        seconds=60,
        settles="whether our step in amp is at least as fast as a plain loop in the published form, and its memory",
    ),
    Stage(name="infer", run=infer, seconds=20, settles="the forward pass, and what the host needs to submit it"),
    Stage(
        name="compiled",
        run=compiled,
        seconds=80,
        settles="whether torch.compile gives 1.25 times eager or more",
        on_cpu=False,
    ),
    Stage(
        name="kernels",
        run=kernels,
        seconds=35,
        settles="which operations take the time of a training step on the device",
    ),
    Stage(
        name="graph",
        run=graph,
        seconds=45,
        settles="what the host costs at small batches: a CUDA graph beside eager, and the GPU's idle share",
        on_cpu=False,
    ),
    Stage(
        name="beside_plain",
        run=beside_plain,
        seconds=20,
        settles="whether our step is at least as fast as the plain loop in bf16, tf32 and fp32",
    ),
    Stage(
        name="detect",
        run=detect,
        seconds=15,
        settles="what decoding and NMS take at 64 and 128 images, and from how many candidates they choose",
    ),
    Stage(name="small", run=small, seconds=20, settles="training at batch 8 and 32"),
    Stage(name="train_bf16", run=train_bf16, seconds=35, settles="whether bf16 is still slower than amp"),
    Stage(name="train_slow", run=train_slow, seconds=90, settles="tf32 and fp32, at batch 32"),
)
