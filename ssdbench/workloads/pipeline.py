"""The input of a workload: the case's pipeline over this rank's shard of a split."""

import importlib
from dataclasses import replace
from typing import Any

from ssdbench.runtime.session import Session
from ssdbench.ssd.coco import PreparedSplit, load_prepared
from ssdbench.ssd.pipelines.contract import InputPipeline, PipelineOptions, TrainingPipeline


def open_training(session: Session, resume_state: bytes | None = None) -> TrainingPipeline:
    """The case's pipeline over the train split, one that can be gone on with; from an earlier `state` on."""
    options = replace(_options(session, split_of(session, training=True)), resumable=True, resume_state=resume_state)
    pipeline: TrainingPipeline = _shelf(session).training(options)
    return pipeline


def open_pipeline(session: Session, *, training: bool) -> InputPipeline[Any]:
    """The pipeline that the case names: of `TrainingBatch`es over the train split, else of `ValidationBatch`es."""
    options = _options(session, split_of(session, training=training))
    shelf = _shelf(session)
    pipeline: InputPipeline[Any] = (shelf.training if training else shelf.validation)(options)
    return pipeline


def _shelf(session: Session) -> Any:
    return importlib.import_module(f"ssdbench.ssd.pipelines.{session.case.pipeline}")


def _options(session: Session, split: PreparedSplit | None) -> PipelineOptions:
    case = session.case
    return PipelineOptions(
        batch_size_per_gpu=case.batch_size_per_gpu,
        device=session.device.torch_device,
        decode=case.decode,
        rank=session.group.rank,
        world_size=session.group.world_size,
        seed=session.seed,
        data=split,
        channels_last=case.layout == "channels_last",
        threads=case.threads_per_rank,
    )


def split_of(session: Session, *, training: bool) -> PreparedSplit | None:
    """The prepared train or validation split; None where the launch was given no images."""
    if session.prepared_data is None:
        return None
    prepared = load_prepared(session.prepared_data)
    return prepared.train if training else prepared.val
