"""What the values of a table of launches are, and which of them are better: by its columns, its names, or as asked."""

from collections.abc import Iterable

from ssdbench.errors import UsageError
from ssdbench.harness.readers.launch_csv import Row
from ssdbench.schema.directions import direction_of
from ssdbench.schema.metrics import Direction, Metric


def metrics_of_cases(rows: Iterable[Row], asked: Direction | None) -> dict[str, Metric]:
    """The metric of each case.

    A direction comes from the column `direction`, from `asked`, or from a metric whose name says it; where these
    disagree nothing is judged, because a drop of throughput would pass for an improvement. Without any of them lower is
    better, as for a time.

    Raises:
        UsageError: a case has two metrics, its directions disagree, or nobody says the direction of its metric.
    """
    first: dict[str, Row] = {}
    for row in rows:
        before = first.setdefault(row.case, row)
        for column in ("metric", "direction"):
            found, known = getattr(row, column), getattr(before, column)
            if found != known:
                raise UsageError(
                    f"{row.place} column {column}: {_word(found)!r} for case {row.case}, and {_word(known)!r} in "
                    f"{before.place}; a case has one {column}: give each metric a case, or a file, of its own"
                )
    return {case: _metric(row, asked) for case, row in first.items()}


def says_direction(rows: Iterable[Row]) -> bool:
    """Whether every row has a metric or a direction, so that no direction is taken for granted."""
    return all(row.metric or row.direction for row in rows)


def _metric(row: Row, asked: Direction | None) -> Metric:
    implied = direction_of(row.metric) if row.metric else None
    stated = row.direction
    if stated and implied and stated is not implied:
        raise UsageError(
            f"{row.place} column direction: {stated.word!r}, and {implied.word} values of {row.metric!r} are better; "
            "correct the column, or rename the metric"
        )
    known = stated or implied
    if known and asked and known is not asked:
        column = "direction" if stated else "metric"
        raise UsageError(
            f"{row.place} column {column}: {known.word} values of {row.metric or 'value'!r} are better, and "
            f"{asked.word} was asked for; omit the option, or correct the column"
        )
    direction = known or asked
    if direction is None and row.metric:
        raise UsageError(
            f"{row.place} column metric: nothing says which values of {row.metric!r} are better; add a column "
            "direction (higher or lower), or give the direction as an option"
        )
    name = row.metric or "value"
    return Metric(
        name=name,
        title=name,
        unit="",
        direction=direction or Direction.LOWER_IS_BETTER,
        description="the column `value`",
    )


def _word(found: Direction | str | None) -> str:
    return found.word if isinstance(found, Direction) else found or ""
