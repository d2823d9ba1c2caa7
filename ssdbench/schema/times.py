"""Times as records have them."""

from __future__ import annotations

from datetime import date, datetime, timezone

_CLOCKS_DIFFER_DAYS = 1.0


def utc_now() -> str:
    """This moment in ISO 8601, in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def utc_today() -> date:
    """Today's date in UTC."""
    return datetime.now(timezone.utc).date()


def moment_of(text: str) -> datetime | None:
    """The moment of a text in ISO 8601, in UTC where it names no offset; None where it is none."""
    try:
        # Python 3.10 does not read the Z.
        found = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def is_in_future(days_ago: float) -> bool:
    """Whether a moment so many days ago is further ahead than clocks and time zones differ: its date is wrong."""
    return days_ago < -_CLOCKS_DIFFER_DAYS
