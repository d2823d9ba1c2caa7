"""The AP of every seed of both sides, on an axis on which a change of the margin's size can be seen."""

import math
from collections.abc import Sequence
from statistics import fmean

from markupsafe import Markup

from ssdbench.report.svg import Plot, padded
from ssdbench.schema.report import SIDES, SeedAp
from ssdbench.schema.text import pluralize


def seeds_chart(judged: Sequence[SeedAp], margin: float | None) -> Markup | None:
    """A dot for each seed, baseline above candidate, and the mean of each side; None unless both sides have seeds.

    `margin` is relative to the mean of the baseline (0.02 is 2 %).
    """
    sides = {side: [seed for seed in judged if seed.side == side and seed.ap > 0] for side in SIDES}
    if not all(sides.values()):
        return None
    means = {side: math.exp(fmean(math.log(seed.ap) for seed in seeds)) for side, seeds in sides.items()}
    near = [means["baseline"] * (1 + factor * (margin or 0.0)) for factor in (-1.25, 1.25)]
    plot = Plot(padded([*near, *(seed.ap for seed in judged)]), (0.0, 2.0), width=520, height=200, left=12)
    if margin is not None:
        plot.band((means["baseline"] * (1 - margin), means["baseline"] * (1 + margin)), "margin")
    shaded = f"; shaded: within {100 * margin:g}% of the baseline" if margin is not None else ""
    plot.axes("AP@[.50:.95] of a seed", f"a dot is a seed, the line the mean{shaded}", y_ticks=[])
    for row, (side, seeds) in zip((1, 0), sides.items(), strict=True):
        plot.words(row + 0.84, f"{side}, {pluralize(len(seeds), 'seed')}", f"{side}-text")
        plot.upright(means[side], (row + 0.05, row + 0.72), f"{side} thick")
        places = [(seed.ap, row + 0.66 - 0.56 * (n + 0.5) / len(seeds)) for n, seed in enumerate(seeds)]
        texts = [f"{seed.name}: AP {seed.ap:.4f}, {100 * (seed.ap / means['baseline'] - 1):+.2f}%" for seed in seeds]
        plot.named_dots([(x, y, text, "") for (x, y), text in zip(places, texts, strict=True)], side)
    described = " and ".join(f"{pluralize(len(seeds), 'seed')} of the {side}" for side, seeds in sides.items())
    return plot.svg(f"AP of {described}")
