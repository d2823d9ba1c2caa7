"""`ssdbench import`: the measurements of other tools as launches."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import SUITE, option
from ssdbench.cli.options import Better, OutputFile
from ssdbench.cli.writing import write
from ssdbench.errors import UsageError
from ssdbench.harness.readers import formats as file_formats
from ssdbench.harness.readers.launch_csv import BETTER
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.directions import direction_of
from ssdbench.schema.exchange import ImportedValue
from ssdbench.schema.metrics import Direction
from ssdbench.schema.plain_text import csv_cell

Values = Mapping[str, Sequence[tuple[Path, Sequence[ImportedValue]]]]
"""Arm -> its files, each with the launches of one metric."""


def import_(
    baseline: Annotated[
        list[Path], option("File measured with the baseline; may be repeated.", metavar="FILE", panel=SUITE)
    ],
    candidate: Annotated[
        list[Path], option("File measured with the candidate; may be repeated.", metavar="FILE", panel=SUITE)
    ],
    layout: Annotated[str, option(f"{', '.join(formats(file_formats))}.", "--format", metavar="FORMAT", panel=SUITE)],
    metric: Annotated[
        str | None, option("Metric to read, if the files hold several.", metavar="NAME", panel=SUITE)
    ] = None,
    direction: Annotated[
        Better | None,
        option(
            "Which values are better: higher or lower; needed for a metric whose name does not say it.",
            metavar="higher|lower",
            panel=SUITE,
        ),
    ] = None,
    output: OutputFile = None,
) -> None:
    """Convert the files of other tools to a table of launches for `ssdbench verdict --csv`.

    Each file is one session, measured at one time. Files that were measured alternately (baseline, candidate,
    baseline, ...) can be judged with `verdict --mode single-shot`. The table says what its values are, and which are
    better.
    """
    read = find_format(file_formats, layout).read
    arms = {"baseline": baseline, "candidate": candidate}
    paths = [path.resolve() for found in arms.values() for path in found]
    repeated = [path for path, count in Counter(paths).items() if count > 1]
    if repeated:
        raise UsageError(
            f"{repeated[0]}: given twice; counting a launch twice overstates the certainty, so give each file once"
        )
    values = {arm: [(path, _of_metric(read(path), metric, path)) for path in found] for arm, found in arms.items()}
    name = _shared_metric(values)
    write(output, _csv(values, name, _direction(name, direction)))


def _of_metric(values: Sequence[ImportedValue], metric: str | None, path: Path) -> list[ImportedValue]:
    names = list(dict.fromkeys(value.metric for value in values))
    if metric is None and len(names) > 1:
        raise UsageError(f"{path}: several metrics ({', '.join(names)}); choose one with --metric")
    wanted = names[0] if metric is None and names else metric
    found = [value for value in values if value.metric == wanted]
    if not found:
        raise UsageError(f"{path}: has no metric {metric!r}; it has {', '.join(names) or 'none'}")
    return found


def _shared_metric(values: Values) -> str:
    """The metric of all files; each has one, and they could differ where none was asked for."""
    names: dict[str, Path] = {}
    for files in values.values():
        for path, found in files:
            names.setdefault(found[0].metric, path)
    if len(names) > 1:
        (first, one), (second, other), *_ = names.items()
        raise UsageError(f"{one} has metric {first!r}, {other} has {second!r}: compare files of one metric")
    return next(iter(names))


def _direction(metric: str, asked: Better | None) -> Direction:
    implied = direction_of(metric)
    given = None if asked is None else BETTER[asked.value]
    if implied and given and implied is not given:
        raise UsageError(f"metric {metric!r}: {implied.word} values are better: omit --direction {given.word}")
    direction = implied or given
    if direction is None:
        raise UsageError(
            f"metric {metric!r}: its name does not say which values are better: give --direction higher or lower"
        )
    return direction


def _csv(values: Values, metric: str, direction: Direction) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "arm", "launch", "value", "session", "metric", "direction"])
    for arm, files in values.items():
        launches: Counter[str] = Counter()
        for path, found in files:
            for value in found:
                cells = [
                    value.case,
                    arm,
                    str(launches[value.case]),
                    repr(value.value),
                    str(path),
                    metric,
                    direction.word,
                ]
                writer.writerow(map(csv_cell, cells))
                launches[value.case] += 1
    return text.getvalue()
