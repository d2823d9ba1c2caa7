"""What a stored run is, in a line, and what became of each of its cases."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.verdict import CaseFigure

Outcome = Literal["measured", "failed", "unfinished", "invalid", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """What became of a case of a run.

    `figure` is None if no launch can be used. `launches` counts those that can, `planned` those that the plan asks for.
    `reason` says in words why the case failed, is invalid or was skipped, else it is empty.
    """

    case_key: str
    title: str
    outcome: Outcome
    launches: int
    planned: int
    figure: CaseFigure | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A stored run in a line.

    `launches` counts those stored, `failed` the failed ones among them, `planned` those that the plan asks for.
    `verdict` is the answer of `ssdbench compare`; None for a training, or where there is nothing to compare with.
    `baselines` are the names of the baselines that have launches of the run.
    """

    run_id: str
    created_at: str
    suite: str
    hardware_key: str
    hostname: str
    launches: int
    planned: int
    failed: int
    verdict: str | None
    baselines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunList:
    """Stored runs, newest first; `left_out` counts older ones that were not asked for."""

    runs: tuple[RunSummary, ...]
    left_out: int
