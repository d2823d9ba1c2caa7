"""How many runs are simulated for a table, and on how many processes."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.verdicts.score import Job, Progress, Score, score_all

SEED = 20_260_105


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """`scale` multiplies the numbers of runs."""

    progress: Progress
    scale: float = 1.0
    processes: int = 1

    def scores(self, jobs: Sequence[Job]) -> list[Score]:
        return score_all(jobs, SEED, self.processes, self.progress)
