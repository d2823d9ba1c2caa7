"""Links what else differs between two builds to the causes that a profile shows, by rules, and ranks it by them.

A rule says whose code runs, or decides, where the step changed. It says where to look first and proves nothing; what no
rule speaks of is listed without an order. The rules are those of docs/explain.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ssdbench.analysis.differences import SOFTWARE, software_differences
from ssdbench.analysis.profiles.owners import Owner, owner_of_difference, owner_of_kernel, owner_of_part
from ssdbench.schema.case import Case
from ssdbench.schema.explanation import Cause, Explanation, Link, LinkedDifference, RowChange
from ssdbench.schema.manifest import INTERPRETER, ContentChanges, component_name
from ssdbench.schema.profile import CaseProfile
from ssdbench.schema.verdict import Difference

LEAST_CHANGE = 0.01
"""Of a step: less is not told to be the same in all its parts."""
_LEAST_PART = 0.02
_LEAST_PARTS = 3

_Rule = tuple[Owner, str]
"""Whose a difference is that may be behind a cause, and how it is linked to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    """Something that differs, and whose it is."""

    difference: Difference
    owner: Owner | None


def link(
    found: Explanation,
    profile: CaseProfile,
    case: Case | None,
    differences: Sequence[Difference],
    contents: ContentChanges | None,
) -> Explanation:
    """The explanation with what else differs between the builds, of its `profile`.

    Args:
        found: the explanation.
        profile: what it explains.
        case: the case that was profiled, None if it is not known.
        differences: of the two sides that were judged (`analysis.differences`).
        contents: what changed inside of their images, None where they are none.
    """
    things = _things(_of_profile(differences, profile), contents)
    links: dict[Owner, dict[str, list[int]]] = {}
    for numbers, (owner, why) in _rules(found, profile, case):
        known = links.setdefault(owner, {}).setdefault(why, [])
        known += [number for number in numbers if number not in known]
    linked = (_linked(thing.difference, links[owner]) for owner in links for thing in things if thing.owner == owner)
    rest = (thing.difference for thing in things if thing.owner not in links)
    return replace(found, linked=tuple(linked), unlinked=tuple(rest))


def _linked(difference: Difference, links: Mapping[str, Sequence[int]]) -> LinkedDifference:
    return LinkedDifference(
        name=difference.name,
        baseline=difference.baseline,
        candidate=difference.candidate,
        links=tuple(Link(causes=tuple(causes), why=why) for why, causes in links.items()),
    )


def _of_profile(differences: Sequence[Difference], profile: CaseProfile) -> list[Difference]:
    """The differences, of software those of the launches that were profiled."""
    sides = profile.software.get("baseline"), profile.software.get("candidate")
    if sides[0] is None or sides[1] is None:
        return list(differences)
    return [*software_differences(sides[0], sides[1]), *(item for item in differences if item.name not in SOFTWARE)]


def _things(differences: Sequence[Difference], contents: ContentChanges | None) -> list[_Thing]:
    """What differs, each thing once; of images, only what a worker was seen to load, and variables."""
    things = [_Thing(difference=item, owner=owner_of_difference(item.name)) for item in differences]
    told = {key for item in differences for key in (f"python:{item.name}", f"variable:{item.name.removeprefix('$')}")}
    told |= {INTERPRETER} if any(item.name == "python" for item in differences) else set()
    for change in contents.changes if contents is not None else ():
        is_seen = change.rank != "other" or change.key.startswith("variable:")
        if is_seen and change.key not in told:
            name = component_name(change.key)
            difference = Difference(name=name, baseline=change.baseline, candidate=change.candidate)
            things.append(_Thing(difference=difference, owner=owner_of_part(change)))
    return things


def _rules(found: Explanation, profile: CaseProfile, case: Case | None) -> Iterator[tuple[tuple[int, ...], _Rule]]:
    """What may be behind the causes, the most plausible first, each with the numbers of its causes."""
    if found.is_gone:
        yield (), ("machine", "the builds do not differ side by side on one machine, as it is now")
    if found.refusal:
        return
    if changes_uniformly(found):
        yield (), ("threads", "all parts of a step changed by the same share")
    for number, cause in enumerate(found.causes, start=1):
        for rule in _rules_of(cause, profile, case):
            yield (number,), rule


def changes_uniformly(found: Explanation) -> bool:
    """Whether all phases of a step take the same share longer, or shorter: as far as it is known, which has to do."""
    step = found.profiled
    share = step.seconds / step.baseline if step.baseline else 0.0
    if step.low <= 0 <= step.high or abs(share) < LEAST_CHANGE:
        return False
    parts = [part.change for part in found.parts if part.kind in ("kernels", "host")]
    parts = [part for part in parts if part.baseline >= _LEAST_PART * step.baseline]
    return len(parts) >= _LEAST_PARTS and all(
        part.low <= share * part.baseline <= part.high and part.high - part.low <= 2 * abs(share) * part.baseline
        for part in parts
    )


def _rules_of(cause: Cause, profile: CaseProfile, case: Case | None) -> Iterator[_Rule]:
    """Of one cause; nothing tells what is behind one slow rank, or behind time that is unexplained."""
    if cause.kind == "layout":
        yield "ssdbench", "it asks for the memory layout"
        yield "torch", "it decides in which layout operators return tensors"
    for row in cause.rows if cause.kind == "step" else ():
        yield from _rules_of_row(row, profile, case)


def _rules_of_row(row: RowChange, profile: CaseProfile, case: Case | None) -> Iterator[_Rule]:
    if row.kind == "input":
        yield from _rules_of_input(case)
    elif row.kind == "communication":
        if profile.device == "cuda":
            yield "nccl", "it exchanges data between ranks"
        yield "torch", "it decides when ranks exchange which data"
        yield "ssdbench", "it decides which data ranks exchange"
    elif row.kind == "host":
        yield "ssdbench", "its Python code runs between operators"
        yield "torch", "its Python code runs between operators"
        yield "python", "it runs the code between operators"
    elif row.kind == "kernels" and row.state not in ("slower", "faster"):
        yield "ssdbench", "its code calls the operators"
        yield "torch", "its modules, optimisers and backward pass call operators"
    elif row.kind == "kernels":
        yield from _libraries(row, profile)
        yield "ssdbench", "its settings decide which kernels may be chosen"


def _rules_of_input(case: Case | None) -> Iterator[_Rule]:
    """Nothing is known of the pipeline of a case that is not."""
    if case is not None and case.pipeline == "dali":
        yield "dali", "it delivers the batches"
    if case is not None and case.pipeline == "torchvision":
        yield "torchvision", "it decodes and transforms the images"
        yield "decoders", "it decodes the images"
        yield "torch", "its DataLoader delivers the batches"
    yield "ssdbench", "its input pipeline delivers the batches"


def _libraries(row: RowChange, profile: CaseProfile) -> Iterator[_Rule]:
    """The libraries whose code an operator runs."""
    rows = [one for one in profile.operators if (one.phase, one.operator, one.copies) == _key(row)]
    kernels = dict.fromkeys(name for one in rows for names in one.kernels.values() for name in names)
    owners = [owner for name in kernels if (owner := owner_of_kernel(name)) is not None]
    # A convolution calls cuDNN, which may have cuBLAS multiply for it.
    if "conv" in row.operator and "cublas" in owners:
        owners = ["cudnn", *owners]
    for owner in dict.fromkeys(owners):
        yield owner, "its kernels run there"
    if row.operator.startswith("torchvision::"):
        yield "torchvision", "the operator is its"
    where = "it chooses the kernels" if kernels else "the operator is its"
    yield "torch", where


def _key(row: RowChange) -> tuple[str, str, bool]:
    return row.phase, row.operator, row.copies
