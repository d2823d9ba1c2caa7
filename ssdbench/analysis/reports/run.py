"""A run, what it is compared with, and the history of its cases -> what a report says of them.

Steps and launches are thinned here, so that a report stays small however long a case was measured: a trace keeps the
least and the largest step of every stretch, a distribution launches spread evenly over its order.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import takewhile
from typing import TypeVar

from ssdbench.analysis.differences import software_of
from ssdbench.analysis.gpu_trace import throttling
from ssdbench.analysis.metrics import figures
from ssdbench.analysis.roofline.picture import roofline_picture
from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.analysis.verdicts.coverage import failures
from ssdbench.analysis.verdicts.explain import phase_pairs
from ssdbench.analysis.verdicts.wording import trimmed_mean
from ssdbench.schema.environment import Host, Software
from ssdbench.schema.history import Series
from ssdbench.schema.launch_rules import group_by_case, usable_measurement
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.record import ContainerImage, Failure, Measurement, Record, Run, RunOptions
from ssdbench.schema.report import (
    SIDES,
    CaseReport,
    FailedLaunch,
    FigurePair,
    Gap,
    LaunchValue,
    Report,
    Side,
    StepTrace,
)
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import OWN_BASELINE_ARM, Baseline, CaseVerdict, Comparison, Status

T = TypeVar("T")

DETAILED_CASES, BRIEF_CASES = 80, 10
TRACED_LAUNCHES = 2
TRACE_POINTS = 100
SHOWN_LAUNCHES = 200
_BAD = (Status.REGRESSED, Status.NO_LONGER_FITS, Status.FAILED)
_NOT_JUDGED = {
    Status.FAILED: "failed",
    Status.NOT_RUN: "not run",
    Status.SKIPPED: "skipped",
    Status.DOES_NOT_FIT: "does not fit",
    Status.FITS_NOW: "measured, did not fit before",
    Status.VANISHED: "no longer planned",
    Status.LEFT_OUT: "left out by --case",
    Status.NO_BASELINE: "measured, without a baseline",
    Status.STALE: "measured, baseline is stale",
    Status.INCOMPARABLE: "measured, not comparable",
}


def report_on(
    run: Run,
    reference: Baseline | Run | None,
    comparison: Comparison,
    history: Mapping[str, tuple[Series, ...]],
    *,
    detailed: bool = True,
) -> Report:
    """What is said of a run; `history` has the series of its cases by key.

    The worst cases have details: the first 80; with `detailed` false, of the first 10 those that got worse or failed.

    An interleaved run comes as its two arms (`split_arms`): the candidate's as `run`, the baseline's as `reference`.
    """
    sides: dict[Side, dict[str, list[Record]]] = {
        "baseline": group_by_case(reference.records if reference else ()),
        "candidate": group_by_case(run.records),
    }
    cases = tuple(
        _case(
            judged,
            {side: sides[side].get(judged.case_key, []) for side in SIDES},
            history.get(judged.case_key, ()),
        )
        for judged in comparison.cases[: DETAILED_CASES if detailed else _bad_cases(comparison)]
    )
    return Report(
        header=run.header,
        comparison=comparison,
        code=exit_code(comparison),
        reference=_reference(reference, comparison),
        software=software_facts(run),
        builds=tuple(
            (side, build)
            for side, build in (
                ("Baseline", build_of(reference.header.host, reference.header.options) if reference else ""),
                ("Candidate", build_of(run.header.host, run.header.options)),
            )
            if build
        ),
        places=(*place_facts(run), *_budget(run, comparison)),
        cases=cases,
        gaps=_gaps(run, comparison),
        roofline=roofline_picture(run),
    )


def _bad_cases(comparison: Comparison) -> int:
    """How many of the first cases got worse or failed; cases are sorted worst first."""
    worst = comparison.cases[:BRIEF_CASES]
    return len(list(takewhile(lambda case: case.verdict.status in _BAD, worst)))


def thinned(values: Sequence[float], most: int = TRACE_POINTS) -> tuple[tuple[int, float], ...]:
    """(index, value) of a limited number of values: the smallest and the largest of every stretch, in order."""
    if len(values) <= most:
        return tuple(enumerate(values))
    stretch = math.ceil(2 * len(values) / most)
    kept: set[int] = set()
    for start in range(0, len(values), stretch):
        part = range(start, min(start + stretch, len(values)))
        kept |= {min(part, key=values.__getitem__), max(part, key=values.__getitem__)}
    return tuple((index, values[index]) for index in sorted(kept))


def _case(judged: CaseVerdict, sides: Mapping[Side, list[Record]], series: tuple[Series, ...]) -> CaseReport:
    usable = {
        side: [(record, found) for record in records if (found := usable_measurement(record)) is not None]
        for side, records in sides.items()
    }
    derived = {side: [figures(measurement) for _, measurement in usable[side]] for side in SIDES}
    names = [name for name in METRICS if any(name in values for side in SIDES for values in derived[side])]
    metric = judged.verdict.metric
    pairs = {name: _pair(name, derived, judged.verdict.settings.trim) for name in names}
    phases = phase_pairs(*([measurement for _, measurement in usable[side]] for side in SIDES))
    return CaseReport(
        judged=judged,
        launches=tuple(
            launch
            for side in SIDES
            for launch in _values(side, metric, [record for record, _ in usable[side]], derived[side])
        ),
        traces=tuple(
            _trace(side, measurement) for side in SIDES for _, measurement in _spread(usable[side], TRACED_LAUNCHES)
        ),
        phases=phases,
        figures=tuple(pairs.values()),
        history=series,
        failures=(
            *(_failure(record, failure) for record, failure in failures(sides["candidate"])),
            *(_failure(record, late, "measured, then ") for record, late in _failed_afterwards(sides["candidate"])),
        ),
    )


def _values(
    side: Side, metric: str, records: Sequence[Record], derived: Sequence[Mapping[str, float]]
) -> list[LaunchValue]:
    found = [
        LaunchValue(side=side, value=values[metric], stage=record.stage)
        for record, values in zip(records, derived, strict=True)
        if 0 < values.get(metric, math.nan) < math.inf
    ]
    return _spread(found, SHOWN_LAUNCHES)


def _failure(record: Record, failure: Failure, before: str = "") -> FailedLaunch:
    sentence = f"launch {record.launch}, {before}{failure.kind.replace('_', ' ')}: {failure.message}"
    return FailedLaunch(sentence=sentence, log=failure.log or "")


def _failed_afterwards(records: Sequence[Record]) -> Iterator[tuple[Record, Failure]]:
    """The launches that failed once they had measured: their figures count, but phases may be missing."""
    for record in records:
        if record.measurement is not None and (failure := record.measurement.failed_afterwards) is not None:
            yield record, failure


def _trace(side: Side, measurement: Measurement) -> StepTrace:
    steps, waits = measurement.step_seconds, measurement.fetch_seconds
    throttled, reasons = throttling(measurement)
    shares = [wait / step if step > 0 else 0.0 for wait, step in zip(waits, steps, strict=False)]
    return StepTrace(
        side=side,
        warmup_steps=measurement.warmup_steps,
        steps=tuple((n, value) for n, value in thinned(steps) if math.isfinite(value)),
        fetches=tuple((n, value) for n, value in thinned(shares) if math.isfinite(value)),
        throttled=throttled,
        throttle_reasons=reasons,
    )


def _pair(metric: str, derived: Mapping[Side, Sequence[Mapping[str, float]]], trim: float) -> FigurePair:
    there, here = (
        trimmed_mean([values[metric] for values in derived[side] if metric in values], trim) for side in SIDES
    )
    change = None if there is None or here is None else here / there - 1
    return FigurePair(metric=metric, baseline=there, candidate=here, change=change)


def _spread(items: Sequence[T], most: int) -> list[T]:
    """A limited number of items, spread evenly, including the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]


def _reference(reference: Baseline | Run | None, comparison: Comparison) -> str:
    name = comparison.baseline
    if reference is None:
        return f"no baseline {name} for this hardware yet: `ssdbench baseline accept` makes one"
    header = reference.header
    if isinstance(reference, Baseline):
        itself = ", which is this run itself" if header.run_id == comparison.run_id else ""
        sessions = len(reference.header.sessions) or 1
        return (
            f"baseline {name}, accepted {reference.header.accepted_at[:10]} ({reference.header.reason}): "
            f"{'one session' if sessions == 1 else f'{sessions} sessions'}, run {header.run_id}{itself}"
        )
    if name == OWN_BASELINE_ARM:
        return f"{name}, measured in pairs with the candidate"
    return f"run {header.run_id} of {reference.header.created_at[:10]}"


def software_facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Name and version of all software that a run was measured or trained with."""
    seen = software_of(run)
    found = {
        field.name: sorted({value for software in seen if (value := getattr(software, field.name)) is not None})
        for field in fields(Software)
    }
    return tuple((name.replace("_", " "), ", ".join(values)) for name, values in found.items() if values)


def build_of(host: Host, options: RunOptions | None = None) -> str:
    """What was measured, in words: an image, or a commit with the source tree and the interpreter, as far as known."""
    options = options or RunOptions()
    if options.image is not None:
        return _image(options.image)
    commit, plus, _ = (host.ssdbench_commit or "").partition("+")
    named = f"commit {commit[:12]}{' with uncommitted changes' if plus else ''}" if commit else ""
    parts = (named or f"ssdbench {host.ssdbench_version}", options.source, options.measured_by)
    return ", ".join(part for part in parts if part)


def _image(image: ContainerImage) -> str:
    name = image.digest or image.id
    return image.reference + (f" ({name[:19]})" if name else "")


def _budget(run: Run, comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """The time that an interleaved run was given, and how many cases it left undecided."""
    budget = run.header.options.budget
    if budget is None:
        return ()
    undecided = sum(any(note.startswith("undecided") for note in case.notes) for case in comparison.cases)
    ended = f", used up with {pluralize(undecided, 'case')} undecided" if undecided else ", which was enough"
    return (("Time budget", f"{budget}{ended}"),)


def place_facts(run: Run) -> tuple[tuple[str, str], ...]:
    """The image and the cluster's nodes that measured a run, where it was not its host that did."""
    options, facts = run.header.options, []
    if options.slurm is not None:
        networks = [record.measurement.network for record in run.records if record.measurement]
        nodes = sorted({host for network in networks if network for host in network.rank_hosts})
        facts.append(("Nodes", ", ".join(nodes) or "not known: nothing was measured"))
    return tuple(facts)


def _gaps(run: Run, comparison: Comparison) -> tuple[Gap, ...]:
    gaps = [
        Gap(title=case.title, what=_NOT_JUDGED[case.verdict.status], why=case.verdict.sentence)
        for case in comparison.cases
        if case.verdict.status in _NOT_JUDGED
    ]
    gaps += [Gap(title=case.title, what="note", why=note) for case in comparison.cases for note in case.notes]
    return (*gaps, *lost(run))


def lost(run: Run) -> tuple[Gap, ...]:
    """The launch that was being written when its writer was killed, where there was one."""
    why = "the file of the run ends in the middle of a record, which was left out: the writer was killed"
    return (Gap(title=run.header.run_id, what="launch lost", why=why),) if run.torn else ()
