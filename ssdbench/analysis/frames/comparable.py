"""Refuses to put launches into one frame that are never compared: of unlike hardware, workload versions or protocols.

The conditions are those of verdicts (`analysis.differences`). Hardware has to be one in the whole frame, because a
mean over cases of two machines would be of neither; the version one for each workload; all others one for each case.
"""

from collections import defaultdict
from collections.abc import Iterable

from ssdbench.analysis.differences import WORKLOAD_VERSION, comparability_issues
from ssdbench.errors import UsageError
from ssdbench.schema.record import Record, Run

_REMEDY = "choose with {choices}, or take all with mixed=True and group by `hardware` and `conditions`"


def refuse_mixed(runs: Iterable[Run]) -> None:
    """Nothing, where all launches of these runs may stand in one frame.

    Raises:
        UsageError: they may not; the sentence names what is unlike, and how to choose.
    """
    records = [record for run in runs for record in run.records]
    keys = sorted({record.hardware.key for record in records})
    if len(keys) > 1:
        raise UsageError(
            f"these launches are of {len(keys)} kinds of hardware, which are never compared ({', '.join(keys)}): "
            + _REMEDY.format(choices="hardware=...")
        )
    for workload, versions in _versions(records).items():
        if len(versions) > 1:
            raise _unlike(f"workload {workload}", WORKLOAD_VERSION, ", ".join(map(str, sorted(versions))))
    by_case: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_case[record.case.key].append(record)
    for key, launches in by_case.items():
        for issue in comparability_issues(launches, launches):
            raise _unlike(f"case {key}", issue.name, issue.baseline)


def _versions(records: Iterable[Record]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for record in records:
        measured = record.measurement or record.training
        if measured is not None:
            found[record.case.workload].add(measured.workload_version)
    return found


def _unlike(what: str, name: str, values: str) -> UsageError:
    return UsageError(
        f"{what}: these launches differ in {name} ({values}) and are never compared: "
        + _REMEDY.format(choices="run=... or suite=...")
    )
