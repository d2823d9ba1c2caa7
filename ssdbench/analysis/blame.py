"""Which components of the old image to swap into the new one next, and when the search for the culprit has ended.

The search finds groups of components that restore the speed, each as small as can be:

1. Trials, one short launch each, find what cannot be swapped: halves of a group that crashes are tried by themselves.
2. All components together are swapped. If that is not faster, none of those that can be swapped is to blame.
3. Halving (QuickXplain; Junker, AAAI 2004): n components take about log2(n) probes to name one, and about twice as many
   to name two that restore the speed only together. What is found is then swapped alone.
4. Everything but what was found is swapped. If that is faster as well, it holds another group, which is searched in
   the same way: two components that are slow only together are found as two groups of one.

Every probe is a verdict in pairs (`analysis.verdicts.interleaved`). A probe that crashes or stays inconclusive counts
as not faster: what crashes is never named because it crashed.

Where an improvement is searched, those are named that make the new image slow again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ssdbench.schema.bisection import Direction
from ssdbench.schema.blame import Finding
from ssdbench.schema.manifest import component_name
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import Status

Group = tuple[str, ...]
Question = tuple[Literal["trial", "probe"], Group]
MOST_GROUPS = 3
RESTORED: Mapping[Direction, Finding] = {"regression": "faster", "improvement": "slower"}
"""What is found of components that bring back how fast the old image was."""
_PLAYED, _ALL_PLAYED = 8, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a probe of components is to show, with {} for their names."""

    at_all: str
    alone: str
    without: str


WORDS: Mapping[Direction, Words] = {
    "regression": Words(
        at_all="are {} to blame at all? All of them are swapped",
        alone="does the speed come back with {} alone?",
        without="does it come back without {} as well?",
    ),
    "improvement": Words(
        at_all="do {} make it faster at all? All of them are swapped",
        alone="is the gain lost with {} alone?",
        without="is it lost without {} as well?",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What to do next: a trial or a probe with these components swapped."""

    kind: Literal["trial", "probe"]
    swapped: Group
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of a search: each of `groups` restores the speed by itself; `unusable` could not be swapped.

    `is_all` says that without these groups nothing that was swapped restores the speed.
    """

    groups: tuple[Group, ...] = ()
    is_all: bool = False
    kept: Group = ()
    unusable: Group = ()
    finding: Finding = "same"


class _Asked(Exception):  # noqa: N818  not an error: a question whose answer is not known yet
    def __init__(self, question: Next) -> None:
        super().__init__(question.because)
        self.question = question


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    findings: Mapping[Question, Finding]
    find: Direction

    def run(self, components: Group) -> Answer:
        if not components:
            return Answer(finding="unknown")
        kept, unusable = self._usable(components)
        if not kept:
            return Answer(unusable=unusable, finding="unknown")
        words, wanted = WORDS[self.find], RESTORED[self.find]
        finding = self._probe(kept, words.at_all.format(_these(kept)))
        if finding != wanted:
            return Answer(kept=kept, unusable=unusable, finding="unknown" if finding == "failed" else finding)
        groups: list[Group] = []
        rest = kept
        while len(groups) < MOST_GROUPS:
            group = _in_order(self._smallest((), False, rest), kept)
            if self._probe(group, words.alone.format(_these(group))) != wanted:
                return Answer(groups=tuple(groups), kept=kept, unusable=unusable, finding="unknown")
            groups.append(group)
            rest = tuple(item for item in rest if item not in group)
            named = tuple(item for found in groups for item in found)
            others = self._probe(rest, words.without.format(_these(named))) if rest else "same"
            if others != wanted:
                # Of one group it is said that nothing else has a part, which only a verdict shows.
                is_all = others == "same" or len(groups) > 1
                return Answer(groups=tuple(groups), is_all=is_all, kept=kept, unusable=unusable, finding=wanted)
        return Answer(groups=tuple(groups), kept=kept, unusable=unusable, finding=wanted)

    def _usable(self, group: Group) -> tuple[Group, Group]:
        """The components of a group that run together in the new image, and those that do not."""
        if self._runs(group):
            return group, ()
        if len(group) == 1:
            return (), group
        first, second = _halves(group)
        (left, bad), (right, more) = self._usable(first), self._usable(second)
        both, unusable = left + right, bad + more
        if not left or not right or (both != group and self._runs(both)):
            return both, unusable
        return left, unusable + right

    def _smallest(self, background: Group, has_changed: bool, group: Group) -> Group:
        """The fewest of a group that restore the speed along with the background: QuickXplain."""
        if has_changed and self._probe(background, f"is it among {_these(background)}?") == RESTORED[self.find]:
            return ()
        if len(group) == 1:
            return group
        first, second = _halves(group)
        needed = self._smallest(background + first, True, second)
        return self._smallest(background + needed, bool(needed), first) + needed

    def _runs(self, group: Group) -> bool:
        because = f"does the new image run with {_these(group)} of the old one?"
        return self._find("trial", group, because) == "runs"

    def _probe(self, group: Group, because: str) -> Finding:
        return self._find("probe", group, because)

    def _find(self, kind: Literal["trial", "probe"], group: Group, because: str) -> Finding:
        ordered = tuple(sorted(group))
        if (kind, ordered) not in self.findings:
            raise _Asked(Next(kind=kind, swapped=ordered, because=because))
        return self.findings[kind, ordered]


def decide(
    components: Sequence[str], findings: Mapping[Question, Finding], find: Direction = "regression"
) -> Next | Answer:
    """The next step by what was found so far, or the answer; `components` are in the order of their ranks.

    Groups in `findings` are sorted.
    """
    try:
        return _Search(findings=findings, find=find).run(tuple(components))
    except _Asked as asked:
        return asked.question


def finding_of(status: Status, find: Direction = "regression") -> Finding:
    """What a verdict on the new image with swapped components, against itself, says of them."""
    slower = (Status.REGRESSED, Status.WAIVED)
    if status in {"regression": (Status.IMPROVED,), "improvement": slower}[find]:
        return RESTORED[find]
    if status in (Status.UNCHANGED, Status.IMPROVED, *slower, Status.FITS_NOW):
        return "same"
    return "failed" if status in (Status.FAILED, Status.NO_LONGER_FITS) else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How many probes a search takes, at least and at most: to find nothing, one component, or two."""

    nothing: int
    one: tuple[int, int]
    two: tuple[int, int]


def effort_of(components: Sequence[str]) -> Effort:
    """The probes of a search in which everything runs: played with each component, and with pairs, as the culprit."""
    names = tuple(components)
    ones = [_probes(names, lambda swapped, name=name: name in swapped) for name in names]  # type: ignore[misc]
    few = names[:: max(1, len(names) // _PLAYED)]
    pairs = [(a, b) for a in few for b in (names if len(names) <= _ALL_PLAYED else few) if a < b]
    together = [_probes(names, lambda swapped, pair=pair: set(pair) <= set(swapped)) for pair in pairs]  # type: ignore[misc]
    either = [_probes(names, lambda swapped, pair=pair: bool(set(pair) & set(swapped))) for pair in pairs]  # type: ignore[misc]
    both = [*together, *either] or ones
    return Effort(nothing=1, one=(min(ones), max(ones)), two=(min(both), max(both)))


def _probes(components: Group, restores: Callable[[Group], bool]) -> int:
    findings: dict[Question, Finding] = {}
    while isinstance(step := decide(components, findings), Next):
        if step.kind == "trial":
            findings[step.kind, step.swapped] = "runs"
        else:
            findings[step.kind, step.swapped] = "faster" if restores(step.swapped) else "same"
    return sum(kind == "probe" for kind, _ in findings)


def _halves(group: Group) -> tuple[Group, Group]:
    middle = (len(group) + 1) // 2
    return group[:middle], group[middle:]


def _in_order(group: Group, order: Group) -> Group:
    return tuple(sorted(group, key=order.index))


def _these(group: Group) -> str:
    names = list(_named(group))
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _named(group: Group) -> Iterator[str]:
    shown = group if len(group) <= 3 else group[:2]
    yield from map(component_name, shown)
    if len(group) > 3:
        yield pluralize(len(group) - 2, "more component")
