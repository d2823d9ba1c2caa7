"""The input of a workload: the case's pipeline over this rank's shard of a split."""

import importlib
from dataclasses import replace
from typing import Any

from ssdbench.runtime.context import RankContext
from ssdbench.ssd.coco import PreparedSplit, load_prepared
from ssdbench.ssd.pipelines.contract import InputPipeline, PipelineOptions, TrainingPipeline


def open_training(context: RankContext, resume_state: bytes | None = None) -> TrainingPipeline:
    """The case's pipeline over the train split, one that can be gone on with; from an earlier `state` on."""
    options = replace(_options(context, split_of(context, training=True)), resumable=True, resume_state=resume_state)
    pipeline: TrainingPipeline = _pipeline_module(context).training(options)
    return pipeline


def open_pipeline(context: RankContext, *, training: bool) -> InputPipeline[Any]:
    """The pipeline that the case names: of `TrainingBatch`es over the train split, else of `ValidationBatch`es."""
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
    """The prepared train or validation split; None where the launch was given no images."""
    if context.prepared_data is None:
        return None
    prepared = load_prepared(context.prepared_data)
    return prepared.train if training else prepared.val
