"""The input of a workload: the case's pipeline over this rank's shard of a split."""

import importlib
from typing import Any

from ssdbench.runtime.session import Session
from ssdbench.ssd.coco import PreparedSplit, load_prepared
from ssdbench.ssd.pipelines.contract import InputPipeline, PipelineOptions


def open_pipeline(session: Session, *, training: bool) -> InputPipeline[Any]:
    """The pipeline that the case names: of `TrainingBatch`es over the train split, else of `ValidationBatch`es."""
    case = session.case
    options = PipelineOptions(
        batch_size_per_gpu=case.batch_size_per_gpu,
        device=session.device.torch_device,
        rank=session.group.rank,
        world_size=session.group.world_size,
        seed=session.seed,
        data=split_of(session, training=training),
        channels_last=case.layout == "channels_last",
        threads=case.threads_per_rank,
    )
    shelf = importlib.import_module(f"ssdbench.ssd.pipelines.{case.pipeline}")
    pipeline: InputPipeline[Any] = (shelf.training if training else shelf.validation)(options)
    return pipeline


def split_of(session: Session, *, training: bool) -> PreparedSplit | None:
    """The prepared train or validation split; None where the launch was given no images."""
    if session.prepared_data is None:
        return None
    prepared = load_prepared(session.prepared_data)
    return prepared.train if training else prepared.val
