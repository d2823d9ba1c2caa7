"""What a bisection measures: the points of each kind, and how one of them is measured in pairs with the first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.analysis.bisection import Question
from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.harness.process import SOURCE
from ssdbench.harness.requirement_lists import CannotInstallError, RequirementList, environment_with, read_list
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.source_copies import CannotCopyError, Commit, commits_between, copy_of_commit
from ssdbench.harness.suite_tables import Suite
from ssdbench.schema.bisection import Direction
from ssdbench.schema.record import BaselineArm, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCase:
    """The one case that is measured at every point, and how."""

    suite: Suite
    options: RunOptions
    seed: int
    cases: tuple[str, ...] = ()

    def setup(self, *, python: str | None = None, baseline_arm: BaselineArm | None = None) -> RunSetup:
        """The plan with an interpreter, in pairs with `baseline_arm`.

        Raises:
            UsageError: not one case, or one that trains for accuracy.
            EnvironmentLacksError: the interpreter cannot run.
        """
        options = self.options if python is None else replace(self.options, python=python)
        # A plan in pairs does not depend on what the other arm is.
        arm = baseline_arm or BaselineArm(python="python", source=str(SOURCE))
        setup = run_setup.new_setup(self.suite, options, self.seed, arm, cases=self.cases)
        run_setup.require_speed(setup.plan)
        if len(setup.plan.cases) != 1:
            raise UsageError(
                f"a bisection is about one case, and {len(setup.plan.cases)} are selected: choose one with --case"
            )
        return setup


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPoints:
    """Commits of a repository; the first is the baseline of every probe."""

    repository: Path
    commits: tuple[Commit, ...]
    case: MeasuredCase

    @classmethod
    def between(cls, repository: Path, good: str, bad: str, case: MeasuredCase) -> "CommitPoints":
        """Those from `good` to `bad`; errors as `commits_between`."""
        return cls(repository=repository, commits=commits_between(repository, good, bad), case=case)

    def question(self, find: Direction) -> Question:
        """What is searched."""
        names = {commit.hash: commit.name for commit in self.commits}
        return Question(points=tuple(names), kind="commit", find=find, names=names)

    def setup_of(self, point: str) -> RunSetup:
        """A commit in pairs with the first one.

        Raises:
            CannotCopyError: the commit has no worker.
            EnvironmentLacksError: the first one has none.
        """
        first = self.commits[0]
        baseline = copy_of_commit(first.hash, self.repository)
        if baseline is None:
            raise EnvironmentLacksError(f"{first.name} has no folder ssdbench/worker: begin with a later commit")
        source = copy_of_commit(point, self.repository)
        if source is None:
            raise CannotCopyError("it has no folder ssdbench/worker")
        python = inspect_python(self.case.options.python).executable
        setup = self.case.setup(baseline_arm=BaselineArm(python=python, source=str(baseline), commit=first.hash))
        host = replace(setup.machine.host, ssdbench_commit=point)
        return replace(
            setup,
            source=source,
            machine=replace(setup.machine, host=host),
            options=replace(setup.options, source=str(source)),
        )

    def hint(self, point: str) -> str:
        """What to search next where the answer is a merge."""
        merged = next(commit.merged for commit in self.commits if commit.hash == point)
        if merged is None:
            return ""
        return (
            f"; it merges {merged[:12]}: search that branch from `git merge-base {point[:12]}^ {merged[:12]}` to "
            f"{merged[:12]}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementPoints:
    """Environments with lists of requirements; the first is the baseline of every probe."""

    lists: tuple[RequirementList, ...]
    case: MeasuredCase
    sees_packages: bool

    @classmethod
    def of(cls, files: Sequence[Path], case: MeasuredCase, *, sees_packages: bool) -> "RequirementPoints":
        """Those of these files, in their order.

        Raises:
            UsageError: fewer than two, two that are equal, or one that cannot be read.
        """
        lists = tuple(map(read_list, files))
        if len({requirements.name for requirements in lists}) != len(lists) or len(lists) < 2:
            raise UsageError("give at least two different files of requirements, oldest first, each once")
        return cls(lists=lists, case=case, sees_packages=sees_packages)

    def question(self, find: Direction) -> Question:
        """What is searched."""
        names = {requirements.name: requirements.path.name for requirements in self.lists}
        return Question(points=tuple(names), kind="requirements", find=find, names=names)

    def setup_of(self, point: str) -> RunSetup:
        """A list in pairs with the first one.

        Raises:
            CannotInstallError: the list cannot be installed.
            EnvironmentLacksError: the first one cannot.
        """
        first = self.lists[0]
        try:
            baseline = self._environment(first)
        except CannotInstallError as error:
            raise EnvironmentLacksError(f"nothing can be compared with {first.path}: {error}") from None
        python = self._environment(next(found for found in self.lists if found.name == point))
        setup = self.case.setup(python=python, baseline_arm=BaselineArm(python=baseline, source=str(SOURCE)))
        if not setup.plan.order:
            reason = next(planned.skip_reason for planned in setup.plan.cases)
            raise CannotInstallError(f"its environment cannot measure the case: {reason}")
        return setup

    def _environment(self, requirements: RequirementList) -> str:
        return environment_with(requirements, self.case.options.python, sees_packages=self.sees_packages)
