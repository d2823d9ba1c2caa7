"""The templates that ship before the linters of their systems, and with the commands that this version has."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssdbench.cli.outputs import NAMES, outputs_of
from ssdbench.errors import ExitCode
from ssdbench.harness.resources import resource
from tests.cli.running import ssdbench

ROOT = Path(__file__).parents[1]
CI = resource("ci")
TOOLS = ROOT / "ci"
GITHUB: dict[Any, Any] = yaml.safe_load((CI / "github.yml").read_text(encoding="utf-8"))
GITLAB: dict[str, Any] = yaml.safe_load((CI / "gitlab.yml").read_text(encoding="utf-8"))
JENKINS = (CI / "Jenkinsfile").read_text(encoding="utf-8")
SCRIPTS = sorted(CI.glob("*.sh"))
# Where `make environment` installs linters.
BIN = f"{Path(sys.executable).parent}:{ROOT}/.environments/groovy-lint/node_modules/.bin"
WORKFLOWS = [CI / "github.yml", *sorted((ROOT / ".github/workflows").glob("*.yml"))]
JOBS = {"nightly", "monthly", "propose-baseline"}
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in sorted(CI.glob("*")) if path.suffix != ".toml"}


def lint(*command: str | Path, stdin: str | None = None) -> None:
    """Run a linter of this environment; its findings are the message of the failure."""
    tool, *arguments = map(str, command)
    found = shutil.which(tool, path=BIN) or shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed here")
    outcome = subprocess.run([found, *arguments], input=stdin, capture_output=True, text=True, cwd=ROOT, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def shell_of(commands: list[str]) -> str:
    return "\n".join(["#!/bin/bash", *commands, ""])


def steps_of(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_what_github_takes_and_hold_no_known_weakness(path: Path):
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    lint("zizmor", "--offline", "--no-progress", "--no-config", path)


def test_the_other_files_that_github_reads_are_sound():
    folder = ROOT / ".github"
    lint("check-jsonschema", "--builtin-schema", "vendor.dependabot", folder / "dependabot.yml")
    lint("zizmor", "--offline", "--no-progress", "--no-config", folder / "dependabot.yml")
    forms = sorted(folder.glob("ISSUE_TEMPLATE/*.yml"))
    config = next(path for path in forms if path.name == "config.yml")
    lint("check-jsonschema", "--builtin-schema", "vendor.github-issue-config", config)
    lint(
        "check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *(path for path in forms if path != config)
    )


def test_the_pipeline_is_what_gitlab_takes():
    lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", CI / "gitlab.yml")


@pytest.mark.slow
@pytest.mark.long
def test_the_jenkinsfile_is_groovy(tmp_path: Path):
    # It looks at Groovy alone; what the declarative directives mean is checked by a Jenkins server and nothing else.
    copy = shutil.copy(CI / "Jenkinsfile", tmp_path / "Jenkinsfile")
    lint("npm-groovy-lint", "--noserver", "--failon", "error", copy)


@pytest.mark.slurm
def test_slurm_takes_the_job(slurm: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_CONF", str(slurm))
    lint("sbatch", "--test-only", "--gres=gpu:2", CI / "slurm.sbatch", "nightly")


def test_the_image_is_one_that_hadolint_takes():
    lint("hadolint", TOOLS / "Dockerfile")


def test_scripts_are_sound_shell():
    lint("shellcheck", *SCRIPTS, *sorted(TOOLS.glob("*.sh")), ROOT / ".ci/run", CI / "slurm.sbatch")


@pytest.mark.parametrize(
    "commands",
    [
        *(steps_of(job) for job in GITHUB["jobs"].values()),
        *([*job.get("before_script", ()), *job.get("script", ())] for job in GITLAB.values()),
        re.findall(r"'''(.*?)'''", JENKINS, re.S)[1:],  # the first is the schedule
    ],
)
def test_the_shell_within_the_templates_is_sound_too(commands: list[str]):
    # Not followed: the virtual environment's activate.
    lint("shellcheck", "--exclude", "SC1091", "-", stdin=shell_of(commands))


def test_every_system_has_a_night_a_month_and_a_proposal():
    assert set(GITHUB["jobs"]) == JOBS
    assert {name for name in GITLAB if not name.startswith(".")} == JOBS
    assert set(re.findall(r"value: '([a-z-]+)'", JENKINS)) == JOBS
    assert {"nightly", "monthly"} <= set(TEMPLATES["slurm.crontab"].split())


def test_a_schedule_of_github_starts_the_job_that_is_named_for_it():
    crons = [entry["cron"] for entry in GITHUB[True]["schedule"]]  # YAML 1.1 takes the key `on` for true
    for cron, name in zip(crons, ("nightly", "monthly"), strict=True):
        assert f"github.event.schedule == '{cron}'" in GITHUB["jobs"][name]["if"]


def test_an_inconclusive_month_is_a_warning_and_what_ends_a_night_is_left_to_ssdbench():
    code = int(ExitCode.INCONCLUSIVE)
    assert GITLAB["monthly"]["allow_failure"] == {"exit_codes": [code]}
    assert "allow_failure" not in GITLAB["nightly"] | GITLAB[".measured"]
    assert f"if (code == {code} && params.SSDBENCH_JOB == 'monthly') {{\n        unstable(" in JENKINS
    assert f"if [[ $code -eq {code} && $job == monthly ]]" in TEMPLATES["slurm.sbatch"]
    assert f'if [ "$code" -eq {code} ]' in "".join(steps_of(GITHUB["jobs"]["monthly"]))
    assert "-eq" not in "".join(steps_of(GITHUB["jobs"]["nightly"]))


def test_a_night_has_the_commits_of_baselines_and_the_results_of_nights_before():
    (checkout,) = [step["with"] for step in GITHUB["jobs"]["nightly"]["steps"] if "checkout" in step.get("uses", "")]
    assert (checkout["fetch-depth"], checkout["clean"]) == (0, False)
    variables = GITLAB["nightly"]["variables"]
    assert variables["GIT_DEPTH"] == "0"
    assert variables["GIT_CLEAN_FLAGS"].endswith("-e results/")


def test_gitlab_reads_the_files_that_compare_writes():
    reports = GITLAB["nightly"]["artifacts"]["reports"]
    (measure,) = [shlex.split(line) for line in GITLAB["nightly"]["script"]]
    assert {f"junit={reports['junit']}", f"gitlab-metrics={reports['metrics']}"} < set(measure)


def scripts_named(text: str) -> Iterator[str]:
    yield from re.findall(r"ci/([a-z-]+\.(?:sh|sbatch))", text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_names_what_is_there(name: str):
    text = TEMPLATES[name].replace("\\\n", " ")
    assert all((CI / script).is_file() for script in scripts_named(text))
    assert {output for output, _ in outputs_of(re.findall(r'--output "?([a-z-]+=[^\s"]+)', text))} <= set(NAMES)


COMMAND = re.compile(r"^[^#\n]*?\bssdbench ((?:[a-z]+ )+)(.*)$", re.M)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_gives_commands_that_this_version_has(path: Path):
    commands = COMMAND.findall(path.read_text(encoding="utf-8"))
    assert commands
    for verbs, rest in commands:
        words = verbs.split()
        known = words if words[0] in ("baseline", "containers", "store") else words[:1]
        help_text = ssdbench(*known[:2], "--help", columns=200)
        assert help_text.code == 0
        assert all(option in help_text.out for option in re.findall(r"--[a-z][a-z-]*", rest))
