"""What a run that is not finished has decided, and what it may still ask for. No plan reads this."""

from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.analysis.verdicts.interleaved import flagged_cases, judge, next_launches, next_pairs
from ssdbench.schema.launch_values import CaseLaunches, LaunchesByCase, Stage, Wanted
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """Pairs of a case that is not finished: `asked` for now, and the `least` and `most` that it takes in all.

    A plan can grow, and a case can be flagged: `most` has both stages at their caps, so it never grows. `is_decided`:
    the pairs measured so far have a clear result already, and the plan asks for more to make sure.
    """

    asked: int
    least: int
    most: int
    is_decided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimState:
    """`said` holds a sentence for each case that needs nothing more in its stage, `open` all that need more pairs.

    Both are by case key. A pair is two launches, or that of the candidate alone (`launches_per_pair` 1) where the
    baseline is a stored one.
    """

    said: Mapping[str, str]
    open: Mapping[str, OpenCase]
    launches_per_pair: int = 2

    @property
    def least_pairs(self) -> int:
        """The fewest pairs that the open cases take."""
        return sum(case.least for case in self.open.values())

    @property
    def most_pairs(self) -> int:
        """The most pairs that the open cases can take."""
        return sum(case.most for case in self.open.values())


def interim_state(run: LaunchesByCase, settings: Settings) -> InterimState:
    """How far a run is.

    Flagged cases have no verdict before all of them are measured, because Holm's correction looks at all at once.
    """
    wanted, flagged = next_pairs(run, settings), flagged_cases(run, settings)
    said: dict[str, str] = {}
    left: dict[str, OpenCase] = {}
    for name, verdict in judge(run, settings).items():
        more = wanted.get(name)
        is_waiting = name in flagged and not verdict.confirm_pairs and run[name].abandoned is None
        if more or is_waiting:
            left[name] = _open(run[name], more, verdict, settings)
        if more and more.stage is Stage.MEASURE:
            continue
        if more or is_waiting:
            said[name] = "flagged, to be measured again in fresh pairs"
        elif wanted and verdict.confirm_pairs:
            said[name] = "measured again, to be judged together with the other flagged cases"
        else:
            said[name] = f"decided, {verdict.status.value} ({verdict.sentence})"
    return InterimState(said=said, open=left)


def interim_launches(run: LaunchesByCase, settings: Settings) -> InterimState:
    """Like `interim_state`, for a run that is measured until a stored baseline can decide."""
    left = {}
    for name, more in next_launches(run, settings).items():
        most = max(more.pairs, settings.pair_cap - len(run[name].measure.candidate))
        left[name] = OpenCase(asked=more.pairs, least=more.pairs, most=most)
    return InterimState(said={}, open=left, launches_per_pair=1)


def undecided_pairs(run: LaunchesByCase, settings: Settings) -> dict[str, Wanted]:
    """What a run that was stopped lacks: the pairs still asked for by cases whose verdict is inconclusive.

    A case with a clear result keeps it, whatever its plan would have asked for. A run that goes on follows the plan
    (`next_pairs`): to stop where a result is clear would raise the false alarms.
    """
    wanted = next_pairs(run, settings)
    verdicts = judge(run, settings) if wanted else {}
    return {name: more for name, more in wanted.items() if verdicts[name].status is Status.INCONCLUSIVE}


def _open(case: CaseLaunches, more: Wanted | None, verdict: Verdict, settings: Settings) -> OpenCase:
    asked = more.pairs if more else 0
    if more and more.stage is Stage.MEASURE:
        least, most = asked, max(asked, settings.pair_cap - case.measure.pairs) + settings.confirm_pair_cap
    else:
        # Until the first fresh pair the verdict says how many are needed.
        least = asked or max(0, (verdict.launches_needed or 0) - case.confirm.pairs)
        most = max(least, settings.confirm_pair_cap - case.confirm.pairs)
    return OpenCase(asked=asked, least=least, most=most, is_decided=verdict.status is not Status.INCONCLUSIVE)
