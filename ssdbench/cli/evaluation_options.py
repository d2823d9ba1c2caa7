"""What `ssdbench evaluate` and `ssdbench containers evaluate` share: a checkpoint, images, and how it is run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from ssdbench.cli.help import MEASURING, MODEL, SUITE, argument, option
from ssdbench.schema.case import OptionValue
from ssdbench.schema.record import RunOptions

Checkpoint = Annotated[
    Path, argument("Published checkpoint, one written by ssdbench, or a bare state dict.", "CHECKPOINT")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How a checkpoint is evaluated."""

    OMITTED: ClassVar[tuple[str, ...]] = ()

    data: Annotated[
        Path, option("Images laid out as COCO 2017; only its val2017 is read.", metavar="FOLDER", panel=SUITE)
    ]
    follow_links: Annotated[
        bool, option("Allow links that lead out of the data folder, to a shared store.", "--follow-links", panel=SUITE)
    ] = False
    gpus: Annotated[int, option("Ranks: GPUs, or processes on a CPU.", min=1, metavar="N", panel=SUITE)] = 1
    batch_size: Annotated[int, option("Images per GPU.", min=1, metavar="N", panel=SUITE)] = 32
    precision: Annotated[str, option("fp32, tf32, amp, bf16.", metavar="NAME", panel=MODEL)] = "fp32"
    backbone: Annotated[str, option("Backbone that the checkpoint was trained with.", metavar="NAME", panel=MODEL)] = (
        "resnet50"
    )
    pipeline: Annotated[str, option("dali, torchvision.", metavar="NAME", panel=MODEL)] = "dali"
    device: Annotated[str, option("cuda, cpu, or auto: a GPU if there is one.", metavar="DEVICE", panel=SUITE)] = "auto"
    protocol: Annotated[
        str,
        option(
            "every-image, or published: without detections on images that have no annotation.",
            metavar="NAME",
            panel=MEASURING,
        ),
    ] = "every-image"
    timeout: Annotated[float, option("Time limit.", min=1, metavar="SECONDS", panel=MEASURING)] = 7200.0

    def axes(self) -> dict[str, OptionValue]:
        """The axes of the case, as in a suite's matrix."""
        return {
            "world_size": self.gpus,
            "batch_size_per_gpu": self.batch_size,
            "precision": self.precision,
            "backbone": self.backbone,
            "pipeline": self.pipeline,
        }

    def run_options(self) -> RunOptions:
        """The data set, as it is prepared."""
        return RunOptions(data_folder=str(self.data), follow_links=self.follow_links or None)
