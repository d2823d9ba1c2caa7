"""case.json: what a worker of another version can read of it, and what it says where it cannot."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.launchers.torchrun import write_request
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest, Protocol, StepCounts
from ssdbench.worker.exchange_files import read_request
from tests.builders import a_case


def a_request(tmp_path: Path) -> LaunchRequest:
    return LaunchRequest(
        schema_version=EXCHANGE_VERSION, case=a_case(), launch=0, seed=1, output=str(tmp_path / "launch")
    )


def test_defaults_are_omitted_so_that_older_workers_get_no_unknown_key(
    tmp_path: Path,
) -> None:
    case = replace(a_case(), protocol=Protocol(warmup_steps=3))
    path = write_request(replace(a_request(tmp_path), case=case), tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["case"].pop("protocol") == {"warmup_steps": 3}
    assert set(content) == {"schema_version", "case", "launch", "seed", "output", "source"}
    required = {"workload", "device", "world_size", "batch_size_per_gpu", "precision", "backbone", "pipeline"}
    set_here = {field.name for field in fields(case) if getattr(case, field.name) != field.default}
    assert required <= set(content["case"]) <= required | set_here


def test_a_worker_reads_what_the_host_asked_for(tmp_path: Path) -> None:
    case = replace(a_case(), protocol=Protocol(warmup_steps=3, timed_seconds=5.0), options={"step_seconds": 0.5})
    counts = StepCounts(warmup_steps=4, timed_steps=50)
    request = replace(a_request(tmp_path), case=case, step_counts=counts, allow_download=True)
    assert read_request(write_request(request, tmp_path)) == replace(request, source=str(tmp_path))


def test_the_default_protocol_is_read_as_such(tmp_path: Path) -> None:
    request = replace(a_request(tmp_path), case=replace(a_case(), protocol=Protocol()))
    assert read_request(write_request(request, tmp_path)).case.protocol == Protocol()


@pytest.mark.parametrize("place", ["case", "protocol", "request"])
def test_a_key_of_a_newer_host_is_refused_in_a_sentence(tmp_path: Path, place: str) -> None:
    path = write_request(a_request(tmp_path), tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    table = {"case": content["case"], "protocol": content["case"]["protocol"], "request": content}[place]
    table["of_next_year"] = 1
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match=r"'of_next_year'.*measure with a newer checkout"):
        read_request(path)
