"""`ssdbench explain`: a stored profile in every output, and what an unchanged run pays."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.resources import resource
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Place
from ssdbench.harness.stores.checking import check
from ssdbench.harness.stores.opening import open_archive
from ssdbench.harness.stores.profiles import Profiles
from ssdbench.harness.stores.store import Store
from ssdbench.harness.stores.sync import sync
from ssdbench.schema.case import LaunchRequest, ProfileRequest
from ssdbench.schema.environment import Software
from ssdbench.schema.profile import CaseProfile
from ssdbench.schema.record import Run
from tests.builders import HARDWARE, a_case, a_run, stored_sessions
from tests.cli.running import ssdbench
from tests.profiles import World

SORT = ("loss", "aten::sort")
WORDS = "aten::sort called 2 times a step instead of 1"
SAME, SLOW = (0.1, 0.1001, 0.0999), (0.102, 0.1021, 0.1019)


def a_store(folder: Path, seconds: tuple[float, ...]) -> tuple[Store, Run]:
    """A baseline, and a run whose steps take so long."""
    store = Store(open_archive(str(folder)))
    store.save_baseline(stored_sessions(a_run((a_case(), SAME), run_id="run-0")))
    run = a_run((a_case(), seconds), run_id="run-1")
    store.begin(run.header)
    for record in run.records:
        store.append(record)
    return store, run


def sorted_twice(**changes: Any) -> CaseProfile:
    return World().profile(operators={SORT: 2.0}, calls={SORT: 1}, **changes)


@pytest.fixture
def no_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a launch was started")

    monkeypatch.setattr(LocalLauncher, "_run", refuse)


def test_a_stored_profile_is_in_every_output(tmp_path: Path, no_launches: None) -> None:
    store, _ = a_store(tmp_path / "results", SLOW)
    Profiles(store.archive).save(HARDWARE.key, sorted_twice())
    results = ("--results", tmp_path / "results")
    explained = ssdbench("explain", "run-1", "--case", a_case().key, *results, columns=200)
    assert explained.code == 0, explained.err
    assert f"1. loss: {WORDS}: +2" in explained.out
    assert "unexplained" in explained.out
    assert "the run: +2.0 ms a step" in explained.out
    assert WORDS in ssdbench("compare", "run-1", *results, columns=200).out
    html, short = tmp_path / "report.html", tmp_path / "short.md"
    ssdbench("report", "run-1", "-o", html, "--markdown", short, *results)
    assert WORDS in html.read_text(encoding="utf-8")
    assert WORDS in short.read_text(encoding="utf-8")
    told = json.loads(ssdbench("explain", "run-1", "--case", a_case().key, "--json", *results).out)
    assert told["run_id"] == "run-1"
    assert told["explanations"][0]["causes"][0]["what"] == f"loss: {WORDS}"
    schema = json.loads(resource("json_schema", "explanation.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(told["explanations"][0], schema)


def test_what_may_be_behind_a_cause_stands_beside_it_in_every_output(tmp_path: Path, no_launches: None) -> None:
    store, _ = a_store(tmp_path / "results", SLOW)
    old = Software(python="3.11.4", torch="2.5.1", numpy="1.26.4")
    versions = {"baseline": old, "candidate": replace(old, torch="2.6.0", numpy="<script>alert(2)</script>")}
    Profiles(store.archive).save(HARDWARE.key, sorted_twice(software=versions))
    results = ("--results", tmp_path / "results")
    torch = "torch 2.5.1 → 2.6.0: cause 1, as its modules, optimisers and backward pass call operators"
    explained = ssdbench("explain", "run-1", "--case", a_case().key, *results, columns=200).out
    assert f"1. {torch}" in explained
    assert "Also differs, in no order: numpy 1.26.4 → <script>" in explained
    compared = ssdbench("compare", "run-1", *results, columns=200).out
    assert f"1. {torch}" in compared
    assert "Also differs" not in compared  # the comparison lists what else changed itself
    html, short = tmp_path / "report.html", tmp_path / "short.md"
    ssdbench("report", "run-1", "-o", html, "--markdown", short, *results)
    page = html.read_text(encoding="utf-8")
    assert f"<li>{torch}</li>" in page
    assert "numpy 1.26.4 → &lt;script&gt;" in page
    assert "<script>alert(2)" not in page
    assert torch in short.read_text(encoding="utf-8")
    told = json.loads(ssdbench("explain", "run-1", "--case", a_case().key, "--json", *results).out)["explanations"][0]
    assert [(one["name"], one["links"][0]["causes"]) for one in told["linked"]] == [("torch", [1])]
    assert [one["name"] for one in told["unlinked"]] == ["numpy"]


def test_names_in_a_profile_stay_text(tmp_path: Path, no_launches: None) -> None:
    store, _ = a_store(tmp_path / "results", SLOW)
    profile = sorted_twice(builds={"baseline": "<script>alert(1)</script>", "candidate": "\x1b[31m[x](y)"})
    rows = tuple(
        replace(row, operator="<b>|`\x1b[2J" if row.operator == "aten::sort" else row.operator)
        for row in profile.operators
    )
    Profiles(store.archive).save(HARDWARE.key, replace(profile, operators=rows))
    results = ("--results", tmp_path / "results")
    out = ssdbench("explain", "run-1", "--case", a_case().key, *results).out
    assert "\x1b" not in out
    html, short = tmp_path / "report.html", tmp_path / "short.md"
    ssdbench("report", "run-1", "-o", html, "--markdown", short, *results)
    assert "<script>alert" not in html.read_text(encoding="utf-8")
    assert "<b>|" not in html.read_text(encoding="utf-8")
    assert "<b>|" not in short.read_text(encoding="utf-8")


def test_an_unchanged_run_pays_nothing(tmp_path: Path, no_launches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    a_store(tmp_path / "results", SAME)
    found = ssdbench("explain", "run-1", "--results", tmp_path / "results")
    assert (found.code, found.err) == (0, "")
    assert "nothing is profiled" in found.out
    assert not list((tmp_path / "results").rglob("profiles"))
    assert not list((tmp_path / "cache").rglob("*-profile-*"))


def test_a_measured_launch_neither_asks_for_a_profile_nor_loads_what_takes_one() -> None:
    request = LaunchRequest(schema_version=1, case=a_case(), launch=0, seed=1, output="/tmp/out")
    assert "profile" not in json.loads(codec.dump_request(request))
    asked = replace(request, profile=ProfileRequest(steps=8, largest_trace_bytes=1))
    assert json.loads(codec.dump_request(asked))["profile"] == {"steps": 8, "largest_trace_bytes": 1}
    code = "import ssdbench.worker.rank, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ssdbench.worker.measurement" in loaded
    ours = {"ssdbench.worker.profiled", "ssdbench.worker.step_tree", "ssdbench.worker.chrome_trace"}
    assert not ours & set(loaded)


def test_a_checkout_without_ssdbench_is_refused_before_anything_starts(tmp_path: Path, no_launches: None) -> None:
    a_store(tmp_path / "results", SLOW)
    words = ("explain", "run-1", "--case", a_case().key, "--baseline-checkout", tmp_path, "--dry-run")
    wrong = ssdbench(*words, "--results", tmp_path / "results")
    assert wrong.code == 2
    assert "has no ssdbench" in wrong.err


def test_a_case_that_is_not_there_is_named(tmp_path: Path) -> None:
    a_store(tmp_path / "results", SLOW)
    found = ssdbench("explain", "run-1", "--case", "no-such-case", "--results", tmp_path / "results")
    assert found.code == 2
    assert "no-such-case" in found.err


def test_profiles_are_copied_checked_and_replaced_case_by_case(tmp_path: Path) -> None:
    store, _ = a_store(tmp_path / "results", SLOW)
    profiles = Profiles(store.archive)
    first, second = World().profile(), World(2).profile(case_key="another")
    for profile in (first, second, sorted_twice()):
        profiles.save(HARDWARE.key, profile)
    assert profiles.of_run(HARDWARE.key, "run-1") == (sorted_twice(), second)
    assert check(store).profiles == 1
    other = open_archive(f"sqlite:///{tmp_path / 'store.sqlite'}")
    assert sync(store.archive, other).profiles == 1
    assert Profiles(other).of_run(HARDWARE.key, "run-1") == (sorted_twice(), second)
    assert sync(store.archive, other).profiles == 0


def test_a_profile_that_lacks_a_line_is_refused(tmp_path: Path) -> None:
    store, _ = a_store(tmp_path / "results", SLOW)
    Profiles(store.archive).save(HARDWARE.key, World().profile())
    place = Place(kind="profile", hardware_key=HARDWARE.key, name="run-1")
    lines = store.archive.read(place)
    assert lines is not None
    store.archive.write(place, [line if isinstance(line, str) else line.decode() for line in lines.lines[:1]])
    with pytest.raises(StoreError, match="not those of the cases"):
        Profiles(store.archive).of_run(HARDWARE.key, "run-1")
    assert "not those of the cases" in check(store).faults[0]
