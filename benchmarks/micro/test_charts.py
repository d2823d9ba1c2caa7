"""What one small chart costs, drawn by matplotlib and by report/svg.py: see docs/decisions/0004-report-charts.md.

pytest benchmarks/micro/test_charts.py
"""

import io
import random

import pytest

from ssdbench.report.svg import Plot, padded

draw = random.Random(1)
LAUNCHES = [[draw.gauss(100.0, 1.0) for _ in range(70)] for _ in range(6)]


def by_matplotlib() -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ssdbench"}):
        figure = Figure(figsize=(3.6, 2.1))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.15, 0.2, 0.8, 0.65))
        axes.set(xlabel="step", ylabel="step time, ms")
        for steps in LAUNCHES:
            axes.plot(steps, linewidth=1)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def by_svg() -> str:
    plot = Plot((0, 70), padded(value for steps in LAUNCHES for value in steps))
    plot.axes("step", "step time, ms")
    for steps in LAUNCHES:
        plot.line(enumerate(steps), "measured thin")
    return str(plot.svg("steps"))


@pytest.mark.parametrize("draw_chart", [by_matplotlib, by_svg])
def test_one_chart(benchmark, draw_chart):
    benchmark.extra_info["bytes"] = len(benchmark(draw_chart))
