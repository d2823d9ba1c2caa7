"""Runs the self-test: every plant in turn, each told as soon as it is known, then the smallest changes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ssdbench.analysis.selftest import smallest_changes
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.cache import temporary_cache
from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.names import did_you_mean, quoted
from ssdbench.schema.selftest import PlantResult, SelfTest
from ssdbench.workflows.selftest.altered import Altered
from ssdbench.workflows.selftest.bench import Bench, Subject
from ssdbench.workflows.selftest.copies import Copies
from ssdbench.workflows.selftest.launched import A_A, Launched
from ssdbench.workflows.selftest.plants import NAMES, Plant, tried

QUICK_MARGINS, MARGINS = (0.5,), (0.1, 0.2, 0.3, 0.5)
"""The relative changes that are asked for: the first one, or the next that the launches of this machine allow."""
QUICK_BUDGET_SECONDS, BUDGET_SECONDS = 300.0, 3600.0
_PACE = {"batch_size_per_gpu": 2, "options": {"step_seconds": 0.08, "fetch_seconds": 0.02}}

OnResult = Callable[[PlantResult], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to test: `quick` for pace alone, else this machine's training step too; `only` names plants (none: all).

    `margins` are relative changes in ascending order; one that is too small for the machine gives way to the next.
    """

    quick: bool
    margins: tuple[float, ...]
    budget_seconds: float
    python: str | None = None
    only: Sequence[str] = ()


def run_self_test(asked: Asked, on_result: OnResult) -> SelfTest:
    """Plant every fault and say of each whether it was seen; nothing is left behind.

    Raises:
        UsageError: `only` has a name that no plant has.
        EnvironmentLacksError: nothing can be measured here.
    """
    _require_known(asked.only)
    began = time.monotonic()
    with TemporaryDirectory(prefix="ssdbench-selftest-") as name, temporary_cache(Path(name) / "cache"):
        bench = Bench(
            store=FileStore(Path(name) / "results"),
            folder=Path(name),
            python=asked.python,
            deadline_seconds=began + asked.budget_seconds,
        )
        subjects = [Launched(bench=bench, subject=subject, margins=asked.margins) for subject in _subjects(asked)]
        results = []
        for plant in _chosen(bench, subjects, asked.only):
            results.append(tried(bench, plant))
            on_result(results[-1])
        seconds = time.monotonic() - began
        found = [
            change
            for launched in subjects
            if launched.same is not None
            for change in smallest_changes(launched.same, launched.same.header.settings, asked.budget_seconds)
        ]
        return SelfTest(
            schema_version=SCHEMA_VERSION,
            quick=asked.quick,
            margin=asked.margins[0],
            hardware_key=bench.machine_setup.machine.hardware.key,
            exit_code=_exit_code(results),
            seconds=seconds,
            plants=tuple(results),
            smallest_changes=tuple(found),
            margins={launched.subject.name: launched.margin for launched in subjects},
        )


def _exit_code(results: Sequence[PlantResult]) -> ExitCode:
    if any(result.problems for result in results):
        return ExitCode.SELF_TEST
    # What cannot be planted on this machine is no fault of it.
    return ExitCode.INCONCLUSIVE if any(result.undecided for result in results) else ExitCode.OK


def _subjects(asked: Asked) -> Iterator[Subject]:
    quick = {"warmup_steps": 1, "steps": 8, "timeout_seconds": 300}
    long = {"warmup_steps": 2, "steps": 20, "timeout_seconds": 300}
    yield Subject(
        name="pace", matrix=_PACE, protocol=quick if asked.quick else long, device="cpu", is_in_pairs=not asked.quick
    )
    if asked.quick:
        return
    has_gpu = bool(probe_machine().hardware.gpu_count)
    small = {"backbone": "resnet18", "batch_size_per_gpu": 2, "precision": "fp32"}
    published = {"backbone": "resnet50", "batch_size_per_gpu": 32, "precision": "amp"}
    yield Subject(
        name="train",
        matrix={"pipeline": "resident", **(published if has_gpu else small)},
        protocol={"warmup_steps": 20, "steps": 60} if has_gpu else {"warmup_steps": 2, "steps": 5},
        device="auto",
        is_in_pairs=True,
    )


def _chosen(bench: Bench, subjects: Sequence[Launched], only: Sequence[str]) -> Iterator[Plant]:
    for plant in _all_plants(bench, subjects):
        # The other plants are compared with what the one without a fault measures.
        if not only or plant.name in only or plant.name == A_A:
            yield plant


def _all_plants(bench: Bench, subjects: Sequence[Launched]) -> Iterator[Plant]:
    # One after the other: what a later plant demands depends on what was measured before it.
    first, *others = subjects
    yield from first.plants()
    copies = Copies.of(first.same) if first.same is not None else None
    yield from Altered(bench=bench, subject=first.subject.name, margin=first.margin, copies=copies).plants()
    for other in others:
        yield from other.plants()


def _require_known(names: Sequence[str]) -> None:
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"there is no plant {quoted(name)}: {did_you_mean(name, NAMES)}the plants are {', '.join(NAMES)}"
            )
