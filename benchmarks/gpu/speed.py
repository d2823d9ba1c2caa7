"""Stages that time steps in this process: training, inference, detection, small batches, graphs, compilation."""

import time
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.gpu.check import Check, Stage, Step
from benchmarks.gpu.subjects import case_of, decoding, open_workload, ours, plain
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


def graph(check: Check) -> None:
    """A training step replayed as one CUDA graph beside the same step submitted by the host."""
    for batch_size in (8, 32):
        eager = ours(check, "train", batch_size, "bf16")
        rate = _timed(check, f"train bf16 b{batch_size}, eager", eager, batch_size, trains=True)
        with check.released():
            replay = _captured(check, batch_size)
            found = check.pace(replay, batch_size)
        check.row(f"train bf16 b{batch_size}, CUDA graph", **asdict(found))
        check.row(f"CUDA graph over eager, b{batch_size}", ratio=found.images_per_second / rate)


def _captured(check: Check, batch_size: int) -> Step:
    """Forward, loss and backward as a graph; the optimiser's one kernel follows it."""
    workload = open_workload(check, case_of(check, "train", batch_size, "bf16"))
    step, batch = workload._train_step, workload.fetch()

    def body() -> None:
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            loc, logits = step.model(batch.images)
        step.loss(loc, logits, batch.boxes_cxcywh, batch.labels).backward()

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(4):
            step.optimizer.zero_grad(set_to_none=True)
            body()
            step.optimizer.step()
    torch.cuda.current_stream().wait_stream(stream)
    step.optimizer.zero_grad(set_to_none=True)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        body()

    def replay() -> None:
        captured.replay()
        step.optimizer.step()

    return replay


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
        seconds=60,
        settles="whether torch.compile gives 1.25 times eager or more",
        on_cpu=False,
    ),
    Stage(
        name="graph",
        run=graph,
        seconds=25,
        settles="what the host costs at batch 8 and 32: a CUDA graph beside eager",
        on_cpu=False,
    ),
    Stage(
        name="detect",
        run=detect,
        seconds=25,
        settles="what decoding and NMS take at 64 and 128 images, and from how many candidates they choose",
    ),
    Stage(name="small", run=small, seconds=20, settles="training at batch 8 and 32"),
    Stage(name="train_bf16", run=train_bf16, seconds=35, settles="whether bf16 is still slower than amp"),
    Stage(name="train_slow", run=train_slow, seconds=90, settles="tf32 and fp32, at batch 32"),
)
