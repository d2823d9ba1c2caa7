"""The evaluation of a model by one rank and by several: gloo, images on disk, figures as pycocotools has them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ssdbench.errors import DataError, NotFiniteError, UsageError
from ssdbench.runtime.device import Cpu
from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.schema.training import Evaluation
from ssdbench.ssd.arrays import Float64Array
from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import SyntheticSpec, synthesise
from ssdbench.workloads.evaluation import Evaluator, require_every_image
from tests.workloads.ranks import detecting_model, evaluate_on_this_rank, open_context

REPOSITORY = Path(__file__).parents[2]
IMAGES = 11
BARE = 4  # the image that has no annotation
FIGURES = [field.name for field in fields(Evaluation)][3:]


def ignore_progress(phase: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Eleven images to validate on, one of them without annotations."""
    folder = tmp_path_factory.mktemp("data")
    synthesise(folder / "coco", SyntheticSpec(train_images=2, val_images=IMAGES, seed=7, easy=True), ignore_progress)
    path = folder / "coco/annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    bare = content["images"][BARE]["id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != bare]
    path.write_text(json.dumps(content))
    return prepare(folder / "coco", folder / "cache", ignore_progress)


@pytest.fixture(scope="module")
def alone() -> Iterator[ProcessGroup]:
    """The group of a single rank, in this process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    laid_out = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in laid_out.items():
            patch.setenv(name, value)
        group = ProcessGroup(Cpu(torch.get_num_threads(), lambda: 0.0), 60.0)
    yield group
    group.close()


def by_pycocotools(annotations: Path, rows: Float64Array, *, annotated_only: bool = False) -> list[float]:
    """The twelve figures without any code of ours, from the detections as COCO's own result format has them."""
    truth = COCO(str(annotations))
    images, categories = truth.getImgIds(), [category["id"] for category in truth.dataset["categories"]]
    annotated = {annotation["image_id"] for annotation in truth.dataset["annotations"]}
    results = [
        {
            "image_id": images[int(image)],
            "category_id": categories[int(label) - 1],
            "bbox": [left, top, width, height],
            "score": score,
        }
        for image, left, top, width, height, score, label in rows.tolist()
        if images[int(image)] in annotated or not annotated_only
    ]
    judge = COCOeval(truth, truth.loadRes(results), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return [float(figure) for figure in judge.stats]


def check_what_the_ranks_wrote(folder: Path, prepared: Prepared, world_size: int) -> None:
    said = [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(world_size)]
    saw = [np.load(folder / f"rank-{rank}.npz") for rank in range(world_size)]
    rows = np.load(folder / "rows.npy")
    np.testing.assert_array_equal(rows, np.concatenate([rank["rows"] for rank in saw]))
    assert np.concatenate([rank["images"] for rank in saw]).tolist() == list(range(IMAGES))
    assert sum(rank["images"] for rank in said) == IMAGES
    assert [rank["has_rows"] for rank in said] == [True] + [False] * (world_size - 1)
    for protocol, annotated_only in (("every-image", False), ("published", True)):
        expected = by_pycocotools(prepared.val.source_annotations, rows, annotated_only=annotated_only)
        assert 0 < expected[FIGURES.index("ar_100")] < 1
        for rank in said:
            figures = rank["figures"][protocol]
            assert [figures[name] for name in FIGURES] == expected
            assert (figures["protocol"], figures["images"]) == (protocol, IMAGES)
    counts = {protocol: said[0]["figures"][protocol]["detections"] for protocol in said[0]["figures"]}
    assert counts["every-image"] == len(rows)
    assert counts["published"] == np.count_nonzero(rows[:, 0] != BARE) < len(rows)
    for rank in saw:
        np.testing.assert_array_equal(rank["buffers"], saw[0]["buffers"])
    assert all(rank["modes"] == [True, False, True] for rank in said)


def test_one_rank_has_the_figures_of_pycocotools_and_leaves_the_model_as_it_was(
    alone: ProcessGroup, prepared: Prepared, tmp_path: Path
) -> None:
    evaluate_on_this_rank(alone, prepared.path, 4, tmp_path)
    check_what_the_ranks_wrote(tmp_path, prepared, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("world_size", "batch_size"), [(2, 4), pytest.param(3, 3, marks=pytest.mark.long)])
def test_several_ranks_have_the_figures_of_pycocotools_on_the_same_detections(
    world_size: int, batch_size: int, prepared: Prepared, tmp_path: Path
) -> None:
    job = {"folder": str(tmp_path), "prepared": str(prepared.path), "batch_size": batch_size}
    (tmp_path / "job.json").write_text(json.dumps({**job, "wrong_shard": world_size == 2}))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={world_size}"),
            *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"),
            *("-m", "tests.workloads.ranks", str(tmp_path / "job.json")),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_what_the_ranks_wrote(tmp_path, prepared, world_size)
    if world_size == 2:
        # Rank 1 looked at the five images of rank 0 and not at its own six.
        sentence = (tmp_path / "wrong-shard.txt").read_text()
        assert "did not see each of 11 validation images once: 6 not seen" in sentence
        assert "5 seen more than once" in sentence


def test_each_way_to_miss_the_image_set_is_named() -> None:
    image_ids = np.array([11, 12, 2**60 + 1])
    require_every_image(np.array([2, 0, 1]), image_ids)
    for seen, words in (([0, 1], f"1 not seen (id {2**60 + 1})"), ([0, 1, 2, 1], "1 seen more than once (id 12)"),
                        ([0, 1, 2, -1], "once: 1 not in the annotation file")):  # fmt: skip
        with pytest.raises(DataError) as caught:
            require_every_image(np.array(seen), image_ids)
        assert words in str(caught.value)
        assert str(caught.value).count(" (id") <= 1


def test_an_annotation_file_that_grew_after_it_was_prepared_is_noticed(
    alone: ProcessGroup, prepared: Prepared, tmp_path: Path
) -> None:
    path = prepared.val.source_annotations
    before = path.read_text()
    content = json.loads(before)
    content["images"].append({**content["images"][0], "id": 10**6})
    path.write_text(json.dumps(content))
    try:
        with pytest.raises(DataError, match=r"instances_val2017\.json has changed since it was prepared: start again"):
            Evaluator(open_context(alone, prepared.path, 4))
    finally:
        path.write_text(before)


def test_a_model_with_nan_outputs_is_an_error_and_not_an_accuracy_of_zero(
    alone: ProcessGroup, prepared: Prepared
) -> None:
    model = detecting_model()
    torch.nn.init.constant_(model.conf[5].get_parameter("weight"), float("nan"))
    model.train()
    evaluator = Evaluator(open_context(alone, prepared.path, 8))
    with pytest.raises(NotFiniteError, match="infinite or NaN in 2 batches of this rank, first in batch 0"):
        evaluator(model)
    evaluator.close()
    assert model.training


@pytest.mark.parametrize(
    ("asked", "case", "words"),
    [
        ({"protocol": "official"}, {}, "protocol 'official' does not exist; choose one of every-image, published"),
        ({"engine": "fast"}, {}, "engine 'fast' does not exist; choose one of pycocotools, faster-coco-eval"),
        ({}, {"pipeline": "resident"}, "needs real images"),
    ],
)
def test_what_cannot_be_evaluated_is_reported_before_the_first_image(
    alone: ProcessGroup, prepared: Prepared, asked: dict[str, Any], case: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Evaluator(open_context(alone, prepared.path, 4, **case), **asked)


@pytest.mark.long
def test_the_fast_engine_gives_the_same_figures_through_the_evaluator(alone: ProcessGroup, prepared: Prepared) -> None:
    context, model = open_context(alone, prepared.path, 6), detecting_model()
    both = [Evaluator(context, engine=engine) for engine in ("pycocotools", "faster-coco-eval")]
    found = both[0].detect(model)
    reference, fast = ([getattr(evaluator.judge(found), name) for name in FIGURES] for evaluator in both)
    assert fast == pytest.approx(reference, rel=0, abs=1e-15)
    for evaluator in both:
        evaluator.close()
