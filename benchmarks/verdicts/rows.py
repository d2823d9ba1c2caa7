"""The worlds of the tables of docs/verdicts.md, and the launches of those of a single shot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.verdicts.rules import Interleaved, Rule, SingleShot
from benchmarks.verdicts.score import Job
from benchmarks.verdicts.world import World
from ssdbench.schema.settings import Settings

CHANGED = 5
FASTER = 1 / 1.01 - 1
OURS = Interleaved()
WIDE_MARGIN = Interleaved(settings=Settings(margin=0.02), name="ssdbench, interleaved, margin 2 %")
FIXED = Interleaved(settings=Settings(rule="fixed"), name="ssdbench, interleaved, rule fixed")
FEWER_FRESH = Interleaved(settings=Settings(confirm_pair_cap=15), name="ssdbench, interleaved, 15 fresh pairs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A world without and with changed cases, and how many runs of each are simulated."""

    world: World
    null_runs: int = 1000
    changed_runs: int = 200
    changed: int = CHANGED
    change: float = 0.01
    rule: Rule = OURS

    def jobs(self, scale: float) -> tuple[Job, Job]:
        """Null runs, and runs with changes."""
        changed = replace(self.world, name=f"{self.world.name}, changed", change=self.change, changed=self.changed)
        return (
            Job(rule=self.rule, world=self.world, runs=scaled(self.null_runs, scale)),
            Job(rule=self.rule, world=changed, runs=scaled(self.changed_runs, scale)),
        )


def scaled(runs: int, scale: float) -> int:
    """At least two, where any are asked for."""
    return max(2, round(runs * scale)) if runs else 0


NOISE_ROWS: Sequence[Row] = (
    Row(world=World(name="SSD, published SDs"), null_runs=2000, changed_runs=400),
    *(Row(world=World(name=f"SD {sd} %", launch_sds=(sd / 100,))) for sd in (0.1, 0.2, 0.3)),
    Row(world=World(name="SD 0.5 %", launch_sds=(0.005,)), null_runs=2000, changed_runs=400),
    Row(world=World(name="SSD, rule = fixed"), rule=FIXED),
    Row(world=World(name="SD 0.5 %, rule = fixed", launch_sds=(0.005,)), rule=FIXED),
    Row(world=World(name="SD 0.5 %, at most 15 fresh pairs", launch_sds=(0.005,)), null_runs=0, rule=FEWER_FRESH),
    Row(world=World(name="SD 1 %", launch_sds=(0.01,))),
    Row(world=World(name="SD 8 %", launch_sds=(0.08,))),
    Row(world=World(name="SD 8 %, 20 % slower", launch_sds=(0.08,)), null_runs=0, change=0.20),
    Row(world=World(name="SDs of 0.1 and 2 %, half of the cases each", launch_sds=(0.001, 0.02)), changed=10),
    *(
        Row(
            world=World(
                name=f"SD {sd:g} % in 1 of 50 cases, 0.08 % in the others",
                cases=50,
                launch_sds=(sd / 100, *[0.0008] * 49),
            ),
            changed=1,
            changed_runs=1000,
        )
        for sd in (0.2, 0.3, 0.5)
    ),
    Row(world=World(name="RNN-T, published SDs", benchmark="rnnt")),
    Row(world=World(name="U-Net 3D, published SDs", benchmark="unet3d")),
    Row(world=World(name="SSD, 1 case", cases=1), null_runs=20_000, changed_runs=2000, changed=1),
    Row(world=World(name="SSD, 10 cases", cases=10), null_runs=5000, changed_runs=1000, changed=1),
    Row(world=World(name="SSD, 1,000 cases", cases=1000), null_runs=300, changed_runs=20, changed=50),
)
_SECOND = [
    Row(world=World(name=f"second launch {size:g} % slower", order_effect=size / 100)) for size in (0.3, 0.5, 1.0, 2.0)
]
_BY_COIN = [
    Row(world=World(name=f"second launch {size:g} % slower, order by a coin", order_effect=size / 100, coin=True))
    for size in (0.5, 1.0)
]
_STATES = [
    Row(world=World(name=f"{share:g} % of launches {by:g} % faster", fast_share=share / 100, fast_by=by / 100))
    for share in (10, 50)
    for by in (0.5, 1.0, 2.0)
]
_STICKY = [
    Row(
        world=World(
            name=f"{share:g} % of launches {by:g} % faster, 6 in a row",
            fast_share=share / 100,
            fast_by=by / 100,
            stay=6.0,
        )
    )
    for share, by in ((10, 1.0), (50, 0.5), (50, 1.0), (50, 2.0))
]
_MACHINE_WIDE = [
    Row(
        world=World(
            name=f"50 % of launches {by:g} % faster, {stay:g} in a row over all cases",
            fast_share=0.5,
            fast_by=by / 100,
            stay=stay,
            machine_wide=True,
        )
    )
    for by, stay in ((1.0, 6.0), (2.0, 6.0), (1.0, 100.0))
]
WORLD_ROWS: Sequence[Row] = (
    *_SECOND,
    *_BY_COIN,
    *_STATES,
    *_STICKY,
    *_MACHINE_WIDE,
    Row(world=World(name="tails of Student's t with 3 degrees of freedom", freedom=3)),
    Row(world=World(name="a long tail of slow launches", skew=1)),
    Row(world=World(name="a long tail of fast launches", skew=-1)),
    Row(world=World(name="autocorrelation 0.5", autocorrelation=0.5)),
    Row(world=World(name="autocorrelation -0.5", autocorrelation=-0.5)),
    Row(world=World(name="0.1 % slower with every launch", drift=0.001)),
    Row(world=World(name="0.5 % slower with every launch", drift=0.005)),
    Row(world=World(name="walk of 0.1 % a launch", walk=0.001)),
    Row(world=World(name="walk of 0.5 % a launch", walk=0.005)),
    Row(world=World(name="walk of 0.05 % a launch over all cases", walk=0.0005, machine_wide=True)),
    Row(world=World(name="first launch 2 % slower, warm after some 10", ramp=0.02)),
    Row(world=World(name="noise grows by 10 % a launch", growth=0.1)),
    Row(world=World(name="candidate 3 times noisier", candidate_noise=3.0)),
    *(Row(world=World(name=f"{share} % of launches disturbed", contamination=share / 100)) for share in (2, 5, 10)),
    Row(world=World(name="values rounded to 0.1 %", rounding=(0.001, 0.001))),
    Row(world=World(name="values rounded to 0.5 %", rounding=(0.005, 0.005))),
    Row(world=World(name="a timer of 10 us, values of 1 to 100 ms", rounding=(0.0001, 0.01))),
)
CHANGE_ROWS: Sequence[Row] = (
    *(
        Row(world=World(name=f"all cases {size:g} % slower"), change=size / 100, changed=100, changed_runs=100)
        for size in (0.3, 0.5)
    ),
    *(
        Row(world=World(name=f"{size:g} % slower"), change=size / 100)
        for size in (0.5, 0.75, 0.9, 1.0, 1.1, 1.5, 2.0, 5.0, 20.0)
    ),
    Row(world=World(name="1 % faster"), change=FASTER),
    Row(world=World(name="5 cases 1 % slower, 5 faster", mixed=True), changed=10),
    Row(world=World(name="50 cases 1 % slower"), changed=50, changed_runs=50),
    Row(world=World(name="margin 2 %, 2 % slower"), change=0.02, rule=WIDE_MARGIN),
)

SINGLE_WORLDS = (
    World(name="SSD, published SDs"),
    World(name="SD 1 %", launch_sds=(0.01,)),
    World(name="tails of Student's t with 3 degrees of freedom", freedom=3),
    World(name="50 % of launches 1 % faster", fast_share=0.5, fast_by=0.01),
)
SINGLE_SHOTS: Sequence[SingleShot] = (
    *(SingleShot(pairs=pairs) for pairs in (5, 8, 12)),
    *(SingleShot(pairs=pairs, candidates=few) for pairs, few in ((10, 5), (20, 3), (20, 2))),
)
