"""`ssdbench evaluate` as a user runs it: a saved checkpoint, real images, torchrun."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from ssdbench.errors import ExitCode
from tests.cli.conftest import Ssdbench
from tests.cli.running import ssdbench as here
from tests.workloads.ranks import detecting_model

PLAIN = ("--data", "coco", "--device", "cpu", "--batch-size", "4", "--pipeline", "torchvision")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As older releases of the published code wrote them: names wrapped twice."""
    path = tmp_path_factory.mktemp("checkpoint") / "epoch_64.pt"
    state = {f"module.module.{name}": tensor for name, tensor in detecting_model().state_dict().items()}
    torch.save({"model": state, "epoch": 65, "iteration": 4711}, path)
    return path


@pytest.mark.long
def test_a_checkpoint_is_judged_on_two_ranks_and_drawn(ssdbench: Ssdbench, checkpoint: Path, tmp_path: Path) -> None:
    made = ssdbench("data", "synth", "coco", "--train-images", "2", "--val-images", "9", "--easy")
    assert made.returncode == 0, made.stderr
    asked = (*PLAIN, "--backbone", "resnet18", "--gpus", "2", "--engine", "faster-coco-eval", "--sheet", "seen.png")
    done = ssdbench("evaluate", str(checkpoint), *asked, "--json")
    assert done.returncode == 0, done.stderr
    assert "detect" in done.stderr
    found = json.loads(done.stdout)
    assert found["evaluation"]["images"] == 9
    assert found["evaluation"]["detections"] > 9
    assert 0 < found["evaluation"]["ar_100"] < 1
    assert (found["epoch"], found["iteration"]) == (65, 4711)
    assert found["case"]["options"] == {"protocol": "every-image", "engine": "faster-coco-eval"}
    assert found["detect_seconds"] > 0
    with Image.open(tmp_path / "seen.png") as sheet:
        assert sheet.format == "PNG"

    other = ssdbench("evaluate", str(checkpoint), *PLAIN, "--backbone", "resnet34")
    assert other.returncode == ExitCode.BAD_DATA
    assert other.stderr.count("ssdbench: ") == 1
    assert "not a checkpoint of this model" in other.stderr
    assert "--backbone is resnet34, give the one it was trained with" in other.stderr
    assert "Traceback" not in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.pt",), ExitCode.BAD_DATA, "none.pt: cannot be read (No such file or directory)"),
        (("empty.pt",), ExitCode.BAD_DATA, "empty.pt: not a checkpoint, it is empty"),
        (("some.pt", "--protocol", "official"), ExitCode.USAGE, "choose from every-image, published"),
        (("some.pt", "--backbone", "resnet19"), ExitCode.USAGE, "'resnet19' is not known"),
        (("some.pt", "--pipeline", "resident"), ExitCode.USAGE, "no images to evaluate"),
        (("some.pt", "--precision", "amp"), ExitCode.ENVIRONMENT, "cannot evaluate here: amp needs a GPU"),
        (("some.pt", "--sheet", "sheet.gif"), ExitCode.USAGE, "give a .png file, or - for standard output"),
        (("some.pt", "--sheet", "-", "--json"), ExitCode.USAGE, "both write to standard output"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], code: ExitCode, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.pt").touch()
    Path("some.pt").write_bytes(b"weights")
    done = here("evaluate", *arguments, "--data", "coco", "--device", "cpu")
    assert done.code == code
    assert words in done.err
    assert done.err.count("\n") == 1
