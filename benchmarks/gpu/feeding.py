"""Stages about what feeds the step and what makes it wait: input pipelines, waits for the device by source line."""

import importlib
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.check import Check, Stage
from benchmarks.gpu.subjects import case_of, open_workload, ours, plain
from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines.contract import PipelineOptions, endless
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import SyntheticSpec, synthesise

BATCH = 128


def waits(check: Check) -> None:
    """Every wait for the device within a step, by torch's own list."""
    wanted: dict[str, Callable[[], object]] = {
        "train amp": ours(check, "train", 16),
        "train bf16": ours(check, "train", 16, "bf16"),
        "train amp, plain loop": plain(check, 16),
        "infer": ours(check, "infer", 16),
        "detect": ours(check, "detect", 16),
    }
    for name, step in wanted.items():
        for _ in range(3):
            step()
        check.device.synchronize()
        _count_waits(check, name, step)


def _count_waits(check: Check, name: str, step: Callable[[], object]) -> None:
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found = [warning for warning in caught if "synchroniz" in str(warning.message)]
    places = Counter(f"{Path(warning.filename).name}:{warning.lineno}" for warning in found)
    check.row(f"waits in {name}", count=sum(places.values()), places=dict(places))


def pipelines(check: Check) -> None:
    """Images a second of each input pipeline by itself, and of training that it feeds."""
    prepared = _images(check)
    variants = [("dali", check.device.torch_device), ("torchvision", check.device.torch_device)]
    if check.cuda:
        variants.insert(1, ("dali", torch.device("cpu")))
    for pipeline, device in variants:
        name = f"{pipeline} on the {'GPU' if device.type == 'cuda' else 'CPU'}"
        try:
            with check.released():
                _feed(check, name, pipeline, device, prepared)
        except Exception as error:  # one that cannot be loaded says nothing of the others
            check.fault(f"{name}: {type(error).__name__}: {error}")


def _images(check: Check) -> Prepared:
    recipe = SyntheticSpec(train_images=check.pick(768, 32), val_images=check.pick(64, 8), seed=1)
    synthesise(check.work / "coco", recipe, lambda *_: None)
    return prepare(check.work / "coco", check.work / "prepared", lambda *_: None)


def _feed(check: Check, name: str, pipeline: str, device: torch.device, prepared: Prepared) -> None:
    case = case_of(check, "train", BATCH, pipeline=pipeline)
    options = PipelineOptions(
        batch_size_per_gpu=case.batch_size_per_gpu, device=device, data=prepared.train, threads=case.threads_per_rank
    )
    opened = importlib.import_module(f"ssdbench.ssd.pipelines.{pipeline}").training(options)
    batches = endless(opened)
    steps = check.pick(12, 2)
    alone = check.pace(lambda: next(batches), case.batch_size_per_gpu, steps, check.pick(4, 1))
    check.row(f"input {name} b{BATCH}", **asdict(alone))
    if check.cuda:
        _count_waits(check, f"a fetch of {name}", lambda: next(batches))
    if device.type == check.device.torch_device.type:
        workload = open_workload(check, case_of(check, "train", BATCH))
        held: list[Any] = []

        def fed() -> None:
            batch = next(batches)
            held[:] = [*held[-2:], (batch.images, batch.images.double().sum())]
            workload.step(batch)

        found = check.pace(fed, case.batch_size_per_gpu, steps, check.pick(4, 1))
        unchanged = all(bool(images.double().sum() == before) for images, before in held)
        check.row(f"train fed by {name} b{BATCH}", **asdict(found), batches_unchanged=unchanged)
        if not unchanged:
            check.fault(f"{name}: a batch changed while the step still held it")
    opened.close()


STAGES = (
    Stage(
        name="waits",
        run=waits,
        seconds=30,
        settles="where a step waits for the device, by source line",
        on_cpu=False,
    ),
    Stage(
        name="pipelines",
        run=pipelines,
        seconds=85,
        settles="whether DALI feeds training at 95 % of the pace of resident batches, and that no batch is overwritten",
    ),
)
