"""Tables in the published layout: of runs, of NVIDIA's published figures, and of both."""

from collections.abc import Iterable
from pathlib import Path

from ssdbench.harness.readers.published import load_published
from ssdbench.schema.record import Run
from ssdbench.schema.table import Table


def measured_tables(runs: Iterable[Run]) -> tuple[Table, ...]:
    """The tables of runs, each without replaced launches (`judging.load_run`); one that is there twice counts once.

    Raises:
        UsageError: figures that cannot be in one cell.
    """
    from ssdbench.analysis.tables.layout import published_style
    from ssdbench.analysis.tables.measured import measured_sheets

    return published_style(measured_sheets(_distinct(runs)))


def tables_against_published(runs: Iterable[Run], results: Path, container: str | None = None) -> tuple[Table, ...]:
    """The figures of runs next to NVIDIA's for the same GPU; `container` None is the newest release published for it.

    Raises:
        UsageError: figures that cannot be in one cell, or nothing is published for this GPU.
    """
    from ssdbench.analysis.tables.against import against_published
    from ssdbench.analysis.tables.measured import measured_sheets

    figures = load_published(results)
    sheets = measured_sheets(_distinct(runs))
    return tuple(table for sheet in sheets for table in against_published(sheet, figures, container))


def published_tables(results: Path, container: str) -> tuple[Table, ...]:
    """NVIDIA's own tables of a container release.

    Raises:
        UsageError: nothing is published for this release.
    """
    from ssdbench.analysis.tables.layout import published_style
    from ssdbench.analysis.tables.published import published_sheets

    return published_style(published_sheets(load_published(results), container))


def _distinct(runs: Iterable[Run]) -> list[Run]:
    return list({run.header.run_id: run for run in runs}.values())
