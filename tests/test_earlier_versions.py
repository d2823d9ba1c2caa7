"""Files that earlier versions of ssdbench wrote: they are read, compared and reported with the figures of then.

tests/data/version-0.1 was written by ssdbench 0.1.0 (schema version 1): real launches of the `pace` workload, with two
runs, an interleaved run, baselines with an anchor, a distribution over seeds and the log of a bisection; `expected`
holds what that version printed of them.
"""

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.interleaved import next_pairs
from ssdbench.errors import ExitCode
from ssdbench.harness.bisections import BisectionLog
from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.launch_values import Stage
from tests.cli.running import ssdbench

REPOSITORY = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data" / "version-0.1"
FAST, SLOW, PAIRS = "20261126T144918", "20261126T145413", "20261126T145455"
CASE = "pace-fp32-channels_last-eager-1xcpu-bs2-t2-step_seconds=0.05"

WORDS = {"sentence", "notes", "explanation", "findings", "schema_version", "baseline"}
"""What may be said in other words: not compared."""
ADDED = {"order_effect", "creep", "suite", "rule", "smallest_called_change", "waiver", "waivers", "contents"}
"""What version 0.1 did not say."""
CHANGED_DEFAULTS = {"seeds_for_margin"}
"""Settings that a check takes from the version that judges, with another default today."""
RENAMED = {
    "measured_value": "candidate_value",
    "measured_launches": "candidate_launches",
    "measured_ap": "candidate_ap",
    "measured_seeds": "candidate_seeds",
    "measured": "candidate",
    "fresh_pairs": "confirm_pairs",
    "fresh_pair_cap": "confirm_pair_cap",
}
"""Keys of version 0.1 and what they are called now."""

COMMANDS = {
    "compare-main.json": ("compare", FAST, "--baseline", "main", "--json"),
    "compare-stored.json": ("compare", SLOW, "--baseline", "sessions", "--json"),
    "compare-pairs.json": ("compare", PAIRS, "--json"),
    "converge.json": ("converge", "check", "checked", "--baseline", "seeds", "--json"),
    "history.csv": ("history", CASE, "--csv"),
    "table.csv": ("table", PAIRS, "--format", "csv"),
}


NAMED_SINCE = {"source", "interpreter"}
"""Differences between the arms of an interleaved run that version 0.1 stored and did not show.

Nor did it fill the column `workload` of a table.
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "results", tmp_path / "results"))


def figures(value: Any) -> Any:
    """All that is no sentence, under today's keys."""
    if isinstance(value, dict):
        left_out = WORDS | ADDED | CHANGED_DEFAULTS
        return {RENAMED.get(key, key): figures(item) for key, item in value.items() if key not in left_out}
    if isinstance(value, list):
        return [figures(item) for item in value if not (isinstance(item, dict) and item.get("name") in NAMED_SINCE)]
    return value


def parsed(name: str, text: str) -> Any:
    if name.endswith(".json"):
        found = figures(json.loads(text))
        if name == "compare-main.json":
            # Two stored sessions have no interval any more, and four launches against two the freedom of two.
            for case in found["cases"]:
                for key in ("low", "high", "smallest_detectable_change"):
                    del case["verdict"][key]
        return found
    rows = csv.DictReader(io.StringIO(text))
    return figures([{key: value for key, value in row.items() if key != "workload"} for row in rows])


@pytest.mark.parametrize("name", COMMANDS)
def test_what_was_stored_is_reported_with_the_same_figures(name: str, results: Path) -> None:
    done = ssdbench(*COMMANDS[name], "--results", results)
    assert done.err == ""
    assert parsed(name, done.out) == parsed(name, (DATA / "expected" / name).read_text(encoding="utf-8"))


def test_lines_that_were_copied_to_a_database_are_read_as_well(results: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite'}"
    copied = ssdbench("store", "sync", results, store)
    assert copied.code == 0, copied.err
    for name in ("compare-main.json", "compare-pairs.json", "history.csv"):
        done = ssdbench(*COMMANDS[name], "--results", tmp_path / "nothing", "--store", store)
        assert parsed(name, done.out) == parsed(name, (DATA / "expected" / name).read_text(encoding="utf-8")), name


def test_a_baseline_keeps_its_history_and_its_anchor(results: Path) -> None:
    baseline = FileStore(results).load_baseline("cpu-2x-example", "main")
    assert [entry.reason for entry in baseline.history] == ["first figures", "slower on purpose"]
    (worse,) = baseline.history[1].accepted_regressions
    assert (worse.case_key, worse.against) == (CASE, "baseline")
    assert worse.change == pytest.approx(-0.504, abs=5e-4)
    anchor = FileStore(results).load_anchor("cpu-2x-example", "main")
    assert anchor is not None
    assert {record.run_id[:15] for record in anchor.records} == {FAST}


def test_a_bisection_goes_on_from_its_log(results: Path) -> None:
    images = ("25.01", "25.02", "25.03", "25.04")
    log = BisectionLog(results / "bisections" / "example.jsonl", suite="paced", case_key=CASE, images=images)
    assert log.findings == {"25.02": "good"}


def take_back_to_measure(results: Path) -> list[str]:
    """Leave of the interleaved run what was there before its fresh pairs, as if it had been begun here; its lines."""
    (file,) = (results / "records").glob(f"{PAIRS}*.jsonl")
    machine = probe_machine()
    header, *records = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    header["control"] |= {"python": sys.executable, "source": str(REPOSITORY)}
    header["options"] |= {"measured_by": sys.executable, "source": str(REPOSITORY)}
    header["host"] = json.loads(codec.dump(machine.host))
    kept = [header, *(record for record in records if record["stage"] == "B")]
    for document in kept:
        document["hardware"] = json.loads(codec.dump(machine.hardware))
    lines = [json.dumps(document) for document in kept]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def test_a_run_that_was_begun_before_asks_for_the_pairs_that_it_lacks(results: Path) -> None:
    take_back_to_measure(results)
    run = FileStore(results).load(PAIRS)
    assert {record.stage for record in run.records} == {"measure"}
    wanted = next_pairs(launches_by_case(run.header.plan, run.records), run.header.settings)
    assert {key: (more.stage, more.pairs) for key, more in wanted.items()} == {CASE: (Stage.CONFIRM, 2)}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_run_that_was_begun_before_is_resumed(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    before = take_back_to_measure(results)
    (file,) = (results / "records").glob(f"{PAIRS}*.jsonl")
    # Both arms are this build now, so the fresh pairs do not confirm what was seen first.
    done = ssdbench("run", "--resume", "--run", file.stem, "--results", results)
    assert done.code in (ExitCode.OK, ExitCode.INCONCLUSIVE), done.out + done.err
    after = file.read_text(encoding="utf-8").splitlines()
    assert after[: len(before)] == before
    added = FileStore(results).load(PAIRS).records[len(before) - 1 :]
    assert len(added) >= 4
    assert {(record.case.key, record.stage) for record in added} == {(CASE, "confirm")}
