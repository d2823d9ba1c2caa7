"""Which run `latest` is: of this machine where it has measured, the one that arrived last and is not being measured.

The order of arrival is counted by the store (`RunHeader.arrival`): the clock of a machine has no part in it. Runs of
ssdbench 0.2 and earlier have no such number and come first, by the time at which they say they began.
"""

import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

from ssdbench.errors import StoreError
from ssdbench.schema.record import RunHeader
from ssdbench.schema.text import shorten_list

Say = Callable[[str], None]
"""Takes one sentence for the user."""

_CLOCKS_DIFFER = timedelta(minutes=10)
_MOST_NAMED = 5


def choose_latest(
    headers: Sequence[RunHeader], holder_of: Callable[[str], str | None], say: Say, store: str
) -> str | None:
    """The id of the latest run; None where there is none.

    Args:
        headers: of all runs, in the order of arrival.
        holder_of: the process that measures a run, in words; None where none does.
        say: hears of runs that are being measured, and of those from the future.
        store: its name in a sentence.

    Raises:
        StoreError: this machine has measured none of them, and several others have.
    """
    here = socket.gethostname()
    machines = _newest_of_each_machine(headers, holder_of, say)
    ours = [header for header in machines if header.host.hostname == here]
    if len(ours or machines) > 1 and not ours:
        several = shorten_list([f"{header.run_id} of {header.host.hostname}" for header in machines], _MOST_NAMED)
        raise StoreError(f"{store}: several machines measure into it, and latest may be any of {several}; name one")
    found = (ours or machines)[-1:]
    for header in found:
        if _began(header) > datetime.now(timezone.utc) + _CLOCKS_DIFFER:
            say(
                f"run {header.run_id} began at {header.created_at}, which is in the future: set the clock of "
                f"{header.host.hostname}"
            )
    return found[0].run_id if found else None


def _newest_of_each_machine(
    headers: Sequence[RunHeader], holder_of: Callable[[str], str | None], say: Say
) -> list[RunHeader]:
    """The last run of each machine that is not being measured, in the order of arrival."""
    newest: dict[tuple[str, str], RunHeader] = {}
    for header in reversed(headers):
        if header.nightly is not None and header.nightly.against_itself:
            continue  # it has nothing of the build that is here now
        machine = (header.host.hostname, header.hardware.key)
        if machine in newest:
            continue
        if holder := holder_of(header.run_id):
            say(f"run {header.run_id} is not finished, {holder} measures it: latest is one before it")
            continue
        newest[machine] = header
    return list(newest.values())[::-1]


def _began(header: RunHeader) -> datetime:
    return datetime.fromisoformat(header.created_at.replace("Z", "+00:00"))
