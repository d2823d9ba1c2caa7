"""Writes the launches, steps or verdicts of a run as a file for other tools; the frames are those of the Python API."""

from enum import Enum

from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Run
from ssdbench.workflows.judging import judge_run


class FrameName(str, Enum):
    """What each row of the file holds."""

    LAUNCHES = "launches"
    STEPS = "steps"
    VERDICTS = "verdicts"


class FileFormat(str, Enum):
    """The file's format."""

    CSV = "csv"
    PARQUET = "parquet"


def export_frame(store: Store, run: Run, name: FrameName, form: FileFormat, baseline: str | None = None) -> bytes:
    """The content of the file.

    Args:
        store: where the baseline is.
        run: the run, with both its arms where it has two.
        name: what a row is.
        form: CSV in UTF-8, or Parquet.
        baseline: what verdicts are against, as `judge_run` takes it.

    Raises:
        StoreError: `baseline` is neither a baseline nor a run.
        EnvironmentLacksError: Parquet, and pyarrow is missing.
    """
    from ssdbench.analysis.frames.files import to_csv, to_parquet
    from ssdbench.analysis.frames.launches import launches_frame
    from ssdbench.analysis.frames.steps import steps_frame
    from ssdbench.analysis.frames.verdicts import verdicts_frame

    if name is FrameName.LAUNCHES:
        frame = launches_frame([run])
    elif name is FrameName.STEPS:
        frame = steps_frame(run)
    else:
        frame = verdicts_frame(judge_run(store, run, baseline).comparison)
    return to_parquet(frame) if form is FileFormat.PARQUET else to_csv(frame).encode()
