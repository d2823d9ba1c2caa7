"""Where trainings keep checkpoints, logs and pictures: <results>/training/<run>/<case>-seed<seed>/."""

from pathlib import Path


def training_folder(results: Path) -> Path:
    """The folder of all trainings: in it one a run, and in that one a seed."""
    return results / "training"


def seed_folder(trainings: Path, run_id: str, case_key: str, seed: int) -> Path:
    """The folder of one seed; `trainings` is that of all trainings."""
    return trainings / run_id / f"{case_key}-seed{seed}"
