"""Reduces the samples of all ranks to those of the launch: the slowest rank counts."""

from __future__ import annotations

from collections.abc import Sequence

from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.schema.record import NodeCpus, PhaseTimes
from ssdbench.worker.loop import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """Samples of the launch; fields as in `schema.record.Measurement`."""

    step_seconds: tuple[float, ...]
    fetch_seconds: tuple[float, ...]
    wall_seconds: float
    rank_wall_seconds: tuple[float, ...]
    images: int
    losses: tuple[float, ...] | None


def reduce_ranks(ranks: list[Samples]) -> Reduced:
    """Take each step from its slowest rank; sum the images, average the losses over ranks."""
    slowest = [max(range(len(ranks)), key=times.__getitem__) for times in zip_equal(*(r.step_seconds for r in ranks))]
    losses = [rank.losses for rank in ranks if rank.losses is not None]
    return Reduced(
        step_seconds=tuple(ranks[rank].step_seconds[step] for step, rank in enumerate(slowest)),
        fetch_seconds=tuple(ranks[rank].fetch_seconds[step] for step, rank in enumerate(slowest)),
        wall_seconds=max(rank.wall_seconds for rank in ranks),
        rank_wall_seconds=tuple(rank.wall_seconds for rank in ranks),
        images=sum(rank.images for rank in ranks),
        losses=tuple(sum(values) / len(values) for values in zip_equal(*losses)) if losses else None,
    )


def most_foreign_cores(nodes: Sequence[NodeCpus]) -> float | None:
    """CPU use of other processes, in cores, on the machine where it was highest; None if no machine reports it."""
    return max((node.foreign_cores for node in nodes if node.foreign_cores is not None), default=None)


def reduce_phases(ranks: list[dict[str, list[float]]]) -> tuple[PhaseTimes, ...]:
    """Take each phase of each step from its slowest rank; the ranks started each phase together."""
    return tuple(
        PhaseTimes(name=name, seconds=tuple(map(max, zip_equal(*(rank[name] for rank in ranks))))) for name in ranks[0]
    )
