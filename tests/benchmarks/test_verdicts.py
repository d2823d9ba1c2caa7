"""The simulator, and the goals of the rule held loosely on few runs; docs/verdicts.md has them on many."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.verdicts import stages, tables
from benchmarks.verdicts.__main__ import main, replaced
from benchmarks.verdicts.decided import Answer, Decided, case_launches, decide_by_judge, of_verdicts
from benchmarks.verdicts.effort import Effort
from benchmarks.verdicts.peers import PEERS
from benchmarks.verdicts.plot import CHANGES, SDS, draw
from benchmarks.verdicts.rows import CHANGE_ROWS, NOISE_ROWS, OURS, WORLD_ROWS
from benchmarks.verdicts.rules import INTERLEAVED, Interleaved, Rule, SingleShot, Stored
from benchmarks.verdicts.score import BLOCK_CASES, Job, Share, of_decided, score, score_all
from benchmarks.verdicts.tables import TABLES, change_table
from benchmarks.verdicts.world import World
from ssdbench.analysis.verdicts.contrast import holm
from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.schema.settings import Rule as VerdictRule
from ssdbench.schema.settings import Settings

SEED = 7
DIFFICULT = (
    World(name="published SDs", changed=20, change=0.01, mixed=True),
    World(name="loud", launch_sds=(0.005, 0.02), changed=50, change=0.02),
    World(name="equal values", rounding=(0.005, 0.02), changed=20, change=0.02),
    World(name="states", fast_share=0.5, fast_by=0.01, stay=6.0, changed=10, change=0.01),
    World(name="disturbed", contamination=0.1, candidate_noise=3.0, changed=20, change=0.01),
)


def peer(beginning: str) -> Rule:
    return next(rule for rule in PEERS if rule.name.startswith(beginning))


def assert_same(found: Decided, expected: Decided) -> None:
    assert (found.status == expected.status).all()
    assert (found.launches == expected.launches).all()
    assert found.low == pytest.approx(expected.low, rel=1e-9, abs=1e-12)
    assert found.high == pytest.approx(expected.high, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("rule", ["sequential", "fixed"])
@pytest.mark.parametrize("world", DIFFICULT, ids=lambda world: world.name)
def test_the_rule_on_arrays_says_what_users_get(world: World, rule: VerdictRule):
    settings = Settings(rule=rule)
    drawn = world.draw(np.random.default_rng(SEED), 1, settings.pair_cap, settings.confirm_pair_cap)
    assert_same(INTERLEAVED[rule](drawn, settings), decide_by_judge(drawn, settings))


@pytest.mark.long
@pytest.mark.parametrize("world", DIFFICULT, ids=lambda world: world.name)
@pytest.mark.parametrize("rule", ["sequential", "fixed"])
@pytest.mark.parametrize("other", [{}, {"margin": 0.02, "alpha": 0.05, "trim": 0.1, "pilot_pairs": 4}])
def test_the_rule_on_arrays_says_what_users_get_of_ten_thousand_cases(
    world: World, rule: VerdictRule, other: dict[str, Any]
):
    settings = Settings(rule=rule, **other)
    drawn = world.draw(np.random.default_rng(SEED), 10, settings.pair_cap, settings.confirm_pair_cap)
    assert_same(INTERLEAVED[rule](drawn, settings), decide_by_judge(drawn, settings))


def test_a_single_shot_on_arrays_says_what_users_get():
    rule, world = SingleShot(), DIFFICULT[0]
    drawn = world.draw(np.random.default_rng(SEED), 2, rule.pairs, 0)
    verdicts = [list(judge_single_shot(case_launches(drawn, run), rule.settings).values()) for run in range(2)]
    assert_same(rule.decide(world, np.random.default_rng(SEED), 2), of_verdicts(verdicts))


def test_holm_treats_each_run_by_itself():
    rng = np.random.default_rng(SEED)
    runs, p = rng.integers(0, 40, 300), rng.uniform(0, 0.02, 300)
    expected = np.zeros(300, dtype=bool)
    for run in range(40):
        rejected = holm({str(row): p[row] for row in np.flatnonzero(runs == run)}, 0.01)
        expected[[int(row) for row in rejected]] = True
    assert 0 < expected.sum() < 300
    assert (stages.holm(p, runs, 0.01) == expected).all()


def test_null_runs_raise_no_alarm_and_stay_cheap():
    found = score(OURS, World(name="null"), 100, SEED)
    assert found.false_changes.count <= 1
    assert found.cleared.value > 0.97
    assert found.covered.value > 0.985
    assert found.launches.value < 8


def test_a_slowdown_of_one_per_cent_is_found():
    found = score(OURS, World(name="slower", change=0.01, changed=20), 50, SEED)
    assert found.alarms.count <= 1
    assert found.found.value > 0.95
    assert found.passed.value < 0.03


def test_a_speed_up_is_found_as_well():
    found = score(OURS, World(name="faster", change=1 / 1.01 - 1, changed=20), 50, SEED)
    assert found.found.value > 0.95


@pytest.mark.parametrize("sd", [0.001, 0.002, 0.003, 0.005])
def test_the_goals_hold_at_each_noise_up_to_half_a_per_cent(sd: float):
    null = score(OURS, World(name="null", launch_sds=(sd,)), 60, SEED)
    assert null.alarms.count <= 2
    found = score(OURS, World(name="slower", launch_sds=(sd,), change=0.01, changed=10), 30, SEED)
    assert found.found.value > 0.92
    assert found.passed.value < 0.05


def test_loud_launches_are_inconclusive_and_large_changes_still_found():
    null = score(OURS, World(name="loud", launch_sds=(0.08,)), 20, SEED)
    assert null.open.value > 0.99
    found = score(OURS, World(name="loud", launch_sds=(0.08,), change=0.25, changed=5), 20, SEED)
    assert found.found.value > 0.9
    assert found.passed.count == 0


def test_an_order_effect_is_no_regression_where_the_order_alternates():
    null = World(name="second slower", order_effect=0.01)
    assert score(OURS, null, 100, SEED).alarms.count <= 1
    by_coin = World(name="second slower, by a coin", order_effect=0.01, coin=True)
    assert score(OURS, by_coin, 100, SEED).alarms.value > 0.05


def test_a_drift_between_stored_sessions_is_no_regression():
    found = score(Stored(), World(name="drift", session_drift=0.005), 5, SEED)
    assert found.false_changes.count == 0
    assert found.covered.value > 0.97


def test_a_single_shot_raises_no_alarm_and_finds_less():
    assert score(SingleShot(), World(name="null"), 50, SEED).false_changes.count <= 1
    slower = World(name="slower", change=0.01, changed=20)
    few, many = (score(SingleShot(pairs=pairs), slower, 20, SEED).found.value for pairs in (5, 8))
    assert few < many < score(OURS, slower, 20, SEED).found.value


def test_what_is_wrong_with_the_peers_shows():
    null = World(name="null")
    assert score(peer("Welch"), null, 5, SEED).alarms.count == 5
    assert score(peer("pyperf"), null, 5, SEED).alarms.count >= 4
    slower = World(name="slower", change=0.05, changed=20)
    for name in ("NVIDIA SSD training", "NVIDIA SSD inference", "TorchBench", "asv"):
        assert score(peer(name), slower, 5, SEED).found.value < 0.3


def test_a_score_counts_each_kind_of_answer():
    world = World(name="x", cases=6, changed=4, change=0.01, mixed=True)  # + - + - and two unchanged
    status = [
        [Answer.REGRESSED, Answer.IMPROVED, Answer.IMPROVED, Answer.UNCHANGED, Answer.REGRESSED, Answer.IMPROVED],
        [Answer.INCONCLUSIVE, Answer.UNCHANGED, Answer.REGRESSED, Answer.IMPROVED, Answer.UNCHANGED, Answer.IMPROVED],
    ]
    decided = Decided(
        status=np.array(status, dtype=np.int8),
        low=np.array([[0.005, -0.02, -0.02, -0.001, 0.001, -0.01], [np.nan, -0.03, 0.02, -0.02, -0.1, -0.1]]),
        high=np.array([[0.02, -0.01, -0.01, 0.001, 0.002, -0.001], [np.nan, 0.0, 0.03, 0.02, 0.1, 0.1]]),
        launches=np.full((2, 6), 6),
    )
    found = of_decided(decided, world)
    assert found.alarms == Share(count=1, total=2)
    assert found.false_changes == Share(count=2, total=2)
    assert found.found == Share(count=4, total=8)
    assert found.passed == Share(count=2, total=8)
    assert found.undecided == Share(count=1, total=8)
    assert found.seen == Share(count=4, total=8)
    assert found.cleared == Share(count=1, total=4)
    assert found.open == Share(count=0, total=4)
    # log1p(.01) is +1 % for slower cases and -.99 % for faster ones
    assert found.covered == Share(count=5, total=11)
    assert found.launches.value == 6


def test_equal_seeds_are_equal_scores_on_any_number_of_processes():
    world = World(name="again", cases=1000, change=0.02, changed=5)
    jobs = [Job(rule=SingleShot(pairs=pairs), world=world, runs=25) for pairs in (3, 5)]
    assert list(jobs[0].blocks()) == [20, 5]
    done: list[str] = []
    alone = score_all(jobs, SEED, progress=done.append)
    assert alone == score_all(jobs, SEED, processes=2)
    assert done == [f"again: {job.rule.name}" for job in jobs]
    assert [found.runs for found in alone] == [25, 25]
    assert alone != score_all(jobs, SEED + 1)


def test_every_block_has_launches_of_its_own():
    world = World(name="again", cases=BLOCK_CASES, launch_sds=(0.01,))
    one, two = (score(SingleShot(pairs=3), world, runs, SEED) for runs in (1, 2))
    assert two != one + one


def test_a_rule_of_its_own_can_be_scored():
    def never(drawn: object, settings: Settings) -> Decided:
        shape = drawn.changes.shape  # type: ignore[attr-defined]
        none = np.full(shape, np.nan)
        return Decided(status=np.zeros(shape, np.int8), low=none, high=none, launches=np.full(shape, 2))

    found = score(Interleaved(by=never), World(name="x", changed=5, change=0.1), 3, SEED)
    assert (found.undecided.value, found.covered.total, found.launches.value) == (1.0, 0, 2.0)


def test_every_world_of_the_tables_has_a_name_of_its_own():
    names = [row.world.name for row in (*NOISE_ROWS, *WORLD_ROWS, *CHANGE_ROWS)]
    assert len(set(names)) == len(names)


def test_a_table_has_a_line_for_every_row():
    lines = change_table(Effort(progress=lambda _: None, scale=0.001)).splitlines()
    assert len(lines) == len(CHANGE_ROWS) + 2
    assert lines[1] == "|---|--:|--:|--:|--:|--:|--:|"
    assert {line.count("|") for line in lines} == {8}


def test_shares_have_exact_bounds():
    assert Share(count=0, total=300).bounds == pytest.approx((0.0, 0.0122), abs=1e-4)
    assert Share(count=5, total=5).value == 1.0
    assert Share().bounds == (0.0, 1.0)


def test_a_table_takes_its_place_in_the_page():
    page = "a\n<!-- rule -->\nold\n<!-- end of rule -->\nb"
    assert replaced(page, "rule", "new") == "a\n<!-- rule -->\n\nnew\n\n<!-- end of rule -->\nb"
    with pytest.raises(SystemExit, match="no marks"):
        replaced(page, "peers", "new")


def test_the_command_writes_the_table_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    page = tmp_path / "verdicts.md"
    page.write_text("a\n<!-- rule -->\nold\n<!-- end of rule -->\n<!-- peers -->\nkept\n<!-- end of peers -->\n")
    monkeypatch.setattr(tables, "NOISE_ROWS", NOISE_ROWS[1:2])
    asked = ["--only", "rule", "--scale", "0.002", "--processes", "1", "--docs", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["verdicts", *asked])
    main()
    table, said = page.read_text(), capsys.readouterr()
    assert said.out.strip() in table
    assert "| SD 0.1 % | 2 |" in table
    assert "old" not in table
    assert "kept" in table
    assert "SD 0.1 %, changed: ssdbench, interleaved" in said.err


def test_the_page_has_a_place_for_every_table():
    page = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")
    for name in TABLES:
        assert replaced(page, name, "x")


def test_equal_figures_are_an_equal_plot(tmp_path: Path):
    curves = {rule.name: np.linspace(0, 1, len(CHANGES)) for rule in (OURS, *PEERS)}
    answers = {word: np.full(len(SDS), 1 / 3) for word in ("regressed", "inconclusive", "unchanged")}
    for name in ("a.svg", "b.svg"):
        draw(curves, answers, tmp_path / name)
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert b"dc:date" not in first
