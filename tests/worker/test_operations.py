"""Costs of single operations, all by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ssdbench.worker.operations import Cost, costs, tensors


class Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Cost] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.found += costs(func, list(tensors((args, kwargs))), args, output)
        return output


def watched(work: Callable[[], object]) -> list[tuple[int, int]]:
    with Watch() as watch:
        work()
    return [(cost.flop, cost.bytes) for cost in watch.found]


IMAGES = torch.randn(2, 8, 5, 5, requires_grad=True)  # 400 elements, 1600 bytes


def test_a_convolution_of_one_pixel_multiplies_and_adds_once_for_each_pair_of_channels() -> None:
    weight = torch.randn(16, 8, 1, 1)
    assert watched(lambda: F.conv2d(IMAGES, weight)) == [(2 * 2 * 25 * 8 * 16, 1600 + 4 * 128 + 3200)]


def test_a_convolution_of_three_by_three_has_nine_times_as_much_and_groups_divide_it() -> None:
    whole, grouped = torch.randn(16, 8, 3, 3), torch.randn(16, 2, 3, 3)
    assert watched(lambda: F.conv2d(IMAGES, whole, padding=1))[0][0] == 2 * 2 * 25 * 8 * 16 * 9
    assert watched(lambda: F.conv2d(IMAGES, grouped, padding=1, groups=4))[0][0] == 2 * 2 * 25 * 2 * 16 * 9


def test_backward_a_convolution_is_two_of_the_same_arithmetic_each_with_its_own_tensors() -> None:
    weight = torch.randn(16, 8, 1, 1, requires_grad=True)
    output = F.conv2d(IMAGES, weight)
    gradient = torch.ones_like(output)
    found = [cost for cost in watched(lambda: output.backward(gradient)) if cost[0]]
    flop = 2 * 2 * 25 * 8 * 16
    assert found == [(flop, 3200 + 512 + 1600), (flop, 3200 + 1600 + 512)]


def test_the_first_convolution_has_no_gradient_of_its_images() -> None:
    weight = torch.randn(16, 8, 1, 1, requires_grad=True)
    output = F.conv2d(IMAGES.detach(), weight)
    assert len([cost for cost in watched(output.sum().backward) if cost[0]]) == 1


@pytest.mark.parametrize(
    ("work", "moved"),
    [
        (lambda x: x.clone(), 2 * 1600),
        (lambda x: torch.empty(400).copy_(x.flatten()), 2 * 1600),  # what is overwritten is not read
        (lambda x: x.add_(1), 2 * 1600),
        (lambda x: x + x, 3 * 1600),
        (lambda x: x.to(torch.bfloat16), 1600 + 800),
        (lambda x: x[:, :1].expand(2, 8, 5, 5) + x, 200 + 2 * 1600),  # one of eight channels is there at all
    ],
)
def test_what_only_moves_memory_costs_its_bytes_read_and_written(work: Callable[[Tensor], object], moved: int) -> None:
    assert watched(lambda: work(IMAGES.detach().clone()))[-1:] == [(0, moved)]


def test_views_and_reserved_memory_cost_nothing() -> None:
    images = IMAGES.detach()
    assert watched(lambda: (images.view(2, 200), images[:1], images.mT, images.unsqueeze(0), torch.empty(7))) == []


def test_batch_norm_in_training_reads_its_map_twice_and_in_evaluation_once() -> None:
    norm = nn.BatchNorm2d(8)
    vectors = 4 * 8
    training = watched(lambda: norm(IMAGES))[-1]
    evaluation = watched(lambda: norm.eval()(IMAGES))[-1]
    assert training == (0, 3 * 1600 + 6 * vectors)  # weight, bias, two statistics in, two out
    assert evaluation == (0, 2 * 1600 + 4 * vectors)


def test_batch_norm_reads_map_and_gradient_twice_backward() -> None:
    norm = nn.BatchNorm2d(8)
    output = norm(IMAGES)
    found = watched(lambda: output.backward(torch.ones_like(output)))
    assert max(found)[1] // 1600 == 5


def test_a_matrix_product_by_hand() -> None:
    a, b = torch.randn(3, 4), torch.randn(4, 5)
    assert watched(lambda: a @ b) == [(2 * 3 * 4 * 5, 4 * (12 + 20 + 15))]
    assert watched(lambda: torch.addmm(torch.zeros(5), a, b))[-1][0] == 2 * 3 * 4 * 5
    assert watched(lambda: torch.bmm(a[None], b[None]))[-1][0] == 2 * 3 * 4 * 5
