"""Which point to probe next in the search for the first with a change, and when the search has ended.

Points are images, commits or lists of requirements, in order. Each probe compares a point with the first one, in
pairs, by the verdict rule (`analysis.verdicts.interleaved`). The last point is probed first: without a change there is
nothing to search. Then follows a binary search: n points between the two take 1 + log2(n + 1) probes, rounded up. A
point without a verdict is skipped, and the untested point nearest to the middle takes its place; if none is left, the
answer is the remaining range.

The search is for a change, not for a level: a point is bad if it is worse than the first one beyond the margin (better,
where an improvement is searched for).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ssdbench.schema.bisection import Direction, Finding, PointKind
from ssdbench.schema.verdict import Status

_WORSE = (Status.REGRESSED, Status.NO_LONGER_FITS, Status.WAIVED)
_BETTER = (Status.IMPROVED, Status.FITS_NOW)
_THINGS: Mapping[PointKind, str] = {"image": "release", "commit": "commit", "requirements": "list"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is searched: the points in order, from the one known to be as it should, and the change to find.

    `names` has what is shown for a point where that is not the point itself.
    """

    points: tuple[str, ...]
    kind: PointKind = "image"
    find: Direction = "regression"
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, point: str) -> str:
        """What is shown for a point."""
        return self.names.get(point, point)

    @property
    def worse(self) -> str:
        """The change that is searched for, as an adjective."""
        return "worse" if self.find == "regression" else "better"

    @property
    def answer(self) -> str:
        """What the point that is searched for is called."""
        return f"the first {'bad' if self.find == 'regression' else 'better'} {_THINGS[self.kind]}"

    def said(self, finding: Finding) -> str:
        """What is said of a point with this finding."""
        if finding == "unknown":
            return "omitted"
        if self.find == "regression":
            return finding
        return "better" if finding == "bad" else "not better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The next step: probe `point`, or stop; `finding` is then that of `schema.bisection.Step`."""

    because: str
    point: str | None = None
    finding: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbesLeft:
    """How many probes a search still takes if each is judged; until the change is confirmed, one may be enough."""

    least: int
    most: int
    is_confirmed: bool


def finding_of(status: Status, find: Direction = "regression") -> Finding:
    """The answer that a verdict gives about a point."""
    wanted, other = (_WORSE, _BETTER) if find == "regression" else (_BETTER, _WORSE)
    if status in wanted:
        return "bad"
    return "good" if status is Status.UNCHANGED or status in other else "unknown"


def decide(question: Question, findings: Mapping[str, Finding]) -> Decision:
    """The next step, by what was found so far; the last point has the change once that is confirmed."""
    points, name = question.points, question.name
    first, last = name(points[0]), name(points[-1])
    confirmed = findings.get(points[-1])
    if confirmed is None:
        return Decision(point=points[-1], because=f"is {last} {question.worse} than {first} at all?")
    if confirmed == "good":
        because = f"{last} is not {question.worse} than {first}: there is no {question.find} to search"
        return Decision(finding="good", because=because)
    if confirmed == "unknown":
        because = f"whether {last} is {question.worse} than {first} stays open: nothing to search"
        return Decision(finding="unknown", because=because)
    good, bad = _bounds(points, findings)
    if bad - good == 1:
        return Decision(finding="bad", because=_found(question, good, bad))
    open_places = [place for place in range(good + 1, bad) if points[place] not in findings]
    if not open_places:
        rest = ", ".join(map(name, points[good + 1 : bad + 1]))
        because = f"one of {rest} is {question.answer}: those before {name(points[bad])} support no verdict"
        return Decision(finding="unknown", because=because)
    middle = (good + bad) / 2
    place = min(open_places, key=lambda place: abs(place - middle))
    return Decision(point=points[place], because=_why(question, good, bad, place))


def probes_left(question: Question, findings: Mapping[str, Finding]) -> ProbesLeft:
    """How many probes the search still takes."""
    confirmed = findings.get(question.points[-1])
    if confirmed in ("good", "unknown"):
        return ProbesLeft(least=0, most=0, is_confirmed=True)
    good, bad = _bounds(question.points, {**findings, question.points[-1]: "bad"})
    between = sum(point not in findings for point in question.points[good + 1 : bad])
    first = 0 if confirmed else 1
    return ProbesLeft(
        least=first + math.floor(math.log2(between + 1)),
        most=first + math.ceil(math.log2(between + 1)),
        is_confirmed=confirmed is not None,
    )


def _found(question: Question, good: int, bad: int) -> str:
    points, name = question.points, question.name
    first = name(points[0])
    before = f"{name(points[good])}, before it, is not {question.worse} than {first}"
    return f"{name(points[bad])} is {question.answer}: {before if good else f'{first} comes right before it'}"


def _why(question: Question, good: int, bad: int, place: int) -> str:
    is_middle = abs(place - (good + bad) / 2) < 1
    thing = "image" if question.kind == "image" else _THINGS[question.kind]
    where = "halfway" if is_middle else f"the untested {thing} nearest to halfway"
    before = f"{question.name(question.points[good])} ({question.said('good')})"
    after = f"{question.name(question.points[bad])} ({question.said('bad')})"
    return f"{where} between {before} and {after}"


def _bounds(points: Sequence[str], findings: Mapping[str, Finding]) -> tuple[int, int]:
    """The places of the last point known to be good before the first known to be bad, and of the latter."""
    bad = next(place for place, point in enumerate(points) if findings.get(point) == "bad")
    good = max((place for place in range(bad) if findings.get(points[place]) == "good"), default=0)
    return good, bad
