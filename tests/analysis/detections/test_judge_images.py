"""The verdict on two images: made-up detections in, known verdicts out."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from ssdbench.analysis.detections.agreement import agreement
from ssdbench.analysis.detections.average_precision import Matches
from ssdbench.analysis.detections.judge import Judged, judge_images
from ssdbench.errors import UsageError
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.image_evaluation import DEFAULT_EVALUATION_SETTINGS, EvaluationQuestion, EvaluationSettings
from ssdbench.schema.record import ContainerImage
from ssdbench.schema.training import Evaluation
from ssdbench.schema.verdict import Status
from ssdbench.ssd.evaluate import evaluate
from ssdbench.ssd.matches import match
from tests.analysis.detections.made import CATEGORIES, detections_of, truth_of
from tests.builders import DATASET, a_case, an_evaluated_checkpoint

SETTINGS = replace(DEFAULT_EVALUATION_SETTINGS, resamples=300)
CASE = a_case(workload="evaluate", options={"protocol": "every-image", "engine": "pycocotools"})
QUESTION = EvaluationQuestion(
    schema_version=SCHEMA_VERSION,
    run_id="20260105T120000-evaluate-abcd",
    asked_at="2026-01-05T12:00:00+00:00",
    baseline=ContainerImage(reference="bench:26.01", id="sha256:a"),
    candidate=ContainerImage(reference="bench:26.02", id="sha256:b"),
    checkpoint="/weights.pt",
    checkpoint_sha256="0" * 64,
    dataset=DATASET,
    case=CASE,
    ssdbench_version="0.3.0",
)


@pytest.fixture
def truth(tmp_path):
    return truth_of(tmp_path, seed=1)


def judged(truth, rows, **own: float) -> Judged:
    outside = Evaluation(**asdict(evaluate(truth, rows)))
    mine = replace(an_evaluated_checkpoint(), evaluation=replace(outside, **own))  # type: ignore[arg-type]
    return Judged(rows=rows, matches=Matches(**match(truth, rows, protocol="every-image")), own=mine, outside=outside)


def verdict(truth, there, here, settings=SETTINGS):
    return judge_images(QUESTION, judged(truth, there), judged(truth, here), settings)


def rounded_otherwise(rows):
    random = np.random.default_rng(5)
    moved = rows.copy()
    moved[:, 1:5] += random.uniform(-0.005, 0.005, (len(rows), 4))
    moved[:, 5] += random.uniform(-1e-5, 1e-5, len(rows))
    return moved


def exchanged(rows):
    moved = rows.copy()
    moved[:, 6] = moved[:, 6] % CATEGORIES + 1
    return moved


def test_identical_detections_are_unchanged_by_exactly_nothing(truth):
    rows = detections_of(truth, seed=1)
    found = verdict(truth, rows, rows)
    assert found.status is Status.UNCHANGED
    assert (found.change, found.low, found.high) == (0, 0, 0)
    assert found.agreement is not None
    assert found.agreement.identical
    assert found.agreement.equal
    assert "identical to the last bit" in found.sentence


def test_rounding_is_equal_and_unchanged_whatever_the_order_of_detections(truth):
    rows = detections_of(truth, seed=1)
    other = rounded_otherwise(rows)[np.random.default_rng(2).permutation(len(rows))]
    found = verdict(truth, rows, other)
    assert found.agreement is not None
    assert found.agreement.equal
    assert not found.agreement.identical
    assert found.agreement.same == len(rows)
    assert 1e-6 < found.agreement.largest_score_difference < 1e-4
    assert 1e-4 < found.agreement.largest_box_difference_px < 0.1
    assert found.status is Status.UNCHANGED


def test_a_label_fault_is_regressed_and_its_labels_are_named(truth):
    rows = detections_of(truth, seed=1)
    found = verdict(truth, rows, exchanged(rounded_otherwise(rows)))
    assert found.status is Status.REGRESSED
    assert found.high is not None
    assert found.high < 0
    assert found.agreement is not None
    assert found.agreement.same == 0
    assert found.agreement.relabelled == len(rows)
    assert {(item.baseline, item.candidate) for item in found.agreement.relabellings} == {
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 1),
    }
    assert sum(item.detections for item in found.agreement.relabellings) == len(rows)
    assert any("baseline -> candidate" in finding for finding in found.findings)


def test_moved_labels_that_ap_does_not_show_are_regressed_all_the_same(truth):
    # Of detections that are wrong and have the lowest scores: they are wrong under any label.
    rows = detections_of(truth, seed=1)
    extra = np.array([[*box[:5], 0.01 + 0.001 * number, 1] for number, box in enumerate(rows[-12:])])
    there, here = np.concatenate([rows, extra]), np.concatenate([rows, extra])
    here[len(rows) :, 6] = 2
    found = verdict(truth, there, here)
    assert found.low is not None
    assert found.low > -0.01
    assert found.status is Status.REGRESSED
    assert "the same but for their label" in found.sentence


def test_a_build_that_finds_more_is_improved_and_that_is_a_finding(truth):
    rows = detections_of(truth, seed=1)
    found = verdict(truth, exchanged(rows), rows)
    assert found.status is Status.IMPROVED
    assert any("should not become better" in finding for finding in found.findings)


def test_other_detections_of_like_ap_are_inconclusive_on_few_images_and_unchanged_for_a_wide_margin(truth):
    rows = detections_of(truth, seed=1)
    other = detections_of(truth, seed=2)
    assert verdict(truth, rows, other).status is Status.INCONCLUSIVE
    assert verdict(truth, rows, other, replace(SETTINGS, margin=0.9)).status is Status.UNCHANGED


def test_an_image_that_misjudges_its_own_detections_is_regressed_and_named(truth):
    rows = detections_of(truth, seed=1)
    sound, wrong = judged(truth, rows), judged(truth, rows, ap_50=0.123)
    found = judge_images(QUESTION, sound, wrong, SETTINGS)
    assert found.status is Status.REGRESSED
    assert "the candidate misjudges itself, it computes ap_50 0.1230 of its own detections" in found.sentence
    other = judge_images(QUESTION, wrong, sound, SETTINGS)
    assert other.status is Status.UNCHANGED
    assert any(finding.startswith("the baseline misjudges itself") for finding in other.findings)
    nan = judge_images(QUESTION, sound, judged(truth, rows, ar_100=float("nan")), SETTINGS)
    assert nan.status is Status.REGRESSED


def test_nothing_found_by_either_is_no_pass_unless_it_is_the_same_nothing(truth):
    nothing = np.array([[0, 1, 1, 2, 2, 0.5, 1.0]])
    beside = np.array([[0, 9, 9, 2, 2, 0.5, 1.0]])
    assert verdict(truth, nothing, nothing).status is Status.UNCHANGED
    found = verdict(truth, nothing, beside)
    assert found.status is Status.INCONCLUSIVE
    assert "give a trained checkpoint" in found.sentence


def test_no_detections_at_all_can_be_compared(truth):
    none, some = np.empty((0, 7)), detections_of(truth, seed=1)
    assert verdict(truth, none, none).status is Status.UNCHANGED
    assert verdict(truth, some, none).status is Status.REGRESSED


def test_a_few_detections_at_the_threshold_leave_two_sets_equal_and_more_do_not():
    rows = np.array([[image, 10, 10, 20, 20, 0.5, 1] for image in range(2000)], dtype=float)
    assert agreement(rows, rows[:-2], SETTINGS).equal
    assert not agreement(rows, rows[:-3], SETTINGS).equal
    assert not agreement(rows[:-3], rows, SETTINGS).equal
    far = rows.copy()
    far[:5, 5] += 0.002
    found = agreement(rows, far, SETTINGS)
    assert (found.same, found.relabelled, found.equal) == (1995, 0, False)


def test_settings_are_checked():
    with pytest.raises(UsageError, match="evaluation setting margin = 0 is not from"):
        EvaluationSettings(margin=0)
