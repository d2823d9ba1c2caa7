"""Reports the phases of a step to an optional listener; without one, each report is a no-op call."""

from __future__ import annotations

from typing import Callable

OnPhase = Callable[[str], None]
"""Called with the name of a phase as soon as all of its work has been submitted to the device."""


def ignore_phase(_phase: str) -> None:
    """The default listener: does nothing."""
