"""Whatever a worker leaves behind is a measurement of its case or a failed launch with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssdbench.analysis.baselines.acceptance import sessions_of_one_build
from ssdbench.errors import UsageError
from ssdbench.harness.launchers.log_excerpt import LOG_BYTES
from ssdbench.schema.record import Failure
from tests.builders import a_measurement, a_record, a_run
from tests.faults.scripted import CASE, measure


def fault(*marker: str, plant: str, says: str) -> Any:
    return pytest.param(plant, says, marks=pytest.mark.fault(*marker), id=marker[0])


def failure_of(folder: Path, plant: str) -> Failure:
    """The failure of the first launch."""
    (first,) = measure(folder, plant)
    assert first.measurement is None
    assert first.failure is not None
    return first.failure


NONE = "measurement = None\ncode = 1\n"
BAD = [
    fault("M01", "half a measurement", plant="measurement = json.dumps(measurement)[:358]", says="not a line of JSON"),
    fault("M02", "an empty measurement", plant="measurement = ''", says="not a line of JSON"),
    fault("M03", "a measurement with an unknown key", plant="measurement['surprise'] = 1", says="unknown key surprise"),
    fault("M04", "a measurement without a key", plant="del measurement['wall_seconds']", says="missing key wall_sec"),
    fault("M05", "a newer measurement", plant="measurement['schema_version'] = 99", says="a newer ssdbench"),
    fault("M06", "an integer of 400 digits", plant="measurement['images'] = 10**400", says="an integer of 401 digits"),
    fault(
        "M06",
        "an integer of 400 digits, of memory",
        plant="measurement['peak_memory_bytes'] = [10**400]",
        says="an integer of 401 digits",
    ),
    fault("M07", "a list nested 100,000 deep", plant="measurement = '[' * 100000", says="bad measurement"),
    fault("K6", "no measurement, and exit code 0", plant="measurement = None", says="ended with exit code 0"),
    fault(
        "K6",
        "a folder called measurement.json",
        plant="measurement = None\n(folder / 'measurement.json').mkdir()",
        says="the launch ended with exit code 0",
    ),
    fault(
        "K6",
        "a FIFO called measurement.json",
        plant="measurement = None\nos.mkfifo(folder / 'measurement.json')",
        says="the launch ended with exit code 0",
    ),
    fault("M08", "failure-0.json is no JSON", plant=f"{NONE}write('failure-0.json', '{{oops')", says="cannot be read"),
    fault("M09", "failure-0.json is empty", plant=f"{NONE}write('failure-0.json', '')", says="cannot be read"),
    fault("M12", "a failure of an unknown kind",
          plant=f"{NONE}write('failure-0.json', {{'kind': 'melted', 'message': 'too hot', 'failed_at': 1.0}})",
          says="melted: too hot"),
    fault("M13", "a failure with other keys and types",
          plant=f"{NONE}write('failure-0.json', {{'kind': 'crash', 'message': 'm', 'last_step': 10**400, 'x': 1}})",
          says="m"),
    fault("M10", "exits-0.json is no JSON", plant=f"{NONE}write('exits-0.json', '{{oops')", says="with exit code 1"),
    fault("M10", "exits-0.json is a list", plant=f"{NONE}write('exits-0.json', [0])", says="ended with exit code 1"),
    fault("M11", "place-0.json is no JSON", plant=f"{NONE}write('place-0.json', 'x')", says="ended with exit code 1"),
    fault("M11", "place-0.json names a device as log",
          plant=f"{NONE}write('place-0.json', {{'host': 1, 'log': '/dev/zero'}})", says="ended with exit code 1"),
    fault("M14", "A16", "a rank ended by a real-time signal", plant=f"{NONE}write('exits-0.json', {{'0': -35}})",
          says="rank 0 ended by SIGRTMIN+1"),
    fault("M14", "a rank ended by a signal of no system", plant=f"{NONE}write('exits-0.json', {{'0': -999}})",
          says="rank 0 ended by SIGRTMIN+965"),
    fault("K6", "step-0 is empty, as a full disk leaves it", plant=f"{NONE}write('step-0', b'')", says="exit code 1"),
    fault("M22", "all times are negative", plant=(
        "measurement['step_seconds'] = [-0.1] * 7\nmeasurement['wall_seconds'] = -0.5\n"
        "measurement['rank_wall_seconds'] = [-0.5]"), says="step_seconds has -0.1 s"),
    fault("M23", "step times are negative", plant="measurement['step_seconds'] = [.1] * 6 + [-.1]", says="has -0.1 s"),
    fault("M24", "images is 10^9", plant="measurement['images'] = 10**9", says="1000000000 images in 5 steps of 2"),
    fault("M25", "another batch", plant="measurement['global_batch_size'] = 77", says="a global batch of 77"),
    fault("M26", "one step of seven", plant=(
        "for name in ('step_seconds', 'fetch_seconds', 'losses'): measurement[name] = measurement[name][:1]\n"
        "measurement['warmup_steps'] = 0\nmeasurement['images'] = 2"), says="0 warm-up and 1 timed steps"),
    fault("M27", "no step", plant="measurement['step_seconds'] = []", says="leave no timed one"),
    fault("M28", "a warm-up of 10^6 steps", plant="measurement['warmup_steps'] = 10**6", says="leave no timed one"),
    fault("M29", "a warm-up of -3 steps", plant="measurement['warmup_steps'] = -3", says="leave no timed one"),
    fault("M30", "times of 1e308 s", plant="measurement['step_seconds'] = [1e308] * 7", says="finite or too large"),
    fault("M31", "times of 5e-324 s", plant="measurement['step_seconds'] = [5e-324] * 7", says="has 4.94066e-324 s"),
    fault("M32", "99 ranks", plant=(
        "for name in ('rank_wall_seconds', 'peak_memory_bytes'): measurement[name] = measurement[name] * 99"),
        says="rank_wall_seconds has 99 values for 1 rank"),
    fault("M33", "NaN", plant="measurement['wall_seconds'] = float('nan')", says="bad measurement"),
    fault("D39", "started_at is 'yesterday'", plant="measurement['started_at'] = 'yesterday'", says="is no date"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "says"), BAD)
def test_what_is_no_measurement_of_the_case_is_a_failed_launch(tmp_path: Path, plant: str, says: str) -> None:
    failure = failure_of(tmp_path, plant)
    assert says in failure.message
    assert failure.kind == "crash"


EVENTS = {
    "M15": ("a line of events-0.jsonl is no JSON", "'{oops\\n'"),
    "M16": ("a line of events-0.jsonl is a list", "'[1]\\n'"),
    "M17": ("events-0.jsonl is not UTF-8", "b'\\xff\\xfe{\\n'"),
    "M18": ("an event of another name", '\'{"event": "dance"}\\n\''),
    "K6": ("a step that is a text", '\'{"event": "step", "step": "x", "seconds": NaN}\\n\''),
    "M20": ("an event nested 100,000 deep", "'[' * 100000 + '\\n'"),
}


@pytest.mark.parametrize(
    "content",
    [pytest.param(text, marks=pytest.mark.fault(key, what), id=key) for key, (what, text) in EVENTS.items()],
)
def test_an_event_that_nobody_knows_is_passed_over(tmp_path: Path, content: str) -> None:
    (record,) = measure(tmp_path, f"write('events-0.jsonl', {content})")
    assert record.measurement is not None


@pytest.mark.fault("K6", "a launch leaves broken files of every kind, and the next one is sound")
def test_a_run_continues_after_a_launch_that_left_broken_files(tmp_path: Path) -> None:
    names = ("measurement.json", "failure-0.json", "exits-0.json", "place-0.json", "events-0.jsonl", "step-0")
    first, second = measure(tmp_path, f"measurement = '{{'\nfor name in {names}: write(name, 'x{{')", launches=2)
    assert first.failure is not None
    assert second.measurement is not None


@pytest.mark.fault("M19", "one line of 100 MB in the log, below an error that matters")
def test_a_record_keeps_the_errors_of_a_log_in_a_few_kilobytes(tmp_path: Path) -> None:
    plant = (
        f"{NONE}print('RuntimeError: unable to allocate shared memory')\n"
        "for n in range(500): print(f'  File \"worker.py\", line {n} in error_handler')\n"
        "print('x' * 100_000_000)\nprint('the end')"
    )
    failure = failure_of(tmp_path, plant)
    assert failure.log is not None
    assert len(failure.log.encode()) <= LOG_BYTES
    assert failure.log.endswith("the end")


@pytest.mark.fault("B19", "a cause above hundreds of lines of stack dumps")
def test_the_line_that_says_why_is_kept_above_the_stacks(tmp_path: Path) -> None:
    plant = (
        f"{NONE}print('RuntimeError: unable to allocate shared memory')\n"
        "for n in range(500): print(f'  File \"error.py\", line {n} in error_handler')\n"
    )
    failure = failure_of(tmp_path, plant)
    assert failure.log is not None
    first, gap, *stacks = failure.log.splitlines()
    assert first == "RuntimeError: unable to allocate shared memory"
    assert gap == "[...]"
    assert len(stacks) == 30


@pytest.mark.fault("K5", "a stored record was edited so that it cannot be of its case, and is accepted")
@pytest.mark.parametrize(
    "changes", [{"images": 10**9}, {"rank_wall_seconds": (0.5,) * 99}, {"started_at": "yesterday"}]
)
def test_a_stored_record_that_cannot_be_is_never_accepted(changes: dict[str, Any]) -> None:
    run = a_run((CASE, ()))
    records = [
        a_record(case=CASE, launch=launch, order=launch, measurement=a_measurement(case=CASE)) for launch in range(2)
    ]
    sound = replace(run, records=tuple(records))
    assert sessions_of_one_build([sound]) == sound
    records[1] = a_record(case=CASE, launch=1, order=1, measurement=a_measurement(case=CASE, **changes))
    with pytest.raises(UsageError, match=r"launch 1 \(.*\): no measurement of its case; measure again"):
        sessions_of_one_build([replace(run, records=tuple(records))])
