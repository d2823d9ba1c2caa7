"""Altered copies of measured launches: of known values, so that what the rule must say of them is known as well."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.interleaved import next_pairs
from ssdbench.schema.case import Case, Plan, PlannedCase, Slot
from ssdbench.schema.environment import Hardware
from ssdbench.schema.launch_rules import usable
from ssdbench.schema.record import Arm, Failure, Record, Run, StageName
from ssdbench.schema.settings import Settings

_ARMS: tuple[Arm, Arm] = ("baseline", "candidate")
_MOST_ROUNDS = 100
_LEAST_DEVIATION = 1e-4
"""Of launches that are equal to the last digit, which the rule does not judge."""
_MOST_DEVIATION, _SHARE_OF_MARGIN = 0.003, 0.1
"""No copy differs more from the mean, so that what the rule must say is known on a restless machine as well."""

Slowness = Callable[[Arm, int], float]
"""Arm and place in the order of the run -> by what factor the times of that launch are longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Makes runs out of a launch of `run`, which is one of pairs of one build; they have its order.

    They have its real spread too, unless that leaves no certain answer.
    """

    run: Run
    template: Record
    deviations: tuple[float, ...]
    candidate_is_first: tuple[bool, ...]

    @staticmethod
    def of(run: Run) -> "Copies | None":
        """None where the run has no two whole pairs."""
        (case,) = (planned.case for planned in run.header.plan.cases)
        launches = launches_by_case(run.header.plan, run.records)[case.key].measure
        candidate = [record for record in usable(run.records) if record.arm == "candidate"]
        if launches.pairs < 2 or not candidate:
            return None
        seconds = [-math.log(value) for value in launches.candidate]
        deviations = tuple(value - fmean(seconds) for value in seconds)
        largest = max(map(abs, deviations))
        most = min(_MOST_DEVIATION, _SHARE_OF_MARGIN * run.header.settings.log_margin)
        if largest < _LEAST_DEVIATION:
            deviations = tuple(_LEAST_DEVIATION * (-1) ** place for place in range(2))
        elif largest > most:
            deviations = tuple(value * most / largest for value in deviations)
        return Copies(
            run=run,
            template=candidate[0],
            deviations=deviations,
            candidate_is_first=launches.candidate_is_first[:2],
        )

    @property
    def most_deviation(self) -> float:
        """The largest difference of a launch from the mean, as a difference of logarithms."""
        return max(map(abs, self.deviations))

    def pairs(self, name: str, settings: Settings, slowness: Slowness, case: Case | None = None) -> Run:
        """A run of pairs, as many as the rule asks for; the launches of both arms have the measured deviations."""
        case = case or self.template.case
        run = self._empty(name, [case], settings)
        for _ in range(_MOST_ROUNDS):
            wanted = next_pairs(launches_by_case(run.header.plan, run.records), settings)
            if not wanted:
                break
            stage: StageName = wanted[case.key].stage.value
            for _ in range(wanted[case.key].pairs):
                run = self._with_pair(run, case, stage, slowness)
        return run

    def first_pairs(self, name: str, settings: Settings, spread: float) -> Run:
        """A run of the pairs with which every case begins, whose deviations are `spread` times the measured ones."""
        case = self.template.case
        run = self._empty(name, [case], settings)
        for _ in range(settings.first_pairs):
            run = self._with_pair(run, case, "measure", lambda _arm, _place: 1.0, spread)
        return run

    def sessions(
        self,
        name: str,
        launches: Sequence[tuple[Case, float | None]],
        hardware: Hardware | None = None,
    ) -> Run:
        """A run without a baseline arm: two launches of each case, slower by a factor; None: they failed."""
        cases = [case for case, _ in launches]
        run = self._empty(name, cases, self.run.header.settings)
        header = replace(run.header, baseline_arm=None, hardware=hardware or run.header.hardware)
        records: list[Record] = []
        for case, factor in launches:
            for launch in range(2):
                copy = self._copy(header.run_id, case, "candidate", "measure", launch, len(records))
                copy = replace(copy, hardware=header.hardware)
                records.append(_failed(copy) if factor is None else scaled(copy, factor * self._deviation(launch)))
        return Run(header=header, records=tuple(records))

    def _with_pair(self, run: Run, case: Case, stage: StageName, slowness: Slowness, spread: float = 1.0) -> Run:
        pair = sum(record.stage == stage for record in run.records) // 2
        is_first = self.candidate_is_first[pair % 2]
        records = list(run.records)
        for arm in reversed(_ARMS) if is_first else _ARMS:
            copy = self._copy(run.header.run_id, case, arm, stage, pair, len(records))
            factor = slowness(arm, len(records)) * self._deviation(pair) ** spread
            records.append(scaled(copy, factor))
        return replace(run, records=tuple(records))

    def _deviation(self, place: int) -> float:
        return math.exp(self.deviations[place % len(self.deviations)])

    def _empty(self, name: str, cases: Sequence[Case], settings: Settings) -> Run:
        planned = tuple(PlannedCase(case=replace(case, protocol=replace(case.protocol, launches=2))) for case in cases)
        order = tuple(Slot(case_key=case.key, launch=launch) for case in cases for launch in range(2))
        plan = Plan(suite=self.run.header.plan.suite, seed=1, cases=planned, order=order)
        header = replace(self.run.header, run_id=f"altered-{name}", plan=plan, settings=settings, arrival=0)
        return Run(header=header, records=())

    def _copy(self, run_id: str, case: Case, arm: Arm, stage: StageName, launch: int, order: int) -> Record:
        return replace(
            self.template,
            id=f"{run_id}/{case.key}/{stage}/{arm}/{launch}/0",
            run_id=run_id,
            case=replace(case, protocol=replace(case.protocol, launches=2)),
            arm=arm,
            stage=stage,
            launch=launch,
            order=order,
            replacement=0,
        )


def scaled(record: Record, factor: float) -> Record:
    """A copy of a measured launch whose times are longer by a factor."""
    measured = record.measurement
    assert measured is not None
    changed = replace(
        measured,
        step_seconds=tuple(factor * seconds for seconds in measured.step_seconds),
        fetch_seconds=tuple(factor * seconds for seconds in measured.fetch_seconds),
        wall_seconds=factor * measured.wall_seconds,
        rank_wall_seconds=tuple(factor * seconds for seconds in measured.rank_wall_seconds),
        phases=tuple(
            replace(phase, seconds=tuple(factor * seconds for seconds in phase.seconds)) for phase in measured.phases
        ),
    )
    return replace(record, measurement=changed)


def _failed(record: Record) -> Record:
    return replace(record, measurement=None, failure=Failure(kind="crash", message="planted by the self-test", rank=0))
