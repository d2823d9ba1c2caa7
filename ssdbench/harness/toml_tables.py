"""Reads TOML files into validated tables. Every mistake is one sentence that names file, key and remedy."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ssdbench.errors import UsageError
from ssdbench.harness.toml_limits import MOST_BYTES, extreme_of
from ssdbench.schema.names import did_you_mean, quoted

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Table(BaseModel):
    """A table of a file written by hand: unknown keys are errors, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


T = TypeVar("T", bound=Table)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is no file; give the path of a TOML file")
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except ValueError as error:
        raise UsageError(f"{path}: cannot be read as TOML ({error}); correct the file") from None
    return parse_toml(text, str(path))


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The content of a TOML text; messages call it `origin`.

    Raises:
        UsageError: it is not TOML.
    """
    if extreme := extreme_of(text):
        raise UsageError(f"{origin}: {extreme}; correct the file")
    try:
        content: dict[str, Any] = tomllib.loads(text.replace("\r\n", "\n"))
    except ValueError as error:  # an integer of too many digits is one too
        raise UsageError(f"{origin}: cannot be read as TOML ({error}); correct the file") from None
    return content


def validated(kind: type[T], content: dict[str, Any], origin: str, flags: Mapping[str, str] | None = None) -> T:
    """The content as a table; messages call it `origin`, and a key that `flags` names by the option that set it.

    Raises:
        UsageError: the table does not have such a key or value.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{origin}: {_sentence(kind, error, flags or {})}") from None


def _sentence(kind: type[Table], error: ValidationError, flags: Mapping[str, str]) -> str:
    faults = error.errors()
    # A misspelt key is reported as missing too: name the one that the user wrote.
    first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    *location, key = first["loc"] or ("",)
    name = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in first["loc"])
    flag = next((flags[part] for part in first["loc"] if isinstance(part, str) and part in flags), None)
    where = flag or f"key {quoted(name)}"
    if first["type"] == "extra_forbidden":
        table = _table_at(kind, location)
        hint = did_you_mean(key, table.model_fields)
        return f"{where} is not known: {hint}the keys here are {', '.join(table.model_fields)}"
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "value_error":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    return f"{where}: {first['msg']} (found {quoted(first['input'])})"


def _table_at(kind: type[Table], location: Sequence[int | str]) -> type[Table]:
    """The table that contains the last key of a location; numbers and names of entries are skipped."""
    for part in location:
        if part in kind.model_fields:
            kind = next(_tables_in(kind.model_fields[str(part)].annotation), kind)
    return kind


def _tables_in(annotation: Any) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables_in(inner)
