"""Accuracy curves, drawn by matplotlib: a handful a report, with all that a large chart needs.

Colours are placeholders that become the page's own variables, so that a curve follows light and dark. The same curves
give the same bytes.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ssdbench.schema.report import SIDES, Curve, Side
from ssdbench.schema.training import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: dict[str, str] = {"soft": "#010101", "measured": "#020202", "baseline": "#030303", "grid": "#040404"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ssdbench",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _COLOURS["grid"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "#010101"),
}
_PANELS: tuple[tuple[str, Callable[[EpochResult], float | None]], ...] = (
    ("AP at IoU .50:.95", lambda result: result.evaluation.ap if result.evaluation else None),
    ("loss", lambda result: result.mean_loss),
)


def accuracy_charts(curves: Sequence[Curve]) -> list[Markup]:
    """AP over epochs, and loss over epochs: a line a seed; where the learning rate decays is marked."""
    # Imported here: matplotlib takes a second, which only a report with curves should wait for.
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    pictures = []
    for label, value in _PANELS:
        with rc_context(_STYLE):
            figure = Figure(figsize=(5.0, 3.1), layout="constrained")
            FigureCanvasSVG(figure)
            _draw(figure.subplots(), curves, label, value)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        pictures.append(_embedded(text.getvalue(), f"{label} over epochs, {_counted(curves)}"))
    return pictures


def _draw(axes: "Axes", curves: Sequence[Curve], label: str, value: Callable[[EpochResult], float | None]) -> None:
    from matplotlib.ticker import MaxNLocator

    for curve in curves:
        points = [(r.epoch + 1, y) for r in curve.training.results if (y := value(r)) is not None]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, color=_COLOURS[curve.side], linewidth=1.0, marker="o", markersize=1.8, alpha=0.8)
    for epoch in sorted({epoch for curve in curves for epoch in curve.training.decay_epochs}):
        if epoch < max(len(curve.training.results) for curve in curves):
            axes.axvline(epoch + 0.5, color=_COLOURS["soft"], linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _counted(curves: Sequence[Curve]) -> str:
    def count(side: Side) -> str:
        seeds = sum(curve.side == side for curve in curves)
        return f"{seeds} {'seed' if seeds == 1 else 'seeds'} {side}"

    return ", ".join(map(count, reversed(SIDES)))


def _embedded(svg: str, title: str) -> Markup:
    picture = svg[svg.index("<svg") :]
    picture = re.sub(r"<metadata>.*?</metadata>", "", picture, flags=re.DOTALL)
    # Ids of groups repeat from figure to figure; those of clips and markers name their content and may.
    picture = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", picture)
    picture = re.sub(r' (width|height)="[\d.]+pt"', "", picture, count=2)
    for name, colour in _COLOURS.items():
        picture = picture.replace(colour, f"var(--{name})")
    return Markup(picture.replace("<svg", f'<svg role="img" aria-label="{Markup.escape(title)}"', 1))
