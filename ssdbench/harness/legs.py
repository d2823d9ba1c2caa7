"""Trainings in legs: all come to their next evaluation before any goes on, so that they can be looked at in between."""

from dataclasses import dataclass

from ssdbench.schema.record import Record
from ssdbench.schema.training import Training


@dataclass(slots=True)
class Leg:
    """How far the trainings of a run are to come: to so many evaluations; None: to their end.

    A training that has come so far is paused. Its record has the epochs so far and no failure, and the next leg goes on
    from its checkpoint.
    """

    evaluations: int | None = None

    def is_enough(self, training: Training) -> bool:
        """Whether a training has come to the end of this leg."""
        enough = self.evaluations is not None and evaluations_of(training) >= self.evaluations
        return training.complete or enough

    def continues(self, record: Record) -> bool:
        """Whether the training of a record is paused, and goes on in this leg."""
        return record.failure is None and record.training is not None and not self.is_enough(record.training)


def evaluations_of(training: Training | None) -> int:
    """How many evaluations a training has so far."""
    return sum(result.evaluation is not None for result in training.results) if training is not None else 0
