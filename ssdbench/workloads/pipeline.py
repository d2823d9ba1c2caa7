"""Opens a case's input pipeline over this rank's shard of a split."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from ssdbench.runtime.context import RankContext
from ssdbench.ssd.coco import PreparedSplit, load_prepared
from ssdbench.ssd.pipelines.contract import InputPipeline, PipelineOptions, TrainingPipeline


def open_training(context: RankContext, resume_state: bytes | None = None) -> TrainingPipeline:
    """Open the case's pipeline over the train split, resumable; continues from `resume_state` if given."""
    options = replace(_options(context, split_of(context, training=True)), resumable=True, resume_state=resume_state)
    pipeline: TrainingPipeline = _pipeline_module(context).training(options)
    return pipeline


def open_pipeline(context: RankContext, *, training: bool) -> InputPipeline[Any]:
    """Open the case's pipeline: `TrainingBatch`es of the train or `ValidationBatch`es of the validation split."""
    options = _options(context, split_of(context, training=training))
    module = _pipeline_module(context)
    pipeline: InputPipeline[Any] = (module.training if training else module.validation)(options)
    return pipeline


def _pipeline_module(context: RankContext) -> Any:
    return importlib.import_module(f"ssdbench.ssd.pipelines.{context.case.pipeline}")


def _options(context: RankContext, split: PreparedSplit | None) -> PipelineOptions:
    case = context.case
    return PipelineOptions(
        batch_size_per_gpu=case.batch_size_per_gpu,
        device=context.device.torch_device,
        decode=case.decode,
        rank=context.group.rank,
        world_size=context.group.world_size,
        seed=context.seed,
        data=split,
        channels_last=case.layout == "channels_last",
        threads=case.threads_per_rank,
    )


def split_of(context: RankContext, *, training: bool) -> PreparedSplit | None:
    """The prepared train or validation split; None if the launch has no data set."""
    if context.prepared_data is None:
        return None
    prepared = load_prepared(context.prepared_data)
    return prepared.train if training else prepared.val
