"""What the self-test looks for: whether what came is what was demanded, and the smallest change that can be found."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.contrast import contrasts
from ssdbench.analysis.verdicts.interleaved import detectable_and_called
from ssdbench.schema.launch_rules import usable
from ssdbench.schema.record import Record, Run
from ssdbench.schema.selftest import Demand, Found, SmallestChange, Validity
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Comparison

_FEWEST_PAIRS = 2


def found_in(comparison: Comparison, exit_code: int, records: Sequence[Record], also_said: str = "") -> Found:
    """What came of a plant: the worst verdict of a comparison, and what became of the planted launches."""
    worst = comparison.cases[0]
    order = worst.order_effect.sentence if worst.order_effect else ""
    said = (worst.verdict.sentence, worst.explanation, *worst.notes, order, also_said)
    return Found(
        status=worst.verdict.status,
        exit_code=exit_code,
        validity=_validity(records),
        said="; ".join(dict.fromkeys(part for part in said if part)),
    )


def _validity(records: Sequence[Record]) -> Validity:
    if any(record.failure is not None for record in records):
        return "failed"
    return "invalid" if any(record.invalid_reason is not None for record in records) else "valid"


def problems(demand: Demand, found: Found) -> tuple[str, ...]:
    """A sentence for each thing that came and was not demanded."""
    wrong = []
    if found.status not in demand.statuses:
        wanted = " or ".join(status.value for status in demand.statuses)
        wrong.append(f"the verdict is {found.status.value}, not {wanted}")
    if found.exit_code not in demand.exit_codes:
        wrong.append(f"the exit code is {found.exit_code}, not {' or '.join(map(str, demand.exit_codes))}")
    if found.validity != demand.validity:
        wrong.append(f"the launches are {found.validity}, not {demand.validity}")
    wrong += [f"nothing says “{words}”" for words in demand.says if words not in found.said]
    return tuple(wrong)


def smallest_changes(run: Run, settings: Settings, budget_seconds: float) -> list[SmallestChange]:
    """The smallest change of each case of a run in which both arms are one build; cases below two pairs are left out.

    The spread is that of its pairs, also for as many pairs as the budget has room for (no more than the rule takes).
    """
    found = []
    for key, launches in launches_by_case(run.header.plan, run.records).items():
        arms, metric, case = launches.measure, launches.metric, run.header.plan.case(key)
        if launches.abandoned is not None or arms.pairs < _FEWEST_PAIRS:
            continue
        contrast = contrasts([(metric, arms.first(arms.pairs))], settings)[0]
        seconds = median(record.launch_seconds or 0.0 for record in usable(run.records) if record.case.key == key)
        pairs = settings.pair_cap if seconds <= 0 else int(budget_seconds / (2 * seconds))
        pairs = max(_FEWEST_PAIRS, min(settings.pair_cap, pairs))
        wider = replace(
            contrast,
            error=contrast.error * math.sqrt(contrast.launches / pairs),
            freedom=2.0 * (pairs - 2 * int(settings.trim * pairs) - 1),
        )
        found.append(
            SmallestChange(
                case_key=key,
                title=case.title,
                metric=metric.name,
                pairs=arms.pairs,
                measured=math.expm1(detectable_and_called(contrast, settings)[0]),
                pairs_in_budget=pairs,
                in_budget=math.expm1(detectable_and_called(wider, settings)[0]),
            )
        )
    return found
