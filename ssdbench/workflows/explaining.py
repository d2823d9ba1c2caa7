"""Finds out why cases changed: profiles them in both builds, after their verdict, and explains what differs.

Nothing is profiled where nothing changed. A profile is kept beside its run, and read again by `compare` and reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.analysis.profiles.merging import Taken, merge
from ssdbench.errors import UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.baseline_builds import find_build
from ssdbench.harness.planning import select_cases
from ssdbench.harness.profiled_launches import Profiling, profile_in_turns
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.profiles import Profiles
from ssdbench.harness.stores.store import Store
from ssdbench.harness.trust import Trust
from ssdbench.harness.version import source_commit
from ssdbench.schema.case import Case, ProfileRequest
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.record import Arm, BaselineArm, Run, SlurmOptions
from ssdbench.schema.times import utc_now
from ssdbench.schema.verdict import Status
from ssdbench.workflows.display import Display
from ssdbench.workflows.judging import Judgement

CHANGED = (Status.REGRESSED, Status.IMPROVED, Status.WAIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What is spent on a case: launches of each build, steps of each launch, bytes of all its traces together."""

    launches: int = 4
    steps: int = 8
    traces_bytes: int = 200 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The cases to profile, and in what: `setup` has both builds. `seconds` is what it will take, about."""

    setup: RunSetup
    cases: tuple[Case, ...]
    effort: Effort
    seconds: float

    @property
    def launches(self) -> int:
        """All launches of all cases."""
        return 2 * self.effort.launches * len(self.cases)


def chosen_cases(judgement: Judgement, run: Run, patterns: Sequence[str]) -> tuple[Case, ...]:
    """The cases that these patterns name, as `run --case` takes them; without any, those whose verdict is a change.

    Raises:
        UsageError: a pattern fits no case.
    """
    if patterns:
        plan = select_cases(run.header.plan, patterns)
        return tuple(planned.case for planned in plan.cases if planned.skip_reason is None)
    changed = {case.case_key for case in judgement.comparison.cases if case.verdict.status in CHANGED}
    return tuple(planned.case for planned in run.header.plan.cases if planned.case.key in changed)


def find_baseline_arm(store: Store, judgement: Judgement, run: Run, trust: Trust) -> BaselineArm:
    """The build that the run was compared with: that of its pairs, or that of its baseline, as it can be run here.

    Raises:
        UsageError: there is none, or it cannot be run here.
    """
    if run.header.baseline_arm is not None:
        return run.header.baseline_arm
    nightly = NightlyResults(store.archive).of_run(run.header.hardware.key, run.header.run_id)
    if nightly is not None and nightly.pairs_run_id is not None:
        pairs = store.load(nightly.pairs_run_id)
        if pairs.header.baseline_arm is not None:
            return pairs.header.baseline_arm
    if judgement.reference is None:
        raise UsageError(
            f"run {run.header.run_id} was compared with nothing: name the other build with --baseline-checkout or "
            "--baseline-python, or compare with --baseline"
        )
    found = find_build(judgement.reference, judgement.comparison.baseline, trust, python=run.header.options.python)
    if found.arm is None:
        raise UsageError(f"{found.said}; or name it with --baseline-checkout")
    return found.arm


def ask(store: Store, run: Run, cases: Sequence[Case], arm: BaselineArm, effort: Effort, trust: Trust) -> Question:
    """Prepare to profile cases of a run; nothing is started.

    Raises:
        UsageError: this is not what the run measured, or not where.
        EnvironmentLacksError: an interpreter or an engine is missing.
    """
    if accuracy := [case for case in cases if case.workload == "accuracy"]:
        raise UsageError(f"{accuracy[0].title} trains for accuracy: only cases that measure speed are profiled")
    setup = run_setup.resumed_setup(store, run.header.run_id, None, lambda _run: True, trust)
    then, now = run.header.host.ssdbench_commit, source_commit(setup.source)
    if run.header.options.image is None and then is not None and now != then:
        raise UsageError(
            f"run {run.header.run_id} was measured at {then}, and {setup.source} is at {now}: check {then} out again "
            "(with its changes, if it had any) and explain the run from there"
        )
    if setup.options.slurm is not None:
        setup = replace(setup, options=replace(setup.options, slurm=_on_one_node(setup.options.slurm, run, cases)))
    known = {record.case.key: record.launch_seconds for record in run.records}
    seconds = sum(2 * effort.launches * known.get(case.key, 0.0) for case in cases)
    return Question(setup=replace(setup, baseline_arm=arm), cases=tuple(cases), effort=effort, seconds=seconds)


def _on_one_node(slurm: SlurmOptions, run: Run, cases: Sequence[Case]) -> SlurmOptions:
    """The options that put all launches of cases on one node on the same one: nodes differ as builds do.

    Launches on several nodes are where those of the run were (`launchers.slurm.placement`).
    """
    keys = {case.key for case in cases if case.nodes == 1}
    measured = (record.measurement for record in run.records if record.case.key in keys)
    nodes = [found.network.rank_hosts[0] for found in measured if found is not None and found.network is not None]
    return replace(slurm, nodelist=nodes[-1]) if nodes else slurm


def profile(store: Store, question: Question, run_id: str, hardware_key: str, display: Display) -> None:
    """Profile the cases, both builds in turns, and keep each profile as soon as it is complete.

    Raises:
        WorkerError: a launch failed; the profiles of the cases before it are kept.
        StoreError: another process measures this run, or the store cannot be written.
    """
    setup, effort = question.setup, question.effort
    assert setup.resumed is not None
    lock = store.measuring(setup.resumed.header.run_id)
    try:
        with display.images() as on_progress:
            data = run_setup.prepare_images(setup, on_progress)
        ranks = max(case.world_size for case in question.cases)
        profiling = Profiling(
            run_id=setup.resumed.header.run_id,
            seed=setup.plan.seed,
            options=setup.options,
            data=data,
            request=ProfileRequest(
                steps=effort.steps, largest_trace_bytes=effort.traces_bytes // (2 * effort.launches * ranks)
            ),
        )
        launchers, builds, measured = run_setup.build_launchers(setup), _builds(setup), setup.resumed.records
        for case in question.cases:
            display.message(f"profiling {case.title}")
            taken = profile_in_turns(profiling, launchers, case, effort.launches, display.message, measured)
            merged = merge(
                run_id,
                case,
                [Taken(arm=arm, profile=found, folder=folder) for arm, found, folder in taken],
                builds=builds,
                profiled_at=utc_now(),
            )
            Profiles(store.archive).save(hardware_key, merged)
    finally:
        lock.release()


def trace_files(found: Explanation, work: Path) -> list[Path]:
    """The raw traces of an explanation that are still there."""
    return [path for name in found.traces if (path := work / name).is_file()]


def _builds(setup: RunSetup) -> dict[Arm, str]:
    """Each arm in words."""
    baseline = setup.baseline_arm
    assert baseline is not None
    ours = setup.options.image.reference if setup.options.image else setup.machine.host.ssdbench_commit
    theirs = baseline.image.reference if baseline.image else baseline.commit
    return {"baseline": theirs or baseline.source, "candidate": ours or str(setup.source)}
