"""Measuring a suite from Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ssdbench.analysis.metrics import figure, gated_metric
from ssdbench.harness.run_setup import require_speed
from ssdbench.harness.stores.opening import open_store, results_folder
from ssdbench.schema.record import Record, Run
from ssdbench.workflows.display import NoObserver, Quiet
from ssdbench.workflows.measuring import measure as measure_run
from ssdbench.workflows.measuring import setup_suite


def measure(
    suite: str | os.PathLike[str],
    *,
    results: str | os.PathLike[str] | None = None,
    store: str | None = None,
    seed: int = 1,
    python: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Run:
    """Measure a suite on this machine, as `ssdbench run` does: plan it, launch every case in turns, store each launch.

    A launch that fails is a record of the run and stops nothing: see `failure` in `Lab.launches`.

    Args:
        suite: its name (`smoke`, `nightly`, `monthly`), or the path of a .toml file.
        results: the folder of records and baselines; None: the one that the variable SSDBENCH_RESULTS names, else
            `results`.
        store: URL of a database that takes the records, as `ssdbench.open` takes it; None: the one that the variable
            SSDBENCH_STORE names, else `results`.
        seed: of weights, augmentation and the order of images.
        python: the interpreter that measures; None: the one that runs this.
        progress: is called with a sentence when a launch ends; `print` will do.

    Returns:
        The run, with all its launches; every method of `Lab` takes it.

    Raises:
        UsageError: no such suite, a mistake in it, or one that trains for accuracy.
        EnvironmentLacksError: nothing of the suite can be measured here, or the interpreter lacks a package.
        DataError: the images have a fault.
        StoreError: the run cannot be stored.

    Example::

        run = ssdbench.measure("smoke", results="results", progress=print)
        ssdbench.open("results").verdicts(run, baseline="main")
    """
    say = progress or _nothing
    opened = open_store(results_folder() if results is None else Path(results), store, say)
    setup = setup_suite(os.fspath(suite), seed=seed, python=python)
    require_speed(setup.plan)
    return measure_run(opened, setup, Quiet(_Sentences(say, len(setup.plan.order)))).run


class _Sentences(NoObserver):
    """Watches a run, and says how each launch ended."""

    def __init__(self, say: Callable[[str], None], planned: int) -> None:
        self._say = say
        self._planned = planned
        self._ended = 0

    def launch_finished(self, record: Record, name: str) -> None:  # noqa: ARG002  # an observer's signature
        self._ended += 1
        self._say(f"launch {self._ended} of {self._planned}: {record.case.title}: {_outcome(record)}")


def _outcome(record: Record) -> str:
    if record.failure is not None:
        return f"failed ({record.failure.kind.replace('_', ' ')}): {record.failure.message}"
    if record.invalid_reason is not None:
        return f"invalid: {record.invalid_reason}"
    metric = gated_metric(record.case)
    value = figure(metric.name, record.measurement) if record.measurement else None
    return "no figure" if value is None else f"{metric.title} {value:.4g} {metric.unit}"


def _nothing(_sentence: str) -> None:
    pass
