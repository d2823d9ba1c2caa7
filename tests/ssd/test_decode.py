"""Decoding of a model's output, against cases worked out by hand."""

import math

import pytest
import torch

from ssdbench.ssd.boxes import decode, default_boxes
from tests.ssd.decoding import background, logit, output, regress


def test_no_detections_have_the_right_shapes():
    found = decode(*background(3))
    assert len(found) == 3
    for boxes_ltrb, labels, scores in found:
        assert boxes_ltrb.shape == (0, 4)
        assert labels.shape == scores.shape == (0,)
        assert (boxes_ltrb.dtype, labels.dtype, scores.dtype) == (torch.float32, torch.int64, torch.float32)


def test_no_regression_gives_the_default_box_of_the_row():
    loc, logits = background(2)
    logits[1, 44, 6000] = logit(0.9)
    first, (boxes_ltrb, labels, scores) = decode(loc, logits)
    assert len(first.labels) == 0
    torch.testing.assert_close(boxes_ltrb, default_boxes("ltrb")[6000:6001])
    torch.testing.assert_close(scores, torch.tensor([0.9]))
    assert labels.tolist() == [44]


def test_decoding_inverts_encoding():
    torch.manual_seed(0)
    truth = torch.rand(50, 2, 2).sort(1).values.flatten(1)
    truth[:, 2:] += 0.01
    loc, logits = output(truth, 1, torch.linspace(0.9, 0.1, 50).tolist())
    (boxes_ltrb, _, _) = decode(loc, logits, iou_threshold=1.01)[0]
    torch.testing.assert_close(boxes_ltrb, truth, rtol=0, atol=1e-5)


def test_a_box_may_reach_beyond_the_image():
    wide = torch.tensor([[-0.5, 0.2, 1.5, 0.4]])
    torch.testing.assert_close(decode(*output(wide, 1, [0.9]))[0].boxes_ltrb, wide, rtol=0, atol=1e-6)


def test_the_background_is_never_found():
    loc, logits = background()
    logits[:, 0] = 100
    assert len(decode(loc, logits)[0].labels) == 0


def test_a_score_must_be_above_the_threshold_which_is_one_twentieth():
    loc, logits = background()
    logits[0, 1, 0], logits[0, 1, 8731] = logit(0.0501), logit(0.0499)
    assert decode(loc, logits)[0].scores.tolist() == pytest.approx([0.0501])
    score = decode(loc, logits)[0].scores.item()
    assert len(decode(loc, logits, score_threshold=score)[0].scores) == 0


def test_a_suppressed_box_suppresses_nothing():
    chain = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.3, 0.0, 1.3, 1.0], [0.6, 0.0, 1.6, 1.0]])  # neighbours overlap .54
    assert len(decode(*output(chain, 3, [0.9, 0.8, 0.7]))[0].labels) == 2


def test_boxes_of_different_classes_do_not_suppress_each_other():
    loc, logits = background()
    logits[0, 5, 0], logits[0, 6, 0] = 0.0, -1.0
    assert decode(loc, logits)[0].labels.tolist() == [5, 6]


def test_the_best_200_of_a_class_are_taken_before_suppression():
    same, elsewhere = torch.tensor([[0.1, 0.1, 0.3, 0.3]]), torch.tensor([[0.6, 0.6, 0.8, 0.8]])
    scores = torch.linspace(0.9, 0.5, 201).tolist()
    found = decode(*output(torch.cat([same.repeat(200, 1), elsewhere]), 1, scores))[0]
    assert len(found.scores) == 1  # the 201st would have survived, but was cut first
    found = decode(*output(torch.cat([same.repeat(199, 1), elsewhere]), 1, scores[:200]))[0]
    assert len(found.scores) == 2


def test_the_best_200_of_an_image_over_all_classes_are_kept_best_first():
    torch.manual_seed(0)
    loc, logits = background(2)
    logits[0, 1:81, ::10] = torch.randn(80, 874)
    boxes_ltrb, labels, scores = decode(loc, logits, score_threshold=0.01)[0]
    assert len(boxes_ltrb) == len(labels) == len(scores) == 200
    assert (scores.diff() <= 0).all()
    everything = decode(loc, logits, score_threshold=0.01, top_k=8732)[0]
    assert len(everything.scores) > 200
    best_of_classes = decode(loc, logits, score_threshold=0.01, top_k=10)[0]
    torch.testing.assert_close(best_of_classes.scores, everything.scores[:10])


def test_of_equal_scores_the_lower_class_comes_first_then_the_lower_default_box():
    loc, logits = background()
    rows = torch.arange(0, 5776, 4 * 38 + 8)  # the first grid, far enough apart to suppress nothing
    logits[0, 3, rows], logits[0, 7, rows] = 2.0, 2.0
    boxes_ltrb, labels, scores = decode(loc, logits)[0]
    assert len(set(scores.tolist())) == 1
    assert labels.tolist() == [3] * len(rows) + [7] * len(rows)
    torch.testing.assert_close(boxes_ltrb, regress(loc)[0, rows].repeat(2, 1), rtol=0, atol=0)


def test_a_batch_of_no_image_gives_no_detections():
    assert decode(torch.zeros(0, 4, 8732), torch.zeros(0, 81, 8732)) == []


def test_each_image_of_a_large_batch_is_decoded_as_if_it_were_alone():
    torch.manual_seed(1)
    loc, logits = torch.randn(4, 4, 8732), 3 * torch.randn(4, 81, 8732)  # a hundred thousand candidates
    for image, found in enumerate(decode(loc, logits)):
        alone = decode(loc[image : image + 1], logits[image : image + 1])[0]
        for part, expected in zip(found, alone, strict=True):
            torch.testing.assert_close(part, expected, rtol=0, atol=0)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_regression_that_is_not_finite_gives_no_detection_and_disturbs_no_other(poison):
    loc, logits = background(2)
    logits[:, 7, [0, 1, 700]] = torch.tensor([logit(0.9), logit(0.8), logit(0.7)])
    expected = decode(loc, logits)[1]
    loc[0, 0, 0] = poison
    poisoned, other = decode(loc, logits)
    assert poisoned.scores.tolist() == pytest.approx([0.8, 0.7])
    for part, same in zip(other, expected, strict=True):
        torch.testing.assert_close(part, same, rtol=0, atol=0)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_logits_that_are_not_finite_give_no_detection_and_disturb_no_other(poison):
    loc, logits = background()
    logits[0, 7, [0, 700]] = torch.tensor([logit(0.9), logit(0.7)])
    logits[0, 50, 0] = poison
    assert decode(loc, logits)[0].scores.tolist() == pytest.approx([0.7])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_output_is_decoded_in_float32(dtype):
    torch.manual_seed(2)
    loc, logits = torch.randn(1, 4, 8732).to(dtype), (3 * torch.randn(1, 81, 8732)).to(dtype)
    for part, expected in zip(decode(loc, logits)[0], decode(loc.float(), logits.float())[0], strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert decode(loc, logits)[0].scores.dtype == torch.float32


def test_decoding_leaves_the_output_of_the_model_as_it_is_and_takes_no_gradient():
    loc, logits = background()
    logits[0, 3, 5] = 1
    before = (loc.clone(), logits.clone())
    found = decode(loc.requires_grad_(), logits.requires_grad_())[0]
    assert not found.scores.requires_grad
    assert torch.equal(loc, before[0])
    assert torch.equal(logits, before[1])
