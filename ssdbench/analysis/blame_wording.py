"""What a search for the component that made an image slower will take, and what it found, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ssdbench.analysis.blame import RESTORED, Answer, Effort, Group
from ssdbench.schema.bisection import Direction
from ssdbench.schema.blame import BlameStep
from ssdbench.schema.manifest import component_name
from ssdbench.schema.text import percent, pluralize


def effort_words(effort: Effort, components: int, launches: tuple[int, int]) -> str:
    """How many probes and launches a search takes, as ranges."""
    one, two = _range(effort.one), _range(effort.two)
    least, most = launches
    parts = [f"{effort.nothing} probe if none is to blame", f"{one} if one is"]
    parts += [f"{two} if two take part"] if components > 1 else []
    in_all = (effort.two if components > 1 else effort.one)[1] * most
    return (
        f"{pluralize(components, 'component')} can be swapped: {', '.join(parts)}. A probe takes {least} to {most} "
        f"launches, so {least} to {in_all} in all, after a few trials of one short "
        "launch; more where a probe gets no verdict"
    )


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """How an answer is said, by the change that is searched."""

    changed: str
    back: str
    not_back: str
    rest: str
    fewer: str
    each: str


_WORDS: Mapping[Direction, _Words] = {
    "regression": _Words(
        changed="faster",
        back="the speed comes back",
        not_back="the speed does not come back",
        rest="without it nothing that was swapped brings it back",
        fewer="it does not",
        each="slow only together",
    ),
    "improvement": _Words(
        changed="slower",
        back="the gain is lost",
        not_back="the gain is not lost",
        rest="without it nothing that was swapped takes it away",
        fewer="it is not",
        each="fast only together",
    ),
}


class _Effects(NamedTuple):
    """What probes showed: the last one of each group of components that were swapped together."""

    probes: Mapping[Group, BlameStep]
    margin: float
    everything: Group

    def told(self, group: Group, words: _Words) -> str:
        """The effect of a group with its interval."""
        step = self.probes.get(tuple(sorted(group)))
        if step is None or step.change is None:
            return words.changed
        low, high = _size(step)
        bounds = f", interval {percent(low)} to {percent(high)}" if low is not None and high is not None else ""
        part = " in part" if self.is_part(group) else ""
        return f"{percent(abs(step.change))} {words.changed}{part}{bounds}"

    def is_part(self, group: Group) -> bool:
        """Whether a group brings back less than everything together does, beyond both intervals and the margin."""
        own, whole = self.probes.get(tuple(sorted(group))), self.probes.get(tuple(sorted(self.everything)))
        if own is None or whole is None:
            return False
        most, least = _size(own)[1], _size(whole)[0]
        return most is not None and least is not None and least - most > self.margin


def answer_words(
    answer: Answer,
    steps: Sequence[BlameStep],
    left_out: Mapping[str, str],
    old: str,
    margin: float,
    find: Direction = "regression",
) -> str:
    """The end of a search in sentences; `old` is the reference of the image that components were taken from.

    Probes are runs of their own, so effects that differ by less than `margin`, a fraction, count as equal.
    """
    last = {step.swapped: step for step in steps if step.kind == "probe" and step.finding is not None}
    sentences = [_found(answer, _Effects(last, margin, answer.kept), old, find)]
    failed = {step.swapped for step in steps if step.kind in ("trial", "probe") and step.finding == "failed"}
    untried = [key for group in answer.groups if len(group) > 1 for key in group if (key,) in failed]
    if untried:
        sentences.append(f"{_names(tuple(untried))} could not be tried alone: the image does not run so")
    if answer.unusable:
        sentences.append(f"{_names(answer.unusable)} could not be swapped: the image does not run so")
    not_loaded = tuple(dict.fromkeys(key for step in steps for key in step.not_loaded))
    if not_loaded:
        sentences.append(f"{_names(not_loaded)} could not be swapped: launches did not load what took the place")
    if left_out:
        sentences.append(f"{_names(tuple(left_out))} could not be swapped at all (the reasons are in the log)")
    return "; ".join(sentences)


def _found(answer: Answer, effects: _Effects, old: str, find: Direction) -> str:
    words = _WORDS[find]
    if not answer.groups:
        return _nothing(answer, words)
    told = [f"{_names(group)} ({effects.told(group, words)})" for group in answer.groups]
    if answer.finding != RESTORED[find]:
        return f"{'; '.join(told)}; what else takes part stays open, for lack of a verdict"
    if len(answer.groups) == 1 and len(answer.groups[0]) == 1:
        rest = f", and {words.rest}" if len(answer.kept) > 1 and answer.is_all else ""
        return f"it is {told[0]}: with that of {old} alone {words.back}{rest}"
    if len(answer.groups) == 1:
        return f"only together: {told[0]}; with those of {old} {words.back}, with fewer of them {words.fewer}"
    if any(effects.is_part(group) for group in answer.groups):
        return f"each has a part in it: {'; '.join(told)}"
    more = "" if answer.is_all else ", and others take part"
    return f"{words.each}: {'; '.join(told)}; with that of {old} for any of them {words.back}{more}"


def _nothing(answer: Answer, words: _Words) -> str:
    if not answer.kept:
        return "nothing could be swapped: the question stays open"
    if answer.finding == "same":
        swapped = _names(answer.kept)
        return f"none of those that could be swapped: with {swapped} swapped {words.not_back}"
    return "the question stays open: there is no verdict on a probe that it hangs on"


def _size(step: BlameStep) -> tuple[float | None, float | None]:
    """The ends of the interval of a change, whatever its direction; None where it is open."""
    if step.change is None or step.change >= 0:
        return step.low, step.high
    return (None if step.high is None else -step.high), (None if step.low is None else -step.low)


def _names(group: Group) -> str:
    names = [component_name(key) for key in group]
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
