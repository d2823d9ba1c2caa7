"""What a plant is, and how its result comes about: planted, judged, compared with what was demanded."""

from collections.abc import Callable
from dataclasses import dataclass

from ssdbench.analysis.selftest import found_in, problems
from ssdbench.errors import SsdbenchError
from ssdbench.schema.record import Record, Run
from ssdbench.schema.selftest import OUT_OF_TIME, Demand, Found, PlantResult, Way
from ssdbench.workflows.judging import judge_run
from ssdbench.workflows.selftest.bench import Bench

NAMES = (
    *("a-a", "nan", "out-of-memory", "hang", "other-process", "step", "input", "one-rank"),
    *("pairs", "reversed-slower", "reversed-faster", "trend", "noise", "invalid"),
    *("no-baseline", "vanished", "other-hardware", "failed-and-vanished", "regressed-and-failed"),
)
"""All plants in their order."""


class NotPlantedError(Exception):
    """A fault cannot be planted here; the message says why."""


class UndecidedError(NotPlantedError):
    """There is no time for a fault, or launches differ too much for an answer; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A fault: `fault` says what it is, `subject` into what it is planted, and `find` plants it and says what came.

    `find` raises NotPlantedError where it cannot be planted.
    """

    name: str
    subject: str
    fault: str
    way: Way
    demand: Demand
    find: Callable[[], Found]


def tried(bench: Bench, plant: Plant) -> PlantResult:
    """Plant a fault and compare what comes with what was demanded."""
    found: Found | None = None
    wrong: tuple[str, ...] = ()
    not_planted, undecided = "", False
    try:
        _require_time(bench, plant)
        found = plant.find()
        wrong = problems(plant.demand, found)
        if wrong:  # it may have been stopped
            _require_time(bench, plant)
    except NotPlantedError as reason:
        found, wrong, not_planted = None, (), str(reason)
        undecided = isinstance(reason, UndecidedError)
    except SsdbenchError as error:
        wrong = (f"it could not be judged: {error}",)
    return PlantResult(
        name=plant.name,
        subject=plant.subject,
        fault=plant.fault,
        way=plant.way,
        demand=plant.demand,
        found=found,
        problems=wrong,
        not_planted=not_planted,
        undecided=undecided,
    )


def _require_time(bench: Bench, plant: Plant) -> None:
    # Altered records take no time.
    if plant.way == "processes" and not bench.has_time:
        raise UndecidedError(OUT_OF_TIME)


def judged(bench: Bench, run: Run, baseline: str | None, planted: tuple[Record, ...] | None = None) -> Found:
    """Judge a stored run as `ssdbench compare` does; `planted` are the launches with the fault (None: all)."""
    judgement = judge_run(bench.store, run, baseline)
    return found_in(judgement.comparison, judgement.exit_code, run.records if planted is None else planted)
