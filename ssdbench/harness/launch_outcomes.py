"""What is kept of a launch that failed."""

import os
from dataclasses import replace
from pathlib import Path

from ssdbench.harness.launchers.torchrun import read_left
from ssdbench.harness.stores.codec import read_training
from ssdbench.schema.record import Failure, Record
from ssdbench.schema.training import Training
from ssdbench.schema.variables import mask_secrets


def partial_training(training_folder: str | None) -> Training | None:
    """The log of a training that did not finish; None if nothing was trained."""
    log = Path(training_folder) / "training.json" if training_folder is not None else None
    if log is None or not log.is_file():
        return None
    found = read_left(log, read_training)
    return found if isinstance(found, Training) else None


def can_continue(record: Record) -> bool:
    """Whether a training failed for an external reason, which may be gone; a loss that is not finite is a result."""
    external = ("crash", "lost", "timeout", "interrupted", "out_of_memory", "disk_full", "bad_data")
    return record.case.workload == "accuracy" and record.failure is not None and record.failure.kind in external


def masked(failure: Failure) -> Failure:
    """The failure without the values of secrets: a worker inherits them, and may print them."""
    log = None if failure.log is None else mask_secrets(failure.log, os.environ)
    return replace(failure, message=mask_secrets(failure.message, os.environ), log=log)
