"""Where DALI decodes for a GPU: which operator runs where in each form, and that both give the same batches."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from nvidia import dali as nvidia_dali

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines import dali, dali_graph
from ssdbench.ssd.pipelines.bookmark import Bookmark, stream_of, write_state
from ssdbench.ssd.pipelines.contract import PipelineOptions, ValidationBatch
from tests.ssd.planting import Options

Devices = dict[str, str]

# The way of the pixels as (operator, its device). The published one: NVIDIA, "SSD v1.1 for PyTorch", 21.05 to 22.10.
PIXELS = {
    ("training", "cpu"): [
        ("ImageSlice", "cpu"), ("Flip", "cpu"), ("Resize", "cpu"),
        ("Hsv", "gpu"), ("BrightnessContrast", "gpu"), ("CropMirrorNormalize", "gpu"),
    ],
    ("training", "mixed"): [
        ("ImageSlice", "gpu"), ("Resize", "gpu"),
        ("Hsv", "gpu"), ("BrightnessContrast", "gpu"), ("CropMirrorNormalize", "gpu"),
    ],
    ("validation", "cpu"): [("Image", "cpu"), ("Resize", "cpu"), ("CropMirrorNormalize", "gpu")],
    ("validation", "mixed"): [("Image", "gpu"), ("Resize", "gpu"), ("CropMirrorNormalize", "gpu")],
}  # fmt: skip
OUTPUTS = {"training": ["gpu", "gpu", "gpu", "cpu"], "validation": ["gpu", "cpu", "cpu", "cpu"]}

# Of images normalised to about -2..2.7. Where the CPU decodes, only the rounding of the normalisation differs; nvJPEG
# and libjpeg-turbo round their inverse cosine transforms and their upsampling of colours unlike, by a level or two.
TOLERANCE = {"cpu": 1e-4, "mixed": 0.02}


def graph(options: PipelineOptions, mode: str) -> tuple[Any, ...]:
    """The outputs of a graph that is defined and not built, which needs no GPU."""
    with dali_graph.dali.Pipeline(batch_size=2, num_threads=1, device_id=None):
        if mode == "training":
            return dali_graph.training_graph(options, ["a.jpg"])
        return dali_graph.validation_graph(options)


def name_of(node: Any) -> str:
    return str(node.source.name.strip("_").rsplit("_", 1)[0])


def parents(node: Any) -> Iterator[Any]:
    for inputs in node.source.inputs or []:
        yield from inputs if isinstance(inputs, list | tuple) else [inputs]


def devices(nodes: tuple[Any, ...]) -> Devices:
    """The device of each operator that the nodes come from."""
    found: Devices = {}

    def walk(node: Any) -> None:
        found[name_of(node)] = node.source.outputs[0].device
        for parent in parents(node):
            walk(parent)

    for node in nodes:
        walk(node)
    return found


def way_of_pixels(images: Any) -> list[tuple[str, str]]:
    """The operators behind `images`, from the decoder on."""
    way = []
    while name_of(images) != dali_graph.READER:
        way.append((name_of(images), images.source.outputs[0].device))
        images = next(parents(images))
    return way[::-1]


@pytest.mark.parametrize("decode", ["cpu", "mixed"])
@pytest.mark.parametrize("mode", ["training", "validation"])
def test_each_form_does_with_the_pixels_what_it_says_where_it_says(options: Options, mode: str, decode: str) -> None:
    nodes = graph(options(device=torch.device("cuda:0"), decode=decode), mode)
    assert way_of_pixels(nodes[0]) == PIXELS[mode, decode]
    assert [node.device for node in nodes] == OUTPUTS[mode]
    on_gpu = {name for name, device in devices(nodes).items() if device == "gpu"}
    assert on_gpu == {name for name, device in PIXELS[mode, decode] if device == "gpu"}


@pytest.mark.parametrize("mode", ["training", "validation"])
def test_the_published_form_moves_resized_pixels(options: Options, mode: str) -> None:
    node = graph(options(device=torch.device("cuda:0"), decode="cpu"), mode)[0]
    while name_of(source := next(parents(node))) != "Resize":
        node = source
    assert (source.device, source.source.outputs[0].device) == ("gpu", "cpu")


@pytest.mark.parametrize("mode", ["training", "validation"])
def test_without_a_gpu_there_is_one_form_and_all_of_it_on_the_cpu(options: Options, mode: str) -> None:
    published, mixed = (graph(options(decode=decode), mode) for decode in ("cpu", "mixed"))
    assert devices(published) == devices(mixed)
    assert {node.device for node in mixed} | set(devices(mixed).values()) == {"cpu"}
    gpu = graph(options(device=torch.device("cuda:0")), mode)
    assert list(devices(gpu)) == list(devices(mixed))


def test_the_published_form_gives_the_same_validation_batches(
    options: Options, prepared: Prepared, request: pytest.FixtureRequest
) -> None:
    mixed = first_validation_batch(options(data=prepared.val))
    request.getfixturevalue("published_form")
    published = first_validation_batch(options(data=prepared.val))
    assert torch.equal(published.images, mixed.images)


@pytest.mark.parametrize(("stored", "decode"), [("", "cpu"), (" decoded by the CPU", "mixed")])
def test_a_place_in_the_stream_of_the_other_form_is_refused(options: Options, stored: str, decode: str) -> None:
    asked = options(device=torch.device("cuda:0"), decode=decode)
    of_cuda = f"dali {nvidia_dali.__version__} on cuda"
    state = write_state(stream_of(of_cuda + stored, asked), Bookmark())
    with pytest.raises(DataError, match=rf"has pipeline {of_cuda}{stored}, and this run has pipeline {of_cuda}"):
        dali.training(options(device=torch.device("cuda:0"), decode=decode, resume_state=state))


def first_validation_batch(options: PipelineOptions) -> ValidationBatch:
    pipeline = dali.validation(options)
    batch = next(pipeline.epoch())
    pipeline.close()
    return batch


@pytest.mark.gpu
@pytest.mark.parametrize("decode", ["cpu", "mixed"])
def test_the_gpu_variant_gives_batches_on_the_gpu(options: Options, decode: str) -> None:
    pipeline = dali.training(options(device=torch.device("cuda", 0), decode=decode))
    batch = next(pipeline.epoch())
    assert {batch.images.device, batch.boxes_cxcywh.device, batch.labels.device} == {torch.device("cuda", 0)}
    pipeline.close()


@pytest.mark.gpu
@pytest.mark.parametrize("decode", ["cpu", "mixed"])
def test_the_gpu_variant_sees_what_the_cpu_variant_sees(options: Options, prepared: Prepared, decode: str) -> None:
    cpu = first_validation_batch(options(data=prepared.val))
    gpu = first_validation_batch(options(data=prepared.val, device=torch.device("cuda:0"), decode=decode))
    assert gpu.image_ids.tolist() == cpu.image_ids.tolist()
    assert float((gpu.images.cpu() - cpu.images).abs().mean()) < TOLERANCE[decode]
