"""A small data set to damage, and what its readers say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.errors import DataError
from ssdbench.ssd.coco import Prepared, load_columns
from ssdbench.ssd.evaluate import Evaluation, evaluate, load_annotations
from ssdbench.ssd.findings import Finding
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.verification import verify

Document = dict[str, Any]
fault = pytest.mark.fault


def nothing(phase: str, done: int, total: int) -> None:
    """For calls that report progress."""


def ignore(event: dict[str, object]) -> None:
    """For calls that report events."""


def annotation_file(coco: Path, split: str = "val") -> Path:
    return coco / "annotations" / f"instances_{split}2017.json"


def images(coco: Path, split: str = "val") -> list[Path]:
    return sorted((coco / f"{split}2017").iterdir())


def edit(coco: Path, change: Callable[[Document], Any], *splits: str) -> None:
    for split in splits or ("val",):
        document = json.loads(annotation_file(coco, split).read_text())
        change(document)
        annotation_file(coco, split).write_text(json.dumps(document))


def prepared(coco: Path, **options: Any) -> Prepared:
    return prepare(coco, coco.parent / "cache", nothing, **options)


def refusal(coco: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepared(coco, **options)
    assert caught.value.exit_code == 7
    return str(caught.value)


def findings(coco: Path, **options: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in verify(coco, nothing, **options).findings}


def by_a_perfect_detector(split: Any) -> Evaluation:
    """The figures of a detector that finds every box that training would use, with the rows of a real evaluation."""
    columns = load_columns(split)
    rows = []
    for row, (height, width) in enumerate(columns.sizes_hw.tolist()):
        for box in range(columns.first_box[row], columns.first_box[row + 1]):
            left, top, right, bottom = columns.boxes_ltrb[box].astype(float) * [width, height, width, height]
            rows.append([row, left, top, right - left, bottom - top, 0.9, columns.labels[box]])
    return evaluate(load_annotations(split.source_annotations), np.array(rows))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
