"""Steps of training and inference on a GPU: without waits, replayed as a graph, compiled, scaled and fused."""

import shutil
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from ssdbench.runtime.device import CudaGpu
from ssdbench.ssd.boxes import default_boxes
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.training import TrainStep, optimizer, set_learning_rate
from ssdbench.workloads.infer import Infer
from ssdbench.workloads.model import compiled
from ssdbench.workloads.train import Train
from tests.gpu.contexts import a_context

pytestmark = pytest.mark.gpu


def steps_of(workload: Any, count: int) -> list[float]:
    """The losses of `steps` steps at a learning rate that moves the weights, read at the end."""
    losses = []
    for number in range(count):
        workload._iteration = 300 + number
        losses.append(workload.step(workload.fetch()).loss)
    return torch.stack(losses).tolist()


# --- waits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("precision", ["fp32", "amp"])
def test_a_step_waits_for_the_device_nowhere(precision: str, graph: bool, gpu: CudaGpu) -> None:
    workloads: tuple[Any, ...] = (
        Train(a_context(gpu, precision, cuda_graph=graph)),
        Infer(a_context(gpu, precision, workload="infer", cuda_graph=graph)),
    )
    for workload in workloads:
        for _ in range(2):
            workload.step(workload.fetch())
        gpu.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        workload.step(workload.fetch())
        torch.cuda.set_sync_debug_mode("default")


def test_a_wait_would_be_seen(gpu: CudaGpu) -> None:
    torch.cuda.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match=r"(?i)synchroniz"):
        torch.ones(1, device="cuda").item()
    torch.cuda.set_sync_debug_mode("default")


# --- CUDA graph -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("amp", 1e-2)])
def test_replayed_training_learns_as_eager_training_does(precision: str, tolerance: float, gpu: CudaGpu) -> None:
    eager, replayed = (Train(a_context(gpu, precision, cuda_graph=graph)) for graph in (False, True))
    first = {name: tensor.clone() for name, tensor in eager._model.state_dict().items()}
    expected, found = steps_of(eager, 5), steps_of(replayed, 5)
    assert found == pytest.approx(expected, rel=tolerance)
    if precision == "fp32":  # two batches take turns, 0.13 % apart: each was copied in
        assert abs(expected[0] - expected[1]) > 2 * tolerance * expected[0]
    states = eager._model.state_dict(), replayed._model.state_dict()
    for name, tensor in states[0].items():
        if name.endswith("num_batches_tracked"):
            assert int(states[1][name]) == int(tensor) == 5, name
        elif tensor.dim() == 4:
            moved, apart = (tensor - first[name]).norm(), (states[1][name] - tensor).norm()
            assert float(apart) <= 0.1 * float(moved), name


def test_a_replayed_forward_pass_is_that_of_the_batch_it_was_given(gpu: CudaGpu) -> None:
    workload = Infer(a_context(gpu, "fp32", workload="infer", cuda_graph=True))
    first, second = workload.fetch(), workload.fetch()
    workload.step(first)
    graph = workload._graph
    assert graph is not None
    with torch.inference_mode():
        outputs = []
        for batch in (first, second):
            replayed = [part.clone() for part in graph(batch.images)]
            for part, expected in zip(replayed, workload._forward(batch.images), strict=True):
                torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-4)
            outputs.append(replayed[1])
    assert float((outputs[0] - outputs[1]).abs().max()) > 1e-2


# --- compile ----------------------------------------------------------------------------------------------------------


class Small(nn.Module):
    """A model with the outputs of SSD300, two convolutions and BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.heads = nn.Conv2d(16, 85, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        values = self.heads(self.features(images)).flatten(2).mean(2, keepdim=True).expand(-1, -1, 8732)
        return values.split([4, 81], dim=1)


def a_batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    labels = torch.zeros(2, 8732, dtype=torch.int64)
    labels[:, ::1000] = 7
    boxes_cxcywh = 1.1 * default_boxes().repeat(2, 1, 1)
    return torch.randn(2, 3, 16, 16, generator=generator).cuda(), boxes_cxcywh.cuda(), labels.cuda()


def a_step(rate: float = 0.01, *, fused: bool | None = None, scaler: Any = None, context: Any = None) -> TrainStep:
    torch.manual_seed(3)
    model = Small().cuda()
    sgd = optimizer(model, fused=fused)
    set_learning_rate(sgd, rate)
    loss: nn.Module = MultiBoxLoss()
    if context is None:
        return TrainStep(model=model, optimizer=sgd, loss=loss, scaler=scaler)
    return TrainStep(model=compiled(context, model), optimizer=sgd, loss=compiled(context, loss), scaler=scaler)


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="Triton needs a C compiler")
def test_model_and_loss_compiled_learn_as_they_do_eagerly(gpu: CudaGpu) -> None:
    eager, fast = (a_step(context=a_context(gpu, "fp32", compile=compile)) for compile in (False, True))
    expected, found = ([float(step(*a_batch())) for _ in range(3)] for step in (eager, fast))
    assert found == pytest.approx(expected, rel=1e-4)
    assert expected[2] < expected[0]
    assert type(fast.model) is not type(eager.model)


# --- gradient scaler and fused optimiser ------------------------------------------------------------------------------


def parameters_of(step: TrainStep) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in step.model.parameters()])


def test_an_overflow_skips_the_update_and_leaves_no_trace_in_the_momentum(gpu: CudaGpu) -> None:
    scaler = GradScaler("cuda", init_scale=2.0**127)
    scaled, plain = a_step(scaler=scaler), a_step(fused=False)
    assert scaled.optimizer.defaults.get("fused")  # else each step would wait for the device
    before = parameters_of(scaled)
    scaled(*a_batch())
    assert torch.equal(parameters_of(scaled), before)
    assert scaler.get_scale() == 2.0**126
    for state in scaled.optimizer.state.values():
        assert not state["momentum_buffer"].any()
    scaler.update(1024.0)
    for _ in range(3):
        scaled(*a_batch())
        plain(*a_batch())
    assert not torch.equal(parameters_of(scaled), before)
    torch.testing.assert_close(parameters_of(scaled), parameters_of(plain), rtol=1e-4, atol=1e-6)


def test_training_in_amp_is_scaled_and_learns(gpu: CudaGpu) -> None:
    workload = Train(a_context(gpu, "amp"))
    step = workload._train_step
    losses = steps_of(workload, 10)
    assert step.scaler is not None
    assert step.scaler.get_scale() <= 65536
    assert all(parameter.dtype == torch.float32 for parameter in step.model.parameters())
    assert sum(losses[-2:]) < sum(losses[:2])  # two batches take turns
    assert Train(a_context(gpu, "bf16"))._train_step.scaler is None
