"""The figures behind the memory estimate, traced again through the model and the train step as they are.

A fake tensor has a shape and a storage with a size, and nothing is computed: batches of 64 cost neither memory nor
minutes. Autocast to bfloat16 on the CPU stands for amp: its activations have two bytes as well.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssdbench.harness.memory import COMPILED_SHARE, FOOTPRINTS, IMAGE_BYTES, TARGET_BYTES
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import TrainStep, optimizer, set_learning_rate

pytestmark = pytest.mark.xdist_group("footprints")  # what its tests share is made once, by one worker

BATCHES = (32, 64)
ADD = torch.ops.aten.add.Tensor
CONVOLUTION = torch.ops.aten.convolution.default


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, each once, and their peak."""

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()
        self.live = self.peak = self.convolved = 0
        self._known: set[int] = set()
        for tensor in held:
            self._add(tensor)

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        # Gradients that meet are added in place; under a dispatch mode autograd makes a third tensor of them.
        if operation is not ADD:
            self.peak = max(self.peak, self.live)
        if operation is CONVOLUTION:
            self.convolved += result.untyped_storage().nbytes()
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        identity, size = storage._cdata, storage.nbytes()
        if identity in self._known:
            return
        self._known.add(identity)
        self.live += size

        def freed() -> None:
            self._known.discard(identity)
            self.live -= size

        weakref.finalize(storage, freed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """Bytes of one batch size."""

    training: int
    inference: int
    saved: int
    convolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnImage:
    """MiB an image, by the difference of two batch sizes."""

    training: float
    inference: float
    saved: float
    convolved: float


@pytest.fixture(scope="module")
def an_image() -> Callable[[str, int], AnImage]:
    found: dict[tuple[str, int], AnImage] = {}

    def get(backbone: str, width: int) -> AnImage:
        if (backbone, width) not in found:
            small, large = (_trace(backbone, width, batch) for batch in BATCHES)

            def slope(name: str) -> float:
                return float((getattr(large, name) - getattr(small, name)) / (BATCHES[1] - BATCHES[0]) / 2**20)

            found[backbone, width] = AnImage(**{name: slope(name) for name in Traced.__dataclass_fields__})
        return found[backbone, width]

    return get


def _trace(backbone: str, width: int, batch: int) -> Traced:
    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16) if width == 2 else contextlib.nullcontext()

    with FakeTensorMode(allow_non_fake_inputs=True):
        model = SSD300(backbone).train()
        inputs = (
            torch.empty(batch, 3, 300, 300).contiguous(memory_format=torch.channels_last),
            torch.empty(batch, 8732, 4),
            torch.zeros(batch, 8732, dtype=torch.int64),
        )
        sgd = optimizer(model)
        set_learning_rate(sgd, 1e-3)
        step = TrainStep(model=model, optimizer=sgd, autocast=autocast)
        step(*inputs)  # from now on there is momentum
        sgd.zero_grad(set_to_none=True)
        weights = [*model.parameters(), *model.buffers()]
        momentum = [state["momentum_buffer"] for state in sgd.state.values()]
        with LiveBytes([*weights, *momentum, *inputs]) as training:
            step(*inputs)
        sgd.zero_grad(set_to_none=True)
        with _saved([*weights, *inputs]) as saved, autocast():
            loc, logits = model(inputs[0])
            MultiBoxLoss()(loc, logits, *inputs[1:])
        model.eval()
        with torch.inference_mode(), LiveBytes([*weights, inputs[0]]) as inference, autocast():
            model(inputs[0])
    return Traced(
        training=training.peak,
        inference=inference.peak,
        saved=sum(saved.values()),
        convolved=training.convolved,
    )


@contextlib.contextmanager
def _saved(held: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Bytes of each storage that is saved for the backward pass and is none of those `held` anyway."""
    known = {tensor.untyped_storage()._cdata for tensor in held}
    kept: list[Tensor] = []
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept.append(tensor)  # so that its number is not given to another one
            sizes[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


every_footprint = pytest.mark.parametrize(
    ("backbone", "width"),
    [
        # The deepest take as long as all others together.
        pytest.param(backbone, width, marks=pytest.mark.long if backbone in ("resnet101", "resnet152") else ())
        for backbone in FOOTPRINTS
        for width in (4, 2)
    ],
)


@every_footprint
def test_the_table_holds_what_a_step_of_the_model_needs(backbone, width, an_image):
    traced, table = an_image(backbone, width), FOOTPRINTS[backbone]
    assert table.train_mib[width] == pytest.approx(traced.training, rel=0.01)
    assert table.infer_mib[width] == pytest.approx(traced.inference, rel=0.01)
    # The estimate is a lower bound: what is rounded is rounded down.
    assert table.train_mib[width] <= traced.training
    assert table.infer_mib[width] <= traced.inference


@every_footprint
def test_training_needs_all_that_is_saved_for_the_backward_pass_and_a_little_more(backbone, width, an_image):
    traced = an_image(backbone, width)
    batch = (IMAGE_BYTES + TARGET_BYTES) / 2**20
    assert traced.saved + batch < traced.training < 1.3 * traced.saved


@every_footprint
def test_a_compiled_step_cannot_do_with_less_than_its_share(backbone, width, an_image):
    traced = an_image(backbone, width)
    assert traced.convolved > COMPILED_SHARE * traced.training


@pytest.mark.parametrize(("width", "gibibytes"), [(4, 28.3), (2, 14.6)])
def test_resnet50_saves_this_many_gibibytes_at_batch_128(width, gibibytes, an_image):
    assert 128 * an_image("resnet50", width).saved / 1024 == pytest.approx(gibibytes, abs=0.05)


@pytest.mark.parametrize("backbone", FOOTPRINTS)
def test_the_table_holds_the_number_of_parameters(backbone):
    with torch.device("meta"):
        model = SSD300(backbone)
    assert sum(parameter.numel() for parameter in model.parameters()) == FOOTPRINTS[backbone].parameters
