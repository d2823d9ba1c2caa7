"""`ssdbench bisect`: a planted commit and a planted wheel are named, whatever does not run is skipped."""

import hashlib
import json
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.process import SOURCE
from ssdbench.harness.source_copies import commits_between
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.suite import parse_suite
from ssdbench.schema.record import RunOptions
from ssdbench.workflows.bisection_points import CommitPoints, MeasuredCase
from tests.cli.conftest import Ssdbench, Start
from tests.cli.running import records_so_far
from tests.cli.running import ssdbench as in_process
from tests.paced import write_paced

PACE = Path("ssdbench", "workloads", "pace.py")
SLOWER = ("time.sleep(self._step_seconds)", "time.sleep(1.5 * self._step_seconds)")


class Repository:
    """A checkout of ssdbench with a history of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        shutil.copytree(SOURCE / "ssdbench", folder / "ssdbench", ignore=shutil.ignore_patterns("__pycache__"))

    def git(self, *words: str) -> str:
        own = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.folder), *own, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, subject: str, *, old: str = "", new: str = "# one more\n", file: Path = PACE) -> str:
        path = self.folder / file
        text = path.read_text() if path.exists() else ""
        path.write_text(text.replace(old, new) if old else text + new)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def state(self) -> tuple[str, ...]:
        """What the user has: files, index, branches and worktrees."""
        index = hashlib.sha256((self.folder / ".git" / "index").read_bytes()).hexdigest()
        return (index, self.git("diff"), self.git("diff", "--cached"), self.git("worktree", "list"), self.git("branch"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkout")


def history(repository: Repository) -> dict[str, str]:
    """Nine commits after the first, one of them outside of the package, one a merge, one that does not import."""
    made = {"good": repository.commit("begin")}
    repository.commit("write a page", file=Path("README.md"))
    made["comment"] = repository.commit("comment")
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit("on a branch")
    repository.commit("on a branch, too")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "merge the branch", "branch")
    made["merge"] = repository.git("rev-parse", "HEAD")
    made["broken"] = repository.commit("break it", new="import no_such_module\n")
    made["mended"] = repository.commit("mend it", old="import no_such_module\n", new="")
    made["slow"] = repository.commit("sleep longer", old=SLOWER[0], new=SLOWER[1])
    made["after"] = repository.commit("go on")
    made["bad"] = repository.commit("go on again")
    return made


def test_the_points_and_the_effort_are_told_beforehand(repository: Repository, tmp_path: Path) -> None:
    made = history(repository)
    write_paced(tmp_path)
    asked = ("bisect", "commits", made["good"], "main", "--repo", repository.folder, "--results", tmp_path / "results")
    before = repository.state()
    shown = in_process(*asked, "--suite", tmp_path / "paced.toml", "--dry-run", columns=200)
    assert shown.code == ExitCode.OK, shown.err
    assert [line.split()[0] for line in shown.out.splitlines()[:-1]] == [commit[:12] for commit in made.values()]
    assert "(begin)" in shown.out
    assert "(merge the branch)" in shown.out
    assert "write a page" not in shown.out
    assert shown.out.splitlines()[-1].startswith("3 to 4 probes, 12 to ")
    assert "1 probe, 4 to " in shown.out
    assert repository.state() == before
    assert not (tmp_path / "results").exists()


@pytest.mark.long
def test_the_slow_commit_is_named_after_the_host_was_killed_and_the_checkout_is_untouched(
    repository: Repository, ssdbench: Ssdbench, start: Start, tmp_path: Path
) -> None:
    made = history(repository)
    (repository.folder / "README.md").write_text("not committed\n")
    (repository.folder / "staged").write_text("staged\n")
    repository.git("add", "staged")
    before = repository.state()
    write_paced(tmp_path, margin=0.2, steps=5)
    asked = ("bisect", "commits", made["good"], "main", "--repo", "checkout", "--suite", "paced.toml")

    process = start(*asked)
    deadline = time.monotonic() + 200
    while not records_so_far(tmp_path / "results"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.communicate()

    done = ssdbench(*asked)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    answer = " ".join(done.stdout.splitlines()[-2:])
    assert f"{made['slow'][:12]} (sleep longer) is the first bad commit: {made['mended'][:12]} (mend it)" in answer
    (path,) = (tmp_path / "results" / "bisections").glob("*.jsonl")
    steps = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert [(step["image"], step["finding"]) for step in steps if step.get("finding") and step.get("image")] == [
        (made["bad"], "bad"),
        (made["broken"], "unknown"),
        (made["mended"], "good"),
        (made["slow"], "bad"),
    ]
    store = FileStore(tmp_path / "results")
    runs = [store.load(header.run_id) for header in store.headers()]
    assert len(runs) == 4, "the killed probe went on in its own run"
    assert f"4 probes, {sum(len(run.records) for run in runs)} launches" in done.stdout
    assert {run.header.host.ssdbench_commit for run in runs} == {
        made[name] for name in ("bad", "broken", "mended", "slow")
    }
    assert {run.header.baseline_arm.commit for run in runs if run.header.baseline_arm} == {made["good"]}
    assert repository.state() == before

    refused = ssdbench("run", "--resume", "--run", runs[0].header.run_id)
    assert refused.returncode == ExitCode.USAGE
    assert "is a probe of another commit: repeat the `ssdbench bisect` command" in " ".join(refused.stderr.split())


def test_a_merge_is_one_point_and_its_branch_can_be_searched_next(repository: Repository) -> None:
    made = history(repository)
    suite = parse_suite({"name": "paced", "matrix": [{"workload": "pace"}]}, "paced")
    case = MeasuredCase(suite=suite, options=RunOptions(), seed=1)
    points = CommitPoints.between(repository.folder, made["good"], "main", case)
    branch = repository.git("rev-parse", "branch")
    base = repository.git("merge-base", f"{made['merge'][:12]}^", branch[:12])
    assert points.hint(made["merge"]) == (
        f"; it merges {branch[:12]}: search that branch from `git merge-base {made['merge'][:12]}^ {branch[:12]}` to "
        f"{branch[:12]}"
    )
    assert points.hint(made["slow"]) == ""
    subjects = [commit.subject for commit in commits_between(repository.folder, base, branch[:12])]
    assert subjects == ["comment", "on a branch", "on a branch, too"]


def test_wrong_commits_are_one_sentence(repository: Repository, tmp_path: Path) -> None:
    made = history(repository)
    write_paced(tmp_path)
    page = repository.git("rev-parse", f"{made['good']}^{{commit}}")
    for good, bad, more, sentence in (
        ("nothing", "main", (), "'nothing' is not a commit of"),
        ("--help-all", "main", (), "No such option"),
        ("main", made["good"], (), "is not on the line of first parents that leads to"),
        ("branch", "main", (), "is not on the line of first parents that leads to"),
        (page, "main", ("--skip", "ffffffffffff"), "names no point: --dry-run lists them"),
        (page, "main", ("--skip", made["good"][:12]), "is the first point, with which all are compared"),
        (page, "main", ("--find", "change"), "write regression or improvement"),
    ):
        asked = ("bisect", "commits", good, bad, "--repo", repository.folder, "--suite", tmp_path / "paced.toml")
        done = in_process(*asked, "--results", tmp_path / "results", "--dry-run", *more, columns=400)
        assert done.code == ExitCode.USAGE, done.out + done.err
        assert sentence in done.err
    outside = in_process(
        "bisect", "commits", "a", "b", "--repo", tmp_path, "--suite", tmp_path / "paced.toml", columns=400
    )
    assert (outside.code, "is not a git repository" in outside.err) == (ExitCode.USAGE, True)


def make_wheel(folder: Path, version: str, share: float) -> None:
    """A wheel of `pacer` that lengthens every sleep by this share."""
    info = f"pacer-{version}.dist-info"
    files = {
        "sitecustomize.py": f"import time\n_sleep = time.sleep\ntime.sleep = lambda s: _sleep(s * {1 + share})\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: pacer\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"pacer-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


def nightlies(tmp_path: Path) -> list[str]:
    """Files of six nights: from the fifth on the wheel is faster, and that of the third does not exist."""
    names = []
    for night in range(6):
        if night != 2:
            make_wheel(tmp_path / "wheels", f"1.{night}", 0.5 if night < 4 else 0.0)
        names.append(f"night-{night}.txt")
        (tmp_path / names[-1]).write_text(f"--no-index\n--find-links {tmp_path}/wheels\npacer==1.{night}\n")
    return names


@pytest.mark.long
def test_the_wheel_that_made_it_faster_is_named_and_one_that_is_missing_is_skipped(
    ssdbench: Ssdbench, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["SSDBENCH_CACHE"] = str(tmp_path / "cache")
    names = nightlies(tmp_path)
    write_paced(tmp_path, margin=0.2, steps=5)
    asked = ("bisect", "requirements", *names, "--system-site-packages", "--suite", "paced.toml")
    done = ssdbench(*asked, "--find", "improvement")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    answer = "night-4.txt is the first better list: night-3.txt, before it, is not better than night-0.txt"
    assert done.stdout.splitlines()[-1] == answer
    assert "night-2.txt is omitted: night-2.txt cannot be installed: ERROR: No matching distribution" in done.stdout
    assert "night-3.txt is not better: unchanged" in done.stdout
    again = ssdbench(*asked, "--find", "improvement")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (ExitCode.OK, answer)
    nothing = ssdbench(*asked, "--dry-run", "--find", "regression")
    assert nothing.stdout.splitlines()[-1].startswith("3 to 4 probes")
    (tmp_path / names[1]).write_text("pacer==1.0\n")
    other = ssdbench(*asked, "--find", "improvement", "--dry-run")
    assert "nothing is left to probe" not in other.stdout, "another content is another question"


def test_lists_that_are_none_are_one_sentence(tmp_path: Path) -> None:
    write_paced(tmp_path)
    (tmp_path / "a.txt").write_text("torch\n")
    for files, sentence in (
        ([tmp_path / "a.txt"], "give at least two different files of requirements"),
        ([tmp_path / "a.txt", tmp_path / "a.txt"], "give at least two different files of requirements"),
        ([tmp_path / "a.txt", tmp_path / "b.txt"], "b.txt cannot be read"),
    ):
        done = in_process("bisect", "requirements", *files, "--suite", tmp_path / "paced.toml", columns=300)
        assert (done.code, sentence in done.err) == (ExitCode.USAGE, True), done.err
