"""The margin that a machine allows: larger where launches differ too much, and no rule is to blame for what is left."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from ssdbench.schema.selftest import OUT_OF_TIME, PlantResult
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status
from ssdbench.workflows.selftest.bench import Bench, Subject
from ssdbench.workflows.selftest.copies import Copies
from ssdbench.workflows.selftest.launched import Launched
from ssdbench.workflows.selftest.plants import judged, tried
from tests.workflows.selftest.one_build import run_of_one_build

SUBJECT = Subject(name="pace", matrix={}, protocol={"steps": 8}, device="cpu", is_in_pairs=True)


@dataclass(slots=True, kw_only=True)
class MadeUp(Bench):
    """Launches that nobody measured: pairs, whose candidate is slower by a factor, and that differ by a deviation."""

    deviation: float
    slower: float = 1.0
    ends_the_budget: bool = False
    margins: list[float] = field(default_factory=list)

    def setup(self, suite: Any, plant: Any = None, *, in_pairs: bool = False) -> Any:
        """What `measure` needs, and the plan of one case."""
        return SimpleNamespace(settings=suite.verdict.settings(), plan=run_of_one_build().header.plan)

    def measure(self, setup: Any, display: Any = None) -> Any:
        """As many pairs as the rule asks for."""
        run, settings = run_of_one_build(), setup.settings
        run = replace(run, header=replace(run.header, settings=settings))
        copies = Copies.of(run)
        assert copies is not None
        copies = replace(copies, deviations=(self.deviation, -self.deviation))
        pairs = copies.pairs(
            f"run-{len(self.margins)}", settings, lambda arm, _: self.slower if arm == "candidate" else 1
        )
        self.margins.append(settings.margin)
        if self.ends_the_budget:
            self.deadline_seconds = 0.0
        return SimpleNamespace(run=self.keep(pairs))


def subject_and_a_a(
    folder: Path, margins: tuple[float, ...], deviation: float, *, slower: float = 1.0, deadline: float = math.inf
) -> tuple[MadeUp, Launched, PlantResult]:
    store = FileStore(folder / "results")
    bench = MadeUp(
        store=store, folder=folder, python=None, deadline_seconds=deadline, deviation=deviation, slower=slower
    )
    launched = Launched(bench=bench, subject=SUBJECT, margins=margins)
    return bench, launched, tried(bench, next(iter(launched.plants())))


@pytest.mark.parametrize(("deviation", "measured"), [(0.002, [0.1]), (0.05, [0.1, 0.2]), (0.08, [0.1, 0.3])])
def test_a_margin_gives_way_to_the_next_one_that_the_launches_allow(
    tmp_path: Path, deviation: float, measured: list[float]
) -> None:
    bench, launched, result = subject_and_a_a(tmp_path, (0.1, 0.2, 0.3, 0.5), deviation)
    assert result.has_passed
    assert result.found is not None
    assert launched.same is not None
    assert bench.margins == measured
    assert launched.margin == launched.same.header.settings.margin == measured[-1]
    began = result.found.said.startswith("launches differ too much for 10%; ")
    assert began is (len(measured) > 1)


def test_the_largest_margin_stays_where_none_is_enough(tmp_path: Path) -> None:
    bench, launched, result = subject_and_a_a(tmp_path, (0.1, 0.2), 0.5)
    assert (result.undecided, result.problems) == (True, ())
    assert result.not_planted.startswith("launches differ too much on this machine for a margin of 20%: ")
    assert bench.margins == [0.1, 0.2]
    assert launched.margin == 0.2


def test_the_margin_that_was_asked_for_is_kept(tmp_path: Path) -> None:
    bench, _launched, result = subject_and_a_a(tmp_path, (0.1,), 0.08)
    assert result.undecided
    assert bench.margins == [0.1]


def test_a_false_alarm_is_a_fault_whatever_the_noise(tmp_path: Path) -> None:
    bench, _launched, result = subject_and_a_a(tmp_path, (0.1, 0.2), 0.03, slower=1.6)
    assert result.problems[0] == "the verdict is regressed, not unchanged"
    assert bench.margins == [0.1]


def test_a_verdict_that_is_withheld_without_noise_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def withheld(bench: Bench, run: Run, *others: Any) -> Any:
        return replace(judged(bench, run, *others), status=Status.INCONCLUSIVE, exit_code=ExitCode.INCONCLUSIVE)

    monkeypatch.setattr("ssdbench.workflows.selftest.launched.judged", withheld)
    bench, _launched, result = subject_and_a_a(tmp_path, (0.1, 0.2), 0.002)
    assert not result.undecided
    assert result.problems[0] == "the verdict is inconclusive, not unchanged"
    assert bench.margins == [0.1]


def test_a_slowdown_that_noise_hides_is_undecided_and_one_that_it_does_not_is_demanded(tmp_path: Path) -> None:
    bench, launched, _ = subject_and_a_a(tmp_path, (0.1,), 0.002)
    step = next(plant for plant in launched.plants() if plant.name == "step")
    assert tried(bench, step).problems[0] == "the verdict is unchanged, not regressed"
    bench.deviation, bench.slower = 0.3, 1.2
    assert tried(bench, step).undecided


def test_no_margin_is_tried_when_the_time_is_used_up(tmp_path: Path) -> None:
    bench, _launched, result = subject_and_a_a(tmp_path, (0.1, 0.2), 0.08, deadline=0.0)
    assert (result.undecided, result.not_planted) == (True, OUT_OF_TIME)
    assert bench.margins == []


def test_launches_that_the_budget_cut_short_are_not_said_to_differ(tmp_path: Path) -> None:
    bench, launched, _ = subject_and_a_a(tmp_path, (0.1,), 0.002)
    step = next(plant for plant in launched.plants() if plant.name == "step")
    bench.deviation, bench.ends_the_budget = 0.3, True
    result = tried(bench, step)
    assert (result.undecided, result.not_planted) == (True, OUT_OF_TIME)


def test_settings_of_a_subject_have_its_margin() -> None:
    assert SUBJECT.suite(0.3).verdict.settings() == Settings(margin=0.3)
