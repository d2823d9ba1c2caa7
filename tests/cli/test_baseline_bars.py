"""What an acceptance may do to the bars: nothing unasked, and nothing that is not visible afterwards."""

from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import Protocol
from ssdbench.schema.settings import Settings
from tests.builders import HARDWARE, a_case, a_run
from tests.cli.running import accept, bytes_of, keep, ssdbench, the_baseline

A, B = a_case(), a_case(backbone="resnet50")
SAME, SLOWER = (0.1, 0.1, 0.1), (0.125, 0.125, 0.125)


@pytest.mark.parametrize(
    ("outcomes", "change"),
    [
        ((0.125, 0.1251, 0.1249), "-20.0%"),  # judged regressed
        ((0.08, 0.125, 0.2), "-20.6%"),  # no verdict; the geometric mean is the third root of 0.002, 0.12599 s
    ],
)
def test_a_bar_is_not_lowered_unasked_also_where_the_data_cannot_tell(
    tmp_path: Path, outcomes: tuple[float, ...], change: str
):
    keep(tmp_path, a_run(run_id="first"), a_run((A, outcomes), run_id="second"))
    accept(tmp_path, "first")
    before = bytes_of(tmp_path)
    outcome = accept(tmp_path, "second")
    assert outcome.code == 2
    assert "run second makes train-resnet18" in outcome.err
    assert f"({change} against the baseline)" in outcome.err
    assert "--allow-regression" in outcome.err
    assert outcome.err.count("\n") == 1
    assert bytes_of(tmp_path) == before


def test_an_allowed_regression_stays_visible_for_ever(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((A, SLOWER), run_id="second"), a_run(run_id="third"))
    accept(tmp_path, "first")
    accept(tmp_path, "second", "--allow-regression", reason="slower, see issue 12")
    accept(tmp_path, "third", reason="repaired")
    history = the_baseline(tmp_path).history
    assert [(entry.run_ids, entry.reason) for entry in history] == [
        (("first",), "first figures"),
        (("second",), "slower, see issue 12"),
        (("third",), "repaired"),
    ]
    (bar,) = history[1].accepted_regressions
    assert (bar.case_key, bar.old_value, bar.new_value) == (A.key, pytest.approx(20), pytest.approx(16))
    assert (bar.change, bar.against, history[1].margin) == (pytest.approx(-0.2), "baseline", Settings().margin)
    outcome = ssdbench("baseline", "show", "--results", tmp_path)
    assert "slower, see issue 12" in outcome.words
    assert "allowed: train resnet18 resident fp32 · 1 proc × batch 2, 20.0 -> 16.0 images/s (-20.0%" in outcome.words


def test_dropped_cases_stay_visible_too(tmp_path: Path):
    keep(tmp_path, a_run((A, SAME), (B, SAME), run_id="first"), a_run((A, SAME), run_id="second"))
    accept(tmp_path, "first")
    accept(tmp_path, "second", "--drop-cases")
    assert the_baseline(tmp_path).history[-1].dropped == (B.key,)
    assert "dropped: train resnet50 resident fp32" in ssdbench("baseline", "show", "--results", tmp_path).words


def test_a_protocol_that_changed_loses_the_bar_as_a_dropped_case_does(tmp_path: Path):
    shorter = a_case(protocol=Protocol(warmup_steps=2, steps=5, launches=3))
    keep(tmp_path, a_run(run_id="first"), a_run((shorter, SLOWER), run_id="second"))
    accept(tmp_path, "first")
    outcome = accept(tmp_path, "second")
    assert outcome.code == 2
    assert "measured it in a way that is not comparable" in outcome.err
    assert accept(tmp_path, "second", "--drop-cases").code == 0


def creep(results: Path, *seconds: float) -> None:
    for release, each in enumerate(seconds):
        keep(results, a_run((A, (each, 1.0001 * each, 0.9999 * each)), run_id=f"release-{release}"))


def five_sessions(results: Path, release: str, seconds: float) -> list[str]:
    """Runs of one build, 0.01 % apart: from five on a stored baseline can clear a case."""
    names = [f"{release}-night-{number}" for number in range(5)]
    for number, name in enumerate(names):
        each = seconds * (1 + 1e-4 * (number - 2))
        keep(results, a_run((A, (each, 1.0001 * each, 0.9999 * each)), run_id=name))
    return names


def test_creep_within_the_margin_of_every_release_is_noticed_against_the_anchor(tmp_path: Path):
    assert accept(tmp_path, *five_sessions(tmp_path, "first", 0.1)).code == 0
    assert accept(tmp_path, *five_sessions(tmp_path, "second", 0.1008)).code == 0
    creep(tmp_path, 0.1, 0.1008, 0.1016, 0.1018)
    compared = ssdbench("compare", "release-2", "--results", tmp_path)
    assert compared.code == 0
    assert "CREEP: 1 of 1 case worse by more than 1% since 2026-01-05 (run first-night-" in compared.words
    outcome = accept(tmp_path, "release-2")
    assert outcome.code == 2
    assert "(-1.6% against the anchor)" in outcome.err
    assert accept(tmp_path, "release-2", "--allow-regression").code == 0
    assert the_baseline(tmp_path).history[-1].accepted_regressions[0].against == "anchor"
    quiet = accept(tmp_path, "release-3")
    assert quiet.code == 0
    assert "no creep: no case is worse" in quiet.words
    assert "1 case more with an allowed regression" in quiet.words


def test_the_anchor_stays_with_the_first_release_until_it_is_reset(tmp_path: Path):
    creep(tmp_path, 0.1, 0.08, 0.0805)
    accept(tmp_path, "release-0")
    gain = accept(tmp_path, "release-1")
    assert "better than the anchor: train resnet18" not in gain.out  # the anchor is what it replaces
    assert "--reset-anchor keeps the gain" in accept(tmp_path, "release-2").out
    anchor = FileStore(tmp_path).load_anchor(HARDWARE.key, "main")
    assert anchor
    assert anchor.header.run_id == "release-0"
    assert accept(tmp_path, "release-2", "--reset-anchor", reason="keep the gain").code == 0
    anchor = FileStore(tmp_path).load_anchor(HARDWARE.key, "main")
    assert anchor
    assert anchor.header.run_id == "release-2"
    assert the_baseline(tmp_path).history[-1].reset_anchor


def test_creep_after_a_gain_is_noticed_against_the_last_release(tmp_path: Path):
    creep(tmp_path, 0.1, 0.08, 0.0807, 0.0814, 0.0815)
    accept(tmp_path, "release-0")
    released = accept(tmp_path, "release-1", "--release", reason="25.01")
    assert released.code == 0
    assert the_baseline(tmp_path, "main.release").header.run_id == "release-1"
    assert accept(tmp_path, "release-2").code == 0
    compared = ssdbench("compare", "release-3", "--results", tmp_path)
    assert (
        "CREEP: 1 of 1 case worse by more than 1% since 2026-01-05 (run release-1, the last release of main)"
        in compared.words
    )
    assert (
        "no creep: no case is worse by more than 1% since 2026-01-05 (run release-0, the anchor of main)"
        in compared.words
    )
    outcome = accept(tmp_path, "release-3")
    assert outcome.code == 2
    assert "(-1.7% against the release)" in outcome.err
    assert accept(tmp_path, "release-3", "--allow-regression").code == 0
    assert the_baseline(tmp_path).history[-1].accepted_regressions[0].against == "release"
    assert accept(tmp_path, "release-4").code == 0  # no worse than what was allowed
    assert the_baseline(tmp_path, "main.release").header.run_id == "release-1"


def test_a_release_that_lowers_a_bar_is_refused_under_both_names(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((A, SLOWER), run_id="second"))
    accept(tmp_path, "first", "--release")
    before = bytes_of(tmp_path)
    assert set(before) == {f"main{kind}.jsonl" for kind in ("", ".anchor", ".release", ".release.anchor")}
    assert accept(tmp_path, "second", "--release").code == 2
    assert bytes_of(tmp_path) == before
    assert ssdbench("baseline", "verify", "--results", tmp_path).code == 0


def test_the_note_for_the_review_says_why_and_old_and_new(tmp_path: Path):
    keep(tmp_path, a_run((A, SAME), (B, SAME), run_id="first"), a_run((A, SLOWER), run_id="second"))
    note = tmp_path / "note.md"
    accept(tmp_path, "first", "--note", str(note), reason="container | 25.01")
    first = note.read_text(encoding="utf-8")
    assert "Because: container \\| 25.01" in first
    assert "| train resnet18 resident fp32 · 1 proc × batch 2 | 20.000 images/s | 3 |" in first
    accept(tmp_path, "second", "--note", str(note), "--allow-regression", "--drop-cases", reason="see issue 12")
    lines = note.read_text(encoding="utf-8").splitlines()
    assert "Runs: second. They replace run first." in lines
    (row,) = [line for line in lines if line.startswith("| train resnet18")]
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["20.0 images/s", "16.0 images/s"]
    assert "-20.0%" in row
    assert any(line.startswith("- train resnet18") and "20.0 -\\> 16.0 images/s" in line for line in lines)
    assert "- train resnet50 resident fp32 · 1 proc × batch 2" in lines


def test_resetting_the_anchor_does_not_let_a_lower_bar_pass(tmp_path: Path):
    creep(tmp_path, 0.1, 0.1008, 0.1016)
    assert accept(tmp_path, "release-0").code == 0
    assert accept(tmp_path, "release-1").code == 0
    outcome = accept(tmp_path, "release-2", "--reset-anchor")
    assert outcome.code == 2
    assert "(-1.6% against the anchor)" in outcome.err


def test_a_case_that_comes_back_is_compared_with_its_oldest_figures(tmp_path: Path):
    keep(
        tmp_path,
        a_run((A, SAME), (B, SAME), run_id="first"),
        a_run((A, SAME), run_id="second"),
        a_run((A, SAME), (B, SLOWER), run_id="third"),
    )
    accept(tmp_path, "first")
    accept(tmp_path, "second", "--drop-cases")
    outcome = accept(tmp_path, "third")
    assert outcome.code == 2
    assert "makes train-resnet50" in outcome.err


def test_a_baseline_that_is_stale_keeps_its_bars(tmp_path: Path):
    late = a_run((A, (0.125, 0.1251, 0.1249)), run_id="late", created_at="2026-07-05T12:00:00+00:00")
    keep(tmp_path, a_run(run_id="first"), late)
    accept(tmp_path, "first")
    assert "stale" in ssdbench("compare", "late", "--results", tmp_path).words
    assert "(-20.0% against the baseline)" in accept(tmp_path, "late").err
    assert "-20.0%" in ssdbench("baseline", "diff", "main", "late", "--results", tmp_path).out
