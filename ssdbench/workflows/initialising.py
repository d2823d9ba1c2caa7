"""Starting files for a folder of results: copies of what ships with ssdbench, to be changed there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.atomic import atomic_file
from ssdbench.errors import UsageError
from ssdbench.harness.containers.config import DEFAULT_FILE
from ssdbench.harness.resources import CI, MONITORING, SUITES, resource
from ssdbench.harness.suite import SUITES_FOLDER

_SCRIPTS = ("nightly.sh", "monthly.sh", "propose-baseline.sh")
# Of each CI system: where its files belong, and which of `resources/ci` they are.
CI_SYSTEMS: Mapping[str, Mapping[Path, str]] = {
    "github": {Path(".github/workflows/ssdbench.yml"): "github.yml"},
    "gitlab": {Path(".gitlab-ci.yml"): "gitlab.yml"},
    "jenkins": {Path("Jenkinsfile"): "Jenkinsfile"},
    "slurm": {Path("ci/slurm.sbatch"): "slurm.sbatch", Path("ci/slurm.crontab"): "slurm.crontab"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Files to write, by their path in the folder, and the files that they are copies of."""

    files: Mapping[Path, Path]

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write what is not there yet; the paths that were written.

        Raises:
            UsageError: a file is there with another content, or cannot be written. Nothing is overwritten, and in the
                first case nothing is written either.
        """
        missing = [path for path in self.files if not (folder / path).exists()]
        changed = [path for path in self.files if path not in missing and not self._is_copy(folder, path)]
        if changed:
            names = ", ".join(map(str, changed))
            raise UsageError(f"{names} would be overwritten: move it away, or omit it (see `ssdbench init --help`)")
        for path in missing:
            self._copy(folder, path)
        return tuple(missing)

    def _is_copy(self, folder: Path, path: Path) -> bool:
        return (folder / path).is_file() and (folder / path).read_bytes() == self.files[path].read_bytes()

    def _copy(self, folder: Path, path: Path) -> None:
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(target) as part:
                part.write_bytes(self.files[path].read_bytes())
            if target.suffix == ".sh":
                target.chmod(0o755)  # a wheel does not promise to keep it
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from None


def suite_starter(names: Sequence[str]) -> Starter:
    """Copies of ssdbench's own suites, which go before those under their names.

    Raises:
        UsageError: there is no such suite.
    """
    known = sorted(path.stem for path in resource(SUITES).glob("*.toml"))
    for name in names:
        if name not in known:
            raise UsageError(f"there is no suite {name!r} to start from: choose from {', '.join(known)}")
    return Starter(files={SUITES_FOLDER / f"{name}.toml": resource(SUITES, f"{name}.toml") for name in names})


def containers_starter() -> Starter:
    """The list of container images and how they are run."""
    return Starter(files={DEFAULT_FILE: resource(CI, DEFAULT_FILE.name)})


def monitoring_starter() -> Starter:
    """The dashboard and the alert rules for what `notify --push` sends."""
    names = ("grafana-dashboard.json", "prometheus-rules.yml")
    return Starter(files={Path("monitoring") / name: resource(MONITORING, name) for name in names})


def ci_starter(system: str) -> Starter:
    """The pipeline of a CI system and the scripts that it runs.

    Raises:
        UsageError: there is no template for it.
    """
    if system not in CI_SYSTEMS:
        raise UsageError(f"there is no template for {system!r}: choose from {', '.join(CI_SYSTEMS)}")
    files = {path: resource(CI, name) for path, name in CI_SYSTEMS[system].items()}
    return Starter(files=files | {DEFAULT_FILE.with_name(name): resource(CI, name) for name in _SCRIPTS})


def together(starters: Sequence[Starter]) -> Starter:
    """One of all, so that either all are written or none."""
    return Starter(files={path: source for starter in starters for path, source in starter.files.items()})
