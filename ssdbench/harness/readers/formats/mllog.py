"""MLPerf's log lines: each number, whether a key's value or part of `tracked_stats`, is a launch of its metric.

The case is `case` of the metadata, or else the file's `submission_benchmark`. Lines without the token are skipped, as
in MLPerf's own tools, because a log contains other text too.
"""

from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.harness.readers.foreign import number, parse_json, read_text
from ssdbench.schema.exchange import ImportedValue

TOKEN = ":::MLLOG "


def read(path: Path) -> list[ImportedValue]:
    """All numbers of one file.

    Raises:
        UsageError: there is no MLPerf line, or one cannot be read; names file and line.
    """
    entries = []
    for place, line in enumerate(read_text(path).splitlines(), start=1):
        _, token, text = line.partition(TOKEN)
        if token:
            entries.append((f"{path} line {place}", _entry(f"{path} line {place}", text)))
    if not entries:
        raise UsageError(f"{path}: contains no line with {TOKEN.strip()}; give a log of MLPerf")
    names = [str(entry["value"]) for _, entry in entries if entry["key"] == "submission_benchmark"]
    benchmark = names[0] if names else path.stem
    return [value for place, entry in entries for value in _values(place, entry, benchmark)]


def _entry(place: str, text: str) -> dict[str, Any]:
    entry = parse_json(text, f"{place} after {TOKEN.strip()}", "correct or remove the line")
    if not isinstance(entry, dict) or "key" not in entry or "value" not in entry:
        raise UsageError(f"{place}: key or value is missing; correct or remove the line")
    return entry


def _values(place: str, entry: dict[str, Any], benchmark: str) -> list[ImportedValue]:
    metadata = entry.get("metadata")
    case = str(metadata.get("case", benchmark)) if isinstance(metadata, dict) else benchmark
    key, value = str(entry["key"]), entry["value"]
    if isinstance(value, dict):
        return [ImportedValue(case=case, metric=str(name), value=number(v, place)) for name, v in value.items()]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return []
    return [ImportedValue(case=case, metric=key, value=number(value, place))]
