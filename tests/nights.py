"""A repository of ssdbench whose build changes between calls of `ssdbench nightly`, each a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssdbench.harness.stores.files import FileStore
from tests.builders import SOFTWARE, a_case, a_measurement
from tests.cli.running import records_so_far

ROOT = Path(__file__).parents[1]
SLEEPS = "time.sleep(self._step_seconds)"

# The host asks it what it has installed, and runs it as `PYTHON -m ssdbench.worker.launch FOLDER ...`: it measures
# nothing, and leaves steps that are as long as the source tree says.
_PROGRAM = """#!{python}
import datetime, json, os, random, re, sys, time
from pathlib import Path

if "ssdbench.worker.launch" not in sys.argv:
    print(json.dumps({{"event": "result", "python": "{version}", "packages": {packages!r}}}))
    sys.exit()
folder = Path(sys.argv[3])
request = json.loads((folder / "case.json").read_text())
pace = Path(request["source"], "ssdbench", "workloads", "pace.py").read_text()
factor = float(re.search(r"sleep\\(self._step_seconds(?: \\* ([0-9.]+))?\\)", pace)[1] or 1)
measurement = {measurement!r}
noise = 1 + random.Random(f"{{os.getpid()}}").uniform(-3e-4, 3e-4)
factor *= float(os.environ.get("SCRIPTED_CANDIDATE", 1)) if "-candidate-" in folder.name else 1
if os.environ.get("SCRIPTED_FAILURE", "none of them") in folder.name:
    sys.exit("a fault of the test's own")
steps = [0.1 * factor * noise for _ in measurement["step_seconds"]]
time.sleep(float(os.environ.get("SCRIPTED_SECONDS", 0)))
now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
wall = sum(steps[measurement["warmup_steps"]:])
measurement |= {{"started_at": now, "step_seconds": steps, "wall_seconds": wall, "rank_wall_seconds": [wall]}}
(folder / "measurement.json").write_text(json.dumps(measurement))
"""


class Nights:
    """Calls `ssdbench nightly` of a checkout in a git repository, in a folder of its own."""

    def __init__(self, folder: Path, suite: str, *, cache: Path) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "ssdbench", self.checkout / "ssdbench", ignore=ignored)
        (self.checkout / ".gitignore").write_text("__pycache__/\n")
        (folder / "paced.toml").write_text(suite, encoding="utf-8")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "SSDBENCH_CACHE": str(cache),
            "PYTHONPATH": str(self.checkout),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "200",
        }
        self.git("init", "--quiet")
        self.commit("first")

    def git(self, *words: str) -> None:
        author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(
            ["git", *author, "-C", self.checkout, *words], check=True, capture_output=True, env=self.environment
        )

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def slow_down(self, factor: float) -> None:
        """Commit a build whose steps take `factor` times as long; 1 is the first build again."""
        pace = self.checkout / "ssdbench" / "workloads" / "pace.py"
        text = (ROOT / "ssdbench" / "workloads" / "pace.py").read_text(encoding="utf-8")
        assert SLEEPS in text
        changed = SLEEPS if factor == 1 else f"time.sleep(self._step_seconds * {factor})"
        pace.write_text(text.replace(SLEEPS, changed), encoding="utf-8")
        self.commit(f"steps take {factor} times as long")

    def ssdbench(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ssdbench", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def kill_in_stage(self, stage: int, *words: str) -> None:
        """A call that is killed in its first launch, or when it has measured some of its pairs."""
        store = FileStore(self.folder / "results")
        before = len(store.headers())
        command = [sys.executable, "-m", "ssdbench", "nightly", "paced.toml", *words]
        slow = self.environment | {"SCRIPTED_SECONDS": "1" if stage == 2 else "100"}
        with subprocess.Popen(command, cwd=self.folder, env=slow, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while len(store.headers()) < before + stage or not self._is_measuring(store, stage):
                assert process.poll() is None, "it ended by itself"
                assert time.monotonic() < deadline, "it did not get so far"
                time.sleep(0.05)
            process.kill()

    def _is_measuring(self, store: FileStore, stage: int) -> bool:
        run_id = store.headers()[-1].run_id
        work = Path(self.environment["SSDBENCH_CACHE"]) / "work" / run_id
        return len(records_so_far(store.root)) >= 3 if stage == 2 else work.is_dir()

    def night(self, *words: str) -> tuple[int, list[str], str]:
        """One call: its exit code, the verdicts, and all that it said."""
        done = self.ssdbench("nightly", "paced.toml", *words)
        return done.returncode, self.verdicts(), done.stdout + done.stderr

    def verdicts(self) -> list[str]:
        return [case["verdict"]["status"] for case in self.latest()["cases"]]

    def latest(self) -> dict[str, Any]:
        return self.compared("latest")

    def compared(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ssdbench("compare", run, "--json").stdout)
        return found

    def results(self) -> list[dict[str, Any]]:
        """What was kept of each call, in the order of arrival."""
        found = [json.loads(path.read_text()) for path in (self.folder / "results" / "nightly").rglob("*.jsonl")]
        return sorted(found, key=lambda result: int(result["arrival"]))

    def use_scripted_python(self) -> str:
        """An interpreter that answers at once, for `--python`: its steps last 0.1 s times what the build says."""
        packages = {"torch": SOFTWARE.torch, "torchvision": SOFTWARE.torchvision, "dali": SOFTWARE.dali}
        case = a_case(workload="pace", pipeline="none")
        measurement = asdict(a_measurement(case=case, software=SOFTWARE))
        del measurement["failed_afterwards"]
        path = self.folder / "python"
        path.write_text(
            _PROGRAM.format(python=sys.executable, version=SOFTWARE.python, packages=packages, measurement=measurement)
        )
        path.chmod(0o755)
        return str(path)
