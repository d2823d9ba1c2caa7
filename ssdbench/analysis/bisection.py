"""Which image to probe next in the search for the first slower image, and when the search has ended.

Each probe compares an image with the good one, in pairs, by the verdict rule (`analysis.verdicts.interleaved`). The bad
image is probed first: without a regression there is nothing to search. Then follows a binary search: n images between
the good and the bad one take 1 + log2(n + 1) probes, rounded up. An image without a verdict is skipped, and the
untested image nearest to the middle takes its place; if none is left, the answer is the remaining range.

The search is for a regression, not for a level: an image is bad if it is worse than the good one beyond the margin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssdbench.schema.bisection import Finding
from ssdbench.schema.verdict import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The next step: probe `image`, or stop; `finding` is then that of `schema.bisection.Step`."""

    because: str
    image: str | None = None
    finding: Finding | None = None


def finding_of(status: Status) -> Finding:
    """The answer that a verdict gives about an image."""
    if status in (Status.REGRESSED, Status.NO_LONGER_FITS, Status.WAIVED):
        return "bad"
    return "good" if status in (Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW) else "unknown"


def decide(images: Sequence[str], findings: Mapping[str, Finding]) -> Decision:
    """The next step, by what was found so far; the first image is good, the last one bad once that is confirmed."""
    first, last = images[0], images[-1]
    confirmed = findings.get(last)
    if confirmed is None:
        return Decision(image=last, because=f"is {last} worse than {first} at all?")
    if confirmed == "good":
        return Decision(finding="good", because=f"{last} is not worse than {first}: there is no regression to search")
    if confirmed == "unknown":
        return Decision(
            finding="unknown", because=f"whether {last} is worse than {first} stays open: nothing to search"
        )
    good, bad = _bounds(images, findings)
    if bad - good == 1:
        before = f"{images[good]}, before it, is not worse than {first}" if good else f"{first} comes right before it"
        return Decision(finding="bad", because=f"{images[bad]} is the first bad release: {before}")
    open_images = [place for place in range(good + 1, bad) if images[place] not in findings]
    if not open_images:
        rest = ", ".join(images[good + 1 : bad + 1])
        because = f"one of {rest} is the first bad release: those before {images[bad]} support no verdict"
        return Decision(finding="unknown", because=because)
    middle = (good + bad) / 2
    place = min(open_images, key=lambda place: abs(place - middle))
    return Decision(image=images[place], because=_why(images, good, bad, place))


def _why(images: Sequence[str], good: int, bad: int, place: int) -> str:
    is_middle = abs(place - (good + bad) / 2) < 1
    where = "halfway" if is_middle else "the untested image nearest to halfway"
    return f"{where} between {images[good]} (good) and {images[bad]} (bad)"


def _bounds(images: Sequence[str], findings: Mapping[str, Finding]) -> tuple[int, int]:
    """The places of the last image known to be good before the first known to be bad, and of the latter."""
    bad = next(place for place, image in enumerate(images) if findings.get(image) == "bad")
    good = max((place for place in range(bad) if findings.get(images[place]) == "good"), default=0)
    return good, bad
