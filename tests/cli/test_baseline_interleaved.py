"""The candidate of an interleaved run as a baseline: its launches of both stages, and nothing of the other arm."""

from dataclasses import replace
from pathlib import Path

from ssdbench.schema.record import BaselineArm, Record, Run
from tests.builders import a_case, a_header, a_record, a_run
from tests.cli.running import accept, bytes_of, keep, ssdbench, the_baseline

A, B = a_case(), a_case(backbone="resnet50")
SPREAD = (-2e-4, 1e-4, 3e-4, -1e-4, 2e-4)
PAIRS = {"measure": 3, "confirm": 5}


def launches(case, stage: str, candidate_seconds: float) -> list[Record]:
    """The pairs of a stage, the candidate first in every second one."""
    found = []
    for pair, offset in enumerate(SPREAD[: PAIRS[stage]]):
        for arm in ("baseline", "candidate") if pair % 2 else ("candidate", "baseline"):
            seconds = (candidate_seconds if arm == "candidate" else 0.1) * (1 + offset)
            record = a_record(case=case, launch=pair, step_seconds=seconds, arm=arm, stage=stage)
            found.append(replace(record, id=f"run-1/{case.key}/{stage}/{arm}/{pair}/0"))
    return found


def interleaved(*records: Record) -> Run:
    header = a_header(cases=(A, B), baseline_arm=BaselineArm(python="/opt/old/bin/python", source="/opt/old"))
    placed = tuple(replace(record, order=order) for order, record in enumerate(records))
    return Run(header=header, records=placed)


SLOWER = (*launches(A, "measure", 0.1), *launches(B, "measure", 0.12), *launches(B, "confirm", 0.12))


def test_the_candidates_launches_of_both_stages_are_accepted(tmp_path: Path):
    keep(tmp_path, interleaved(*SLOWER))
    assert ssdbench("compare", "latest", "--results", tmp_path).code == 3
    outcome = accept(tmp_path, reason="slower, and meant to be")
    assert (outcome.code, outcome.err) == (0, "")
    records = the_baseline(tmp_path).records
    assert [(record.case.backbone, record.stage, record.launch) for record in records] == [
        *(("resnet18", "measure", launch) for launch in range(3)),
        *(("resnet50", stage, launch) for stage, pairs in PAIRS.items() for launch in range(pairs)),
    ]
    assert {record.arm for record in records} == {"candidate"}
    assert len({record.id for record in records}) == 11
    assert ssdbench("baseline", "verify", "--results", tmp_path).code == 0


def test_its_order_in_the_file_is_not_that_of_measurement(tmp_path: Path):
    keep(tmp_path / "one", interleaved(*SLOWER))
    accept(tmp_path / "one")
    keep(tmp_path / "other", interleaved(*reversed(SLOWER)))
    accept(tmp_path / "other")

    def ids(results: Path) -> list[str]:
        return [record.id for record in the_baseline(results).records]

    assert ids(tmp_path / "one") == ids(tmp_path / "other")


def test_accepting_it_again_changes_no_byte(tmp_path: Path):
    keep(tmp_path, interleaved(*SLOWER))
    accept(tmp_path)
    before = bytes_of(tmp_path)
    assert "nothing changed" in accept(tmp_path).out
    assert bytes_of(tmp_path) == before


def test_a_later_run_is_compared_with_the_candidate_not_with_the_other_arm(tmp_path: Path):
    later = a_run(
        (A, (0.1, 0.1001, 0.0999)), (B, (0.12, 0.1201, 0.1199)), run_id="run-2", created_at="2026-01-06T12:00:00+00:00"
    )
    keep(tmp_path, interleaved(*SLOWER), later)
    accept(tmp_path, "run-1")
    outcome = ssdbench("compare", "run-2", "--results", tmp_path)
    assert outcome.code == 5  # one stored session clears nothing
    rows = [line.split()[4:6] for line in outcome.out.splitlines() if line.startswith("train")]
    assert sorted(rows) == [["16.7", "16.7"], ["20.0", "20.0"]]


def test_a_run_whose_rule_asks_for_more_is_not_accepted(tmp_path: Path):
    keep(tmp_path, interleaved(*SLOWER[:-2]))
    outcome = accept(tmp_path)
    assert outcome.code == 2
    assert "its verdict rule asks for more pairs; finish it with `ssdbench run --resume --run run-1`" in outcome.err
    assert not (tmp_path / "baselines").exists()


def test_a_replaced_launch_is_left_out_and_one_that_stayed_invalid_forbids_it(tmp_path: Path):
    first = SLOWER[0]
    invalid = replace(first, invalid_reason="other processes kept 1.00 cores busy (limit 0.15)")
    again = replace(first, id=first.id.removesuffix("0") + "1", replacement=1)
    keep(tmp_path / "replaced", interleaved(invalid, again, *SLOWER[1:]))
    assert accept(tmp_path / "replaced").code == 0
    assert len(the_baseline(tmp_path / "replaced").records) == 11

    tries = [replace(invalid, id=f"{first.id.removesuffix('0')}{n}", replacement=n) for n in range(4)]
    keep(tmp_path / "invalid", interleaved(*tries, *SLOWER[1:]))
    outcome = accept(tmp_path / "invalid")
    assert outcome.code == 2
    assert "(other processes kept 1.00 cores busy (limit 0.15)) not valid" in outcome.err
