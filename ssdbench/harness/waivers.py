"""The file of waivers: which known regressions are tolerated, up to what and until when. People write and review it."""

import os
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ssdbench.harness.toml_tables import Table, read_toml, validated
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.names import did_you_mean, quoted
from ssdbench.schema.waivers import Waiver

FILE_NAME = "waivers.toml"
_MOST_ENTRIES = 1_000
_LONGEST_TEXT = 1_000


def parse_ceiling(value: object) -> float:
    """A ceiling as a number: 0.2, or "20%".

    Raises:
        ValueError: it is none, or not between 0 and 1.
    """
    found = value
    if isinstance(value, str):
        text, sign, rest = value.strip().partition("%")
        try:
            found = float(Decimal(text).scaleb(-2 if sign else 0))  # exact: 99.9 / 100 would be more than 0.999
        except (ArithmeticError, ValueError):
            found = None
        found = None if rest else found
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f'{quoted(value)} is no ceiling; give a part of the baseline, such as "20%" or 0.2')
    if not 0 < found < 1:
        raise ValueError(f'{quoted(value)} is out of range; give more than 0 and less than 1, such as "20%" or 0.2')
    return float(found)


def parse_day(value: object) -> str:
    """A day in ISO 8601, from a TOML date or a text.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise ValueError(f"{quoted(str(value))} is no date; write it as 2026-12-31")


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


def _url(value: str) -> str:
    if re.fullmatch(r"https?://\S+", value):
        return value
    raise ValueError(f"{quoted(value)} is no address of an issue; it begins with https://")


def _metric(value: str) -> str:
    if value in METRICS:
        return value
    raise ValueError(f"{quoted(value)} is no metric: {did_you_mean(value, METRICS)}choose from {', '.join(METRICS)}")


Text = Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_text)]


class WaiverTable(Table):
    """One entry."""

    case: Text
    ceiling: Annotated[float, BeforeValidator(parse_ceiling)]
    expires: Annotated[str, BeforeValidator(parse_day)]
    issue: Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_url)]
    reason: Text
    metric: Annotated[str, AfterValidator(_metric)] | None = None
    hardware: Text | None = None
    owner: Text | None = None


class WaiversTable(Table):
    """The whole file."""

    waiver: Annotated[list[WaiverTable], Field(default_factory=list, max_length=_MOST_ENTRIES)]


def read_waivers(path: Path | None) -> tuple[Waiver, ...]:
    """The waivers of a file, in its order; none where there is no file.

    Raises:
        UsageError: the file cannot be read, or an entry has a mistake.
    """
    if path is None or not os.path.lexists(path):
        return ()
    return waivers_of(read_toml(path), str(path))


def waivers_of(content: dict[str, Any], origin: str) -> tuple[Waiver, ...]:
    """The waivers of such a file's content; messages call it `origin`.

    Raises:
        UsageError: an entry has a mistake.
    """
    table = validated(WaiversTable, content, origin)
    return tuple(Waiver(entry=number, **entry.model_dump()) for number, entry in enumerate(table.waiver, start=1))
