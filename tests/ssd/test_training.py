"""The recipe, the learning rate, the optimiser and the train step."""

import contextlib
from typing import Any

import pytest
import torch
import torch.distributed
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel

from ssdbench.ssd.boxes import default_boxes
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import (
    A100_8GPU_RECIPE,
    DEFAULT_RECIPE,
    TrainStep,
    learning_rate,
    optimizer,
    parameter_groups,
    set_learning_rate,
)


class Tiny(nn.Module):
    """A model with the outputs of SSD300 and a handful of parameters."""

    def __init__(self):
        super().__init__()
        self.heads = nn.Conv2d(3, 85, 1)

    def forward(self, images):
        values = self.heads(images).flatten(2).mean(2, keepdim=True).expand(-1, -1, 8732)
        return values.split([4, 81], dim=1)


def batch(images=2, side=4):
    torch.manual_seed(0)
    labels = torch.zeros(images, 8732, dtype=torch.int64)
    labels[:, ::1000] = 7
    return torch.randn(images, 3, side, side), 1.1 * default_boxes().repeat(images, 1, 1), labels


def tiny():
    torch.manual_seed(1)
    return Tiny()


def step_of(model, rate=0.01, **options):
    sgd = optimizer(model, fused=options.pop("fused", None))
    set_learning_rate(sgd, rate)
    return TrainStep(model=model, optimizer=sgd, **options)


# --- recipe -----------------------------------------------------------------------------------------------------------


def test_the_default_recipe_is_the_published_one():
    recipe = DEFAULT_RECIPE
    assert recipe.epochs == 65
    assert recipe.decay_epochs == (43, 54)
    assert recipe.validation_epochs == (21, 31, 37, 42, 48, 53, 59, 64)
    assert (recipe.momentum, recipe.weight_decay) == (0.9, 5e-4)
    assert (recipe.base_learning_rate, recipe.batch_size, recipe.warmup_iterations) == (2.6e-3, 32, 300)


def test_the_recipe_for_eight_a100_has_batch_128_learning_rate_2_7e_3_and_1200_iterations_of_warm_up():
    recipe = A100_8GPU_RECIPE
    assert (recipe.base_learning_rate, recipe.batch_size, recipe.warmup_iterations) == (2.7e-3, 128, 1200)
    assert recipe.epochs == 65


@pytest.mark.parametrize(
    ("epoch", "iteration", "world_size", "batch_size", "warmup", "expected"),
    [
        (0, 0, 1, 32, 0, 2.6e-3),  # the base: one GPU, batch 32
        (0, 0, 8, 32, 0, 2.08e-2),  # eight GPUs
        (0, 0, 1, 128, 0, 1.04e-2),  # batch 128 per GPU
        (0, 0, 8, 64, 0, 4.16e-2),
        (42, 10**6, 1, 32, 300, 2.6e-3),
        (43, 10**6, 1, 32, 300, 2.6e-4),
        (53, 10**6, 1, 32, 300, 2.6e-4),
        (54, 10**6, 1, 32, 300, 2.6e-5),
        (64, 10**6, 1, 32, 300, 2.6e-5),
        (0, 0, 1, 32, 300, 0.0),  # warm-up starts from 0 ...
        (0, 1, 1, 32, 300, 2.6e-3 / 300),
        (0, 150, 1, 32, 300, 1.3e-3),
        (0, 299, 1, 32, 300, 2.6e-3 * 299 / 300),
        (0, 300, 1, 32, 300, 2.6e-3),  # ... and is over after W iterations
        (2, 250, 1, 32, 300, 2.6e-3 * 250 / 300),  # iterations count over all epochs
    ],
)
def test_the_learning_rate_computed_by_hand(epoch, iteration, world_size, batch_size, warmup, expected):
    found = learning_rate(epoch, iteration, world_size, batch_size, warmup)
    assert found == pytest.approx(expected, rel=1e-12, abs=0)


def test_the_learning_rate_of_the_a100_recipe_is_its_base_times_eight_gpus_times_four():
    found = learning_rate(0, 1200, 8, 128, 1200, base=A100_8GPU_RECIPE.base_learning_rate)
    assert found == pytest.approx(2.7e-3 * 32)
    assert learning_rate(0, 600, 8, 128, 1200, base=2.7e-3) == pytest.approx(2.7e-3 * 16)


# --- optimiser --------------------------------------------------------------------------------------------------------


def test_22_856_384_parameters_have_weight_decay_and_38_518_have_none():
    with torch.device("meta"):
        model = SSD300("resnet50")
    groups = parameter_groups(model, 5e-4)
    sizes = {group["weight_decay"]: sum(p.numel() for p in group["params"]) for group in groups}
    assert sizes == {0.0: 38_518, 5e-4: 22_856_384}
    assert all(p.dim() == 1 for p in groups[0]["params"])
    assert all(p.dim() == 4 for p in groups[1]["params"])


def test_a_bias_has_no_weight_decay_though_it_have_two_dimensions_and_a_frozen_parameter_is_left_out():
    model = nn.Module()
    model.bias, model.weight = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    model.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
    exempt, decayed = parameter_groups(model, 0.1)
    assert [id(p) for p in exempt["params"]] == [id(model.bias)]
    assert [id(p) for p in decayed["params"]] == [id(model.weight)]


def test_the_optimiser_is_sgd_with_momentum_0_9_and_split_weight_decay():
    sgd = optimizer(tiny())
    assert isinstance(sgd, torch.optim.SGD)
    assert [group["weight_decay"] for group in sgd.param_groups] == [0.0, 5e-4]
    assert {group["momentum"] for group in sgd.param_groups} == {0.9}
    set_learning_rate(sgd, 0.25)
    assert {group["lr"] for group in sgd.param_groups} == {0.25}


# --- train step -------------------------------------------------------------------------------------------------------


def test_a_step_is_zero_grad_forward_loss_backward_and_optimiser():
    stepped, plain = tiny(), tiny()
    step = step_of(stepped)
    groups: list[dict[str, Any]] = [
        {"params": [plain.heads.bias]},
        {"params": [plain.heads.weight], "weight_decay": 5e-4},
    ]
    sgd = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    images, boxes_cxcywh, labels = batch()
    phases: list[str] = []
    for _ in range(3):
        found = step(images, boxes_cxcywh, labels, phases.append)
        sgd.zero_grad()
        loss = MultiBoxLoss()(*plain(images), boxes_cxcywh, labels)
        loss.backward()
        sgd.step()
        assert found == loss
        assert not found.requires_grad
    assert torch.equal(stepped.heads.weight, plain.heads.weight)
    assert torch.equal(stepped.heads.bias, plain.heads.bias)
    assert phases == ["forward", "loss", "backward", "optimizer"] * 3


def test_the_forward_pass_runs_under_autocast_and_the_loss_outside_in_float32():
    seen = []

    class Spy(nn.Module):
        def forward(self, loc, logits, boxes_cxcywh, labels):
            seen.append((logits.dtype, torch.is_autocast_enabled("cpu")))
            return MultiBoxLoss()(loc, logits, boxes_cxcywh, labels)

    step = step_of(tiny(), loss=Spy(), autocast=lambda: torch.autocast("cpu", dtype=torch.bfloat16))
    loss = step(*batch())
    assert seen == [(torch.bfloat16, False)]
    assert loss.dtype == torch.float32
    assert step.model.heads.weight.grad.dtype == torch.float32


def test_a_scaled_step_equals_an_unscaled_one():
    scaled, plain = tiny(), tiny()
    scaler = GradScaler("cpu", init_scale=1024.0)
    steps = step_of(scaled, scaler=scaler), step_of(plain)
    for _ in range(3):
        assert len({step(*batch()).item() for step in steps}) == 1
    torch.testing.assert_close(scaled.heads.weight, plain.heads.weight)


@pytest.mark.parametrize("fused", [False, True])
def test_an_overflow_skips_the_update_and_leaves_no_trace_in_the_momentum(fused, monkeypatch):
    monkeypatch.setattr(torch, "empty_like", lambda tensor, **_: torch.full_like(tensor, torch.nan))  # as memory may be
    model, plain = tiny(), tiny()
    step = step_of(model, fused=fused, scaler=GradScaler("cpu", init_scale=2.0**127))
    before = model.heads.weight.clone()
    step(*batch())
    assert torch.equal(model.heads.weight, before)
    assert step.scaler.get_scale() == 2.0**126
    step.scaler.update(1024.0)
    reference = step_of(plain)
    for _ in range(2):
        step(*batch())
        reference(*batch())
    torch.testing.assert_close(model.heads.weight, plain.heads.weight)


def test_a_fused_optimiser_takes_the_same_steps():
    fused, plain = tiny(), tiny()
    steps = step_of(fused, fused=True), step_of(plain, fused=False)
    for _ in range(3):
        for step in steps:
            step(*batch())
    torch.testing.assert_close(fused.heads.weight, plain.heads.weight)


def test_a_step_of_the_whole_model_never_reads_a_value_back_from_the_device():
    # On the meta device there are no values: anything that would have to wait for one raises.
    with torch.device("meta"):
        model = SSD300("resnet18")
        images, boxes_cxcywh = torch.empty(2, 3, 300, 300), torch.empty(2, 8732, 4)
        labels = torch.empty(2, 8732, dtype=torch.int32)
    loss = step_of(model)(images, boxes_cxcywh, labels)
    assert loss.device.type == "meta"
    with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)meta"):
        loss.item()


@pytest.mark.parametrize("fused", [pytest.param(True, id="fused"), pytest.param(False, id="plain")])
def test_a_scaled_step_reads_no_value_back_with_a_fused_optimiser_only(fused, monkeypatch):
    step = step_of(tiny(), fused=fused, scaler=GradScaler("cpu", init_scale=1024.0))
    data = batch()

    def read(tensor):
        raise AssertionError("a value was read back")

    monkeypatch.setattr(torch.Tensor, "item", read)
    with contextlib.nullcontext() if fused else pytest.raises(AssertionError, match="read back"):
        step(*data)


def test_steps_on_one_batch_lower_its_loss():
    step = step_of(tiny(), rate=0.05)
    losses = [step(*batch()).item() for _ in range(10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_the_whole_model_learns_one_batch():
    torch.manual_seed(0)
    images, boxes_cxcywh, labels = batch(side=300)
    step = step_of(SSD300("resnet18"), rate=1e-3)
    losses = [step(images, boxes_cxcywh, labels).item() for _ in range(2)]
    assert losses[1] < losses[0]


def test_a_model_wrapped_for_data_parallel_training_takes_the_same_step(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        model, plain = tiny(), tiny()
        steps = step_of(DistributedDataParallel(model)), step_of(plain)
        for _ in range(2):
            assert len({step(*batch()).item() for step in steps}) == 1
    finally:
        torch.distributed.destroy_process_group()
    torch.testing.assert_close(model.heads.weight, plain.heads.weight)
