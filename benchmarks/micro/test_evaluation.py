"""Judging detections with COCO's rules: 16 images, 200 detections on each."""

from pathlib import Path

import numpy as np
import pytest

from ssdbench.ssd.coco import annotation_path
from ssdbench.ssd.evaluate import evaluate, load_annotations


@pytest.mark.benchmark(max_time=2, min_rounds=3)
def test_evaluation(benchmark, folder: Path):
    truth = load_annotations(annotation_path(folder, "val"))
    draw = np.random.default_rng(1)
    ids = np.repeat(truth.getImgIds(), 200)
    categories = draw.choice(truth.getCatIds(), len(ids))
    boxes = draw.uniform(0, 300, (len(ids), 2)), draw.uniform(10, 100, (len(ids), 2))
    rows = np.column_stack([ids, *boxes, draw.uniform(size=len(ids)), categories])
    assert benchmark(evaluate, truth, rows).detections == len(ids)
