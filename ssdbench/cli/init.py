"""`ssdbench init`: write a suite, a list of containers and CI templates to start from."""

from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import OUTPUT, SUITE, argument, option
from ssdbench.cli.streams import print_text
from ssdbench.workflows.initialising import (
    CI_SYSTEMS,
    Starter,
    ci_starter,
    containers_starter,
    monitoring_starter,
    suite_starter,
    together,
)

_DEFAULT_SUITE = "nightly"
_SYSTEMS = ", ".join(CI_SYSTEMS)
_SOURCE = "set SSDBENCH_SOURCE (what pip installs) and SSDBENCH_DATA"
_CI_STEPS = {
    "github": f"{_SOURCE} in .github/workflows/ssdbench.yml, then commit these files",
    "gitlab": f"{_SOURCE} in .gitlab-ci.yml, commit these files, and add two schedules as it says",
    "jenkins": f"{_SOURCE} in Jenkinsfile, then commit these files",
    "slurm": "sbatch ci/slurm.sbatch nightly",
}


def init(
    folder: Annotated[Path, argument("Where to write; created if it does not exist.", "FOLDER")] = Path(),
    suite: Annotated[
        list[str] | None,
        option("Copy this suite of ssdbench to benchmarks/suites; may be repeated.", metavar="NAME", panel=SUITE),
    ] = None,
    containers: Annotated[bool, option("Write ci/containers.toml.", "--containers", panel=OUTPUT)] = False,
    monitoring: Annotated[
        bool, option("Write a dashboard for Grafana and alert rules for Prometheus.", "--monitoring", panel=OUTPUT)
    ] = False,
    ci: Annotated[
        list[str] | None,
        option(f"Write the pipeline and scripts of a CI system: {_SYSTEMS}.", metavar="SYSTEM", panel=OUTPUT),
    ] = None,
) -> None:
    """Write files to start from: a suite, a list of container images, CI pipelines.

    Without options: the suite nightly and ci/containers.toml. Existing files are never overwritten.
    """
    if not (suite or containers or monitoring or ci):
        suite, containers = [_DEFAULT_SUITE], True
    starters = [*_starters(suite or [], containers), *([monitoring_starter()] if monitoring else [])]
    starter = together([*starters, *(ci_starter(system) for system in ci or ())])
    written = starter.write(folder)
    for path in starter.files:
        print_text(f"{'wrote' if path in written else 'unchanged'}  {folder / path}")
    steps = _next_steps(suite or [], containers, ci or [])
    if monitoring:
        steps.append("import the dashboard in Grafana, and name the rules in `rule_files` of Prometheus")
    for line in steps:
        print_text(f"next:  {line}")


def _starters(suites: list[str], containers: bool) -> list[Starter]:
    return [suite_starter(suites), *([containers_starter()] if containers else [])]


def _next_steps(suites: list[str], containers: bool, systems: list[str]) -> list[str]:
    steps = [f"ssdbench plan {name}" for name in suites]
    if containers:
        steps.append("ssdbench containers compare OLD NEW, with two tags of ci/containers.toml")
    steps += [_CI_STEPS[system] for system in systems]
    return steps
