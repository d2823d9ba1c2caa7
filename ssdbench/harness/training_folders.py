"""The folders of checkpoints, logs and pictures of trainings: <results>/training/<run>/<case>-seed<seed>/.

In a run of two images the seeds of the older one are in <case>-baseline-seed<seed>/.
"""

from pathlib import Path

from ssdbench.schema.names import file_name
from ssdbench.schema.record import Arm


def training_folder(results: Path) -> Path:
    """The folder of all trainings, with a folder for each run, which has one for each seed."""
    return results / "training"


def seed_folder(trainings: Path, run_id: str, case_key: str, seed: int, arm: Arm = "candidate") -> Path:
    """The folder of one seed; `trainings` is the folder of all trainings."""
    of_arm = "-baseline" if arm == "baseline" else ""
    return trainings / run_id / f"{file_name(case_key)}{of_arm}-seed{seed}"
