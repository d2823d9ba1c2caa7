"""Bencher's metric format: a file is one launch of each of its benchmarks; lower and upper values are ignored."""

from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.readers.foreign import number, read_json
from ssdbench.schema.exchange import ImportedValue

_FORM = "Bencher's metric format (benchmark -> measure -> value)"


def read(path: Path) -> list[ImportedValue]:
    """The launches of one file, one for each benchmark and measure.

    Raises:
        UsageError: not a file of this format; names file, benchmark and measure.
    """
    document = read_json(path, _FORM)
    if not isinstance(document, dict) or not document:
        raise UsageError(f"{path}: contains no benchmark; give a file of {_FORM}")
    found = []
    for benchmark, measures in document.items():
        if not isinstance(measures, dict):
            raise UsageError(f"{path} {benchmark!r}: contains no measures; give a file of {_FORM}")
        for measure, value in measures.items():
            place = f"{path} {benchmark!r} {measure!r}"
            if not isinstance(value, dict):
                raise UsageError(f"{place}: contains no value; give a file of {_FORM}")
            found.append(ImportedValue(case=benchmark, metric=measure, value=number(value.get("value"), place)))
    return found
