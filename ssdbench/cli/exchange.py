"""`ssdbench export` and `ssdbench import`: runs in neighbours' formats, and their measurements as launches."""

import csv
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.options import DEFAULT_RESULTS, Results, RunName, StoreUrl, open_store, say
from ssdbench.cli.writing import write
from ssdbench.errors import UsageError
from ssdbench.harness.readers import formats as interchange
from ssdbench.report import exporters
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.exchange import ImportedValue
from ssdbench.workflows.judging import load_run

Output = Annotated[Path | None, typer.Option("-o", "--output", help="File to write; default: print.")]


def export(
    run: RunName,
    layout: Annotated[str, typer.Option("--format", help=f"{', '.join(formats(exporters))}.")],
    output: Output = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Write the figures of a run in the format of another tool; cases without a figure are named on stderr.

    docs/formats.md says what each format holds and loses.
    """
    from ssdbench.analysis.reports.export import exported

    render = find_format(exporters, layout).render
    found = exported(load_run(open_store(results, store_url), run, say))
    for reason in found.left_out:
        print(f"ssdbench: left out: {reason}", file=sys.stderr)
    if not found.cases:
        raise UsageError(f"run {found.header.run_id} has no figure to export; see `ssdbench compare {run}`")
    write(output, render(found))


def import_(
    baseline: Annotated[list[Path], typer.Option(help="A file measured with the baseline; may be repeated.")],
    candidate: Annotated[list[Path], typer.Option(help="A file measured with the candidate; may be repeated.")],
    layout: Annotated[str, typer.Option("--format", help=f"{', '.join(formats(interchange))}.")],
    metric: Annotated[str | None, typer.Option(help="Which metric, where the files hold several.")] = None,
    output: Output = None,
) -> None:
    """Write the launches of other tools' files as a table for `ssdbench verdict --csv`.

    A file is one session, measured at one time. Files that took turns (baseline, candidate, baseline, ...) may be
    judged with `verdict --mode single-shot`.
    """
    read = find_format(interchange, layout).read
    arms = {"baseline": baseline, "candidate": candidate}
    paths = [path.resolve() for found in arms.values() for path in found]
    repeated = [path for path, count in Counter(paths).items() if count > 1]
    if repeated:
        raise UsageError(
            f"{repeated[0]}: given twice, and a launch counted twice feigns certainty; give each file once"
        )
    values = {arm: [(path, _of_metric(read(path), metric, path)) for path in found] for arm, found in arms.items()}
    write(output, _csv(values))


def _of_metric(values: Sequence[ImportedValue], metric: str | None, path: Path) -> list[ImportedValue]:
    names = list(dict.fromkeys(value.metric for value in values))
    if metric is None and len(names) > 1:
        raise UsageError(f"{path}: several metrics ({', '.join(names)}); choose one with --metric")
    wanted = names[0] if metric is None and names else metric
    found = [value for value in values if value.metric == wanted]
    if not found:
        raise UsageError(f"{path}: no metric {metric!r} in it; there are {', '.join(names) or 'none'}")
    return found


def _csv(values: Mapping[str, Sequence[tuple[Path, Sequence[ImportedValue]]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "arm", "launch", "value", "session"])
    for arm, files in values.items():
        launches: Counter[str] = Counter()
        for path, found in files:
            for value in found:
                writer.writerow([value.case, arm, launches[value.case], repr(value.value), str(path)])
                launches[value.case] += 1
    return text.getvalue()
