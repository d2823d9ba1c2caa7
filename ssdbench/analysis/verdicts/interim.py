"""What a night in progress can say already, for people who watch it. No plan reads this."""

from dataclasses import dataclass

from ssdbench.analysis.verdicts.interleaved import judge, next_pairs, suspects
from ssdbench.schema.launch_values import LaunchesByCase, Stage
from ssdbench.schema.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimState:
    """`said` holds a sentence for each case that needs nothing more in its stage, by case key.

    `cases_left` still need launches, or will as suspects; together they take at most `most_pairs` more.
    """

    said: dict[str, str]
    cases_left: int
    most_pairs: int


def interim_state(night: LaunchesByCase, settings: Settings) -> InterimState:
    """How far a night is.

    What became of a suspect is said of none before all are measured, because Holm's correction looks at all at once.
    """
    wanted, suspected = next_pairs(night, settings), suspects(night, settings)
    said: dict[str, str] = {}
    left = most = 0
    for name, verdict in judge(night, settings).items():
        case, more = night[name], wanted.get(name)
        if more and more.stage is Stage.MEASURE:
            left, most = left + 1, most + settings.pair_cap - case.measure.pairs + settings.confirm_pair_cap
        elif more or (name in suspected and not verdict.confirm_pairs and case.abandoned is None):
            left, most = left + 1, most + settings.confirm_pair_cap - case.confirm.pairs
            said[name] = "suspected of a change, to be measured again on fresh pairs"
        elif wanted and verdict.confirm_pairs:
            said[name] = "measured again, to be judged together with the other suspects"
        else:
            said[name] = f"decided, {verdict.status.value} ({verdict.sentence})"
    return InterimState(said=said, cases_left=left, most_pairs=most)
