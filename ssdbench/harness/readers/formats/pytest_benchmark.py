"""pytest-benchmark's JSON. The rounds of a file are repetitions within one process, so a file is one launch with the
median of its rounds. Files exported by ssdbench declare that their rounds are launches, and are read as such.
"""

import statistics
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.readers.foreign import number, read_json
from ssdbench.schema.exchange import ImportedValue

METRIC = "seconds"
_FORM = "pytest-benchmark (`pytest --benchmark-json FILE`)"


def read(path: Path) -> list[ImportedValue]:
    """The launches of one file.

    Raises:
        UsageError: not a file of pytest-benchmark; names file and benchmark.
    """
    document = read_json(path, _FORM)
    benchmarks = document.get("benchmarks") if isinstance(document, dict) else None
    if not isinstance(benchmarks, list) or not benchmarks:
        raise UsageError(f"{path}: contains no list of benchmarks; give a file of {_FORM}")
    return [value for place, found in enumerate(benchmarks) for value in _values(path, place, found)]


def _values(path: Path, place: int, found: object) -> list[ImportedValue]:
    where = f"{path} benchmarks[{place}]"
    if not isinstance(found, dict) or not isinstance(found.get("stats"), dict) or not found.get("fullname"):
        raise UsageError(f"{where}: fullname or stats is missing; give a file of {_FORM}")
    stats, extra = found["stats"], found.get("extra_info") or {}
    name = str(found["fullname"]).removeprefix("ssdbench::")
    data = stats.get("data")
    if data is None:  # pytest-benchmark --benchmark-autosave without --benchmark-save-data
        return [ImportedValue(case=name, metric=METRIC, value=number(stats.get("median"), f"{where}.stats.median"))]
    if not isinstance(data, list) or not data:
        raise UsageError(f"{where}.stats.data: not a list of seconds; correct the file")
    seconds = [number(value, f"{where}.stats.data") for value in data]
    if extra.get("unit") != "launch":
        seconds = [statistics.median(seconds)]
    return [ImportedValue(case=name, metric=METRIC, value=value) for value in seconds]
