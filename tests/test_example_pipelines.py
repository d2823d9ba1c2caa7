"""The example pipelines under ci/: YAML of the systems they are for, with commands that this version has."""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssdbench.cli.outputs import NAMES, outputs_of
from ssdbench.errors import ExitCode
from ssdbench.harness.suite import find_suite, load_suite
from tests.cli.running import ssdbench

ROOT = Path(__file__).parents[1]
GITHUB: dict[Any, Any] = yaml.safe_load((ROOT / "ci/github.yml").read_text(encoding="utf-8"))
GITLAB: dict[Any, Any] = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text(encoding="utf-8"))
STEPS = [step["run"] for step in GITHUB["jobs"]["nightly"]["steps"] if "run" in step]
COMMANDS = [
    words
    for line in [*STEPS, *GITLAB["ssdbench"]["script"]]
    for part in re.split(r"&&|\|\|", line)
    if (words := shlex.split(part))[0].endswith("/ssdbench")
]


def test_github_has_its_triggers_and_a_job():
    assert set(GITHUB[True]) == {"schedule", "workflow_dispatch"}  # YAML 1.1 takes the key `on` for true
    assert GITHUB["jobs"]["nightly"]["runs-on"] == ["self-hosted", "gpu"]


def test_gitlab_reads_the_files_that_compare_writes():
    reports = GITLAB["ssdbench"]["artifacts"]["reports"]
    (compare,) = [shlex.split(line) for line in GITLAB["ssdbench"]["script"] if "compare" in line]
    assert {f"junit={reports['junit']}", f"gitlab-metrics={reports['metrics']}"} < set(compare)
    assert GITLAB["ssdbench"]["allow_failure"] == {"exit_codes": [int(ExitCode.INCONCLUSIVE)]}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one_that_this_version_has(words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    verb = words[1]
    help_text = ssdbench(verb, "--help", columns=200).out
    assert all(word in help_text for word in words if word.startswith("--"))
    if verb == "run":
        load_suite(find_suite(words[2]))
    given = [value for option, value in pairwise(words) if option == "--output"]
    assert {name for name, _ in outputs_of(given)} <= set(NAMES)


def test_the_commands_were_found():
    assert sorted(words[1] for words in COMMANDS) == ["compare", "compare", "run", "run"]
