import re
from dataclasses import replace

import pytest

from ssdbench.report.page import render_accuracy
from ssdbench.report.seed_charts import seeds_chart
from ssdbench.report.trend_charts import sparkline, trend_chart
from ssdbench.schema.history import ChangePoint, HistoryPoint, Series
from ssdbench.schema.report import SeedAp


def a_series(*days: str, by_release: bool = False) -> Series:
    points = tuple(
        HistoryPoint(
            label=f"26.{number:02d}" if by_release else day,
            measured_at=day,
            run_ids=(f"run-{number}",),
            value=0.1 + 0.01 * number,
            low=0.1,
            high=0.2,
            launches=3,
        )
        for number, day in enumerate(days)
    )
    return Series(
        case_key="k", title="train", metric="latency_p50", hardware_key="cpu", conditions=(), points=points,
        change_points=(ChangePoint(index=1, change=0.1),) if len(days) > 1 else (),
    )  # fmt: skip


def drawn(series: Series, **more: object) -> str:
    return str(trend_chart(
        series, [p.label for p in series.points], describe=lambda p: f"<{p.label}>",
        address=lambda p: f"runs/{p.run_ids[0]}.html", **more,  # type: ignore[arg-type]
    ))  # fmt: skip


def places(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'<circle class="dot candidate" cx="([0-9.]+)"', svg)]


MONTHS = ("2026-01-01T02:00:00+00:00", "2026-01-11T02:00:00+00:00", "2026-02-10T02:00:00+00:00")


def test_ten_and_thirty_days_are_one_to_three_on_the_axis():
    first, second, third = places(drawn(a_series(*MONTHS), width=960))
    assert (third - second) / (second - first) == pytest.approx(3, abs=0.01)
    spark = re.search(r'class="line candidate" d="M([^"]+)"', str(sparkline(a_series(*MONTHS))))
    assert spark
    first, second, third = (float(pair.split()[0]) for pair in spark[1].split("L"))
    assert (third - second) / (second - first) == pytest.approx(3, abs=0.05)


def test_a_change_is_between_the_points_that_differ():
    svg = drawn(a_series(*MONTHS), width=960)
    first, second, _ = places(svg)
    place = re.search(r'<path class="line bad dashed" d="M([0-9.]+) ', svg)
    assert place
    assert first < float(place[1]) < second


def test_releases_are_equally_far_apart():
    first, second, third = places(drawn(a_series(*MONTHS, by_release=True)))
    assert third - second == pytest.approx(second - first, abs=0.2)


@pytest.mark.parametrize(
    "days", [MONTHS[:1], (MONTHS[0],) * 3, ("2026-01-01T02:00:00+00:00", "2026-01-01T02:00:05+00:00")]
)
def test_runs_of_one_moment_or_day_are_drawn(days: tuple[str, ...]):
    assert len(places(drawn(a_series(*days)))) == len(days)


@pytest.mark.parametrize("day", ["yesterday", "2026-13-45", "2026-01-01"])
def test_a_date_that_cannot_be_placed_leaves_a_chart_by_number(day: str):
    assert len(places(drawn(a_series(MONTHS[0], day)))) == 2


def test_a_dot_has_a_tooltip_and_leads_to_the_report_of_its_run():
    svg = drawn(a_series(*MONTHS))
    assert svg.count("<a href=") == 3
    assert '<a href="runs/run-2.html"><circle' in svg
    assert f"<title>&lt;{MONTHS[2]}&gt;</title>" in svg


def some_seeds(side: str, *aps: float) -> list[SeedAp]:
    return [SeedAp(side=side, name=f"seed {n}", ap=ap) for n, ap in enumerate(aps)]  # type: ignore[arg-type]


def test_one_per_cent_can_be_seen_between_the_seeds_of_both_sides():
    svg = str(seeds_chart([*some_seeds("baseline", 0.25, 0.251, 0.249), *some_seeds("candidate", 0.2475)], 0.01))
    dots = {side: [float(x) for x in re.findall(rf'<circle class="dot {side}" cx="([0-9.]+)"', svg)] for side in
            ("baseline", "candidate")}  # fmt: skip
    assert (len(dots["baseline"]), len(dots["candidate"])) == (3, 1)
    middle = sorted(dots["baseline"])[1]
    assert middle - dots["candidate"][0] > 100, "1 % less AP, of a chart 520 wide"
    band = re.search(r'<rect class="margin" x="([0-9.]+)"[^>]* width="([0-9.]+)"', svg)
    assert band
    assert float(band[1]) == pytest.approx(dots["candidate"][0], abs=2), "the margin of 1 % ends there"
    assert "seed 0: AP 0.2475, -1.00%" in svg


def test_without_seeds_on_both_sides_there_is_no_chart():
    assert seeds_chart(some_seeds("candidate", 0.2, 0.3), 0.01) is None
    assert seeds_chart([], None) is None


def test_the_accuracy_page_has_the_baseline_in_the_table_of_seeds():
    from ssdbench.analysis.reports.accuracy import accuracy_report
    from tests.trainings import a_distribution, a_training, a_training_run

    run = a_training_run([a_training(50, 0.24)])
    found = accuracy_report(run, a_distribution([a_training(n, 0.25) for n in range(1, 6)]))
    assert found.baseline is not None
    assert (found.baseline.outcome, found.baseline.ap) == ("mean of 5 seeds", pytest.approx(0.25))
    assert [(seed.side, seed.name) for seed in found.judged][-2:] == [("baseline", "seed 5"), ("candidate", "seed 50")]
    page = render_accuracy(found)
    assert "0.2400 (-4.0%)" in page
    assert "AP of every seed" in page
    assert "AP of every seed" not in render_accuracy(replace(found, judged=()))
