"""MLPerf's log lines: every number is a launch of its metric, whether a key's value or within `tracked_stats`.

The case is what the metadata call so, else the `submission_benchmark` of the file. Lines without the token are passed
over, as MLPerf's own tools do: a log holds other text as well.
"""

import json
from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.harness.readers.foreign import number, read_text
from ssdbench.schema.exchange import ImportedValue

TOKEN = ":::MLLOG "


def read(path: Path) -> list[ImportedValue]:
    """All numbers of one file.

    Raises:
        UsageError: no line of MLPerf, or one that cannot be read; names file and line.
    """
    entries = []
    for place, line in enumerate(read_text(path).splitlines(), start=1):
        _, token, text = line.partition(TOKEN)
        if token:
            entries.append((f"{path} line {place}", _entry(f"{path} line {place}", text)))
    if not entries:
        raise UsageError(f"{path}: no line with {TOKEN.strip()} in it; give a log of MLPerf")
    names = [str(entry["value"]) for _, entry in entries if entry["key"] == "submission_benchmark"]
    benchmark = names[0] if names else path.stem
    return [value for place, entry in entries for value in _values(place, entry, benchmark)]


def _entry(place: str, text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{place}: not JSON behind {TOKEN.strip()} ({error}); repair or remove it") from None
    if not isinstance(entry, dict) or "key" not in entry or "value" not in entry:
        raise UsageError(f"{place}: no key and value in it; repair or remove it")
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
