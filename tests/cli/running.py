"""The command line as a user meets it: arguments in, exit code and text out."""

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from ssdbench.cli import main
from ssdbench.errors import StoreError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Record, Run
from ssdbench.schema.verdict import Baseline
from tests.builders import HARDWARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Standard output without its line breaks and gaps, for a sentence that the terminal has wrapped."""
        return " ".join(self.out.split())


def ssdbench(*arguments: str | Path, columns: int = 80) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["ssdbench", *map(str, arguments)]),
        mock.patch.dict("os.environ", {"COLUMNS": str(columns)}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Outcome(code=code, out=out.getvalue(), err=err.getvalue())


def path_with_ssdbench(folder: Path) -> str:
    """A PATH on which `ssdbench`, as scripts call it, is this version's.

    Its coverage is not measured, which takes as long as a short command itself: other tests call the same verbs.
    """
    command = folder / "bin" / "ssdbench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ssdbench "$@"\n')
    command.chmod(0o755)
    return f"{command.parent}:{os.environ['PATH']}"


def keep(results: Path, *runs: Run) -> None:
    store = FileStore(results)
    for run in runs:
        store.begin(run.header)
        for record in run.records:
            store.append(record)


def records_so_far(results: Path) -> tuple[Record, ...]:
    """The records of the newest run, which another process is about to begin or to go on with."""
    with contextlib.suppress(StoreError, IndexError):
        store = FileStore(results)
        return store.load(store.headers()[-1].run_id).records
    return ()


def accept(results: Path, run: str = "latest", *more: str, reason: str = "first figures") -> Outcome:
    return ssdbench("baseline", "accept", run, "--reason", reason, "--results", results, *more)


def the_baseline(results: Path, name: str = "main") -> Baseline:
    return FileStore(results).load_baseline(HARDWARE.key, name)


def bytes_of(results: Path) -> dict[str, bytes]:
    """The files of all baselines by their names."""
    return {path.name: path.read_bytes() for path in (results / "baselines").rglob("*") if path.is_file()}
