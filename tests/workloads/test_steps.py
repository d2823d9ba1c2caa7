"""What the steps of workloads ask of the device, of torch.compile and of a CUDA graph; on a CPU, with real models."""

import contextlib
import functools
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssdbench.runtime import graph
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import Cpu
from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.ssd.pipelines import torchvision
from ssdbench.workloads import detect, infer, input, train
from tests.builders import a_case
from tests.runtime.recorder import Recorder


def a_context(precision: str = "fp32", group: Any = None, **case: object) -> RankContext:
    device = Cpu(torch.get_num_threads(), time.perf_counter)
    alone = SimpleNamespace(rank=0, world_size=1, data_parallel=lambda model: model)
    torch.manual_seed(1)
    return RankContext(
        case=a_case(precision=precision, **case),
        device=device,
        precision=PrecisionPolicy(precision, device),
        group=group or alone,  # type: ignore[arg-type]
        seed=1,
    )


# --- input ------------------------------------------------------------------------------------------------------------


def test_input_waits_for_its_batch_and_not_for_what_is_read_ahead() -> None:
    calls = []

    class Watched(Cpu):
        def synchronize(self) -> None:
            calls.append("device")

        def synchronize_stream(self) -> None:
            calls.append("stream")

    context = a_context(workload="input")
    watched = Watched(torch.get_num_threads(), time.perf_counter)
    workload = input.Input(replace(context, device=watched))
    workload.step(workload.fetch())
    assert calls == ["stream"]


def test_the_constants_of_the_torchvision_pipeline_are_made_once_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision._mean_and_std.cache_clear()
    made, make = [], torch.tensor

    def counted(*args: Any, **kwargs: Any) -> Tensor:
        made.append(kwargs.get("device"))
        return make(*args, **kwargs)

    monkeypatch.setattr(torch, "tensor", counted)
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    with torch.inference_mode():
        first = torchvision._normalised(images, torch.device("cpu"))
    second = torchvision._normalised(images, torch.device("cpu"))
    assert made == [None, None]  # and never straight on a device, which waits for it
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    expected = (images[1, 2, 3, 3] / 255 - 0.406) / 0.225
    assert float(second[1, 2, 3, 3]) == pytest.approx(float(expected), rel=1e-5)
    nn.Parameter(second).add(torchvision._mean_and_std(torch.device("cpu"))[0]).sum().backward()


# --- compile ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def compiled_modules(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """Each module that is compiled, by its class, with the sizes of the graphs that came out of it."""
    seen: list[tuple[str, list[int]]] = []
    real = torch.compile

    def counting(module: nn.Module) -> Any:
        sizes: list[int] = []
        seen.append((type(module).__name__, sizes))

        def backend(traced: Any, inputs: Any) -> Callable[..., Any]:
            sizes.append(len(traced.graph.nodes))
            return traced.forward

        return real(module, backend=backend)

    monkeypatch.setattr(torch, "compile", counting)
    torch._dynamo.reset()
    return seen


@pytest.fixture
def two_ranks_in_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessGroup]:
    """A group of one rank that wraps its model as one of two does."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    group = ProcessGroup(Cpu(torch.get_num_threads(), time.perf_counter), 60.0)
    group.world_size = 2
    yield group
    group.close()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch.compile's own look
def test_model_and_loss_are_compiled_and_the_learning_step_is_as_before(compiled_modules: list[Any]) -> None:
    workload, eager = (train.Train(a_context(compile=compile)) for compile in (True, False))
    assert [name for name, _ in compiled_modules] == ["SSD300", "MultiBoxLoss"]
    for number in range(2):
        losses = [float(w.step(w.fetch()).loss) for w in (workload, eager)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4), number
    assert [len(sizes) for _, sizes in compiled_modules] == [1, 1]  # neither in pieces nor compiled again
    assert compiled_modules[1][1][0] < 50  # default boxes are not made in the step
    assert list(workload._model.state_dict()) == list(eager._model.state_dict())  # as checkpoints name it


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch.compile's own look
def test_what_several_ranks_train_is_compiled_outside_and_cut_at_its_buckets(
    compiled_modules: list[Any], two_ranks_in_name: ProcessGroup
) -> None:
    workload = train.Train(a_context(group=two_ranks_in_name, compile=True, world_size=1))
    assert [name for name, _ in compiled_modules] == ["DistributedDataParallel", "MultiBoxLoss"]
    workload.step(workload.fetch())
    assert len(compiled_modules[0][1]) >= 3  # so that the first averages start before the backward pass is over
    del workload


def test_detect_compiles_its_model_once_for_the_steps_alone(compiled_modules: list[Any]) -> None:
    workload = detect.Detect(a_context(workload="detect", compile=True))
    assert [(name, len(sizes)) for name, sizes in compiled_modules] == [("SSD300", 0)]
    for _ in range(2):
        workload.step(workload.fetch())
    assert len(compiled_modules[0][1]) == 1


# --- candidates of detect ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_detect_has_300_candidates_an_image_in_the_arithmetic_it_is_measured_in(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = a_context(precision, workload="detect", batch_size_per_gpu=4)
    entered = []
    autocast = context.precision.autocast

    def watched() -> contextlib.AbstractContextManager[object]:
        entered.append(precision)
        return autocast()

    monkeypatch.setattr(context.precision, "autocast", watched)
    workload = detect.Detect(context)
    assert entered == [precision]
    counts = []

    def count(loc: Tensor, logits: Tensor, score_threshold: float) -> None:
        counts.append(int((logits.float().softmax(1)[:, 1:] > score_threshold).sum()) / len(logits))

    monkeypatch.setattr(detect, "decode", count)
    workload.step(next(iter(workload._pipeline.epoch())))  # the batch that the background was shifted for
    assert counts == [pytest.approx(300, rel=0.15 if precision == "bf16" else 0.01)]


# --- CUDA graph -------------------------------------------------------------------------------------------------------


def test_a_replayed_training_step_equals_an_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    eager, replayed = train.Train(a_context()), train.Train(a_context(cuda_graph=True))
    recorder = Recorder(lambda: list(replayed._model.buffers()))
    monkeypatch.setattr(graph, "CudaRecorder", lambda: recorder)
    losses: list[list[Tensor]] = [[], []]
    for number in range(3):
        for workload, own in zip((eager, replayed), losses, strict=True):
            workload._iteration = 100 + number  # a learning rate that moves the weights
            loss = workload.step(workload.fetch()).loss
            assert loss is not None
            own.append(loss)
    assert recorder.calls == ["aside", "back", "record", "replay", "replay", "replay"]
    assert torch.stack(losses[1]).tolist() == torch.stack(losses[0]).tolist()  # read at the end, as the loop does
    for (name, mine), other in zip(
        replayed._model.state_dict().items(), eager._model.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other), name


def test_the_phases_of_a_replayed_step_are_the_graph_and_the_optimiser(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = train.Train(a_context(cuda_graph=True))
    monkeypatch.setattr(graph, "CudaRecorder", functools.partial(Recorder, lambda: list(workload._model.buffers())))
    phases: list[str] = []
    workload.step(workload.fetch(), phases.append)
    assert phases == ["graph", "optimizer"]


def test_inference_is_recorded_once_and_each_batch_is_copied_in(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(graph, "CudaRecorder", lambda: recorder)
    workload = infer.Infer(a_context(workload="infer", cuda_graph=True))
    seen: list[tuple[int, float]] = []
    forward = workload._model.forward

    def watched(images: Tensor) -> Any:
        seen.append((images.data_ptr(), float(images.sum())))
        return forward(images)

    monkeypatch.setattr(workload._model, "forward", watched)
    batches = [workload.fetch() for _ in range(2)]
    for batch in batches:
        workload.step(batch)
    assert recorder.calls == ["aside", "back", "record", "replay", "replay"]
    assert len({address for address, _ in seen}) == 1
    assert seen[0][0] not in {batch.images.data_ptr() for batch in batches}
    assert [total for _, total in seen[-2:]] == [float(batch.images.sum()) for batch in batches]
