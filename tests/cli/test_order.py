"""The order effect in every output: a line where it is large, always in JSON."""

import csv
import json
from pathlib import Path

import pytest

from tests.analysis.verdicts.launches_in_order import alternating, in_order, paired_run
from tests.builders import a_case
from tests.cli.running import keep, ssdbench

PAIRS = 16
CASES = (a_case(), a_case(backbone="resnet50"))
SLOWER = 0.005
SEEN = "the second launch of a pair is 0.5% slower than the first"


def shown(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())


def kept(folder: Path, second_slower: float) -> Path:
    keep(folder / "results", paired_run(alternating(PAIRS), second_slower=second_slower, cases=CASES))
    return folder / "results"


@pytest.mark.parametrize("columns", [80, 160])
def test_compare_says_once_that_the_order_matters_and_judges_as_without(tmp_path: Path, columns: int) -> None:
    found = ssdbench("compare", "latest", "--results", kept(tmp_path, SLOWER), columns=columns)
    assert found.code == 0
    assert shown(found.out).count(SEEN) == 1
    assert "order within pairs:" in shown(found.out)
    quiet = ssdbench("compare", "latest", "--results", kept(tmp_path / "quiet", 0.0), columns=columns)
    assert "second launch" not in quiet.out


def test_json_has_the_effect_of_the_run_and_of_each_case_however_small(tmp_path: Path) -> None:
    for name, slower in (("large", SLOWER), ("small", 0.0)):
        found = json.loads(ssdbench("compare", "latest", "--results", kept(tmp_path / name, slower), "--json").out)
        effects = [found["order_effect"], *(case["order_effect"] for case in found["cases"])]
        for effect in effects:
            assert effect["slower"] == pytest.approx(slower, abs=5e-4)
            assert effect["low"] < effect["slower"] < effect["high"]
        assert [effect["pairs"] for effect in effects] == [2 * PAIRS, PAIRS, PAIRS]
        assert bool(found["order_effect"]["sentence"]) is (name == "large")


@pytest.mark.parametrize("option", ["--output", "--markdown"])
def test_reports_say_it(tmp_path: Path, option: str) -> None:
    for name, slower in (("large", SLOWER), ("small", 0.0)):
        results, path = kept(tmp_path / name, slower), tmp_path / f"{name}.report"
        assert ssdbench("report", "latest", "--results", results, option, path).code == 0
        assert shown(path.read_text()).count(SEEN) == (name == "large")


def table(path: Path, orders: tuple[str, str]) -> Path:
    """Six pairs; `orders` are written for the first and the second launch of each."""
    arms = in_order(alternating(6), second_slower=SLOWER, noise=2e-4)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case", "arm", "launch", "value", "pair", "order"])
        for pair, candidate_first in enumerate(arms.candidate_is_first):
            rows.writerow(["a", "baseline", pair, arms.baseline[pair], pair, orders[candidate_first]])
            rows.writerow(["a", "candidate", pair, arms.candidate[pair], pair, orders[not candidate_first]])
    return path


@pytest.mark.parametrize("mode", ["interleaved", "single-shot"])
@pytest.mark.parametrize(("orders", "is_known"), [(("1", "2"), True), (("", ""), False), (("first", "second"), False)])
def test_a_table_may_say_which_launch_of_a_pair_was_first(
    tmp_path: Path, mode: str, orders: tuple[str, str], is_known: bool
) -> None:
    path = table(tmp_path / "launches.csv", orders)
    words = ssdbench("verdict", "--csv", path, "--mode", mode)
    assert (SEEN in shown(words.out)) is is_known
    found = json.loads(ssdbench("verdict", "--csv", path, "--mode", mode, "--json").out)
    assert ("order_effect" in found) is is_known
    if is_known:
        assert found["order_effect"]["slower"] == pytest.approx(SLOWER, abs=5e-4)
