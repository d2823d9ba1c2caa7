"""Decoding and suppression, against cases worked out by hand and a slow loop over images, classes and boxes."""

import math
import warnings
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from ssdbench.ssd import boxes, suppression
from ssdbench.ssd.boxes import decode, default_boxes, encode

NEVER = -100.0  # a logit that leaves nothing of a class


def background(images=1):
    """A model's output that sees nothing."""
    logits = torch.full((images, 81, 8732), NEVER)
    logits[:, 0] = 0
    return torch.zeros(images, 4, 8732), logits


def logit(score):
    """Beside a background logit of 0 and nothing else."""
    return math.log(score / (1 - score))


def output(boxes_ltrb, label, scores):
    """A model's output for one image: so many boxes of one label, in the first rows."""
    loc, logits = background()
    low, high = boxes_ltrb[:, :2], boxes_ltrb[:, 2:]
    wanted = default_boxes()
    wanted[: len(boxes_ltrb)] = torch.cat([(low + high) / 2, high - low], dim=1)
    loc[0] = encode(wanted).T
    logits[0, label, : len(scores)] = torch.tensor([logit(score) for score in scores])
    return loc, logits


def regress(loc):
    """Boxes of every row, (N, 8732, 4)."""
    return torch.stack([boxes._regress(image.T, torch.arange(8732)) for image in loc])


@pytest.fixture(
    params=[("calls", 1), ("calls", 200), ("calls", 10_000), ("pairs", 997), ("pairs", 4_000_000)],
    ids="{0[0]} of {0[1]}".format,
)
def form(request, monkeypatch):
    """NMS as a CPU runs it, in calls of so many boxes, or as a GPU does, of so many pairs at once."""
    name, size = request.param
    if name == "calls":
        monkeypatch.setattr(suppression, "_BOXES_PER_CALL", size)
    else:
        monkeypatch.setattr(suppression, "_PAIRS_AT_ONCE", size)
        monkeypatch.setattr(suppression, "_suppress_by_calls", suppression._suppress_by_pairs)


def suppress(boxes_ltrb, scores, group, threshold=0.5):
    """Rows kept, as a list; the same in both forms."""
    found = []
    for name in ("_suppress_by_calls", "_suppress_by_pairs"):
        with mock.patch.object(suppression, "_suppress_by_calls", getattr(suppression, name)):
            found.append(suppression.suppress(boxes_ltrb, scores, group, group.bincount().numpy(), threshold).tolist())
    assert found[0] == found[1]
    return found[0]


def test_nothing_seen_is_nothing_found_in_the_right_shapes():
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


def test_an_overlap_of_exactly_one_half_suppresses_and_a_hair_less_does_not():
    whole, half, less = [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.4999999, 1.0]
    scores, group = torch.tensor([0.9, 0.8]), torch.zeros(2, dtype=torch.int64)
    for moved in (0, 0.1, -0.7):  # 0.1 is not a binary fraction: the overlap is one half within rounding only
        assert suppress(torch.tensor([whole, half]) + moved, scores, group) == [0]
    assert suppress(torch.tensor([whole, less]), scores, group) == [0, 1]


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


def overlap(box, other):
    width = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    area = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return width * height / (area - width * height)


def slow_decode(loc, logits, top_k=200):
    """As the reference tells it, image by image, class by class, box by box, each with its own coordinates."""
    found = []
    for boxes_ltrb, image_logits in zip(regress(loc).tolist(), logits, strict=True):
        scores = image_logits[None].softmax(1)[0].numpy()
        finite = np.isfinite(boxes_ltrb).all(1)
        kept = []
        for label in range(1, 81):
            rows = np.flatnonzero((scores[label] > 0.05) & finite)
            rows = rows[np.argsort(-scores[label, rows], kind="stable")][:top_k]
            survivors: list[Any] = []
            for row in rows:
                if all(overlap(boxes_ltrb[row], boxes_ltrb[other]) < 0.5 for other in survivors):
                    survivors.append(row)
            kept += [(scores[label, row], label, row) for row in survivors]
        found.append(sorted(kept, key=lambda detection: -detection[0])[:top_k])
    return found


def assert_decoded(found, loc, logits, top_k=200):
    """Bit for bit what the slow loop gives."""
    for (boxes_ltrb, labels, scores), every, expected in zip(
        found, regress(loc), slow_decode(loc, logits, top_k), strict=True
    ):
        assert labels.tolist() == [label for _, label, _ in expected]
        assert scores.tolist() == [score for score, _, _ in expected]
        torch.testing.assert_close(boxes_ltrb, every[[row for _, _, row in expected]], rtol=0, atol=0)


@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    candidates=st.sampled_from([[30, 30, 30], [1000, 0, 5], [0, 0, 300]]),
    spread=st.sampled_from([0.5, 3.0]),
    steps=st.sampled_from([None, 2]),
)
def test_a_batch_gives_bit_for_bit_what_each_image_and_class_gives_alone(form, seed, candidates, spread, steps):
    generator = torch.Generator().manual_seed(seed)
    loc, logits = background(len(candidates))
    loc += spread * torch.randn(loc.shape, generator=generator)
    for image, count in enumerate(candidates):
        rows = torch.randperm(8732, generator=generator)[:count]
        # A row of one class has one of very few scores where there are `steps`, so that many are equal.
        if steps:
            logits[image, 1 + torch.randint(0, 5, (count,), generator=generator), rows] = 2.0 + torch.randint(
                0, steps, (count,), generator=generator
            )
        else:
            logits[image, 1:6, rows] = 2 * torch.randn(5, count, generator=generator)
    assert_decoded(decode(loc, logits), loc, logits)


@pytest.mark.usefixtures("form")
def test_boxes_that_are_giant_negative_or_not_finite_disturb_no_other_image_or_class():
    generator = torch.Generator().manual_seed(3)
    loc, logits = background(3)
    loc += torch.randn(loc.shape, generator=generator)
    for image in range(3):
        rows = torch.randperm(8732, generator=generator)[:200]
        logits[image, 1:6, rows] = 2 * torch.randn(5, 200, generator=generator)
        loc[image, 0, rows[:20]] = torch.tensor([math.nan, math.inf, -math.inf, 1e4, -1e4]).repeat(4)
        loc[image, 1, rows[20:60]] -= 40.0
        loc[image, 2, rows[60:70]] = 1000.0  # a width beyond float32
    # Sides of a billion images fit float32, but not beside the offsets of the other boxes.
    loc[1, 2:, 4000], logits[1, 2, 4000] = 100.0, 5.0
    assert_decoded(decode(loc, logits), loc, logits)


@pytest.mark.usefixtures("form")
def test_every_image_full_is_cut_at_the_best_of_class_and_image_and_equal_scores_at_the_lower_default_box():
    generator = torch.Generator().manual_seed(4)
    loc, logits = background(2)
    loc += 0.5 * torch.randn(loc.shape, generator=generator)
    logits[:, 1:4] = 2.0 + torch.randint(0, 3, (2, 3, 8732), generator=generator)
    found = decode(loc, logits, top_k=40)
    assert [len(image.labels) for image in found] == [40, 40]
    assert_decoded(found, loc, logits, top_k=40)


def test_a_batch_of_no_image_gives_no_detections():
    assert decode(torch.zeros(0, 4, 8732), torch.zeros(0, 81, 8732)) == []


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 50))
def test_a_call_of_nms_takes_whole_groups_as_many_as_there_is_room_for(sizes, limit):
    calls = list(suppression._runs(np.array(sizes, dtype=np.int64), limit))
    ends = np.cumsum([0, *sizes]).tolist()
    assert [row for call in calls for row in range(call.start, call.stop)] == list(range(ends[-1]))
    assert {call.start for call in calls} | {call.stop for call in calls} <= set(ends)
    for call in calls:
        groups = sum(1 for size, end in zip(sizes, ends[1:], strict=True) if size and call.start < end <= call.stop)
        assert call.stop - call.start <= limit or groups == 1
        following = next((end for end in ends if end > call.stop), math.inf)
        assert following - call.start > limit


class Operations(TorchDispatchMode):
    """Names of the operations run; `waits` are those whose result has a size that only the device knows."""

    def __init__(self):
        super().__init__()
        self.names, self.waits = [], []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.append(str(function.overloadpacket))
        masks = arguments[1] if self.names[-1] == "aten.index" else ()
        if self.names[-1] in {"aten.nonzero", "aten.equal", "aten._local_scalar_dense", "torchvision.nms"} or any(
            mask is not None and mask.dtype == torch.bool for mask in masks
        ):
            self.waits.append(self.names[-1])
        return function(*arguments, **(keywords or {}))


def as_on_a_gpu(images, candidates, monkeypatch):
    """Operations of a batch of so many candidates an image, decoded all at once."""
    loc, logits = background(images)
    logits[:, 1 + torch.arange(candidates) % 80, torch.arange(candidates) * 8] = 2.0
    monkeypatch.setattr(suppression, "_suppress_by_calls", suppression._suppress_by_pairs)
    with Operations() as operations, torch.no_grad():
        assert sum(len(found.labels) for found in boxes._decode(loc, logits, 0.05, 0.5, 200)) == 200 * images
    return operations


def test_a_gpu_runs_the_same_operations_and_waits_as_often_whatever_the_images(monkeypatch):
    one, many = as_on_a_gpu(1, 300, monkeypatch), as_on_a_gpu(12, 300, monkeypatch)
    # Slices of each image for its detections are views, of which the device never hears.
    assert [name for name in one.names if name != "aten.slice"] == [name for name in many.names if name != "aten.slice"]
    # And the copies of two tensors of sizes to the host, which on a CPU are none.
    assert many.waits == ["aten.nonzero", "aten.nonzero", "aten.index", "aten.equal", "aten.index"]


def test_pairs_that_do_not_fit_at_once_cost_operations_by_their_number(monkeypatch):
    whole = as_on_a_gpu(4, 300, monkeypatch)
    monkeypatch.setattr(suppression, "_PAIRS_AT_ONCE", 1000)  # of 4 x (60 groups of 4 and 20 of 3: 6 and 3 pairs)
    parts = as_on_a_gpu(4, 300, monkeypatch)
    assert len(parts.waits) == len(whole.waits) + 1
    assert len(parts.names) - len(whole.names) < 50


@pytest.mark.parametrize("at_once", [1, 3, 4])
def test_no_pair_is_lost_between_parts(monkeypatch, at_once):
    monkeypatch.setattr(suppression, "_PAIRS_AT_ONCE", at_once)
    same = torch.tensor([0.1, 0.1, 0.3, 0.3]).repeat(20, 1)
    kept = suppress(same, torch.linspace(0.9, 0.1, 20), torch.arange(10).repeat_interleave(2))
    assert kept == list(range(0, 20, 2))


def test_a_cpu_calls_nms_for_some_classes_at_a_time_and_not_for_each():
    loc, logits = background()
    logits[:, 1 + torch.arange(1000) % 80, torch.arange(1000) * 8] = 2.0
    with Operations() as operations:
        decode(loc, logits)
    assert operations.names.count("torchvision.nms") == 6  # 80 classes of 12 or 13 boxes, 200 boxes a call


def test_a_chain_of_boxes_each_of_which_suppresses_the_next_is_followed_to_its_end():
    step = torch.tensor([0.03, 0.0]).repeat(61, 2).cumsum(0)  # neighbours overlap .54, the others less than .3
    chain = torch.tensor([0.0, 0.0, 0.1, 0.1]) + step
    kept = suppress(chain, torch.linspace(0.9, 0.1, 61), torch.zeros(61, dtype=torch.int64))
    assert kept == list(range(0, 61, 2))


@pytest.mark.gpu
def test_a_gpu_is_waited_for_eight_times_in_a_batch_beyond_torchvisions_limit_too():
    loc, logits = (part.cuda() for part in background(100))
    logits[:, 1 + torch.arange(300) % 80, torch.arange(300) * 8] = 2.0  # 30,000 boxes
    decode(loc, logits)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        on_gpu = decode(loc, logits)
        torch.cuda.set_sync_debug_mode("default")
    waits = [warning for warning in told if "synchronizing CUDA operation" in str(warning.message)]
    assert 1 <= len(waits) <= 8
    for found, expected in zip(on_gpu[:3], decode(loc[:3].cpu(), logits[:3].cpu()), strict=True):
        assert found.labels.tolist() == expected.labels.tolist()
        torch.testing.assert_close(found.boxes_ltrb.cpu(), expected.boxes_ltrb, rtol=0, atol=1e-6)
        torch.testing.assert_close(found.scores.cpu(), expected.scores, rtol=0, atol=1e-6)


def test_each_image_of_a_large_batch_is_decoded_as_if_it_were_alone():
    torch.manual_seed(1)
    loc, logits = torch.randn(4, 4, 8732), 3 * torch.randn(4, 81, 8732)  # a hundred thousand candidates
    for image, found in enumerate(decode(loc, logits)):
        alone = decode(loc[image : image + 1], logits[image : image + 1])[0]
        for part, expected in zip(found, alone, strict=True):
            torch.testing.assert_close(part, expected, rtol=0, atol=0)


def test_a_box_far_left_of_and_above_the_image_does_not_fall_onto_the_class_before():
    # As many classes as shifts, by every half of an image side: whatever a class is moved by, one would fall back.
    shifts = torch.arange(0, 15.6, 0.5)
    boxes_ltrb = torch.tensor([0.1, 0.2, 0.5, 0.4]) - shifts.repeat_interleave(2)[:, None]
    boxes_ltrb[::2] = boxes_ltrb[0]
    group = torch.arange(len(boxes_ltrb))
    assert suppress(boxes_ltrb, torch.linspace(0.9, 0.6, len(group)), group) == group.tolist()


@pytest.mark.parametrize("reach", [20.0, 100.0, 1e20])
def test_a_giant_box_swallows_neither_the_giant_of_another_class_nor_the_coordinates_of_others(reach):
    giant = [-reach, -reach, reach, reach]
    rows = [giant, giant, giant, [0.2, 0.2, 0.3, 0.3], [0.21, 0.2, 0.31, 0.3], [0.26, 0.2, 0.36, 0.3]]
    kept = suppress(torch.tensor(rows), torch.linspace(0.9, 0.4, 6), torch.tensor([0, 0, 1, 2, 2, 2]))
    assert kept == [0, 2, 3, 5]


@pytest.mark.parametrize("first_group", [0, 128 * 80])
def test_overlaps_a_ten_thousandth_from_one_half_are_told_apart_in_any_image_of_a_large_batch(first_group):
    height = 0.1
    shift = height * torch.tensor([0.3332, 0.3334])  # of a square by a third of its side: an overlap of one half
    boxes_ltrb = torch.tensor([0.2, 0.2, 0.3, 0.3]).repeat(4, 1)
    boxes_ltrb[[1, 3]] += torch.stack([shift, torch.zeros(2)], dim=1).repeat(1, 2)
    groups = first_group + torch.tensor([0, 0, 1, 1])
    assert suppress(boxes_ltrb, torch.linspace(0.9, 0.6, 4), groups) == [0, 2, 3]


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
