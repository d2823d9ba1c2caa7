"""Suppression of many images and classes at once, against a slow loop over images, classes and boxes."""

import math
import warnings
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdbench.ssd import suppression
from ssdbench.ssd.boxes import decode
from tests.ssd.decoding import Operations, as_on_a_gpu, assert_decoded, background


@pytest.fixture(
    params=[("calls", 1), ("calls", 200), ("calls", 10_000), ("pairs", 997), ("pairs", 4_000_000)],
    ids="{0[0]} of {0[1]}".format,
)
def form(request, monkeypatch):
    """NMS as on a CPU, with a limit of boxes per call, or as on a GPU, with a limit of pairs at once."""
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


def test_an_overlap_of_exactly_one_half_suppresses_and_a_hair_less_does_not():
    whole, half, less = [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.4999999, 1.0]
    scores, group = torch.tensor([0.9, 0.8]), torch.zeros(2, dtype=torch.int64)
    for moved in (0, 0.1, -0.7):  # 0.1 is not a binary fraction: the overlap is one half within rounding only
        assert suppress(torch.tensor([whole, half]) + moved, scores, group) == [0]
    assert suppress(torch.tensor([whole, less]), scores, group) == [0, 1]


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
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        on_gpu = decode(loc, logits)
        torch.cuda.set_sync_debug_mode("default")
    waits = [warning for warning in caught if "synchronizing CUDA operation" in str(warning.message)]
    assert 1 <= len(waits) <= 8
    for found, expected in zip(on_gpu[:3], decode(loc[:3].cpu(), logits[:3].cpu()), strict=True):
        assert found.labels.tolist() == expected.labels.tolist()
        torch.testing.assert_close(found.boxes_ltrb.cpu(), expected.boxes_ltrb, rtol=0, atol=1e-6)
        torch.testing.assert_close(found.scores.cpu(), expected.scores, rtol=0, atol=1e-6)


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
