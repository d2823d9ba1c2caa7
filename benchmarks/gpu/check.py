"""One check of a GPU machine: its device, its time, and what it has found so far."""

import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ssdbench.runtime.device import Cpu, CudaGpu, Device

TREE = Path(__file__).parents[2]

Step = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the check. `settles` is the question it answers; `seconds` is what it takes on an H100."""

    name: str
    run: Callable[["Check"], None]
    seconds: float
    settles: str
    on_cpu: bool = True


@dataclass(slots=True, kw_only=True)
class StageResult:
    """How a stage went: done, failed, left out."""

    settles: str
    outcome: str
    estimated_seconds: float
    seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of steps submitted without waiting: images a second, the median step on the device and on the host."""

    images_per_second: float
    step_ms: float
    host_ms: float  # of submitting one step: a wait inside it shows here
    peak_memory_gib: float | None  # of the steps after the warm-up; None on a CPU


@dataclass(slots=True, kw_only=True)
class Check:
    """What every stage is given, and where it leaves its figures."""

    out: Path
    work: Path
    deadline_seconds: float
    device: Device
    begin: float = field(default_factory=time.monotonic)
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    stages: dict[str, StageResult] = field(default_factory=dict)

    @property
    def cuda(self) -> bool:
        """Whether it runs on a GPU, and not as a trial on a CPU."""
        return self.device.kind == "cuda"

    def pick(self, on_gpu: Any, on_cpu: Any) -> Any:
        """A size for a GPU, and the small one with which the same code is tried on a CPU."""
        return on_gpu if self.cuda else on_cpu

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline_seconds - (time.monotonic() - self.begin)

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"[{time.monotonic() - self.begin:6.1f} s] {text}", flush=True)

    def row(self, name: str, **figures: Any) -> None:
        """Keep the figures of one thing that was measured."""
        self.rows.append({"name": name, **figures})
        self.say(f"  {name}: {', '.join(f'{key} {_shown(value)}' for key, value in figures.items())}")

    def fault(self, text: str) -> None:
        """Keep what is not as it should be."""
        self.faults.append(text[:400])
        self.say(f"  FAULT {text[:400]}")

    def save(self) -> Path:
        """Write everything found so far."""
        stages = {name: asdict(result) for name, result in self.stages.items()}
        content = {"facts": self.facts, "stages": stages, "rows": self.rows, "faults": self.faults}
        path = self.out / "gpu-check.json"
        path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        return path

    def release(self) -> None:
        """Give back the memory of what is no longer used."""
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Memory is given back behind the block, whatever happened in it."""
        try:
            yield
        finally:
            self.release()

    def pace(self, step: Step, batch_size: int, steps: int | None = None, warmup_steps: int | None = None) -> Pace:
        """Time `steps` steps behind `warmup_steps`, in which cuDNN searches for its fastest kernels."""
        steps = steps or self.pick(20, 2)
        for _ in range(self.pick(8, 1) if warmup_steps is None else warmup_steps):
            step()
        self.device.synchronize()
        self.release()  # the search has allocated workspaces that no step needs
        self.device.reset_peak_memory()
        clock, host = self.device.clock(), []
        begin = time.perf_counter()
        clock.mark()
        for _ in range(steps):
            at = time.perf_counter()
            step()
            host.append(time.perf_counter() - at)
            clock.mark()
        self.device.synchronize()
        wall = time.perf_counter() - begin
        return Pace(
            images_per_second=batch_size * steps / wall,
            step_ms=1e3 * statistics.median(clock.seconds()),
            host_ms=1e3 * statistics.median(host),
            peak_memory_gib=round(self.device.peak_memory_bytes() / 2**30, 2) if self.cuda else None,
        )


def open_check(*, on_cpu: bool, out: Path, work: Path, deadline_seconds: float) -> Check:
    """A check of the first GPU, or of the code itself on a CPU."""
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    device: Device = Cpu(1, time.perf_counter) if on_cpu else CudaGpu(0)
    return Check(out=out.resolve(), work=work.resolve(), deadline_seconds=deadline_seconds, device=device)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
