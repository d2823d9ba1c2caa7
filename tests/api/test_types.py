"""A user's own scripts, type-checked by `mypy --strict` against the installed package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from collections.abc import Iterable

import pandas as pd

import ssdbench


def slowest(lab: ssdbench.Lab, suite: str) -> pd.DataFrame:
    launches: pd.DataFrame = lab.launches(suite=suite, mixed=True)
    return launches.query("usable").nsmallest(5, "global_throughput_images_per_second")


def everything(results: str) -> Iterable[pd.DataFrame]:
    lab = ssdbench.open(results)
    run: ssdbench.Run = lab.run("latest")
    yield from (lab.steps(run), lab.phases("latest"), lab.curves(run), lab.table([run, "latest"]))
    yield lab.verdicts(run, baseline="main", margin=0.02)
    yield lab.history("train", hardware="h100")
    yield lab.published(container="22.10")
    yield ssdbench.judge(lab.launches(), margin=0.01, better="higher")
    names: list[str] = lab.runs()
    print(names, ssdbench.__version__)


def again() -> str:
    return ssdbench.measure("smoke", results="results", progress=print).header.run_id
"""
WRONG = """
import ssdbench

ssdbench.open(3)
ssdbench.judge({"case": []})
ssdbench.open("results").launches(suite=1)
ssdbench.open("results").lunches()
"""


@pytest.mark.long
def test_the_types_hold_for_a_strict_user_and_find_wrong_use(tmp_path: Path) -> None:
    """In a folder outside of the tree, where no configuration of ours is found."""
    (tmp_path / "right.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "right.py", "wrong.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.findall(r"^(.*): error", done.stdout, re.M) == [f"wrong.py:{line}" for line in (4, 5, 6, 7)], done.stdout
