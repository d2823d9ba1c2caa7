"""Every reader answers any input with a value or an error of ours; `make fuzz` tries more of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz import targets
from tests.fuzz.damage import damaged
from tests.fuzz.targets import TARGETS, Target

FOUND = sorted((Path(__file__).parent / "found").glob("*"))


def test_a_reader_that_breaks_down_or_hangs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "LONGEST_SECONDS", 1)
    broken = Target("broken", (), lambda path: json.loads(path.read_text()))
    hanging = Target("hanging", (), lambda path: time.sleep(30))
    with pytest.raises(ValueError, match="Expecting value"):
        broken.check(b"a", tmp_path)
    with pytest.raises(TimeoutError):
        hanging.check(b"a", tmp_path)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_sound_input_is_read(target: Target, tmp_path: Path) -> None:
    path = tmp_path / target.file
    path.parent.mkdir(exist_ok=True)
    for sample in target.samples:
        path.write_text(sample, encoding="utf-8")
        target.read(path)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_damaged_input_is_read_or_refused(target: Target, tmp_path: Path) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(damaged(target.samples))
    def read(content: bytes) -> None:
        target.check(content, tmp_path)

    read()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_fuzzing_found_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    (target,) = (target for target in TARGETS if target.name == path.name.rpartition("-")[0])
    target.check(path.read_bytes(), tmp_path)
