"""`compare --output FORMAT=FILE`: the comparison in the formats of CI systems."""

from collections.abc import Sequence
from pathlib import Path

from ssdbench.cli.printing import print_document, print_json
from ssdbench.cli.writing import is_standard_output, write
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.stores import codec
from ssdbench.report import ci
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.verdict import Comparison

JSON = "json"
NAMES = tuple(sorted((*formats(ci), JSON)))
# GitHub keeps the summaries of all steps of a job in one file, to which each step adds.
_APPENDED = ("github-summary",)
# The lines that a CI system is meant to obey.
_COMMANDS = ("github-annotations",)


def outputs_of(texts: Sequence[str]) -> list[tuple[str, Path]]:
    """Format and file of each `FORMAT=FILE`.

    Raises:
        UsageError: no such format, no file, or one file twice.
    """
    found: list[tuple[str, Path]] = []
    for text in texts:
        name, equals, file = text.partition("=")
        if name not in NAMES:
            raise UsageError(f"--output {text}: format {name!r} is unknown: choose from {', '.join(NAMES)}")
        if not equals or not file:
            raise UsageError(f"--output {text}: write it as {name}=FILE, with - for standard output")
        if Path(file) in [path for _, path in found]:
            raise UsageError(f"--output {text}: {file} is given twice; give each output its own file")
        found.append((name, Path(file)))
    return found


def write_outputs(outputs: Sequence[tuple[str, Path]], comparison: Comparison, code: ExitCode) -> None:
    """Write them all.

    Raises:
        StoreError: a file cannot be written.
    """
    for name, path in outputs:
        is_json = name == JSON
        text = codec.dump(comparison) + "\n" if is_json else find_format(ci, name).render(comparison, code)
        if is_standard_output(path) and is_json:
            print_json(text)
        elif is_standard_output(path):
            print_document(text, has_commands=name in _COMMANDS)
        else:
            write(path, text, append=name in _APPENDED)
