"""Twenty real runs of equal builds in which every second launch is 1 % slower: no false alarm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore

REPOSITORY = Path(__file__).parents[2]
# At most 5 pairs in each stage, so at most 20 launches a run: with few pairs an order that does not balance, as one
# that a coin decides, is most likely.
SUITE = """
name = "paced"
device = "cpu"
foreign_cpu_limit_cores = 64.0

[protocol]
warmup_steps = 1
steps = 10
launches = 1

[verdict]
pair_cap = 5
confirm_pair_cap = 5

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { step_seconds = 0.3 }
"""


@pytest.fixture
def slower_second(tmp_path: Path) -> Path:
    """A checkout whose `pace` is 1 % slower in every second launch, whichever arm that is."""
    source = tmp_path / "checkout" / "ssdbench"
    shutil.copytree(REPOSITORY / "ssdbench", source, ignore=shutil.ignore_patterns("__pycache__"))
    pace = source / "workloads" / "pace.py"
    text = pace.read_text(encoding="utf-8")
    fetch = "    def fetch(self) -> int:\n"
    assert text.count(fetch) == 1
    planted = f"""
        with open({str(tmp_path / "launches")!r}, "a") as launches:
            launches.write(".")
            self._step_seconds *= 1.01 if launches.tell() % 2 == 0 else 1.0

"""
    pace.write_text(text.replace(fetch, planted + fetch), encoding="utf-8")
    return source.parent


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_a_slower_second_launch_is_not_taken_for_a_change(
    tmp_path: Path, environment: dict[str, str], slower_second: Path, seed: int
) -> None:
    (tmp_path / "paced.toml").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "ssdbench", "run", "paced.toml", "--decide", "--seed", str(seed)]
    variables = {**environment, "PYTHONPATH": str(slower_second)}
    done = subprocess.run(
        [*command, "--baseline-checkout", str(slower_second)],
        cwd=tmp_path, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (ExitCode.OK, ExitCode.INCONCLUSIVE), done.stdout + done.stderr
    run = FileStore(tmp_path / "results").load("latest")
    assert (tmp_path / "launches").read_text() == "." * len(run.records)
    assert {record.order % 2 for record in run.records if record.arm == "baseline"} == {0, 1}

    compare = [sys.executable, "-m", "ssdbench", "compare", "latest", "--json"]
    judged = json.loads(subprocess.run(compare, cwd=tmp_path, env=variables, capture_output=True, check=False).stdout)
    assert [case["verdict"]["status"] for case in judged["cases"]] in (["unchanged"], ["inconclusive"])
    assert judged["order_effect"]["pairs"] == len(run.records) // 2
