"""What `env` says of a change of 1 % rests on the stored launches of this hardware, or says that there are none."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.analysis.verdicts.sample_size import pairs_at_spread
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.settings import DEFAULT_SETTINGS
from ssdbench.workflows.sensitivity import case_spreads, sensitivity
from tests.builders import GPU_HARDWARE, HARDWARE, a_case, a_failure, a_run
from tests.cli.running import keep

QUIET, NOISY, ALONE = a_case(), a_case(backbone="resnet50"), a_case(backbone="resnet101")


def test_the_spread_of_a_case_is_that_within_its_runs():
    drifted = [a_run((QUIET, (0.1 * by, 0.102 * by)), run_id=f"run-{by}") for by in (1, 2)]
    (found,) = case_spreads(record for run in drifted for record in run.records)
    assert found.launches == 4
    assert found.sd == pytest.approx(0.014, rel=0.02)  # ln(1.02) / sqrt(2), whatever lies between the runs


def test_failed_and_invalid_launches_and_a_single_one_say_nothing():
    run = a_run((QUIET, (0.1, a_failure(), 0.3)), (ALONE, (0.1,)))
    first, failed, odd, alone = run.records
    assert case_spreads((first, failed, replace(odd, invalid_reason="throttled"), alone)) == []


def test_pairs_grow_with_the_spread_and_are_what_the_verdict_rule_asks_for():
    found = [pairs_at_spread(sd, DEFAULT_SETTINGS) for sd in (0.0, 0.0017, 0.005, 0.02)]
    assert found == sorted(found, key=lambda pairs: pairs or 0)
    assert found[0] == DEFAULT_SETTINGS.pilot_pairs
    # (t(.99) + t(.99)) SD sqrt(2 / n) <= ln 1.01, with t of some 2.4 at many degrees of freedom
    assert found[3] == pytest.approx(2 * (2 * 2.34 * 0.02 / 0.00995) ** 2, rel=0.02)


def test_the_stored_launches_of_this_hardware_and_no_other_are_told(tmp_path: Path):
    here = a_run((QUIET, (0.1, 0.1002)), (NOISY, (0.1, 0.103)))
    keep(tmp_path, here, a_run((QUIET, (0.1, 0.5)), run_id="run-2", hardware=GPU_HARDWARE))
    told = sensitivity(FileStore(tmp_path), HARDWARE.key)
    assert told.startswith("To tell a change of 1 %: 4 stored launches of 2 cases have an SD of 1.1")
    assert f"the widest, {NOISY.title}, has 2.09% and takes" in told


def test_without_launches_the_spread_is_unknown_and_a_published_one_is_named_with_its_source(tmp_path: Path):
    told = sensitivity(FileStore(tmp_path), HARDWARE.key)
    assert "the spread of launches here is unknown" in told
    assert re.search(r"An SD of 0\.17%, as of 16 launches .* \(docs/performance\.md\), takes 4 pairs", told)
