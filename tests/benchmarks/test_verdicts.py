"""The simulator, and the goals of the rule held loosely on few runs; docs/verdicts.md has them on many."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.verdicts.__main__ import replaced
from benchmarks.verdicts.noise import PUBLISHED, launch_sds, residuals
from benchmarks.verdicts.plot import CHANGES, SDS, draw
from benchmarks.verdicts.rules import PEERS, Interleaved, Rule, SingleShot, Stored
from benchmarks.verdicts.score import Share, score
from benchmarks.verdicts.world import Supply, World

OURS = Interleaved()
SEED = 7


def peer(beginning: str) -> Rule:
    return next(rule for rule in PEERS if rule.name.startswith(beginning))


def test_null_runs_raise_no_alarm_and_stay_cheap():
    found = score(OURS, World(name="null"), 25, SEED)
    assert found.false_changes.count == 0
    assert found.of_unchanged["unchanged"].value > 0.93
    assert found.launches < 13


def test_a_slowdown_of_one_per_cent_is_found():
    found = score(OURS, World(name="slower", change=0.01, changed=20), 15, SEED)
    assert found.alarms.count == 0
    assert found.of_changed["regressed"].value > 0.93
    assert found.of_changed["unchanged"].value < 0.05


def test_a_speed_up_is_found_as_well():
    found = score(OURS, World(name="faster", change=1 / 1.01 - 1, changed=20), 10, SEED)
    assert found.of_changed["improved"].value > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.001, 0.002, 0.003, 0.005])
def test_the_goals_hold_at_each_noise_up_to_half_a_per_cent(sd: float):
    null = score(OURS, World(name="null", launch_sd=sd), 30, SEED)
    assert null.alarms.count <= 1
    found = score(OURS, World(name="slower", launch_sd=sd, change=0.01, changed=10), 15, SEED)
    assert found.of_changed["regressed"].value > 0.9
    assert found.of_changed["unchanged"].value < 0.05


def test_loud_launches_are_inconclusive_and_large_changes_still_found():
    null = score(OURS, World(name="loud", launch_sd=0.08), 5, SEED)
    assert null.of_unchanged["inconclusive"].value > 0.99
    found = score(OURS, World(name="loud", launch_sd=0.08, change=0.25, changed=5), 5, SEED)
    assert found.of_changed["regressed"].value > 0.9
    assert found.of_changed["unchanged"].count == 0


def test_drift_between_sessions_does_not_reach_interleaved_launches():
    assert score(OURS, World(name="drift", session_drift=0.005), 5, SEED).false_changes.count == 0


def test_a_drift_between_stored_sessions_is_no_regression():
    found = score(Stored(), World(name="drift", session_drift=0.005), 10, SEED)
    assert found.false_changes.count == 0


def test_a_single_shot_raises_no_alarm_and_finds_less():
    assert score(SingleShot(), World(name="null"), 10, SEED).false_changes.count == 0
    slower = World(name="slower", change=0.01, changed=20)
    few, many = (score(SingleShot(pairs=pairs), slower, 5, SEED).of_changed["regressed"].value for pairs in (5, 8))
    assert few < many


def test_what_is_wrong_with_the_peers_shows():
    null = World(name="null")
    assert score(peer("Welch"), null, 5, SEED).alarms.count == 5
    assert score(peer("pyperf"), null, 5, SEED).alarms.count >= 4
    slower = World(name="slower", change=0.05, changed=20)
    for name in ("NVIDIA SSD training", "NVIDIA SSD inference", "TorchBench", "asv"):
        assert score(peer(name), slower, 5, SEED).of_changed["regressed"].value < 0.3


def test_the_same_seed_gives_the_same_score():
    world = World(name="again", change=0.02, changed=5)
    assert score(OURS, world, 2, SEED) == score(OURS, world, 2, SEED)


def test_launch_sds_have_the_published_quantiles():
    drawn = 100 * launch_sds(np.random.default_rng(1), 200_000, "ssd")
    assert np.quantile(drawn, (0.25, 0.50, 0.75, 0.90, 0.95)) == pytest.approx(PUBLISHED["ssd"].quantiles, rel=0.03)


def test_residuals_are_standardised_and_have_the_published_tails():
    drawn = residuals(np.random.default_rng(1), (500_000,))
    assert (drawn.mean(), drawn.std()) == pytest.approx((0.0, 1.0), abs=0.01)
    assert np.mean(drawn**4) - 3 == pytest.approx(0.86, abs=0.25)


def test_the_mean_of_a_launch_has_the_launch_sd_whether_steps_are_asked_for_or_not():
    supply = Supply(World(name="x", launch_sd=0.01), np.random.default_rng(3))
    plain, _ = supply.pairs(100)
    steps, _ = supply.pairs(100, steps=60)
    assert plain.std() == pytest.approx(0.01, rel=0.05)
    assert np.log(steps).mean(axis=2).std() == pytest.approx(0.01, rel=0.05)


def test_interleaved_pairs_share_a_walk():
    supply = Supply(World(name="x", launch_sd=1e-9, walk=0.001), np.random.default_rng(3))
    baseline, candidate = supply.pairs(200)
    assert (candidate - baseline).std() == pytest.approx(0.001, rel=0.1)
    assert baseline[:, -1].std() > 0.01


def test_shares_have_exact_bounds():
    assert Share(count=0, total=300).bounds == pytest.approx((0.0, 0.0122), abs=1e-4)
    assert Share(count=5, total=5).value == 1.0
    assert Share(count=0, total=0).bounds == (0.0, 1.0)


def test_a_table_takes_its_place_in_the_page():
    page = "a\n<!-- rule -->\nold\n<!-- end of rule -->\nb"
    assert replaced(page, "rule", "new") == "a\n<!-- rule -->\n\nnew\n\n<!-- end of rule -->\nb"
    with pytest.raises(SystemExit, match="no marks"):
        replaced(page, "peers", "new")


def test_the_page_has_a_place_for_every_table():
    page = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")
    for name in ("rule", "peers", "detectable"):
        assert replaced(page, name, "x")


def test_equal_figures_are_an_equal_plot(tmp_path: Path):
    curves = {rule.name: np.linspace(0, 1, len(CHANGES)) for rule in (OURS, *PEERS)}
    answers = {word: np.full(len(SDS), 1 / 3) for word in ("regressed", "inconclusive", "unchanged")}
    for name in ("a.svg", "b.svg"):
        draw(curves, answers, tmp_path / name)
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert b"dc:date" not in first
