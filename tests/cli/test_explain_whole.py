"""`ssdbench explain` whole: two checkouts, a case that changed and one that did not, real launches, every output."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.process import SOURCE
from tests.cli.conftest import Ssdbench
from tests.paced import write_paced
from tests.trace_format import trace_faults

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]

SLEEP = "        time.sleep(self._step_seconds)\n"
SORT = "        if self._batch_size == 2:\n            __import__('torch').arange(3e6).sin().sort()\n"
VANISHED = "aten::sort vanished, it was called 1 time a step"


@pytest.fixture
def sorts(tmp_path: Path) -> Path:
    """A checkout that sorts in each step of the case with a batch of two images."""
    source = tmp_path / "sorts" / "ssdbench"
    shutil.copytree(SOURCE / "ssdbench", source, ignore=shutil.ignore_patterns("__pycache__"))
    pace = source / "workloads" / "pace.py"
    text = pace.read_text()
    assert text.count(SLEEP) == 1
    pace.write_text(text.replace(SLEEP, SLEEP + SORT))
    return source.parent


@pytest.fixture
def profiled(environment: dict[str, str], tmp_path: Path) -> Path:
    """Where the profiled launches of this test have their folders, in a cache of its own."""
    environment["SSDBENCH_CACHE"] = str(tmp_path / "cache")
    return tmp_path / "cache" / "work"


def test_only_the_case_that_changed_is_profiled_and_every_output_names_what_was_planted(
    ssdbench: Ssdbench, tmp_path: Path, sorts: Path, profiled: Path
) -> None:
    suite = tmp_path / write_paced(tmp_path, margin=0.5, steps=4, step_seconds=0.05, few=True)
    suite.write_text(suite.read_text().replace("batch_size_per_gpu = 2", "batch_size_per_gpu = [2, 4]"))
    measured = ssdbench("run", "paced.toml", "--decide", "--baseline-checkout", str(sorts))
    assert measured.returncode == 0, measured.stdout + measured.stderr
    (changed,) = [case["case_key"] for case in cases_of(ssdbench) if case["verdict"]["status"] == "improved"]
    asked = ("explain", "latest", "--launches", "2", "--steps", "4")

    told = ssdbench(*asked, "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "1 case: 4 profiled launches, about " in told.stdout
    assert not list(profiled.glob("*/*-profile-*"))
    assert not list((tmp_path / "results").rglob("profiles"))

    done = ssdbench(*asked, "--traces", "traces")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 case: 4 profiled launches, about " in done.stdout
    folders = list(profiled.glob("*/*-profile-*"))
    assert len(folders) == 4
    assert all(folder.name.startswith(changed) for folder in folders)
    assert f"1. sleep: {VANISHED}" in done.stdout
    traces = [json.loads(gzip.decompress(path.read_bytes())) for path in (tmp_path / "traces").iterdir()]
    assert [trace_faults(trace) for trace in traces] == [[]] * 4

    again = ssdbench("explain", "latest", "--json")
    (found,) = json.loads(again.stdout)["explanations"]
    assert found["case_key"] == changed
    first = found["causes"][0]
    assert VANISHED in first["what"]
    change = first["change"]["candidate"] - first["change"]["baseline"]
    plain = found["plain"]["candidate"] - found["plain"]["baseline"]
    assert change == pytest.approx(plain, rel=0.2)
    assert len(list(profiled.glob("*/*-profile-*"))) == 4

    assert VANISHED in ssdbench("compare", "latest").stdout
    assert ssdbench("report", "latest", "-o", "report.html").returncode == 0
    assert VANISHED in (tmp_path / "report.html").read_text(encoding="utf-8")


def cases_of(ssdbench: Ssdbench) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(ssdbench("compare", "latest", "--json").stdout)["cases"]
    return cases
