"""The interim state of an interleaved run, for people who watch it. No plan reads this."""

from dataclasses import dataclass

from ssdbench.analysis.verdicts.interleaved import flagged_cases, judge, next_pairs
from ssdbench.schema.launch_values import LaunchesByCase, Stage
from ssdbench.schema.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimState:
    """`said` holds a sentence for each case that needs nothing more in its stage, by case key.

    `cases_left` still need launches, or will once they are flagged; together they take at most `most_pairs` more.
    """

    said: dict[str, str]
    cases_left: int
    most_pairs: int


def interim_state(run: LaunchesByCase, settings: Settings) -> InterimState:
    """How far a run is.

    Flagged cases have no verdict before all of them are measured, because Holm's correction looks at all at once.
    """
    wanted, flagged = next_pairs(run, settings), flagged_cases(run, settings)
    said: dict[str, str] = {}
    left = most = 0
    for name, verdict in judge(run, settings).items():
        case, more = run[name], wanted.get(name)
        if more and more.stage is Stage.MEASURE:
            left, most = left + 1, most + settings.pair_cap - case.measure.pairs + settings.confirm_pair_cap
        elif more or (name in flagged and not verdict.confirm_pairs and case.abandoned is None):
            left, most = left + 1, most + settings.confirm_pair_cap - case.confirm.pairs
            said[name] = "flagged, to be measured again in fresh pairs"
        elif wanted and verdict.confirm_pairs:
            said[name] = "measured again, to be judged together with the other flagged cases"
        else:
            said[name] = f"decided, {verdict.status.value} ({verdict.sentence})"
    return InterimState(said=said, cases_left=left, most_pairs=most)
