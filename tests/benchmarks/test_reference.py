"""The textbook's and torchvision's forms give what ours give, or a comparison of their times would say nothing."""

from typing import Any

import pytest
import torch

from benchmarks.reference.inputs import CANDIDATES, TRUTHS, detection, loss_and_gradient, matching, truth
from benchmarks.reference.ratios import Ratio, interleaved
from ssdbench.ssd.boxes import default_boxes


@pytest.mark.parametrize("count", TRUTHS)
def test_all_match_alike(count):
    work: Any = matching(count)
    ours_cxcywh, ours = work.ours()
    textbook_cxcywh, textbook = work.textbook()
    assert torch.equal(ours, textbook)
    torch.testing.assert_close(ours_cxcywh, textbook_cxcywh, rtol=0, atol=1e-7)

    owner = work.torchvision().flip(0)
    boxes_ltrb, labels = truth(count)
    assert torch.equal(ours, torch.where(owner >= 0, labels[owner.clamp(min=0)], 0))
    centre = ((boxes_ltrb[:, :2] + boxes_ltrb[:, 2:]) / 2)[owner.clamp(min=0)]
    torch.testing.assert_close(
        ours_cxcywh[:, :2], torch.where((owner >= 0)[:, None], centre, default_boxes()[:, :2]), rtol=0, atol=1e-7
    )


def test_all_have_the_same_loss_and_gradient():
    work: Any = loss_and_gradient()
    ours, textbook, torchvision = work.ours(), work.textbook(), work.torchvision()
    torch.testing.assert_close(textbook, ours, rtol=1e-6, atol=1e-8)
    value, *gradients = torchvision
    torch.testing.assert_close((value, *(part.transpose(1, 2) for part in gradients)), ours, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("candidates", CANDIDATES)
def test_all_detect_alike(candidates):
    work: Any = detection(candidates)
    (ours,), (textbook,), (torchvision,) = work.ours(), work.textbook(), work.torchvision()
    assert len(ours.labels) == min(candidates, 200)
    for other in (textbook, torchvision):
        assert torch.equal(other.labels, ours.labels)
        torch.testing.assert_close(other.boxes_ltrb, ours.boxes_ltrb, rtol=0, atol=1e-6)
        torch.testing.assert_close(other.scores, ours.scores, rtol=0, atol=2e-6)


def test_a_ratio_is_of_the_other_form_to_ours_called_as_often():
    spent = {"ours": 0.0, "other": 0.0}

    def spend(form: str, seconds: float) -> None:
        spent[form] += seconds

    found = interleaved(
        lambda: spend("ours", 0.25),
        lambda: spend("other", 0.75),
        rounds=20,
        clock=lambda: sum(spent.values()),
        least_seconds=1.0,
    )
    assert found == Ratio(median=3.0, low=3.0, high=3.0)
    assert spent["ours"] == 0.25 * (1 + 1 + 20 * 2 * 4)  # warm, to learn the number of calls, in rounds


def test_the_interval_of_a_median_of_20_leaves_out_the_five_ratios_at_either_end():
    costs = iter([1.0, 1.0, 1.0, *(cost for ratio in range(1, 21) for cost in (1.0, ratio, ratio, 1.0))])
    now = 0.0

    def spend() -> None:
        nonlocal now
        now += next(costs)

    found = interleaved(spend, spend, rounds=20, clock=lambda: now, least_seconds=0.0)
    assert (found.low, found.median, found.high) == (6.0, 10.5, 15.0)
