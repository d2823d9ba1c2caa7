"""What it takes to tell a change of the margin on a machine: from the spread of its stored launches."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean, median

from ssdbench.analysis.metrics import figure, gated_metric, is_timed
from ssdbench.analysis.verdicts.sample_size import pairs_at_spread
from ssdbench.errors import StoreError
from ssdbench.harness.stores.store import Store
from ssdbench.schema.launch_rules import usable
from ssdbench.schema.record import Record
from ssdbench.schema.settings import DEFAULT_SETTINGS
from ssdbench.schema.text import percent, pluralize

_RUNS = 10
# docs/performance.md, "A planted slowdown, and two equal builds".
PUBLISHED_SD = 0.0017
_PUBLISHED = "16 launches of the forward pass on an H100 (docs/performance.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSpread:
    """The relative SD of launches of a case within runs, and how many launches it comes from."""

    title: str
    sd: float
    launches: int


def sensitivity(store: Store, hardware_key: str) -> str:
    """What a case needs to tell a change of the margin on this hardware, in a sentence."""
    settings, begin = DEFAULT_SETTINGS, f"To tell a change of {100 * DEFAULT_SETTINGS.margin:g} %"
    try:
        spreads = case_spreads(_stored(store, hardware_key))
    except StoreError as error:
        return f"{begin}: unknown, because the spread of stored launches cannot be read: {error}"
    if not spreads:
        return (
            f"{begin}: the spread of launches here is unknown, no two launches of a case in one run are stored. "
            f"An SD of {percent(PUBLISHED_SD, 2)}, as of {_PUBLISHED}, takes "
            f"{_pairs(pairs_at_spread(PUBLISHED_SD, settings))} of launches; `ssdbench run` shows your own"
        )
    middle, widest = median(case.sd for case in spreads), max(spreads, key=lambda case: case.sd)
    launches = sum(case.launches for case in spreads)
    return (
        f"{begin}: {launches} stored launches of {pluralize(len(spreads), 'case')} have an SD of {percent(middle, 2)} "
        f"(median), which takes {_pairs(pairs_at_spread(middle, settings))} of launches; the widest, {widest.title}, "
        f"has {percent(widest.sd, 2)} and takes {_pairs(pairs_at_spread(widest.sd, settings))}"
    )


def _stored(store: Store, hardware_key: str) -> Iterator[Record]:
    """The launches of the newest runs of this hardware."""
    headers = [header for header in store.headers() if header.hardware.key == hardware_key]
    for header in headers[-_RUNS:]:
        # A run that cannot be read says nothing; a command that needs it reports it.
        with suppress(StoreError):
            yield from store.load(header.run_id).records


def case_spreads(records: Iterable[Record]) -> list[CaseSpread]:
    """The spread of each case that has at least two usable launches of one arm in one run."""
    groups: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    titles = {}
    for record in usable(records):
        measurement = record.measurement if is_timed(record.case) else None
        value = figure(gated_metric(record.case).name, measurement) if measurement else None
        if value is not None and 0 < value < math.inf:
            groups[record.case.key][record.run_id, record.arm].append(math.log(value))
            titles[record.case.key] = record.case.title
    found = []
    for key, sides in groups.items():
        several = [values for values in sides.values() if len(values) > 1]
        freedom = sum(len(values) - 1 for values in several)
        if freedom:
            squares = math.fsum((value - fmean(values)) ** 2 for values in several for value in values)
            launches = sum(map(len, several))
            found.append(CaseSpread(title=titles[key], sd=math.sqrt(squares / freedom), launches=launches))
    return found


def _pairs(number: int | None) -> str:
    return "more pairs than can be measured" if number is None else pluralize(number, "pair")
