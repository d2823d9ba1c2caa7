"""Profiles made by hand: known seconds in each launch of both arms."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.profile import (
    CaseProfile,
    LaunchProfile,
    OperatorRow,
    OperatorTime,
    PartKind,
    ProfiledLaunch,
    ProfiledRank,
    RankProfile,
    StepPart,
    TraceFile,
)
from ssdbench.schema.record import Arm
from tests.builders import a_case

Part = tuple[PartKind, str]
Operator = tuple[str, str]

MILLISECONDS: Mapping[Part, float] = {
    ("input", ""): 2.0,
    ("host", "forward"): 1.0,
    ("host", "loss"): 0.5,
    ("host", "backward"): 1.5,
    ("host", "optimizer"): 1.0,
    ("unexplained", ""): 0.1,
}
OPERATORS: Mapping[Operator, float] = {
    ("forward", "aten::conv2d"): 30.0,
    ("forward", "aten::batch_norm"): 6.0,
    ("forward", "aten::relu"): 3.0,
    ("loss", "aten::sort"): 2.0,
    ("loss", "aten::log_softmax"): 4.0,
    ("backward", "aten::convolution_backward"): 60.0,
    ("backward", "aten::native_batch_norm_backward"): 12.0,
    ("optimizer", "aten::add_"): 5.0,
}


class World:
    """Launches whose parts and operators vary by `noise`, a share of each; drawn from one seed."""

    def __init__(self, seed: int = 1, noise: float = 0.01) -> None:
        self._chance = random.Random(seed)
        self._noise = noise

    def profile(
        self,
        launches: int = 4,
        *,
        parts: Mapping[Part, float] | None = None,
        operators: Mapping[Operator, float] | None = None,
        calls: Mapping[Operator, float] | None = None,
        layouts: Mapping[Arm, str] | None = None,
        plain: float = 0.9,
        **changes: object,
    ) -> CaseProfile:
        """A case of pairs of launches; of the candidate, milliseconds are added to `parts` and `operators`, and calls
        to those of `calls`. A step without the profiler takes `plain` of one with it.
        """
        arms: list[Arm] = [arm for _ in range(launches) for arm in ("baseline", "candidate")]
        more_parts, more, more_calls = parts or {}, operators or {}, calls or {}
        names = list(dict.fromkeys([*OPERATORS, *more]))
        columns = {
            name: [self._around(OPERATORS.get(name, 0.0), more.get(name, 0.0), arm) for arm in arms] for name in names
        }
        counts = {
            name: [float(name in OPERATORS) + more_calls.get(name, 0.0) * (arm == "candidate") for arm in arms]
            for name in names
        }
        made = []
        for place, arm in enumerate(arms):
            here = {
                part: self._around(MILLISECONDS.get(part, 0.0), more_parts.get(part, 0.0), arm)
                for part in dict.fromkeys([*MILLISECONDS, *more_parts])
            }
            for (phase, _), values in columns.items():
                here["kernels", phase] = here.get(("kernels", phase), 0.0) + values[place]
            made.append(a_launch(arm, here, plain))

        def held(values: Sequence[float], layout: str) -> tuple[float, ...]:
            here = zip(values, arms, strict=True)
            return tuple(value if layouts is None or layouts[arm] == layout else 0.0 for value, arm in here)

        rows = [
            OperatorRow(
                phase=name[0],
                operator=name[1],
                copies=False,
                shapes="2x64x75x75",
                layout=layout,
                calls=held(counts[name], layout),
                seconds=held([1e-3 * value for value in columns[name]], layout),
            )
            for name in names
            for layout in (dict.fromkeys(layouts.values()) if layouts else [""])
        ]
        profile = CaseProfile(
            schema_version=SCHEMA_VERSION,
            run_id="run-1",
            case_key=a_case().key,
            title=a_case().title,
            profiled_at="2026-01-05T12:00:00+00:00",
            device="cpu",
            steps=8,
            builds={"baseline": "before", "candidate": "after"},
            launches=tuple(made),
            operators=tuple(rows),
        )
        return replace(profile, **changes)  # type: ignore[arg-type]

    def _around(self, milliseconds: float, more: float, arm: Arm) -> float:
        value = milliseconds + more * (arm == "candidate")
        return max(0.0, value * self._chance.gauss(1.0, self._noise))


def a_launch(arm: Arm, milliseconds: Mapping[Part, float], plain: float = 0.9) -> ProfiledLaunch:
    """A launch of one rank."""
    rank = a_rank(0, milliseconds)
    return ProfiledLaunch(
        arm=arm,
        plain_seconds=plain * rank.step_seconds,
        critical_rank=0,
        ranks=(rank,),
        folder="run-1/train-profile",
        traces=(TraceFile(name="trace-0.json.gz", bytes=1000),),
    )


def a_rank(rank: int, milliseconds: Mapping[Part, float]) -> ProfiledRank:
    parts = tuple(StepPart(kind=kind, phase=phase, seconds=1e-3 * ms) for (kind, phase), ms in milliseconds.items())
    return ProfiledRank(rank=rank, step_seconds=sum(part.seconds for part in parts), waited_seconds=0.0, parts=parts)


def a_launch_profile(
    operators: Sequence[OperatorTime] = (), *, step_seconds: float = 0.1, ranks: int = 1
) -> LaunchProfile:
    """What a worker hands over, all of it in one part."""
    part, last = StepPart(kind="kernels", phase="forward", seconds=step_seconds), ranks - 1
    return LaunchProfile(
        schema_version=EXCHANGE_VERSION,
        started_at="2026-01-05T12:00:00+00:00",
        workload_version=1,
        profiled_steps=8,
        plain_step_seconds=(0.9 * step_seconds,) * 8,
        ranks=tuple(
            RankProfile(
                rank=rank,
                step_seconds=step_seconds,
                waited_seconds=0.0,
                parts=(part,),
                operators=tuple(operators) if rank == last else (),
            )
            for rank in range(ranks)
        ),
    )


def an_operator(seconds: float, *, shapes: str = "2x3", **changes: object) -> OperatorTime:
    row = OperatorTime(
        phase="forward", operator="aten::conv2d", copies=False, shapes=shapes, layout="", calls=1.0, seconds=seconds
    )
    return replace(row, **changes)  # type: ignore[arg-type]
