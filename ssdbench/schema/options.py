"""The options that each workload has, checked before anything is planned or started."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Mapping, Union

from ssdbench.compatibility import dataclass
from ssdbench.errors import UsageError
from ssdbench.schema.accuracy import LARGEST_NUMBER, AccuracyOptions
from ssdbench.schema.case import BINDINGS, TIMINGS, OptionValue
from ssdbench.schema.names import did_you_mean, quoted

LONGEST_VALUE = 2_000
"""Letters of an option's value, which is part of its case's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    known: tuple[str, ...]

    def fault(self, value: OptionValue) -> str | None:
        if value in self.known:
            return None
        return f"is not known: {did_you_mean(value, self.known)}choose {' or '.join(self.known)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    least: float = 0.0
    is_whole: bool = False

    def fault(self, value: OptionValue) -> str | None:
        kinds = (int,) if self.is_whole else (int, float)
        if not isinstance(value, bool) and isinstance(value, kinds) and self.least <= value <= LARGEST_NUMBER:
            return None
        return f"is no {'whole ' if self.is_whole else ''}number from {self.least:g} to {LARGEST_NUMBER:,.0f}"


Rules = Mapping[str, Union[_Choice, _Number, None]]

_BIND = {"bind": _Choice(known=BINDINGS)}
_STEP = {"timing": _Choice(known=TIMINGS), **_BIND}
_SECONDS = {name: _Number() for name in ("step_seconds", "fetch_seconds", "slow_seconds")}
OPTIONS: Mapping[str, Rules] = {
    "train": _BIND,
    "infer": _STEP,
    "detect": _STEP,
    "input": _BIND,
    "accuracy": {**{field.name: None for field in fields(AccuracyOptions)}, **_BIND},
    "pace": {**_SECONDS, "slow_rank": _Number(least=-1, is_whole=True), **_BIND},
}
"""Workload -> its options; what is None is checked by `AccuracyOptions`."""

_USUAL = {("bind", BINDINGS[0]), ("timing", TIMINGS[0])}


def case_options(workload: str, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """The options of a case; one at its usual value is left out, so that it is in no key.

    Raises:
        UsageError: an option that the workload does not have, or a value that it cannot have.
    """
    known = OPTIONS[workload]
    for name, value in options.items():
        if name not in known:
            raise UsageError(
                f"workload {workload} has no option {quoted(name)}: {did_you_mean(name, known)}"
                f"its options are {', '.join(known)}"
            )
        if isinstance(value, str) and (len(value) > LONGEST_VALUE or not value.isprintable()):
            raise UsageError(f"option {name} = {quoted(value)} is too long, or has a letter that cannot be printed")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"option {name} = {value} is no finite number")
        rule = known[name]
        if rule is not None and (fault := rule.fault(value)):
            raise UsageError(f"option {name} = {quoted(value)} {fault}")
    found = {name: value for name, value in options.items() if (name, value) not in _USUAL}
    if workload == "accuracy":
        AccuracyOptions.of(found)
    return found
