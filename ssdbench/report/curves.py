"""Loss and AP over the epochs of trainings, against the band of a distribution over seeds, as SVG or PNG.

Equal trainings give an equal file. The colours are those of Okabe and Ito, which the colour-blind can tell apart.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

from ssdbench.schema.convergence import SeedDistribution
from ssdbench.schema.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Mapping[int, float]
Form = Literal["svg", "png"]

_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":")
_BAND, _WIDE = "#9a9a9a", "#d0d0d0"
_NAMED_SEEDS = 7
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ssdbench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_curves(
    trainings: Sequence[Training], distribution: SeedDistribution | None = None, *, form: Form = "svg"
) -> bytes:
    """Two panels, loss (left, logarithmic) and AP (right), over the number of epochs trained; one line a training.

    The band of the distribution is the range of its seeds, and around it mean -+ 2.58 SD * sqrt(1 + 1/N) of its
    logarithms: where 99 of 100 more seeds would lie, were the spread known. Seeds not finished are drawn as far as they
    came; values that no logarithm has are left out.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # A user's own style would change the bytes.
    with mpl.rc_context(mpl.rcParamsDefault), mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10.0, 4.6), layout="constrained")
        (FigureCanvasSVG if form == "svg" else FigureCanvasAgg)(figure)
        left, right = figure.subplots(1, 2)
        for axes, curve_of, mark in ((left, _loss_curve, ""), (right, _ap_curve, "o")):
            if distribution is not None:
                _draw_band(axes, [curve_of(seed) for seed in distribution.seeds])
            _draw_seeds(axes, trainings, curve_of, mark)
        left.set_yscale("log")
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_formatter("{x:g}")
        left.set(xlabel="epochs trained", ylabel="mean loss of the epoch (log scale)", title="Training loss")
        right.set(xlabel="epochs trained", ylabel="COCO AP@[.50:.95] (share)", title="Validation AP")
        right.set_ylim(bottom=0)
        _draw_legend(figure.legend, right)
        for axes in (left, right):
            axes.set_xlim(left=0)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(color="0.93", linewidth=0.6)
            axes.set_axisbelow(True)
        out = io.BytesIO()
        figure.savefig(out, format=form, dpi=120, metadata={"Date": None, "Creator": None} if form == "svg" else None)
    return out.getvalue()


def _draw_seeds(axes: "Axes", trainings: Sequence[Training], curve_of: Callable[[Training], Curve], mark: str) -> None:
    for number, training in enumerate(trainings):
        curve = curve_of(training)
        named = number < _NAMED_SEEDS or len(trainings) == _NAMED_SEEDS + 1
        axes.plot(
            list(curve),
            list(curve.values()),
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_STYLES[number // len(_COLOURS) % len(_STYLES)],
            linewidth=1.3,
            marker=mark,
            markersize=3.5,
            label=f"seed {training.seed}" + ("" if training.complete else " (not finished)") if named else None,
            zorder=3,
        )
    if len(trainings) > _NAMED_SEEDS + 1:
        axes.plot([], [], color="none", label=f"and {len(trainings) - _NAMED_SEEDS} more seeds")


def _draw_band(axes: "Axes", curves: Sequence[Curve]) -> None:
    epochs = [epoch for epoch in curves[0] if all(curve.get(epoch, 0) > 0 for curve in curves)]
    columns = [[curve[epoch] for curve in curves] for epoch in epochs]
    if len(curves) > 1:
        bounds = [_predicted(column) for column in columns]
        axes.fill_between(
            epochs,
            [low for low, _ in bounds],
            [high for _, high in bounds],
            color=_WIDE,
            linewidth=0,
            label="baseline, mean ± prediction interval (2.58 SD)",
        )
    low, high = [min(column) for column in columns], [max(column) for column in columns]
    axes.fill_between(epochs, low, high, color=_BAND, linewidth=0, label="baseline, lowest to highest seed")


def _predicted(values: Sequence[float]) -> tuple[float, float]:
    logs = [math.log(value) for value in values]
    reach = 2.58 * stdev(logs) * math.sqrt(1 + 1 / len(logs))
    return math.exp(fmean(logs) - reach), math.exp(fmean(logs) + reach)


def _draw_legend(legend: Callable[..., object], axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _loss_curve(training: Training) -> Curve:
    losses = {result.epoch + 1: result.mean_loss for result in training.results if result.losses}
    return {epoch: loss for epoch, loss in losses.items() if math.isfinite(loss) and loss > 0}


def _ap_curve(training: Training) -> Curve:
    values = {result.epoch + 1: result.evaluation.ap for result in training.results if result.evaluation is not None}
    # AP 0 is drawn for seeds; the band is of logarithms, and begins where every seed is above 0.
    return {epoch: ap for epoch, ap in values.items() if 0 <= ap <= 1}
