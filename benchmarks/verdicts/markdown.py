"""The cells of the tables of docs/verdicts.md."""

from collections.abc import Sequence

from benchmarks.verdicts.score import Score, Share


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of Markdown whose first column is text."""
    first, *rest = (f"| {' | '.join(cells)} |" for cells in (heads, *lines))
    return "\n".join([first, f"|---|{'--:|' * (len(heads) - 1)}", *rest])


def launches(found: Score) -> str:
    """Per case."""
    return f"{found.launches.value:.1f}"


def alarms(share: Share) -> str:
    """How many, and the upper bound of their share."""
    return f"{share.count} (< {100 * share.bounds[1]:.2g} %)"


def with_bounds(share: Share) -> str:
    """In per cent, with both bounds."""
    low, high = share.bounds
    return f"{100 * share.value:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def percent(share: Share) -> str:
    """In per cent, without decimals where it has none."""
    value = 100 * share.value
    return f"{value:.0f} %" if value == round(value) else f"{value:.1f} %"
