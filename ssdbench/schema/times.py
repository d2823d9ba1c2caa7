"""Times as records have them."""

from datetime import date, datetime, timezone


def utc_now() -> str:
    """This moment in ISO 8601, in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def utc_today() -> date:
    """Today's date in UTC."""
    return datetime.now(timezone.utc).date()
