"""What a case asks of its input pipeline reaches it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ssdbench.ssd.pipelines import resident
from ssdbench.ssd.pipelines.contract import PipelineOptions
from ssdbench.workloads.pipeline import open_pipeline, open_training
from tests.builders import a_case

CASE = a_case(
    device="cuda", batch_size_per_gpu=3, pipeline="resident", layout="contiguous", threads_per_rank=5, decode="cpu"
)


@pytest.mark.parametrize(
    ("opened", "function"),
    [
        (lambda context: open_pipeline(context, training=True), "training"),
        (lambda context: open_pipeline(context, training=False), "validation"),
        (open_training, "training"),
    ],
    ids=["training", "validation", "resumable training"],
)
def test_the_options_are_those_of_the_case_and_the_rank(
    opened: Callable[[Any], object], function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[PipelineOptions] = []
    monkeypatch.setattr(resident, function, asked.append)
    opened(
        SimpleNamespace(
            case=CASE,
            device=SimpleNamespace(torch_device=torch.device("cuda", 1)),
            group=SimpleNamespace(rank=1, world_size=2),
            seed=7,
            prepared_data=None,
        )
    )
    assert asked == [
        PipelineOptions(
            batch_size_per_gpu=3,
            device=torch.device("cuda", 1),
            decode="cpu",
            rank=1,
            world_size=2,
            seed=7,
            channels_last=False,
            threads=5,
            resumable=opened is open_training,
        )
    ]
