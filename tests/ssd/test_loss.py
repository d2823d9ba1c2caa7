"""The MultiBox loss, against sums done by hand and an independent slow loop."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from ssdbench.ssd.boxes import default_boxes
from ssdbench.ssd.loss import MultiBoxLoss

LN81 = math.log(81)  # the cross entropy of 81 equal logits


def indifferent(images=1):
    """Equal logits, no regression, no truth."""
    return (
        torch.zeros(images, 4, 8732),
        torch.zeros(images, 81, 8732),
        default_boxes().repeat(images, 1, 1),
        torch.zeros(images, 8732, dtype=torch.int64),
    )


def random_case(seed, positives, scale=1.0):
    """A random output, with the given number of positives in each image at boxes near their default boxes."""
    generator = torch.Generator().manual_seed(seed)
    loc, logits, boxes_cxcywh, labels = indifferent(len(positives))
    loc += scale * torch.randn(loc.shape, generator=generator)
    logits += scale * torch.randn(logits.shape, generator=generator)
    for image, count in enumerate(positives):
        rows = torch.randperm(8732, generator=generator)[:count]
        labels[image, rows] = torch.randint(1, 81, (count,), generator=generator)
        boxes_cxcywh[image, rows] *= 0.7 + 0.6 * torch.rand(count, 4, generator=generator)
    return loc, logits, boxes_cxcywh, labels


def test_one_positive_and_its_three_negatives_summed_by_hand():
    # Regression is off by 0.5 (smooth L1: 0.5^2 / 2), by 2 (2 - 1/2), and by nothing twice; cross entropy is ln 81.
    loc, logits, boxes_cxcywh, labels = indifferent()
    labels[0, 0] = 5
    loc[0, :, 0] = torch.tensor([0.5, -2.0, 0.0, 0.0])
    assert MultiBoxLoss()(loc, logits, boxes_cxcywh, labels).item() == pytest.approx(0.125 + 1.5 + 4 * LN81, rel=1e-6)


def test_the_regression_target_is_the_encoded_box():
    # Centre moved by a tenth of the size, size grown by exp(0.2): all four targets are 1, and smooth L1 of 1 is 1/2.
    loc, logits, boxes_cxcywh, labels = indifferent()
    labels[0, 0] = 5
    boxes_cxcywh[0, 0] *= math.exp(0.2)
    boxes_cxcywh[0, 0, :2] = default_boxes()[0, :2] + 0.1 * default_boxes()[0, 2:]
    loss = MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)
    assert loss.item() == pytest.approx(4 * 0.5 + 4 * LN81, rel=1e-5)


def test_regression_counts_for_positives_only():
    loc, logits, boxes_cxcywh, labels = indifferent()
    labels[0, 0] = 5
    loc[0, :, 1:] = 1000
    assert MultiBoxLoss()(loc, logits, boxes_cxcywh, labels).item() == pytest.approx(4 * LN81, rel=1e-6)


def test_the_hardest_negatives_are_those_with_the_largest_cross_entropy():
    # Background logits of -10, -9, ... -1 in ten negatives: the hardest three count, beside the one positive.
    loc, logits, boxes_cxcywh, labels = indifferent()
    labels[0, 0] = 5
    logits[0, 0, 101:111] = -torch.arange(1.0, 11.0)
    expected = LN81 + sum(math.log(math.exp(-x) + 80) + x for x in (8, 9, 10))
    assert MultiBoxLoss()(loc, logits, boxes_cxcywh, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("positives", [1, 100, 2183, 2184, 2911, 5000, 8732])
def test_three_negatives_a_positive_are_mined_up_to_all_that_there_are(positives):
    loc, logits, boxes_cxcywh, labels = indifferent()
    labels[0, :positives] = 1
    mined = min(3 * positives, 8732 - positives)
    loss = MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)
    assert loss.item() == pytest.approx((positives + mined) / positives * LN81, rel=1e-5)


def test_an_image_without_positives_adds_nothing_but_counts_in_the_mean():
    loc, logits, boxes_cxcywh, labels = indifferent(4)
    labels[2, 0] = 5
    assert MultiBoxLoss()(loc, logits, boxes_cxcywh, labels).item() == pytest.approx(LN81, rel=1e-6)


def test_a_batch_without_positives_has_zero_loss_and_zero_gradient():
    loc, logits, boxes_cxcywh, labels = random_case(0, [0, 0])
    loc.requires_grad_()
    logits.requires_grad_()
    loss = MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)
    loss.backward()
    assert loss.item() == 0
    assert loc.grad.count_nonzero() == logits.grad.count_nonzero() == 0


def test_gradient_reaches_the_positives_and_the_hard_negatives_only():
    loc, logits, boxes_cxcywh, labels = random_case(1, [7])
    loc.requires_grad_()
    logits.requires_grad_()
    MultiBoxLoss()(loc, logits, boxes_cxcywh, labels).backward()
    assert torch.equal(loc.grad[0].any(0), labels[0] > 0)
    assert logits.grad[0].any(0).sum() == 7 + 3 * 7


def slow_loss(loc, logits, boxes_cxcywh, labels):
    """The definition, default box by default box, in Python's float64."""
    defaults = default_boxes().double().tolist()
    losses = []
    for image in range(len(labels)):
        columns = logits[image].double().T.numpy()
        shifted = columns - columns.max(1, keepdims=True)
        log_probability = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        positives, total, negatives = 0, 0.0, []
        truth, regression = boxes_cxcywh[image].double().tolist(), loc[image].double().T.tolist()
        for row, label in enumerate(labels[image].tolist()):
            entropy = -log_probability[row, label]
            if label == 0:
                negatives.append(entropy)
                continue
            positives += 1
            (cx, cy, w, h), (cx_d, cy_d, w_d, h_d) = truth[row], defaults[row]
            target = (
                *((cx - cx_d) / w_d / 0.1, (cy - cy_d) / h_d / 0.1),
                *(math.log(w / w_d) / 0.2, math.log(h / h_d) / 0.2),
            )
            for found, wanted in zip(regression[row], target, strict=True):
                error = abs(found - wanted)
                total += error - 0.5 if error > 1 else 0.5 * error**2
            total += entropy
        total += sum(sorted(negatives, reverse=True)[: min(3 * positives, 8732)])
        losses.append(total / positives if positives else 0.0)
    return sum(losses) / len(losses)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([0, 1, 2, 9, 60, 3000]), min_size=1, max_size=3),
    st.sampled_from([0.1, 1.0, 10.0]),
)
def test_the_loss_equals_a_slow_loop(seed, positives, scale):
    case = random_case(seed, positives, scale)
    assert MultiBoxLoss()(*case).item() == pytest.approx(slow_loss(*case), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_loss_is_float32_whatever_the_precision_of_the_network(dtype):
    loc, logits, boxes_cxcywh, labels = random_case(2, [5, 0, 40])
    loc, logits = loc.to(dtype), logits.to(dtype)
    expected = MultiBoxLoss()(loc.float(), logits.float(), boxes_cxcywh, labels)
    plain = MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)
    assert plain.dtype == lowered.dtype == torch.float32
    assert plain == lowered == expected


class Waits(TorchDispatchMode):
    """Operations of a size or a value that a GPU's host would have to wait for."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = str(function.overloadpacket)
        if name in {"aten.nonzero", "aten.equal", "aten._local_scalar_dense", "aten.masked_select", "aten.index"}:
            self.found.append(name)
        return function(*arguments, **(keywords or {}))


def test_the_loss_and_its_gradient_never_wait_for_the_device():
    loc, logits, boxes_cxcywh, labels = random_case(5, [5, 0])
    with Waits() as waits:
        MultiBoxLoss()(loc.requires_grad_(), logits.requires_grad_(), boxes_cxcywh, labels).backward()
    assert waits.found == []
    with Waits() as waits:
        labels[labels > 0].sum().item()
    assert waits.found == ["aten.index", "aten._local_scalar_dense"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_loss_is_one_graph_to_the_compiler(dtype):
    loc, logits, boxes_cxcywh, labels = random_case(6, [5, 0, 40])
    gradients = []
    for loss in (MultiBoxLoss(), torch.compile(MultiBoxLoss(), backend="aot_eager", fullgraph=True)):
        leaves = [part.to(dtype).requires_grad_() for part in (loc, logits)]
        value = loss(*leaves, boxes_cxcywh, labels)
        gradients.append((value, *torch.autograd.grad(value, leaves)))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-6 if dtype == torch.float32 else 1e-3, atol=1e-7)


def test_a_compiled_loss_does_not_build_the_default_boxes_in_every_step():
    called: list[Any] = []

    def keep(graph, inputs):
        called.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    torch.compile(MultiBoxLoss(), backend=keep, fullgraph=True)(*random_case(8, [5]))
    assert any("log_softmax" in name for name in called)
    assert not any("meshgrid" in name for name in called)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_conversion_within_the_softmax_changes_no_bit_of_loss_or_gradient(dtype):
    loc, logits, boxes_cxcywh, labels = (part.cuda() for part in random_case(7, [5, 0, 40], scale=3.0))
    found = []
    for convert in (torch.Tensor.float, torch.Tensor.clone):
        leaves = [part.to(dtype).requires_grad_() for part in (loc, logits)]
        value = MultiBoxLoss()(*(convert(leaf) for leaf in leaves), boxes_cxcywh, labels)
        found.append((value, *torch.autograd.grad(value, leaves)))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


def test_labels_of_any_integer_type_are_taken():
    loc, logits, boxes_cxcywh, labels = random_case(3, [5])
    expected = MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)
    assert MultiBoxLoss()(loc, logits, boxes_cxcywh, labels.int()) == expected


def test_an_output_that_is_not_finite_shows_in_the_loss():
    for poisoned in (0, 1):
        case = random_case(4, [5])
        row = case[3][0].nonzero()[0, 0]
        case[poisoned][0, 0, row] = math.nan
        assert MultiBoxLoss()(*case).isnan()
