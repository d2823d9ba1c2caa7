"""Options of an accuracy case, checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import get_args

from ssdbench.compatibility import dataclass
from ssdbench.errors import UsageError
from ssdbench.schema.case import OptionValue
from ssdbench.schema.names import did_you_mean, quoted
from ssdbench.schema.training import EvaluationEngine, EvaluationProtocol

RECIPES = ("published", "a100-8gpu")
ENGINES = get_args(EvaluationEngine)
_MOST_EPOCHS = 100_000
LARGEST_NUMBER = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyOptions:
    """A recipe and what is changed of it; None keeps the recipe's own value. Epochs count from 0.

    `epochs` shortens the recipe: decays and validations stay at the same shares of the run. `validation` and `decay`
    name epochs, separated by commas; the last epoch is always evaluated. `protocol` says which detections count,
    `engine` what computes the figures.

    Raises:
        UsageError: a value that does not exist.
    """

    recipe: str = "published"
    epochs: int | None = None
    base_learning_rate: float | None = None
    warmup_iterations: int | None = None
    validation: str | None = None
    decay: str | None = None
    protocol: str = "every-image"
    engine: str = "pycocotools"

    def __post_init__(self) -> None:
        for name, known in (("recipe", RECIPES), ("protocol", get_args(EvaluationProtocol)), ("engine", ENGINES)):
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise UsageError(
                    f"option {name} = {quoted(value)} is not known: {did_you_mean(value, known)}"
                    f"choose {' or '.join(known)}"
                )
        if self.epochs is not None and (type(self.epochs) is not int or not 1 <= self.epochs <= _MOST_EPOCHS):
            raise UsageError(f"option epochs = {quoted(self.epochs)} is no number of epochs: give 1 to {_MOST_EPOCHS}")
        for name in ("base_learning_rate", "warmup_iterations"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, (str, bool)) or not 0 <= value <= LARGEST_NUMBER):
                raise UsageError(f"option {name} = {quoted(value)} is no number from 0 to {LARGEST_NUMBER:,.0f}")
        for name in ("validation", "decay"):
            self.chosen_epochs(name)

    def chosen_epochs(self, name: str) -> tuple[int, ...] | None:
        """The epochs that `validation` or `decay` names, ascending; None where the recipe's own hold."""
        text = getattr(self, name)
        if text is None:
            return None
        try:
            found = sorted({int(part) for part in str(text).split(",") if part.strip()})
        except ValueError:
            found = [-1]
        if found and found[0] < 0:
            raise UsageError(f"option {name} = {quoted(text)} is no list of epochs: write them as 10,20,30")
        return tuple(found)

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> AccuracyOptions:
        """The options of a case.

        Raises:
            UsageError: an option that does not exist, or a value that it cannot have.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise UsageError(
                    f"workload accuracy has no option {quoted(name)}: {did_you_mean(name, known)}"
                    f"its options are {', '.join(known)}"
                )
        return cls(**options)  # type: ignore[arg-type]
