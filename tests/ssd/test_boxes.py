"""Default boxes, box coder and matcher, against rows and matches worked out by hand, slow loops, and DALI."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.ssd import boxes
from ssdbench.ssd.boxes import default_boxes, encode, match

# First row of each level: 4 x 38^2, 6 x 19^2, 6 x 10^2, 6 x 5^2, 4 x 3^2, 4 x 1^2 rows.
LEVELS = (0, 5776, 7942, 8542, 8692, 8728)


def test_there_are_8732_default_boxes_on_maps_of_side_38_19_10_5_3_1_with_4_6_6_6_4_4_shapes():
    assert boxes.MAP_SIDES == (38, 19, 10, 5, 3, 1)
    assert boxes.SHAPES_PER_LEVEL == (4, 6, 6, 6, 4, 4)
    assert boxes.BOX_COUNT == 8732
    assert default_boxes().shape == default_boxes("ltrb").shape == (8732, 4)
    assert default_boxes().dtype == torch.float32


@pytest.mark.parametrize(
    ("row", "pixels"),
    [
        (0, (4, 4, 21, 21)),  # level 0, shape 0, row 0, column 0: half a step of 8 from the corner
        (1, (12, 4, 21, 21)),  # the next column
        (38, (4, 12, 21, 21)),  # the next row
        (1443, (300, 300, 21, 21)),  # the last cell: 37.5 steps of 8
        (1444, (4, 4, math.sqrt(21 * 45), math.sqrt(21 * 45))),  # shape 1: the geometric mean with the next scale
        (2 * 1444, (4, 4, 21 * math.sqrt(2), 21 / math.sqrt(2))),  # shape 2: twice as wide as high
        (3 * 1444, (4, 4, 21 / math.sqrt(2), 21 * math.sqrt(2))),  # shape 3: its transpose
        (LEVELS[1], (8, 8, 45, 45)),
        (LEVELS[1] + 4 * 361, (8, 8, 45 * math.sqrt(3), 45 / math.sqrt(3))),  # shape 4: ratio 3
        (LEVELS[2], (16, 16, 99, 99)),
        (LEVELS[3], (32, 32, 153, 153)),
        (LEVELS[4], (50, 50, 207, 207)),
        (LEVELS[5], (150, 150, 261, 261)),
        (LEVELS[5] + 1, (150, 150, math.sqrt(261 * 315), math.sqrt(261 * 315))),
        (8730, (150, 150, 300, 261 / math.sqrt(2))),  # 261 x sqrt(2) is 369, clamped to the image
        (8731, (150, 150, 261 / math.sqrt(2), 300)),
    ],
)
def test_a_default_box_computed_by_hand_stands_in_its_row(row, pixels):
    torch.testing.assert_close(default_boxes()[row] * 300, torch.tensor(pixels, dtype=torch.float32))


def test_the_rows_go_by_level_then_shape_then_row_then_column():
    rows = []
    for side, step, scale, following, ratios in zip(
        [38, 19, 10, 5, 3, 1],
        [8, 16, 32, 64, 100, 300],
        [21, 45, 99, 153, 207, 261],
        [45, 99, 153, 207, 261, 315],
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        strict=True,
    ):
        shapes = [(scale, scale), (math.sqrt(scale * following), math.sqrt(scale * following))]
        for ratio in ratios:
            wide = (scale * math.sqrt(ratio), scale / math.sqrt(ratio))
            shapes += [wide, wide[::-1]]
        for (w, h), i, j in itertools.product(shapes, range(side), range(side)):
            rows.append([(j + 0.5) * step / 300, (i + 0.5) * step / 300, w / 300, h / 300])
    expected = torch.tensor(rows, dtype=torch.float64).clamp(0, 1).float()
    torch.testing.assert_close(default_boxes(), expected, rtol=0, atol=6e-8)


def test_the_centre_form_is_clamped_to_the_image_and_the_corner_form_is_not():
    assert default_boxes().min() >= 0
    assert default_boxes().max() == 1
    torch.testing.assert_close(default_boxes("ltrb")[0] * 300, torch.tensor([-6.5, -6.5, 14.5, 14.5]))
    torch.testing.assert_close(default_boxes("ltrb")[8730, [0, 2]], torch.tensor([0.0, 1.0]))


def test_the_corner_form_is_computed_from_the_clamped_centre_form():
    cx, cy, w, h = default_boxes().unbind(1)
    corners = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], dim=1)
    torch.testing.assert_close(default_boxes("ltrb"), corners, rtol=0, atol=0)


def test_an_order_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'cxcywh' or 'ltrb', not 'xywh'"):
        default_boxes("xywh")  # type: ignore[arg-type]


def test_a_caller_may_write_into_its_default_boxes():
    default_boxes().zero_()
    default_boxes("ltrb").zero_()
    assert default_boxes().count_nonzero() == 4 * 8732
    assert match(torch.empty(0, 4), torch.empty(0))[0].count_nonzero() == 4 * 8732


def test_default_boxes_first_used_under_inference_mode_can_be_used_in_training():
    boxes._kept_default_boxes.cache_clear()
    with torch.inference_mode():
        match(torch.tensor([[0.1, 0.1, 0.9, 0.9]]), torch.tensor([1]))
    assert not boxes._default_boxes("cxcywh", torch.device("cpu")).is_inference()
    assert not boxes._default_boxes("ltrb", torch.device("cpu")).is_inference()


def test_a_default_box_encodes_to_zero():
    assert encode(default_boxes()).count_nonzero() == 0


def test_a_shift_by_a_tenth_and_a_growth_by_exp_of_a_fifth_encode_to_one():
    cx, cy, w, h = default_boxes().double().unbind(1)
    moved = torch.stack([cx + 0.1 * w, cy + 0.1 * h, w * math.exp(0.2), h * math.exp(0.2)], dim=1)
    torch.testing.assert_close(encode(moved), torch.ones(8732, 4), rtol=0, atol=2e-5)


def test_a_batch_encodes_as_its_images_do():
    batch = default_boxes() * torch.linspace(0.5, 1.5, 3)[:, None, None]
    torch.testing.assert_close(encode(batch), torch.stack([encode(image) for image in batch]), rtol=0, atol=0)
    assert encode(batch.double()).dtype == torch.float32


# --- matching ---------------------------------------------------------------------------------------------------------


def test_a_box_over_the_whole_image_matches_exactly_the_default_boxes_above_half_overlap():
    # Inside the image the overlap is the default box's area. Level 5: 0.87^2 = .757, .9558^2 = .913, 1 x .615 = .615
    # and its transpose. Level 4, shape 1 in the middle cell: (sqrt(207 x 261) / 300)^2 = .600; shape 0 has .476 only.
    matched, labels = match(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([17]))
    rows = [LEVELS[4] + 9 + 4, 8728, 8729, 8730, 8731]
    assert labels.nonzero()[:, 0].tolist() == rows
    assert labels[rows].tolist() == [17] * 5
    torch.testing.assert_close(matched[rows], torch.tensor([[0.5, 0.5, 1.0, 1.0]]).expand(5, 4), rtol=0, atol=0)


def test_an_unmatched_row_holds_its_default_box_and_label_zero():
    matched, labels = match(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([17]))
    torch.testing.assert_close(matched[labels == 0], default_boxes()[labels == 0], rtol=0, atol=0)
    assert (labels == 0).sum() == 8732 - 5


def test_a_ground_truth_too_small_for_any_half_overlap_takes_one_default_box_around_it():
    tiny = torch.tensor([[0.400, 0.400, 0.402, 0.402]])
    matched, labels = match(tiny, torch.tensor([80]))
    (row,) = labels.nonzero()[:, 0].tolist()
    assert row < LEVELS[1]
    left, top, right, bottom = default_boxes("ltrb")[row]
    assert left < 0.4 < 0.402 < right
    assert top < 0.4 < 0.402 < bottom
    torch.testing.assert_close(matched[row], torch.tensor([0.401, 0.401, 0.002, 0.002]), rtol=0, atol=1e-7)


def test_the_later_of_two_ground_truths_has_the_default_box_that_both_want_though_it_overlaps_less():
    row = 38 * 19 + 19  # a square of 21 pixels in the middle of the image
    cx, cy, w, h = default_boxes()[row]
    half = torch.stack([w, h]).repeat(2) * torch.tensor([-0.5, -0.5, 0.5, 0.5])
    centre = torch.stack([cx, cy]).repeat(2)
    near, far = centre + 0.98 * half, centre + 0.85 * half  # overlaps .96 and .72, both best with this row
    for first, second in ((near, far), (far, near)):
        matched, labels = match(torch.stack([first, second]), torch.tensor([3, 7]))
        assert labels[row] == 7
        torch.testing.assert_close(matched[row, 2], (second[2] - second[0]))


def test_of_two_equal_ground_truths_the_later_has_every_default_box():
    box = torch.tensor([[0.2, 0.2, 0.7, 0.8]])
    once = match(box, torch.tensor([9]))
    twice = match(box.repeat(2, 1), torch.tensor([4, 9]))
    torch.testing.assert_close(twice, once, rtol=0, atol=0)


def test_an_overlap_of_exactly_one_half_is_no_match():
    _, top, _, bottom = default_boxes("ltrb")[8730]  # 0 to 1 across: its left half is exactly half of it
    box = torch.stack([torch.tensor(0.0), top, torch.tensor(0.5), bottom])[None]
    assert boxes._iou(box, default_boxes("ltrb"), boxes._area(default_boxes("ltrb")))[0, 8730] == 0.5
    labels = match(box, torch.tensor([1]))[1]
    assert labels[8730] == 0
    assert labels.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_image_without_ground_truth_matches_nothing(dtype):
    matched, labels = match(torch.empty(0, 4, dtype=dtype), torch.empty(0))
    torch.testing.assert_close(matched, default_boxes(), rtol=0, atol=0)
    assert labels.dtype == torch.int64
    assert labels.shape == (8732,)
    assert not labels.any()


def slow_match(boxes_ltrb, labels):
    """One ground truth after the other, as the paper tells it; equals go to the last."""
    defaults_ltrb = default_boxes("ltrb").numpy()
    area = (defaults_ltrb[:, 2] - defaults_ltrb[:, 0]) * (defaults_ltrb[:, 3] - defaults_ltrb[:, 1])
    best_iou, owner, forced = np.zeros(8732, np.float32), np.full(8732, -1), {}
    for index, (left, top, right, bottom) in enumerate(boxes_ltrb.astype(np.float32)):
        width = np.maximum(np.minimum(right, defaults_ltrb[:, 2]) - np.maximum(left, defaults_ltrb[:, 0]), 0)
        height = np.maximum(np.minimum(bottom, defaults_ltrb[:, 3]) - np.maximum(top, defaults_ltrb[:, 1]), 0)
        iou = width * height / ((right - left) * (bottom - top) + area - width * height)
        owner[(iou > 0.5) & (iou >= best_iou)] = index
        best_iou = np.maximum(best_iou, iou)
        forced[np.flatnonzero(iou == iou.max())[-1]] = index
    for row, index in forced.items():
        owner[row] = index
    return owner, np.where(owner >= 0, np.append(labels, 0)[owner], 0)


def random_truth(seed, count, grid=None):
    """Boxes (count, 4) float32 and labels; on a coarse grid many overlaps are equal, and many boxes twice there."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 1, (count, 2, 2)) if grid is None else random.integers(0, grid, (count, 2, 2)) / grid
    low, high = corners.min(1), corners.max(1)
    high = np.maximum(high, low + (1e-3 if grid is None else 1 / grid)).clip(max=1)
    low = np.minimum(low, high - 1e-3).clip(min=0)
    return np.concatenate([low, high], 1).astype(np.float32), random.integers(1, 81, count).astype(np.int32)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([None, 4, 10]))
def test_matching_equals_a_slow_loop(seed, count, grid):
    truth, labels = random_truth(seed, count, grid)
    matched, found = match(torch.from_numpy(truth), torch.from_numpy(labels))
    owner, expected = slow_match(truth, labels)
    np.testing.assert_array_equal(found, expected)
    low, high = truth[:, :2], truth[:, 2:]
    centres = np.concatenate([(low + high) / 2, high - low], 1)
    np.testing.assert_allclose(matched[owner >= 0], centres[owner[owner >= 0]], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(matched[owner < 0], default_boxes()[owner < 0])


def test_matching_equals_the_box_encoder_of_dali_in_ties_and_conflicts_too():
    """Labels exactly, boxes within 1e-6: DALI computes its default boxes' centre form back from the corner form."""
    dali = pytest.importorskip("nvidia.dali")
    import nvidia.dali.fn as fn

    anchors = default_boxes("ltrb")
    samples = [random_truth(seed, count, grid) for seed in range(8) for count in (1, 7, 60) for grid in (None, 4, 10)]
    crowd = anchors[torch.randint(0, 8732, (60,), generator=torch.Generator().manual_seed(0))].clamp(0, 1).numpy()
    samples += [(crowd, np.arange(1, 61, dtype=np.int32)), (crowd[[0, 1, 0, 1]], np.array([1, 2, 3, 4], np.int32))]
    samples += [(np.array([[0, 0, 1, 1]], np.float32), np.array([5], np.int32))]
    samples += [(np.empty((0, 4), np.float32), np.empty(0, np.int32))]

    pipeline = dali.Pipeline(batch_size=len(samples), num_threads=1, device_id=None)
    with pipeline:
        inputs = [fn.external_source([[sample[i] for sample in samples]]) for i in (0, 1)]
        pipeline.set_outputs(*fn.box_encoder(*inputs, anchors=anchors.flatten().tolist(), criteria=0.5, offset=False))
    pipeline.build()
    dali_boxes, dali_labels = pipeline.run()

    for index, (truth, labels) in enumerate(samples):
        matched, found = match(torch.from_numpy(truth), torch.from_numpy(labels))
        np.testing.assert_array_equal(found, np.array(dali_labels.at(index)))
        np.testing.assert_allclose(matched, np.array(dali_boxes.at(index)), rtol=0, atol=1e-6)
