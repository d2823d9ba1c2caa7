"""What stands in for newer torch computes the same: losses and gradients are equal bit for bit."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ssdbench.ssd import boxes, loss, torch_api
from ssdbench.ssd.boxes import BOX_COUNT, CLASS_COUNT, match
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.training import TrainStep, optimizer, set_learning_rate

WAYS = (torch_api.where_number, torch_api.where_tensor)


@pytest.mark.parametrize("values", [torch.tensor([1.5, 2.5]), torch.tensor([1, 2]), torch.tensor([1.5, 2.5]).half()])
def test_both_ways_choose_the_same_and_keep_the_type(values: Tensor) -> None:
    found = [way(torch.tensor([True, False]), values, 7) for way in WAYS]
    assert found[0].dtype == found[1].dtype == values.dtype
    assert found[0].tolist() == found[1].tolist() == [values[0].item(), 7]


def test_this_torch_takes_numbers() -> None:
    assert torch_api.where is torch_api.where_number


def test_a_torch_that_takes_no_numbers_gets_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    def tensors_only(*_arguments: object) -> Tensor:
        raise TypeError("argument 'other' must be Tensor, not int")

    monkeypatch.setattr(Tensor, "where", tensors_only)
    assert not torch_api._takes_numbers()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_ways_give_the_same_loss_and_gradients(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    def loss_and_gradients(way: Callable[[Tensor, Tensor, int], Tensor]) -> list[Tensor]:
        monkeypatch.setattr(loss, "where", way)
        monkeypatch.setattr(boxes, "where", way)
        generator = torch.Generator().manual_seed(3)
        loc = torch.randn(2, 4, BOX_COUNT, generator=generator).to(dtype).requires_grad_()
        logits = torch.randn(2, CLASS_COUNT, BOX_COUNT, generator=generator).to(dtype).requires_grad_()
        truth = torch.tensor([[0.1, 0.1, 0.5, 0.6], [0.2, 0.3, 0.9, 0.9], [0.2, 0.3, 0.9, 0.9]])
        matched = [match(truth, torch.tensor([3, 4, 5])), match(truth[:0], torch.tensor([]))]
        result = MultiBoxLoss()(loc, logits, *(torch.stack(part) for part in zip(*matched, strict=True)))
        result.backward()
        assert loc.grad is not None
        assert logits.grad is not None
        return [result.detach(), loc.grad, logits.grad]

    for one, other in zip(*map(loss_and_gradients, WAYS), strict=True):
        assert one.count_nonzero() > 0
        assert torch.equal(one, other)


def test_an_optimiser_of_many_kernels_makes_the_same_steps_as_a_fused_one() -> None:
    def weights(*, fused: bool) -> list[Tensor]:
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        sgd = optimizer(model, fused=fused)
        step = TrainStep(
            model=lambda images: (model(images), None),  # type: ignore[arg-type]
            loss=lambda output, *_: output.square().mean() + output.sum(),
            optimizer=sgd,
        )
        for number in range(3):
            set_learning_rate(sgd, 0.1 * (number + 1))
            step(torch.randn(2, 3, 5, 5), torch.empty(0), torch.empty(0))
        return [parameter.detach() for parameter in model.parameters()]

    for one, other in zip(weights(fused=True), weights(fused=False), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
