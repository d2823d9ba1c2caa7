"""Wheels, source distributions and environments, as pip and build make them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Run a command that has to succeed; what it writes to standard output."""
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment() | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def clean_environment() -> dict[str, str]:
    """This process's environment without what would put this checkout on the import path."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}


def build(target: str, source: Path, folder: Path) -> Path:
    """Build a "wheel" or an "sdist" of `source` into `folder`, with this environment's hatchling."""
    run(sys.executable, "-m", "build", f"--{target}", "--no-isolation", "--outdir", folder, source)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@dataclass(frozen=True, slots=True)
class Installation:
    """A virtual environment with the command `ssdbench`, and an empty folder to use it in."""

    python: Path
    folder: Path

    def ssdbench(self, *words: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run the command in the empty folder."""
        variables = {"COLUMNS": "120", "SSDBENCH_CACHE": str(self.folder.parent / "cache")} | variables
        return subprocess.run(
            [self.python.with_name("ssdbench"), *words],
            cwd=self.folder,
            env=clean_environment() | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def borrow(self, packages: Path) -> None:
        """Let the environment import what is in another site-packages folder, except for its editable packages."""
        own = run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        (Path(own) / "borrowed.pth").write_text(f"{packages}\n", encoding="utf-8")


def install(folder: Path, interpreter: str | Path, *arguments: str | Path) -> Installation:
    """A new virtual environment in `folder`, into which pip installs what `arguments` say."""
    run(interpreter, "-m", "venv", folder / "venv")
    (folder / "empty").mkdir()
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
    return Installation(python, folder / "empty")


def host_packages(folder: Path) -> Path:
    """A folder like this environment's site-packages, but without ssdbench and without what only its worker needs."""
    import typer

    hidden = ("ssdbench", "_ssdbench", "__editable__", "torch", "functorch", "pycocotools")
    folder.mkdir()
    for entry in Path(typer.__file__).parents[1].iterdir():
        if not entry.name.startswith(hidden) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder
