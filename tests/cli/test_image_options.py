"""The engine of `ssdbench containers`: one that is a part of Slurm is for launches on a cluster alone."""

from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.cli.running import ssdbench


@pytest.mark.parametrize("engine", ["pyxis", "oci"])
@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("compare", "1", "2", "--suite", "smoke"), "add --launcher slurm, or choose another one for this machine"),
        (("run", "1", "--suite", "smoke"), "add --launcher slurm, or choose another one for this machine"),
        (("blame", "1", "2", "--suite", "smoke"), "add --launcher slurm, or choose another one for this machine"),
        (("bisect", "--good", "1", "--bad", "2", "--suite", "smoke"),
         "add --launcher slurm, or choose another one for this machine"),
        (("check", "1"), "choose another one for this machine"),
        (("manifest", "1"), "choose another one for this machine"),
    ],
)  # fmt: skip
def test_a_way_of_slurm_is_refused_on_this_machine_with_what_helps(
    tmp_path: Path, engine: str, words: tuple[str, ...], remedy: str
) -> None:
    toml = tmp_path / "containers.toml"
    toml.write_text('repository = "bench"\n')
    done = ssdbench("containers", *words, "--engine", engine, "--containers", toml, columns=200)
    assert done.code == ExitCode.USAGE
    assert " ".join(done.err.split()) == f"ssdbench: engine '{engine}' is a part of Slurm: {remedy}"
