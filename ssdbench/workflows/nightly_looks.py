"""The two looks at a session: which cases have one launch at first, and which of these get their others as well."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ssdbench.analysis.verdicts.nomination import is_known, open_after_first
from ssdbench.analysis.verdicts.sessions import sessions_by_case
from ssdbench.harness.planning import plan_first_launches
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.runner import AskRule
from ssdbench.harness.stores.store import Store
from ssdbench.schema.launch_values import Stage, Wanted
from ssdbench.schema.nightly import Look
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.schema.settings import Settings
from ssdbench.workflows.judging import find_reference


def setup_to_look_twice(store: Store, setup: RunSetup, stage: NightlyStage) -> RunSetup:
    """The setup with one launch of each case that the stored sessions can say something about."""
    settings = setup.settings
    reference = find_reference(store, setup.machine.hardware.key, stage.baseline)
    known = _known(reference.records if reference else (), settings)
    most = {
        planned.case.key: planned.case.protocol.launches
        for planned in setup.plan.cases
        if planned.case.key in known and planned.case.protocol.launches > 1
    }
    return replace(setup, plan=plan_first_launches(setup.plan, most), nightly=replace(stage, most_launches=most))


def more_launches(store: Store, header: RunHeader) -> AskRule | None:
    """The rule that asks for the other launches of the cases that the first one leaves open; None: there are none."""
    stage = header.nightly
    if stage is None or not stage.most_launches:
        return None
    most, settings = stage.most_launches, header.settings
    reference = find_reference(store, header.hardware.key, stage.baseline)
    stored = reference.records if reference else ()

    def ask(records: Sequence[Record]) -> Mapping[str, Wanted]:
        sessions = sessions_by_case(stored, (record for record in records if record.case.key in most))
        missing = {key: most[key] - _launches(records, key) for key in open_after_first(sessions, settings)}
        return {key: Wanted(stage=Stage.MEASURE, pairs=few) for key, few in missing.items() if few > 0}

    return ask


def looks_of(run: Run) -> dict[str, Look]:
    """Which look at each case decides whether it is nominated; cases that are looked at once have no entry."""
    stage = run.header.nightly
    most = stage.most_launches if stage else {}
    return {key: "first" if _launches(run.records, key) <= 1 else "second" for key in most}


def _known(stored: Iterable[Record], settings: Settings) -> set[str]:
    """The cases with enough stored sessions to know the drift between them."""
    records = list(stored)
    return {key for key, case in sessions_by_case(records, records).items() if is_known(case, settings)}


def _launches(records: Iterable[Record], key: str) -> int:
    return len({record.launch for record in records if record.case.key == key})
