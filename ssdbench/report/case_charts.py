"""The charts of one case: its launches, its steps and their phases."""

from collections.abc import Mapping, Sequence
from statistics import median

from markupsafe import Markup

from ssdbench.report.numbers import in_shown_unit, shown_unit
from ssdbench.report.svg import Plot, padded
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.report import SIDES, LaunchValue, PhasePair, Side, StepTrace

_PHASE_NAMES_WIDTH = 104


def launches_chart(metric_name: str, launches: Sequence[LaunchValue]) -> Markup:
    """A dot for each launch, baseline above candidate, in the order of measurement from top to bottom."""
    metric = METRICS[metric_name]
    values = {launch: in_shown_unit(metric, launch.value) for launch in launches}
    plot = Plot(padded(values.values()), (0.0, 2.0), height=190, left=12)
    plot.axes(f"{metric.title}, {shown_unit(metric)}", "a dot is a launch, the line the median", y_ticks=[])
    has_fresh = any(launch.stage == "confirm" for launch in launches)
    for row, side in zip((1, 0), SIDES, strict=True):
        of_side = [launch for launch in launches if launch.side == side]
        if not of_side:
            plot.words(row + 0.45, f"{side}: none", "muted")
            continue
        plot.words(row + 0.84, side, f"{side}-text")
        plot.upright(median(values[launch] for launch in of_side), (row + 0.05, row + 0.72), f"{side} thick")
        for stage in ("measure", "confirm"):
            chosen = [(n, launch) for n, launch in enumerate(of_side) if launch.stage == stage]
            places = [(values[launch], row + 0.68 - 0.6 * (n + 0.5) / len(of_side)) for n, launch in chosen]
            plot.dots(places, f"{side} faint" if stage == "measure" and has_fresh else side)
    return plot.svg(f"{metric.title} of every launch, baseline and candidate")


def trace_chart(traces: Sequence[StepTrace]) -> Markup | None:
    """Step times by step number; warm-up steps are shaded, and cut off where they would flatten the rest.

    Steps during which a GPU of any of these launches was throttled are tinted.
    """
    metric = METRICS["latency_p50"]
    timed = [in_shown_unit(metric, s) for trace in traces for n, s in trace.steps if n >= trace.warmup_steps]
    if not timed:
        return None
    steps = max(n for trace in traces for n, _ in trace.steps)
    warmup = max(trace.warmup_steps for trace in traces)
    plot = Plot((0, steps), padded(timed, 0.12))
    if warmup:
        plot.band((0, warmup - 0.5), "warmup")
    for first, last in {stretch for trace in traces for stretch in trace.throttled}:
        plot.band((first - 0.5, last + 0.5), "throttled")
    plot.axes("step", f"step time, {shown_unit(metric)}")
    for trace in traces:
        plot.line([(n, in_shown_unit(metric, seconds)) for n, seconds in trace.steps], f"{trace.side} thin")
    return plot.svg("Time of each step of some launches, baseline and candidate")


def throttled_sides(traces: Sequence[StepTrace]) -> str:
    """Why launches were throttled and in which arm, for a legend; empty if none was."""
    reasons = {
        side: ", ".join(
            dict.fromkeys(trace.throttle_reasons for trace in traces if trace.side == side and trace.throttled)
        )
        for side in SIDES
    }
    return "; ".join(f"{words} ({side})" for side, words in reasons.items() if words)


def phases_chart(phases: Sequence[PhasePair]) -> Markup | None:
    """A bar for each phase and arm, baseline above candidate; None if a step has fewer than two phases."""
    if len(phases) < 2:
        return None
    metric = METRICS["latency_p50"]
    sides: Mapping[Side, Mapping[str, float]] = {
        side: {p.name: in_shown_unit(metric, seconds) for p in phases if (seconds := getattr(p, side)) is not None}
        for side in SIDES
    }
    most = max(value for values in sides.values() for value in values.values())
    rows = {phase.name: float(len(phases) - n) for n, phase in enumerate(phases)}
    plot = Plot((0.0, 1.06 * most), (0.4, len(phases) + 0.6), height=80 + 26 * len(phases), left=_PHASE_NAMES_WIDTH)
    plot.axes(
        f"median of the phase alone, {shown_unit(metric)}", "phases of a step, baseline above candidate",
        y_ticks=[(row, name) for name, row in rows.items()],
    )  # fmt: skip
    for side, place in zip(SIDES, (0.18, -0.18), strict=True):
        for name, value in sides[side].items():
            plot.across(rows[name] + place, (0.0, value), f"{side} bar")
    return plot.svg("Time of each phase of a step, baseline and candidate")


def fetch_chart(traces: Sequence[StepTrace]) -> Markup | None:
    """The share of each step spent waiting for its batch; None if it never reaches 1 %."""
    timed = [100 * share for trace in traces for n, share in trace.fetches if n >= trace.warmup_steps]
    if not timed or max(timed) < 1:
        return None
    steps = max(n for trace in traces for n, _ in trace.fetches)
    warmup = max(trace.warmup_steps for trace in traces)
    plot = Plot((0, steps), (0.0, min(100.0, 1.15 * max(timed))))
    if warmup:
        plot.band((0, warmup - 0.5), "warmup")
    plot.axes("step", "waiting for the batch, % of the step")
    for trace in traces:
        plot.line([(n, 100 * share) for n, share in trace.fetches], f"{trace.side} thin")
    return plot.svg("Share of each step spent waiting for its batch, baseline and candidate")
