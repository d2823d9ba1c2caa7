from dataclasses import replace

import pytest

from ssdbench.analysis.history.series import every_series, find_case, find_cases, measured_cases, series_of
from ssdbench.errors import UsageError
from ssdbench.schema.history import Grouping
from ssdbench.schema.record import Run
from tests.builders import DATASET, GPU_HARDWARE, SOFTWARE, a_case, a_failure, a_measurement, a_run

A, B = a_case(), a_case(workload="infer", backbone="resnet50")


def night(day: int, *seconds: float, release: str | None = None, torch: str = "2.11.0", **changes: object) -> Run:
    """A run of case A on a day of January: seconds a step of each launch."""
    created_at = f"2026-01-{day:02d}T02:00:00+00:00"
    run = a_run((A, seconds or (0.1, 0.1, 0.1)), run_id=f"night-{day:02d}", created_at=created_at, **changes)
    software = replace(SOFTWARE, container_release=release, torch=torch)
    records = (replace(r, measurement=r.measurement and replace(r.measurement, software=software)) for r in run.records)
    return replace(run, records=tuple(records))


def test_a_point_is_the_middle_launch_of_a_run_with_its_extremes():
    (series,) = series_of([night(1, 0.1, 0.125, 0.2)], A.key)
    (point,) = series.points
    assert (point.value, point.low, point.high) == (pytest.approx(16), pytest.approx(10), pytest.approx(20))
    assert (point.launches, point.run_ids, point.label) == (3, ("night-01",), "2026-01-01T02:00:00+00:00")
    assert series.metric == "throughput"


def test_points_are_in_the_order_of_time_whatever_the_order_of_the_runs():
    (series,) = series_of([night(3), night(1), night(2)], A.key)
    assert [point.run_ids[0] for point in series.points] == ["night-01", "night-02", "night-03"]


def test_a_change_point_says_how_much_and_what_else_changed():
    before = [night(day, *(0.1 + 1e-4 * (day % 3),) * 3, torch="2.10.0") for day in range(1, 11)]
    after = [night(day, *(0.125 + 1e-4 * (day % 3),) * 3) for day in range(11, 21)]
    (series,) = series_of(before + after, A.key)
    (change,) = series.change_points
    assert (change.index, change.change) == (10, pytest.approx(-0.2, abs=0.001))
    assert [(item.name, item.baseline, item.candidate) for item in change.differences] == [
        ("torch", "2.10.0", "2.11.0")
    ]
    assert [point.segment for point in series.points] == [0] * 10 + [1] * 10
    assert series.points[0].change is None
    assert series.points[15].change == pytest.approx(-0.2, abs=0.003)
    assert series.notes[-1] == "1 change point among 20 points"


def other_version(run: Run) -> Run:
    records = (replace(r, measurement=a_measurement(workload_version=2)) for r in run.records)
    return replace(run, records=tuple(records))


def other_images(run: Run) -> Run:
    return replace(run, records=tuple(replace(r, dataset=replace(DATASET, fingerprint="beef")) for r in run.records))


def other_hardware(run: Run) -> Run:
    return replace(run, records=tuple(replace(r, hardware=GPU_HARDWARE) for r in run.records))


@pytest.mark.parametrize("changed", [other_version, other_images, other_hardware])
def test_what_is_not_comparable_is_a_series_of_its_own(changed):
    found = series_of([night(1), night(2), changed(night(3))], A.key)
    assert sorted(len(series.points) for series in found) == [1, 2]


def test_one_hardware_can_be_chosen_by_a_part_of_its_key():
    runs = [night(1), other_hardware(night(2))]
    assert [s.hardware_key for s in series_of(runs, A.key, hardware="h100")] == [GPU_HARDWARE.key]
    with pytest.raises(UsageError, match=r"never measured on hardware 'v100'; it was on 1x-nvidia-h100.*, cpu-2x"):
        series_of(runs, A.key, hardware="v100")


def test_by_container_all_launches_of_a_release_are_one_point_in_the_order_of_releases():
    runs = [night(1, release="25.10"), night(2, release="25.9"), night(3, 0.125, 0.125, release="25.9"), night(4)]
    (series,) = series_of(runs, A.key, by=Grouping.CONTAINER)
    assert [(p.label, p.launches) for p in series.points] == [("25.9", 5), ("25.10", 3)]
    assert series.points[0].run_ids == ("night-02", "night-03")
    assert series.notes[0] == "left out: 3 launches outside of a container"


def test_by_container_without_any_is_a_sentence_with_the_remedy():
    with pytest.raises(UsageError, match=r"no launch can be shown \(3 launches outside of a container\); .*--by run"):
        series_of([night(1)], A.key, by=Grouping.CONTAINER)


def test_failed_and_invalid_launches_are_left_out_and_counted():
    run = a_run((A, (0.1, a_failure(), 0.3, 0.1)), run_id="night-01")
    spoiled = replace(run, records=tuple(replace(r, invalid_reason="hot") if r.launch == 2 else r for r in run.records))
    (series,) = series_of([spoiled], A.key)
    assert (series.points[0].launches, series.points[0].value) == (2, pytest.approx(20))
    assert series.notes[0] == "left out: 1 launch failed, 1 launch invalid"


def test_another_metric_can_be_shown_and_an_unknown_one_names_the_known():
    (series,) = series_of([night(1)], A.key, metric="latency_p50")
    assert series.points[0].value == pytest.approx(0.1)
    with pytest.raises(UsageError, match="--metric 'speed' is unknown; there are throughput, "):
        series_of([night(1)], A.key, metric="speed")


def test_a_metric_that_the_samples_do_not_support_is_a_sentence():
    with pytest.raises(UsageError, match="3 launches without a figure"):
        series_of([night(1)], A.key, metric="latency_p99")


def test_cases_are_found_by_key_title_or_a_part_of_either():
    cases = measured_cases([a_run((A, (0.1,)), (B, (0.1,)))])
    for asked in (A.key, A.title, "resnet18", "TRAIN"):
        assert find_case(cases, asked).case_key == A.key
    with pytest.raises(UsageError, match=f"'resnet' names 2 cases; write more of one: {B.key}, {A.key}"):
        find_case(cases, "resnet")
    with pytest.raises(UsageError, match=f"no case 'bert' was measured; there are {B.key}, {A.key}"):
        find_case(cases, "bert")
    with pytest.raises(UsageError, match="no speed was measured yet"):
        find_case((), "bert")


def test_words_find_cases_in_any_order_and_whole_words_first():
    eight, eighty = a_case(batch_size_per_gpu=8), a_case(batch_size_per_gpu=80)
    cases = measured_cases([a_run((A, (0.1,)), (B, (0.1,)), (eight, (0.1,)), (eighty, (0.1,)))])

    def found(asked: str) -> set[str]:
        return {case.case_key for case in find_cases(cases, asked)}

    assert found("bs8") == found("resnet18 bs8") == found("bs8 Train") == {eight.key}
    assert found("train bs80") == {eighty.key}
    assert found("train") == {A.key, eight.key, eighty.key}
    assert found("resn fp3") == {A.key, B.key, eight.key, eighty.key}
    with pytest.raises(UsageError, match="no case 'train resnet50' was measured"):
        find_cases(cases, "train resnet50")


def test_a_key_that_is_the_beginning_of_another_is_found():
    longer = a_case(options={"x": 1})
    cases = measured_cases([a_run((A, (0.1,)), (longer, (0.1,)))])
    assert find_case(cases, A.key).case_key == A.key


def test_cases_are_listed_with_their_runs():
    first, second = measured_cases([a_run((A, (0.1,)), (B, (0.1,)), run_id="r"), night(7)])
    assert (first.case_key, first.runs) == (B.key, 1)
    assert (second.runs, second.first[:10], second.last[:10]) == (2, "2026-01-05", "2026-01-07")


def test_a_training_for_accuracy_among_the_runs_hides_no_other_case():
    training = a_run((a_case(workload="accuracy"), (a_failure(),)), run_id="night-02")
    assert list(every_series([night(1), training, night(3)])) == [A.key]


def test_the_name_of_a_grouping_before_version_0_2_is_still_read() -> None:
    assert Grouping("night") is Grouping.RUN
    with pytest.raises(ValueError, match="week"):
        Grouping("week")
