"""How long the judging of 25,000 detections on 500 images takes, by each engine.

pytest benchmarks/micro/test_evaluate.py
"""

import json
from pathlib import Path

import numpy as np
import pytest

from ssdbench.ssd.arrays import Float64Array
from ssdbench.ssd.evaluate import evaluate, load_annotations

IMAGES = 500
OBJECTS = 3600
DETECTIONS = 25_000
CATEGORIES = 80


def scene(path: Path) -> Float64Array:
    """Write random ground truth to `path`; the rows of detections, half of them near an object."""
    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(8), np.log(300), (OBJECTS, 2)))
    boxes_xywh = np.concatenate([rng.uniform(0, 1, (OBJECTS, 2)) * ([640, 480] - sides), sides], axis=1)
    images, categories = rng.integers(1, IMAGES + 1, OBJECTS), rng.integers(1, CATEGORIES + 1, OBJECTS)
    annotations = [
        {"id": n + 1, "image_id": int(image), "category_id": int(category), "bbox": box, "area": box[2] * box[3],
         "iscrowd": int(n % 50 == 0)}
        for n, (image, category, box) in enumerate(zip(images, categories, boxes_xywh.tolist(), strict=True))
    ]  # fmt: skip
    document = {
        "images": [{"id": i, "width": 640, "height": 480} for i in range(1, IMAGES + 1)],
        "categories": [{"id": i, "name": str(i)} for i in range(1, CATEGORIES + 1)],
        "annotations": annotations,
    }
    path.write_text(json.dumps(document))
    near = rng.integers(0, OBJECTS, DETECTIONS)
    moved = boxes_xywh[near] * np.exp(rng.normal(0, 0.1, (DETECTIONS, 4)))
    far = rng.random(DETECTIONS) < 0.5
    moved[far] = rng.uniform(1, 300, (int(far.sum()), 4))
    return np.column_stack([images[near], moved, rng.random(DETECTIONS), categories[near]])


@pytest.mark.parametrize("engine", ["pycocotools", "faster-coco-eval"])
def test_judge_25000_detections(benchmark, tmp_path: Path, engine: str):
    rows = scene(tmp_path / "instances.json")
    truth = load_annotations(tmp_path / "instances.json", engine)
    found = benchmark.pedantic(evaluate, (truth, rows), rounds=5, warmup_rounds=1)
    assert (found.images, found.detections) == (IMAGES, DETECTIONS)
