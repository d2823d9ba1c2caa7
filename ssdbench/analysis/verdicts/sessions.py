"""Records of runs that were not interleaved -> the sessions of a case: each run is one, with its launches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ssdbench.analysis.metrics import gated_metric
from ssdbench.analysis.verdicts.coverage import values_of
from ssdbench.schema.launch_rules import group_by_case, usable
from ssdbench.schema.launch_values import CaseSessions
from ssdbench.schema.record import Record


def sessions_by_case(baseline: Iterable[Record], candidate: Iterable[Record]) -> dict[str, CaseSessions]:
    """Every case that both sides have records of, by key, launches that are not usable left out."""
    there, here = group_by_case(baseline), group_by_case(candidate)
    return {key: sessions_of(there[key], launches) for key, launches in here.items() if key in there}


def sessions_of(baseline: Sequence[Record], candidate: Sequence[Record]) -> CaseSessions:
    """The usable launches of one case, which has a record, by session."""
    metric = gated_metric((*baseline, *candidate)[0].case)
    sides = []
    for records in (usable(baseline), usable(candidate)):
        sessions: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            sessions[record.run_id].append(record)
        sides.append(tuple(tuple(values_of(metric, launches)) for launches in sessions.values()))
    return CaseSessions(metric=metric, baseline=sides[0], candidate=sides[1])
