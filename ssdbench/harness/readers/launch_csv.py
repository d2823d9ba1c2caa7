"""Reads launches from a CSV file, one line per launch, for the verdict rule.

    case, arm, launch, value [, pair, stage, session, metric, direction, order]

`arm` is baseline or candidate, `stage` measure (the default) or confirm (new pairs of flagged cases). Pairs are
those with equal `pair`; without that column the i-th launches of both arms, by `launch` if that is a number, else in
the order of the file. An empty value is NaN: a launch without a result. `metric` names what the values are, and
`direction` says which are better, higher or lower (`launch_metrics`). Of a pair the launch with the smaller `order` was
first; texts that are no numbers say nothing. Other columns are ignored.
"""

import csv
import difflib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.schema.launch_values import Arms, CaseLaunches, CaseSessions, Stage
from ssdbench.schema.metrics import Direction, Metric
from ssdbench.schema.names import LONGEST_NAME, quoted
from ssdbench.schema.verdict import Mode

REQUIRED = ("case", "arm", "launch", "value")
OPTIONAL = ("pair", "stage", "session", "metric", "direction", "order")
ARMS = ("baseline", "candidate")
BETTER = {direction.word: direction for direction in Direction}
"""The values of the column `direction`."""
_STAGES_OF_0_1 = {"b": "measure", "c": "confirm"}
_COLUMNS = f"{','.join(REQUIRED)}[,{','.join(OPTIONAL)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One launch; `place` is where it was read ("launches.csv line 3"), and an empty text was not given."""

    place: str
    case: str
    arm: str
    launch: str
    value: float
    pair: str = ""
    stage: Stage = Stage.MEASURE
    session: str = ""
    metric: str = ""
    direction: Direction | None = None
    order: str = ""


def read_rows(path: Path) -> list[Row]:
    """All launches of a file.

    Raises:
        UsageError: not a CSV file of these columns; names file, line, column and remedy.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            lines = [(f"{path} line {reader.line_num}", cells) for cells in reader if any(map(str.strip, cells))]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV ({error}); give a text file of {_COLUMNS}") from None
    return parse_rows(str(path), f"{path} line 1", header, lines)


def parse_rows(
    source: str, header_place: str, header: Sequence[str], lines: Iterable[tuple[str, Sequence[str]]]
) -> list[Row]:
    """All launches of a table of texts.

    Args:
        source: what to call the table in a sentence.
        header_place: where its header is, for a sentence.
        header: the names of its columns.
        lines: where each line is, for a sentence, and its cells.

    Raises:
        UsageError: not a table of these columns; names place, column and remedy.
    """
    columns = _columns(header_place, header)
    rows = [_row(place, columns, cells) for place, cells in lines]
    if not rows:
        raise UsageError(f"{source}: no launch in it; give one line a launch: {_COLUMNS}")
    _refuse_repetition(rows)
    _refuse_half_paired(rows)
    return rows


def detect_mode(rows: Iterable[Row]) -> Mode:
    """The mode in which a table can be judged.

    Stored if it has sessions, no pairs, and no session of both arms; interleaved if it has a stage `confirm`; else
    single-shot.
    """
    rows = list(rows)
    arms: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        arms[row.case, row.session].add(row.arm)
    is_paired = any(row.pair for row in rows) or any(len(both) == 2 for both in arms.values())
    if any(row.session for row in rows) and not is_paired:
        return Mode.STORED
    return Mode.INTERLEAVED if any(row.stage is Stage.CONFIRM for row in rows) else Mode.SINGLE_SHOT


def launches_by_case(rows: Iterable[Row], metrics: Mapping[str, Metric], mode: Mode) -> dict[str, CaseLaunches]:
    """The launches of each case by stage; in interleaved mode without launches that have no partner."""
    order = _paired if mode is Mode.INTERLEAVED else _all
    return {
        case: CaseLaunches(
            metric=metrics[case],
            measure=order([row for row in launches if row.stage is Stage.MEASURE]),
            confirm=order([row for row in launches if row.stage is Stage.CONFIRM]),
        )
        for case, launches in _by_case(rows).items()
    }


def group_sessions(rows: Iterable[Row], metrics: Mapping[str, Metric]) -> dict[str, CaseSessions]:
    """The launches of each case by session, of both stages."""
    found = {}
    for case, launches in _by_case(rows).items():
        sides: dict[str, dict[str, list[float]]] = {arm: defaultdict(list) for arm in ARMS}
        for row in launches:
            sides[row.arm][row.session].append(row.value)
        baseline, candidate = (tuple(map(tuple, sides[arm].values())) for arm in ARMS)
        found[case] = CaseSessions(metric=metrics[case], baseline=baseline, candidate=candidate)
    return found


def count_unpaired(rows: Iterable[Row]) -> dict[str, int]:
    """The number of launches of each case whose `pair` the other arm lacks."""
    count: dict[str, int] = defaultdict(int)
    for case, launches in _by_case(rows).items():
        for stage in Stage:
            of_stage = [row for row in launches if row.stage is stage]
            if any(row.pair for row in of_stage):
                arms = [{row.pair for row in of_stage if row.arm == arm} for arm in ARMS]
                count[case] += sum(row.pair not in arms[0] & arms[1] for row in of_stage)
    return {case: number for case, number in count.items() if number}


def _columns(place: str, header: Sequence[str]) -> Mapping[str, int]:
    names = [name.strip().lower() for name in header]
    for name in REQUIRED:
        if name not in names:
            raise UsageError(f"{place}: column {name!r} is missing; the columns are {_COLUMNS}")
    for name in names:
        if names.count(name) > 1 and name in REQUIRED + OPTIONAL:
            raise UsageError(f"{place}: column {name!r} is given twice; keep one")
        close = difflib.get_close_matches(name[:LONGEST_NAME], OPTIONAL, n=1, cutoff=0.8)
        if close and name not in OPTIONAL and close[0] not in names:
            raise UsageError(f"{place}: column {quoted(name)} is not known; did you mean {close[0]!r}?")
    return {name: names.index(name) for name in REQUIRED + OPTIONAL if name in names}


def _row(place: str, columns: Mapping[str, int], cells: Sequence[str]) -> Row:
    def cell(name: str) -> str:
        number = columns.get(name)
        return "" if number is None or number >= len(cells) else cells[number].strip()

    def wrong(name: str, remedy: str) -> UsageError:
        return UsageError(f"{place} column {name}: {quoted(cell(name))} {remedy}")

    if len(cells) <= max(columns[name] for name in REQUIRED):
        raise UsageError(f"{place}: {len(cells)} cells; the header has {len(columns)} columns")
    if not cell("case"):
        raise wrong("case", "is no name; name the case of this launch")
    arm, stage = cell("arm").lower(), cell("stage").lower() or Stage.MEASURE.value
    if arm not in ARMS:
        raise wrong("arm", "is no arm; write baseline or candidate")
    stage = _STAGES_OF_0_1.get(stage, stage)
    if stage not in [known.value for known in Stage]:
        raise wrong("stage", "is no stage; write measure (every case), or confirm (new pairs of those flagged)")
    direction = cell("direction").lower().removesuffix("_is_better")
    if direction and direction not in BETTER:
        raise wrong("direction", "is no direction; write higher or lower, whichever values are better")
    try:
        value = float(cell("value") or "nan")
    except ValueError:
        raise wrong("value", "is no number; write it like 0.125, or leave it empty") from None
    return Row(
        place=place,
        case=cell("case"),
        arm=arm,
        launch=cell("launch"),
        value=value,
        pair=cell("pair"),
        stage=Stage(stage),
        session=cell("session"),
        metric=cell("metric"),
        direction=BETTER.get(direction),
        order=cell("order"),
    )


def _refuse_repetition(rows: Iterable[Row]) -> None:
    # Counting a launch twice would overstate the certainty.
    seen: dict[tuple[object, ...], str] = {}
    for row in rows:
        keys: list[tuple[object, ...]] = [("launch", row.launch, row.pair, row.session)] if row.launch else []
        keys += [("pair", row.pair, row.session)] if row.pair else []
        for key in keys:
            first = seen.setdefault((row.case, row.arm, row.stage, *key), row.place)
            if first != row.place:
                raise UsageError(
                    f"{row.place} column {key[0]}: {row.arm} {key[0]} {key[1]} of case {row.case}, stage "
                    f"{row.stage.value}, is given twice, first in {first}; number the launches, and keep each once"
                )


def _refuse_half_paired(rows: Iterable[Row]) -> None:
    groups: dict[tuple[str, Stage], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.case, row.stage].append(row)
    for group in groups.values():
        empty = next((row for row in group if not row.pair), None)
        if empty and any(row.pair for row in group):
            raise UsageError(
                f"{empty.place} column pair: is empty, and other launches of case {empty.case}, stage "
                f"{empty.stage.value}, have one; give all of them a pair, or none"
            )


def _by_case(rows: Iterable[Row]) -> dict[str, list[Row]]:
    cases: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        cases[row.case].append(row)
    return cases


def _all(rows: Sequence[Row]) -> Arms:
    baseline, candidate = (_ordered([row for row in rows if row.arm == arm], "launch") for arm in ARMS)
    return _arms(baseline, candidate)


def _paired(rows: Sequence[Row]) -> Arms:
    arms = [{row.pair for row in rows if row.arm == arm} for arm in ARMS]
    if not any(row.pair for row in rows) or not all(arms):
        return _all(rows)
    whole = [row for row in rows if row.pair in arms[0] & arms[1]]
    baseline, candidate = (_ordered([row for row in whole if row.arm == arm], "pair") for arm in ARMS)
    partner = {row.pair: row for row in candidate}
    return _arms(baseline, [partner[row.pair] for row in baseline])


def _arms(baseline: Sequence[Row], candidate: Sequence[Row]) -> Arms:
    places = [(_number(here.order), _number(there.order)) for there, here in zip(baseline, candidate, strict=False)]
    is_known = all(here < there or here > there for here, there in places)
    return Arms(
        baseline=tuple(row.value for row in baseline),
        candidate=tuple(row.value for row in candidate),
        candidate_is_first=tuple(here < there for here, there in places) if is_known else (),
    )


def _ordered(rows: Sequence[Row], column: str) -> list[Row]:
    numbers = [_number(getattr(row, column)) for row in rows]
    if any(math.isnan(number) for number in numbers):
        return list(rows)
    return [row for _, row in sorted(zip(numbers, rows, strict=True), key=lambda numbered: numbered[0])]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
