"""`python -m ssdbench.ssd synth|verify|prepare`: the data commands, run in the worker's interpreter.

Events go to stdout, one JSON object per line: `progress` (phase, done, total), then one `result`. A user's mistake
gives one `error` event (message, exit_code) and that exit code.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.errors import ExitCode, SsdbenchError
from ssdbench.ssd.coco import SPLITS, Prepared, PreparedSplit, load_prepared
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.processes import end_cleanly_on_sigterm, end_with
from ssdbench.ssd.synthetic import SyntheticSpec, synthesise
from ssdbench.ssd.verification import VerificationReport, verify

PROGRESS_INTERVAL_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        result: dict[str, Any]
        result, code = options.run(options)
    except SsdbenchError as error:
        return _report_error(str(error), error.exit_code)
    except OSError as error:
        return _report_error(
            f"{error.filename or 'the data set or its cache'} cannot be used: {error.strerror}.", ExitCode.ENVIRONMENT
        )
    _emit({"event": "result", "command": options.command, **result})
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ssdbench.ssd", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    synth = commands.add_parser("synth", help="make a synthetic data set in the form of COCO 2017")
    synth.add_argument("directory", type=Path)
    synth.add_argument("--train-images", type=int, required=True)
    synth.add_argument("--val-images", type=int, required=True)
    synth.add_argument("--seed", type=int, default=0)
    synth.add_argument("--easy", action="store_true", help="few large objects that differ in colour")
    synth.set_defaults(run=_synth)
    check = commands.add_parser("verify", help="check every annotation and decode every image")
    check.add_argument("directory", type=Path)
    check.set_defaults(run=_verify)
    ready = commands.add_parser("prepare", help="write clean annotation files for the pipelines")
    ready.add_argument("directory", type=Path)
    ready.add_argument("--cache", type=Path, required=True)
    ready.add_argument("--split", action="append", choices=SPLITS, dest="splits", help="default: both")
    ready.set_defaults(run=_prepare)
    matching = commands.add_parser("match", help="match stored detections with the objects of the validation images")
    matching.add_argument("prepared", type=Path, help="prepared.json")
    matching.add_argument("detections", type=Path, help=".npy of rows: image, left, top, width, height, score, label")
    matching.add_argument("output", type=Path, help=".npz to write")
    matching.add_argument("--protocol", required=True)
    matching.set_defaults(run=_match)
    for reading in (check, ready):
        reading.add_argument("--follow-links", action="store_true", help="also links that lead out of the data set")
    return parser


def _synth(options: argparse.Namespace) -> tuple[dict[str, Any], ExitCode]:
    spec = SyntheticSpec(
        train_images=options.train_images,
        val_images=options.val_images,
        seed=options.seed,
        easy=options.easy,
    )
    created = synthesise(options.directory, spec, _Progress())
    return {"directory": str(options.directory.resolve()), "created": created, **asdict(spec)}, ExitCode.OK


def _verify(options: argparse.Namespace) -> tuple[dict[str, Any], ExitCode]:
    report: VerificationReport = verify(options.directory, _Progress(), follow_links=options.follow_links)
    return asdict(report), ExitCode.BAD_DATA if report.errors else ExitCode.OK


def _prepare(options: argparse.Namespace) -> tuple[dict[str, Any], ExitCode]:
    prepared: Prepared = prepare(
        options.directory,
        options.cache,
        _Progress(),
        splits=options.splits or SPLITS,
        follow_links=options.follow_links,
    )
    return {
        "prepared": str(prepared.path),
        "cache_hit": prepared.cache_hit,
        "splits": {name: _split_as_json(split) for name, split in prepared.splits.items()},
        "warnings": [asdict(finding) for finding in prepared.warnings],
    }, ExitCode.OK


def _match(options: argparse.Namespace) -> tuple[dict[str, Any], ExitCode]:
    # Imported here: torch, which the other commands do without, takes seconds.
    from ssdbench.ssd.evaluate import evaluate, load_truth, protocol_named
    from ssdbench.ssd.matches import match, write_matches

    truth, protocol = load_truth(load_prepared(options.prepared).val), protocol_named(options.protocol)
    rows = np.load(options.detections, allow_pickle=False)
    write_matches(options.output, match(truth, rows, protocol=protocol))
    return {"evaluation": asdict(evaluate(truth, rows, protocol=protocol))}, ExitCode.OK


def _split_as_json(split: PreparedSplit) -> dict[str, Any]:
    return {key: str(v) if isinstance(v, Path) else v for key, v in asdict(split).items()}


class _Progress:
    """Emits progress at most five times per second, and at the end of a phase."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._last >= PROGRESS_INTERVAL_S:
            self._last = now
            _emit({"event": "progress", "phase": phase, "done": done, "total": total})


def _report_error(message: str, code: ExitCode) -> int:
    _emit({"event": "error", "message": message, "exit_code": int(code)})
    return int(code)


def _emit(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_cleanly_on_sigterm()
    end_with(os.getppid(), signal.SIGTERM)
    sys.exit(main())
