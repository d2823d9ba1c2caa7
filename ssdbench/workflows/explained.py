"""Reads the profiles of a run, and explains its cases by them; what profiles them is `explaining`."""

from collections.abc import Iterable

from ssdbench.analysis.metrics import figure
from ssdbench.analysis.profiles.differences import Difference
from ssdbench.analysis.profiles.explaining import explain
from ssdbench.analysis.profiles.linking import link
from ssdbench.harness.stores.profiles import Profiles
from ssdbench.harness.stores.store import Store
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.launch_rules import usable_measurement
from ssdbench.schema.profile import CaseProfile
from ssdbench.schema.record import Record
from ssdbench.workflows.judging import Judgement


def explanations(store: Store, judgement: Judgement, cases: Iterable[str] | None = None) -> tuple[Explanation, ...]:
    """What the profiles of a run explain: those of these cases (keys), or of all; none where nothing was profiled.

    What changed inside of images is considered where the judgement has it (`manifests.with_contents`).

    Raises:
        StoreError: a profile cannot be read.
    """
    header = judgement.run.header
    wanted = None if cases is None else set(cases)
    return tuple(
        _explained(judgement, found)
        for found in Profiles(store.archive).of_run(header.hardware.key, header.run_id)
        if wanted is None or found.case_key in wanted
    )


def _explained(judgement: Judgement, profile: CaseProfile) -> Explanation:
    planned = (one.case for one in judgement.run.header.plan.cases)
    case = next((case for case in planned if case.key == profile.case_key), None)
    comparison = judgement.comparison
    found = explain(profile, _measured(judgement, profile))
    return link(found, profile, case, comparison.differences, comparison.contents)


def _measured(judgement: Judgement, profile: CaseProfile) -> Difference | None:
    """The mean steps of the launches that were judged, in seconds; None where an arm has none."""
    reference, run = judgement.sides
    baseline, candidate = (_steps(side.records if side else (), profile.case_key) for side in (reference, run))
    return Difference(baseline=baseline, candidate=candidate) if baseline and candidate else None


def _steps(records: Iterable[Record], case_key: str) -> tuple[float, ...]:
    launches = (usable_measurement(record) for record in records if record.case.key == case_key)
    found = (figure("latency_mean", launch) for launch in launches if launch is not None)
    return tuple(seconds for seconds in found if seconds is not None)
