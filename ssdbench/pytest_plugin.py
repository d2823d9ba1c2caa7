"""pytest plugin: `pytest --ssdbench-suite smoke` makes every case of a suite a test with its verdict.

Without the option the plugin does nothing and imports nothing. With it the suite's file is collected (alone, unless
other paths are given), its cases are measured before the first test, in turns as `ssdbench run` does, and stored; no
torch is imported here. Results, in the words of pytest (`report.outcome` has the mapping):

    passed   unchanged, improved, fits now
    xfailed  waived: a regression that is known and tolerated, with the sentence
    failed   regressed, no longer fits, and all that is undecided or not covered
    error    the case crashed
    skipped  skipped with its reason, or known not to fit; undecided and named by --ssdbench-allow, with the sentence

A last test fails where the baseline has cases that the suite lacks, or where every case was skipped. Creep away from
the anchor and the last release is reported at the end; with --ssdbench-fail-on-creep a test fails by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ssdbench.schema.case import Case
    from ssdbench.schema.record import Record
    from ssdbench.schema.verdict import CaseVerdict, Comparison
    from ssdbench.workflows.suite_gate import Gate

UNDECIDED = ("inconclusive", "no_baseline", "stale", "incomparable")
_SUITE = pytest.StashKey[Path]()
_COMPARISON = pytest.StashKey["Comparison"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; all but the first have defaults."""
    group = parser.getgroup("ssdbench", "performance verdicts")
    group.addoption("--ssdbench-suite", metavar="SUITE", help="make every case of this suite a test (name or .toml)")
    group.addoption("--ssdbench-results", metavar="DIR", help="folder of records and baselines")
    group.addoption("--ssdbench-baseline", metavar="NAME", default="main", help="baseline to compare with")
    group.addoption(
        "--ssdbench-allow", metavar="LIST", default="", help=f"skip in place of fail, by commas: {', '.join(UNDECIDED)}"
    )
    group.addoption(
        "--ssdbench-fail-on-creep",
        action="store_true",
        help="add a test that fails if a case is worse than the anchor or the last release by more than the margin",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have the suite's file collected."""
    if config.getoption("--ssdbench-suite") is None:
        return
    from ssdbench.errors import SsdbenchError
    from ssdbench.workflows.suite_gate import suite_path

    unknown = _allowed(config) - set(UNDECIDED)
    if unknown:
        raise pytest.UsageError(f"--ssdbench-allow {min(unknown)}: choose from {', '.join(UNDECIDED)}")
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "--ssdbench-suite measures, and tests that run at the same time would disturb it: run without pytest-xdist"
        )
    try:
        path = suite_path(config.getoption("--ssdbench-suite")).resolve()
    except SsdbenchError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_SUITE] = path
    given = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    config.args = [*given, str(path)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """The suite that was asked for, and no other file."""
    if file_path != parent.config.stash.get(_SUITE, None):
        return None
    suite: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return suite


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Measure what was selected, before the first test."""
    items = [item for item in session.items if isinstance(item, CaseItem)]
    if not items or session.config.option.collectonly or session.testsfailed:
        return
    from ssdbench.errors import SsdbenchError
    from ssdbench.workflows.display import Quiet

    keys = {item.key for item in items}
    try:
        session.config.stash[_COMPARISON] = items[0].gate.judge(keys, Quiet(_Lines(session.config)))
    except SsdbenchError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Report creep, the change of the whole suite, and waivers to put right."""
    comparison = _comparison(config)
    if comparison is None:
        return
    from ssdbench.report.creep import creep_texts
    from ssdbench.report.order import order_text
    from ssdbench.report.suite_change import suite_text
    from ssdbench.report.waivers import TITLE, waiver_notes

    texts = [*creep_texts(comparison), *([suite_text(comparison.suite)] if comparison.suite else [])]
    texts += [text] if (text := order_text(comparison)) else []
    texts += [f"{TITLE}: {note}" for note in waiver_notes(comparison)]
    if texts:
        terminalreporter.section("ssdbench")
    for text in texts:
        terminalreporter.write_line(_literal(text))


class SuiteFile(pytest.File):
    """A suite; its cases are the tests."""

    def collect(self) -> Iterator[pytest.Item]:
        from ssdbench.errors import SsdbenchError
        from ssdbench.workflows.suite_gate import open_gate

        config = self.config
        asked = config.getoption("--ssdbench-results")
        results = None if asked is None else config.invocation_params.dir / asked
        try:
            gate = open_gate(self.path, results, config.getoption("--ssdbench-baseline"), _Lines(config).say)
        except SsdbenchError as error:
            raise self.CollectError(str(error)) from None
        for planned in gate.cases:
            item: CaseItem = CaseItem.from_parent(self, name=planned.case.key)
            item.key, item.title, item.gate = planned.case.key, planned.case.title, gate
            yield item
        coverage: CoverageItem = CoverageItem.from_parent(self, name="coverage")
        yield coverage
        if config.getoption("--ssdbench-fail-on-creep"):
            creep: CreepItem = CreepItem.from_parent(self, name="creep")
            yield creep


class NotPassedError(Exception):
    """A verdict that does not pass: its sentence and its values."""


class _Judged(pytest.Item):
    """Base of a suite's test items: a verdict that does not pass is shown as text, without a traceback."""

    title = ""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotPassedError):
            return _literal(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.path, None, self.title or self.name


class CaseItem(_Judged):
    """One case of a suite."""

    key: str
    gate: Gate

    def setup(self) -> None:
        from ssdbench.report.outcome import Outcome, because, outcome

        case = _verdicts(self.config)[self.key]
        found = outcome(case.verdict, _allowed(self.config))
        if found is Outcome.ERROR:
            raise NotPassedError(because(case))
        if found is Outcome.SKIPPED:
            pytest.skip(f"{case.verdict.status.value}: {because(case)}")

    def runtest(self) -> None:
        from ssdbench.report.figures import figures
        from ssdbench.report.outcome import Outcome, because, outcome
        from ssdbench.schema.verdict import Status

        case = _verdicts(self.config)[self.key]
        if case.verdict.status is Status.WAIVED:
            pytest.xfail(_literal(f"{case.verdict.status.value}: {because(case)}"))
        if outcome(case.verdict) is not Outcome.PASSED:
            lines = [f"{case.verdict.status.value}: {case.title}", because(case), *figures(case)]
            raise NotPassedError("\n".join(lines))


class CoverageItem(_Judged):
    """The test of what no single case covers."""

    def runtest(self) -> None:
        from ssdbench.report.outcome import Outcome, because, outcome
        from ssdbench.schema.verdict import Status

        judged = _verdicts(self.config)
        if not judged:
            pytest.skip("no case was selected, so nothing was measured")
        vanished = [case for case in judged.values() if case.verdict.status is Status.VANISHED]
        if vanished:
            raise NotPassedError("\n".join(f"{case.title}: {because(case)}" for case in vanished))
        measured = {item.key for item in self.session.items if isinstance(item, CaseItem)}
        if all(outcome(judged[key].verdict) is Outcome.SKIPPED for key in measured):
            raise NotPassedError("every case was skipped: nothing was judged")


class CreepItem(_Judged):
    """The test of creep away from older results."""

    def runtest(self) -> None:
        from ssdbench.report.creep import creep_text

        comparison = _comparison(self.config)
        if comparison is None:
            pytest.skip("no case was selected, so nothing was measured")
        crept = [creep for creep in comparison.creep if creep.worse]
        if crept:
            raise NotPassedError("\n".join(creep_text(creep, comparison.settings) for creep in crept))


class _Lines:
    """Progress as lines of pytest's own report."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")

    def say(self, text: str) -> None:
        """A line, where pytest reports at all."""
        if self._reporter is not None:
            self._reporter.write_line(_literal(f"ssdbench: {text}"))

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        self._left = len(case_keys)

    def launch_started(self, case: Case, name: str) -> None:
        self.say(f"{case.title}, {name} ({self._left} launches left)")

    def round_finished(self, records: Sequence[Record]) -> None:
        """Ignored: progress is reported before each launch."""

    def event(self, name: str, event: dict[str, object]) -> None:
        """Steps are not shown."""

    def launch_finished(self, record: Record, name: str) -> None:
        if record.failure is not None:
            self.say(f"{record.case.title}, {name}: {record.failure.message}")


def _literal(text: str) -> str:
    from ssdbench.schema.plain_text import visible, without_commands

    return without_commands(visible(text))


def _verdicts(config: pytest.Config) -> dict[str, CaseVerdict]:
    """The verdicts by case key, with those of cases that only the baseline has; empty where nothing was measured."""
    comparison = _comparison(config)
    return {} if comparison is None else {case.case_key: case for case in comparison.cases}


def _comparison(config: pytest.Config) -> Comparison | None:
    return config.stash.get(_COMPARISON, None)


def _allowed(config: pytest.Config) -> set[str]:
    return {name.strip() for name in config.getoption("--ssdbench-allow").split(",") if name.strip()}
