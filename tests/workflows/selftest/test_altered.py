"""Plants in altered records: each is seen as demanded, and no longer where a check of the judgement is disabled."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.analysis.verdicts import compare, contrast, coverage, interleaved, order, sequential, stored
from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.selftest import PlantResult
from ssdbench.schema.settings import Settings
from ssdbench.workflows.selftest.altered import Altered
from ssdbench.workflows.selftest.bench import Bench
from ssdbench.workflows.selftest.copies import Copies
from ssdbench.workflows.selftest.plants import NAMES, tried
from tests.workflows.selftest.one_build import SETTINGS, of_deviations, run_of_one_build


def results(folder: Path, run=None, deviations: tuple[float, ...] | None = None) -> dict[str, PlantResult]:
    """What comes of every plant in copies of a run of one build; `deviations` of its launches are logarithms."""
    store = FileStore(folder / "results")
    bench = Bench(store=store, folder=folder, python=None, deadline_seconds=time.monotonic() + 600)
    run = run or run_of_one_build()
    copies = Copies.of(run if deviations is None else of_deviations(run, deviations))
    altered = Altered(bench=bench, subject="pace", margin=run.header.settings.margin, copies=copies)
    return {plant.name: tried(bench, plant) for plant in altered.plants()}


def failed(folder: Path) -> set[str]:
    return {name for name, result in results(folder).items() if result.problems}


def test_every_plant_is_seen_as_demanded(tmp_path: Path) -> None:
    found = results(tmp_path)
    assert {name: result.problems for name, result in found.items()} == dict.fromkeys(found, ())
    assert not [result for result in found.values() if result.not_planted]
    assert tuple(found) == NAMES[-len(found) :]


@pytest.mark.parametrize("deviation", [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("settings", [SETTINGS, Settings(margin=0.02), Settings(margin=0.1), Settings(margin=0.5)])
def test_every_plant_is_seen_however_quiet_or_restless_the_machine_is(
    tmp_path: Path, settings: Settings, deviation: float
) -> None:
    run = run_of_one_build()
    found = results(tmp_path, replace(run, header=replace(run.header, settings=settings)), (deviation, -deviation))
    assert {name: result.problems for name, result in found.items()} == dict.fromkeys(found, ())


def test_nothing_is_planted_where_nothing_was_measured(tmp_path: Path) -> None:
    bench = Bench(store=FileStore(tmp_path), folder=tmp_path, python=None, deadline_seconds=math.inf)
    for plant in Altered(bench=bench, subject="pace", margin=0.3, copies=None).plants():
        result = tried(bench, plant)
        assert not result.has_passed
        assert result.not_planted == "no pairs of launches were measured that could be copied"


def test_pairs_that_do_not_alternate_let_a_trend_show(tmp_path: Path) -> None:
    always = (("baseline", 0), ("candidate", 0), ("baseline", 1), ("candidate", 1))
    assert "nothing says “favours neither build”" in results(tmp_path, run_of_one_build(always))["trend"].problems


def test_the_margin_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved, "is_within", lambda *_: True)
    assert "noise" in failed(tmp_path)


def test_the_direction_of_a_metric_is_reversed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = contrast.worse
    for module in (contrast, sequential, stored):
        monkeypatch.setattr(module, "worse", lambda metric, value: -right(metric, value))
    assert {"pairs", "reversed-slower", "reversed-faster"} <= failed(tmp_path)


def test_lower_is_taken_for_better_whatever_the_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (contrast, sequential, stored):
        monkeypatch.setattr(module, "worse", lambda _, value: -math.log(value))
    assert failed(tmp_path) & {"pairs", "reversed-slower", "reversed-faster"} == {"reversed-slower", "reversed-faster"}


def test_the_order_of_exit_codes_is_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = compare.exit_code

    def swapped(comparison: object, **options: bool) -> ExitCode:
        statuses = {case.verdict.status.value for case in comparison.cases}  # type: ignore[attr-defined]
        return ExitCode.CASE_FAILED if "failed" in statuses else right(comparison, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(compare, "exit_code", swapped)
    assert failed(tmp_path) == {"regressed-and-failed"}


def test_invalid_launches_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (coverage, compare):
        monkeypatch.setattr(module, "usable", lambda records: [record for record in records if record.measurement])
    assert failed(tmp_path) == {"invalid"}


def test_conditions_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "comparability_issues", lambda *_: [])
    assert failed(tmp_path) == {"other-hardware"}


def test_cases_that_are_gone_are_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "not_planned", lambda *_: ())
    assert failed(tmp_path) == {"vanished"}


def test_launches_that_failed_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "failures", lambda _: [])
    assert {"failed-and-vanished"} <= failed(tmp_path)


def test_nothing_says_that_the_second_launch_of_a_pair_is_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "_sentence", lambda *_: "")
    assert failed(tmp_path) == {"trend"}


def test_fresh_pairs_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved, "holm", lambda *_: set())
    assert {"pairs", "reversed-slower", "reversed-faster"} <= failed(tmp_path)
