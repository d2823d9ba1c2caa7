"""Measures a suite, and the cases that may have changed in fresh pairs with the build of the baseline: one verdict.

    1  the whole suite, compared with the stored baseline: one launch of each case, and the others of the suite where
       that leaves open whether the case has changed (all at once where pairs cannot follow, or sessions are few)
    2  the nominated cases (`analysis.verdicts.nomination`) in pairs, within what is left of the time budget

Both are runs of their own. The second one follows the first, and is judged together with it (`judging.judge_run`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from socket import gethostname

from ssdbench.analysis.nightly import inconclusive_in_a_row, last_pairs, result_of, unsettled
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.analysis.verdicts.compare import compare_arms, exit_code
from ssdbench.analysis.verdicts.nomination import nominate
from ssdbench.analysis.verdicts.sessions import sessions_by_case
from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.baseline_builds import FoundBuild
from ssdbench.harness.pairs_setup import pairs_setup
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.store import Store
from ssdbench.harness.trust import NOTHING, Trust
from ssdbench.schema.nightly import NightlyResult
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.record import Run, RunHeader
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import Comparison, Status
from ssdbench.workflows.deciding import is_unfinished
from ssdbench.workflows.display import Display, Say
from ssdbench.workflows.judging import find_reference, judge_run
from ssdbench.workflows.measuring import begin, measure_rest, with_creep_if_known
from ssdbench.workflows.nightly_looks import looks_of, setup_to_look_twice

_REASONS = {
    "interval": "may have changed",
    "failed": "failed",
    "new": "new",
    "unsettled": "not well or without a verdict last time",
    "turn": "whose turn it is",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Each case is measured in pairs at least once in `every` calls; `red_after` inconclusive results of a case in a
    row end with exit code 5, fewer are a warning.
    """

    every: int = 20
    red_after: int = 3
    fail_on_creep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nightly:
    """One call: where it measures and what it says; `build` is that of the baseline, None where there is no baseline.

    `begun` hears the id of the run of the whole suite, or of the build against itself, when it begins.
    """

    store: Store
    display: Display
    rules: Rules
    build: FoundBuild | None
    deadline_seconds: float | None = None
    budget: str | None = None
    begun: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call found; `warnings` are sentences on what ends with exit code 0 all the same, or needs attention.

    `run` is the last run that was measured, under whose name all is found again.
    """

    run: Run
    comparison: Comparison
    exit_code: ExitCode
    warnings: tuple[str, ...]


def measure_nightly(nightly: Nightly, setup: RunSetup) -> Outcome:
    """Measure what `setup` plans or continues, then the pairs that follow it, and keep what was found.

    Raises:
        SsdbenchError: as `measuring.measure`.
    """
    stage = setup.nightly
    assert stage is not None
    if stage.follows is not None or stage.against_itself:
        pairs = _measure(nightly, setup)
        whole = pairs.header if stage.follows is None else nightly.store.load(stage.follows).header
        return _end(nightly, whole, pairs)
    nightly.display.message(f"stage 1 of 2: the whole suite, compared with {stage.baseline}")
    run = _measure(nightly, setup)
    follow = _nominated(nightly, run, stage)
    build = nightly.build
    if not follow or build is None or build.arm is None or not _left_to_measure(run, follow):
        return _end(nightly, run.header, run)
    nightly.display.message(f"stage 2 of 2: pairs with the build of {stage.baseline}: {_counted(follow)}")
    stage = replace(stage, follows=run.header.run_id, nominated=follow)
    return _end(nightly, run.header, _measure(nightly, pairs_setup(setup, stage, build, nightly.budget)))


def setup_of_suite(nightly: Nightly, setup: RunSetup) -> RunSetup:
    """The setup of a call as it begins: one launch of the cases that pairs can follow and sessions can clear."""
    stage = setup.nightly
    assert stage is not None
    can_follow = nightly.build is not None and nightly.build.arm is not None
    return setup_to_look_twice(nightly.store, setup, stage) if can_follow else setup


def setup_against_itself(nightly: Nightly, first: RunSetup) -> RunSetup:
    """The pairs of all cases in which both arms are the build of the baseline.

    Raises:
        UsageError: there is no baseline, or it cannot be measured again here.
    """
    assert first.nightly is not None
    baseline = first.nightly.baseline
    if nightly.build is None or nightly.build.arm is None:
        why = nightly.build.said if nightly.build else f"there is no baseline {baseline} for this hardware yet"
        raise UsageError(f"--a-a measures the build of the baseline against itself: {why}")
    arm = nightly.build.arm
    setup = pairs_setup(first, NightlyStage(baseline=baseline, against_itself=True), nightly.build, nightly.budget)
    host = replace(setup.machine.host, ssdbench_commit=arm.commit)
    return replace(
        setup,
        machine=replace(setup.machine, host=host),
        options=replace(setup.options, measured_by=arm.python, source=arm.source),
    )


def setup_to_resume(store: Store, run: str | None, suite: str | None, trust: Trust = NOTHING) -> RunSetup:
    """What is left of the newest call on this machine (of this suite), or of the one that `run` belongs to.

    Raises:
        StoreError: nothing is left of it, or there is none.
        SsdbenchError: as `harness.run_setup.resumed_setup`.
    """
    headers = [header for header in store.headers() if header.nightly and suite in (None, header.plan.suite)]
    if run is None:
        ours = [header for header in headers if header.host.hostname == gethostname()] or headers
        if not ours:
            of_suite = f" of suite {suite}" if suite else ""
            raise StoreError(f"{store.name} holds no run of `ssdbench nightly`{of_suite}: start one without --resume")
        run = ours[-1].run_id
    found = store.load(run)
    if found.header.nightly is None:
        raise UsageError(
            f"run {found.header.run_id} is none of `ssdbench nightly`: continue it with `ssdbench run --resume`"
        )
    follow = [header.run_id for header in headers if header.nightly and header.nightly.follows == found.header.run_id]
    if follow:  # the suite is behind that call: what is left of it are its pairs
        found = store.load(follow[-1])
    if not _is_open(store, found):
        raise StoreError(f"run {found.header.run_id} is finished and judged: start another without --resume")
    return run_setup.resumed_setup(store, found.header.run_id, None, lambda _run: True, trust)


def _is_open(store: Store, run: Run) -> bool:
    ids = (run.header.run_id, run.header.nightly.follows if run.header.nightly else None)
    return is_unfinished(store, run) or not any(result.run_id in ids for result in NightlyResults(store.archive).all())


def _measure(nightly: Nightly, setup: RunSetup) -> Run:
    begun = begin(nightly.store, setup, nightly.display)
    follows = begun.header.nightly.follows if begun.header.nightly else None
    nightly.begun(follows or begun.header.run_id)
    return measure_rest(begun, nightly.display, deadline_seconds=nightly.deadline_seconds)


def _nominated(nightly: Nightly, run: Run, stage: NightlyStage) -> dict[str, str]:
    """The cases to measure in pairs, each with its reason."""
    judgement = judge_run(nightly.store, run, stage.baseline)
    reference = find_reference(nightly.store, run.header.hardware.key, stage.baseline)
    sessions = sessions_by_case(reference.records if reference else (), last_attempts(run).records)
    earlier = _earlier(nightly.store, run.header)
    found = nominate(
        judgement.comparison,
        sessions,
        run.header.settings,
        last_pairs=last_pairs(earlier),
        every=nightly.rules.every,
        looks=looks_of(run),
        unsettled=unsettled(earlier),
    )
    return {key: str(reason) for key, reason in found.items()}


def _earlier(store: Store, header: RunHeader, say: Say = lambda _: None) -> list[NightlyResult]:
    """The results of earlier calls on this hardware and suite, in the order of arrival."""
    results = NightlyResults(store.archive, say).all(header.hardware.key, header.plan.suite)
    return [result for result in results if result.run_id != header.run_id and not result.against_itself]


def _left_to_measure(run: Run, nominated: dict[str, str]) -> bool:
    return any(planned.case.key in nominated and planned.skip_reason is None for planned in run.header.plan.cases)


def _end(nightly: Nightly, whole: RunHeader, run: Run) -> Outcome:
    """Judge the last run of a call, keep the result, and say what it means."""
    store, rules, stage = nightly.store, nightly.rules, run.header.nightly
    assert stage is not None
    judgement = judge_run(store, run)
    if not stage.against_itself:
        judgement = with_creep_if_known(store, judgement, nightly.display)
    comparison = judgement.comparison
    code = exit_code(comparison, fail_on_creep=rules.fail_on_creep)
    if stage.against_itself:
        code, warnings = _false_alarms(comparison, code)
    else:
        code, warnings = _expired(comparison, code, _earlier(store, whole, nightly.display.message), rules.red_after)
    pairs = (run.header, compare_arms(run, run.header.settings)) if run.header.baseline_arm is not None else None
    NightlyResults(store.archive).save(result_of(whole, comparison, code, baseline=stage.baseline, pairs=pairs))
    return Outcome(run=run, comparison=comparison, exit_code=code, warnings=warnings)


def _expired(
    comparison: Comparison, code: ExitCode, earlier: list[NightlyResult], red_after: int
) -> tuple[ExitCode, tuple[str, ...]]:
    """The exit code and warnings: *inconclusive* is a warning, until it was so too many times in a row."""
    rows = inconclusive_in_a_row(comparison, earlier)
    titles = {case.case_key: case.title for case in comparison.cases}
    red = [key for key, count in rows.items() if count >= red_after]
    warnings = [
        f"inconclusive for {pluralize(count, 'result')} in a row: {titles[key]}"
        f"{f' (exit code 5 from {red_after} on)' if key not in red else ''}"
        for key, count in rows.items()
    ]
    is_only_warning = code is ExitCode.INCONCLUSIVE and not red
    return (ExitCode.OK if is_only_warning else code), tuple(warnings)


def _false_alarms(comparison: Comparison, code: ExitCode) -> tuple[ExitCode, tuple[str, ...]]:
    false = [case for case in comparison.cases if case.verdict.status in (Status.REGRESSED, Status.IMPROVED)]
    if not false:
        return (ExitCode.OK if code is ExitCode.INCONCLUSIVE else code), ()
    said = tuple(
        f"FALSE ALARM: {case.title} is {case.verdict.status.value}, and both arms were the same build: this machine or "
        "the rule is not to be trusted with it"
        for case in false
    )
    return ExitCode.REGRESSED, said


def _counted(nominated: dict[str, str]) -> str:
    counts = [(sum(why == reason for why in nominated.values()), text) for reason, text in _REASONS.items()]
    return f"{pluralize(len(nominated), 'case')} (" + ", ".join(f"{n} {text}" for n, text in counts if n) + ")"
