"""Loss and AP over the epochs of trainings, with the band of a seed distribution. Only this module imports matplotlib.

`draw_curves` makes a file, SVG or PNG; `page_charts` makes the charts of a page, which take their colours from its
style sheet. Equal trainings give equal bytes. The colours of a file are those of Okabe and Ito, which colour-blind
readers can tell apart; those of a page are close to them.
"""

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from ssdbench.schema.convergence import SeedDistribution
from ssdbench.schema.text import pluralize
from ssdbench.schema.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = Mapping[int, float]
Form = Literal["svg", "png"]

SEED_COLOURS = 7
_DASHES = ("-", "--", ":")
_NAMED_SEEDS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Palette:
    text: str
    grid: str
    band: str
    wide: str
    seeds: tuple[str, ...]
    paper: str = "none"


_FILE = _Palette(
    text="#000000",
    grid="#ededed",
    band="#9a9a9a",
    wide="#d0d0d0",
    seeds=("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
    paper="#ffffff",
)
# Placeholders, replaced by variables of the page.
_PAGE = _Palette(
    text="#010101",
    grid="#010102",
    band="#010103",
    wide="#010104",
    seeds=tuple(f"#0102{number:02d}" for number in range(1, SEED_COLOURS + 1)),
)
_VARIABLES = {
    _PAGE.text: "soft",
    _PAGE.grid: "grid",
    _PAGE.band: "band",
    _PAGE.wide: "band-wide",
    **{colour: f"seed-{number}" for number, colour in enumerate(_PAGE.seeds, start=1)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    title: str
    label: str
    curve_of: Callable[[Training], Curve]
    mark: str
    is_logarithmic: bool


def draw_curves(
    trainings: Sequence[Training], distribution: SeedDistribution | None = None, *, form: Form = "svg"
) -> bytes:
    """A file with two panels, loss (left, logarithmic) and AP (right), over the number of epochs trained.

    A line is a training. The band of the distribution is the range of its seeds; the wider one is mean -+ 2.58 SD *
    sqrt(1 + 1/N) of the logarithms, which would hold 99 of 100 further seeds if the spread were known. Unfinished
    seeds end where they stopped; values without a logarithm are omitted.
    """
    with _figure(_FILE, (10.0, 4.6), form) as (figure, save):
        both = figure.subplots(1, 2)
        for axes, panel in zip(both, _PANELS, strict=True):
            _draw(axes, panel, trainings, distribution, _FILE)
            axes.set_title(panel.title)
        handles, labels = both[1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        return save()


def page_charts(trainings: Sequence[Training], distribution: SeedDistribution | None = None) -> list[Markup]:
    """The same panels for a page, AP first; the table of seeds on the page is their legend (`seed_style`)."""
    pictures = []
    against = ""
    if distribution is not None:
        against = f", compared with {pluralize(len(distribution.seeds), 'seed')} of {distribution.header.name}"
    for panel in reversed(_PANELS):
        with _figure(_PAGE, (5.0, 3.3), "svg") as (figure, save):
            _draw(figure.subplots(), panel, trainings, distribution, _PAGE)
            title = f"{panel.title} of {pluralize(len(trainings), 'seed')}{against}"
            pictures.append(_embedded(save().decode(), title))
    return pictures


def seed_style(number: int) -> str:
    """The CSS classes of a seed's line on a page, by its position among the trainings."""
    return f"seed-{number % SEED_COLOURS + 1} dash-{number // SEED_COLOURS % len(_DASHES)}"


@contextmanager
def _figure(
    palette: _Palette, inches: tuple[float, float], form: Form
) -> Iterator[tuple["Figure", Callable[[], bytes]]]:
    # Imported here: matplotlib takes a second, and only a report with curves should wait for it.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "ssdbench",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9 if palette is _FILE else 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linewidth": 0.6,
        **dict.fromkeys(("figure.facecolor", "axes.facecolor"), palette.paper),
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), palette.text
        ),
    }
    # The user's own matplotlib style would change the bytes.
    with mpl.rc_context(mpl.rcParamsDefault), mpl.rc_context(style):
        figure = Figure(figsize=inches, layout="constrained")
        (FigureCanvasSVG if form == "svg" else FigureCanvasAgg)(figure)

        def save() -> bytes:
            out = io.BytesIO()
            metadata = {"Date": None, "Creator": None} if form == "svg" else None
            figure.savefig(out, format=form, dpi=120, metadata=metadata)
            return out.getvalue()

        yield figure, save


def _draw(
    axes: "Axes",
    panel: _Panel,
    trainings: Sequence[Training],
    distribution: SeedDistribution | None,
    palette: _Palette,
) -> None:
    from matplotlib.ticker import MaxNLocator

    if distribution is not None:
        _draw_band(axes, [panel.curve_of(seed) for seed in distribution.seeds], palette)
    for number, training in enumerate(trainings):
        curve = panel.curve_of(training)
        axes.plot(
            list(curve),
            list(curve.values()),
            color=palette.seeds[number % SEED_COLOURS],
            linestyle=_DASHES[number // SEED_COLOURS % len(_DASHES)],
            linewidth=1.3,
            marker=panel.mark,
            markersize=3.5,
            label=_name(number, trainings),
            zorder=3,
        )
    if len(trainings) > _NAMED_SEEDS + 1:
        axes.plot([], [], color="none", label=f"and {len(trainings) - _NAMED_SEEDS} more seeds")
    last = max((len(training.results) for training in trainings), default=0)
    for epoch in sorted({epoch for training in trainings for epoch in training.decay_epochs if epoch < last}):
        axes.axvline(epoch, color=palette.text, linewidth=0.7, linestyle=(0, (2, 3)), zorder=2)
    if panel.is_logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel="epochs trained", ylabel=panel.label)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_band(axes: "Axes", curves: Sequence[Curve], palette: _Palette) -> None:
    epochs = [epoch for epoch in curves[0] if all(curve.get(epoch, 0) > 0 for curve in curves)]
    columns = [[curve[epoch] for curve in curves] for epoch in epochs]
    if len(curves) > 1:
        bounds = [_predicted(column) for column in columns]
        wide = "baseline, mean ± prediction interval (2.58 SD)"
        low, high = [low for low, _ in bounds], [high for _, high in bounds]
        axes.fill_between(epochs, low, high, color=palette.wide, linewidth=0, label=wide)
    low, high = [min(column) for column in columns], [max(column) for column in columns]
    axes.fill_between(epochs, low, high, color=palette.band, linewidth=0, label="baseline, lowest to highest seed")


def _predicted(values: Sequence[float]) -> tuple[float, float]:
    logs = [math.log(value) for value in values]
    reach = 2.58 * stdev(logs) * math.sqrt(1 + 1 / len(logs))
    return math.exp(fmean(logs) - reach), math.exp(fmean(logs) + reach)


def _name(number: int, trainings: Sequence[Training]) -> str | None:
    if number >= _NAMED_SEEDS and len(trainings) > _NAMED_SEEDS + 1:
        return None
    training = trainings[number]
    return f"seed {training.seed}" + ("" if training.complete else " (not finished)")


def _loss_curve(training: Training) -> Curve:
    losses = {result.epoch + 1: result.mean_loss for result in training.results if result.losses}
    return {epoch: loss for epoch, loss in losses.items() if math.isfinite(loss) and loss > 0}


def _ap_curve(training: Training) -> Curve:
    values = {result.epoch + 1: result.evaluation.ap for result in training.results if result.evaluation is not None}
    # Seeds are drawn from AP 0; the band, being of logarithms, begins where every seed is above 0.
    return {epoch: ap for epoch, ap in values.items() if 0 <= ap <= 1}


_PANELS = (
    _Panel(
        title="Training loss",
        label="mean loss of the epoch (log scale)",
        curve_of=_loss_curve,
        mark="",
        is_logarithmic=True,
    ),
    _Panel(
        title="Validation AP",
        label="COCO AP@[.50:.95] (share)",
        curve_of=_ap_curve,
        mark="o",
        is_logarithmic=False,
    ),
)


def _embedded(svg: str, title: str) -> Markup:
    picture = svg[svg.index("<svg") :]
    picture = re.sub(r"<metadata>.*?</metadata>", "", picture, flags=re.DOTALL)
    # Ids of groups repeat from figure to figure; those of clips and markers are digests and may stay.
    picture = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", picture)
    picture = re.sub(r' (width|height)="[\d.]+pt"', "", picture, count=2)
    for colour, name in _VARIABLES.items():
        picture = picture.replace(colour, f"var(--{name})")
    return Markup(picture.replace("<svg", f'<svg role="img" aria-label="{Markup.escape(title)}"', 1))
