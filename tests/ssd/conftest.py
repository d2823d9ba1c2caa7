"""A small synthetic data set, made once, and a way to plant faults in copies of it."""

import importlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines.contract import InputPipeline, PipelineOptions, TrainingBatch
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import synthesise
from tests.ssd.planting import RECIPE, Document, Options, Plant, ignore_progress


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole synthetic data set; read only."""
    directory = tmp_path_factory.mktemp("synthetic") / "coco"
    assert synthesise(directory, RECIPE, ignore_progress)
    return directory


@pytest.fixture(scope="session")
def prepared(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(synthetic, tmp_path_factory.mktemp("cache"), ignore_progress)


@pytest.fixture
def plant(synthetic: Path, tmp_path: Path) -> Plant:
    """`plant(change, images=8)`: a copy of the first images whose train annotations went through `change`."""

    def copy(change: Callable[[Document], None] = lambda document: None, *, images: int = 8) -> Path:
        directory = tmp_path / "coco"
        for split in ("train", "val"):
            source = synthetic / "annotations" / f"instances_{split}2017.json"
            document = json.loads(source.read_text())
            document["images"] = document["images"][:images]
            kept = {image["id"] for image in document["images"]}
            document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
            (directory / f"{split}2017").mkdir(parents=True)
            for image in document["images"]:
                shutil.copy(synthetic / f"{split}2017" / image["file_name"], directory / f"{split}2017")
            if split == "train":
                change(document)
            (directory / "annotations").mkdir(exist_ok=True)
            (directory / "annotations" / source.name).write_text(json.dumps(document))
        return directory

    return copy


@pytest.fixture
def options(prepared: Prepared) -> Options:
    """Options for the training split, on the CPU, with overrides."""

    def make(**overrides: Any) -> PipelineOptions:
        defaults: dict[str, Any] = {
            "batch_size_per_gpu": 4,
            "device": torch.device("cpu"),
            "data": prepared.train,
            "threads": 2,
        }
        return PipelineOptions(**{**defaults, **overrides})

    return make


@pytest.fixture
def published_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """DALI as it decodes on the CPU for a GPU, where there is none: the pixels stay, all else is the real thing."""
    data_node = importlib.import_module("nvidia.dali.data_node")
    dali_graph = importlib.import_module("ssdbench.ssd.pipelines.dali_graph")
    monkeypatch.setattr(dali_graph, "moves_pixels", lambda options: True)
    monkeypatch.setattr(data_node.DataNode, "gpu", lambda node: node)


@pytest.fixture(params=["dali", "torchvision"])
def pipeline_module(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(f"ssdbench.ssd.pipelines.{request.param}")


@pytest.fixture
def train(pipeline_module: Any, options: Options) -> Iterator[Callable[..., InputPipeline[TrainingBatch]]]:
    opened: list[InputPipeline[TrainingBatch]] = []

    def start(**overrides: Any) -> InputPipeline[TrainingBatch]:
        opened.append(pipeline_module.training(options(**overrides)))
        return opened[-1]

    yield start
    for pipeline in opened:
        pipeline.close()
