"""The phases of a step, told one by one to whoever listens; who does not know of it pays a call that does nothing."""

from collections.abc import Callable

OnPhase = Callable[[str], None]
"""Told the name of a phase as soon as all of its work has been submitted to the device."""


def ignore_phase(_phase: str) -> None:
    """Nobody listens."""
