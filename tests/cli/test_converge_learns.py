"""The convergence smoke, shorter: a network that knows nothing learns to find what it has never seen."""

from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.cli.conftest import Ssdbench

SUITE = """
name = "learns"
device = "cpu"
protocol = { launches = 1, timeout_seconds = 800 }
data = { train_images = 120, val_images = 24, seed = 1, easy = true }

[[matrix]]
workload = "accuracy"
backbone = "resnet18"
pipeline = "dali"
threads_per_rank = 1
precision = "fp32"
batch_size_per_gpu = 2
options = { epochs = 2, base_learning_rate = 0.032, warmup_iterations = 20, validation = "0" }
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_objects_of_unseen_images_are_found_after_240_images(ssdbench: Ssdbench, tmp_path: Path) -> None:
    (tmp_path / "learns.toml").write_text(SUITE)
    done = ssdbench("converge", "--suite", "learns.toml")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    (record,) = FileStore(tmp_path / "results").load("latest").records
    assert record.training is not None
    first, last = record.training.results
    assert first.evaluation is not None
    assert last.evaluation is not None
    # Seen: 0.10 and 0.32, and a loss of 17.0 and 9.2; another processor rounds otherwise, and takes another way.
    assert last.evaluation.ap_50 > max(0.1, first.evaluation.ap_50)
    assert last.mean_loss < 0.75 * first.mean_loss
