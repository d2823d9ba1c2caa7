"""MLPerf's log lines: `:::MLLOG` and a JSON object, one for each event.

A launch is one `tracked_stats` event with all its metrics; an accuracy case has `global_batch_size`, `seed`, and
`eval_accuracy` after each evaluated epoch. These logs have MLPerf's form; they are not MLPerf results.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from ssdbench.schema.exchange import ExportedCase, ExportedRun
from ssdbench.schema.training import Training

TOKEN = ":::MLLOG "
_NAMESPACE = "ssdbench"


def render(run: ExportedRun) -> str:
    """All lines, ordered by case and launch."""
    shared = {"run_id": run.header.run_id, "hardware": run.header.hardware.key}
    lines = [_line(run.header.created_at, "submission_benchmark", "ssd", shared)]
    for case in run.cases:
        lines += _of_case(case, {**shared, "case": case.case.key})
    return "\n".join(lines) + "\n"


def _of_case(case: ExportedCase, about: Mapping[str, object]) -> Iterator[str]:
    for launch in case.launches:
        yield _line(launch.started_at, "tracked_stats", launch.figures, {**about, "launch": launch.launch})
    for training in case.trainings:
        yield from _of_training(training, about)


def _of_training(training: Training, about: Mapping[str, object]) -> Iterator[str]:
    yield _line(training.started_at, "global_batch_size", training.global_batch_size, about)
    yield _line(training.started_at, "seed", training.seed, about)
    for result in training.results:
        if result.evaluation is not None:
            where = {**about, "seed": training.seed, "epoch_num": result.epoch + 1}
            yield _line(training.started_at, "eval_accuracy", result.evaluation.ap, where)


def _line(moment: str, key: str, value: object, metadata: Mapping[str, object]) -> str:
    entry = {
        "namespace": _NAMESPACE,
        "time_ms": round(1000 * datetime.fromisoformat(moment).timestamp()),
        "event_type": "POINT_IN_TIME",
        "key": key,
        "value": value,
        "metadata": {"file": "ssdbench", "lineno": 0, **metadata},
    }
    # The readers of these logs decode the file as Latin-1.
    return TOKEN + json.dumps(entry, ensure_ascii=True)
