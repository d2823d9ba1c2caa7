"""The full check: every pixel is decoded, every fault is a finding."""

from pathlib import Path

import numpy as np
import pytest

from ssdbench.errors import DataError
from ssdbench.ssd.findings import Finding
from ssdbench.ssd.verification import verify
from tests.ssd.planting import Plant, cut, first_image, ignore_progress, train_annotations


def findings(directory: Path) -> dict[str, Finding]:
    return {finding.code: finding for finding in verify(directory, ignore_progress).findings}


def test_sound_data_have_no_findings_and_a_summary(synthetic: Path) -> None:
    report = verify(synthetic, ignore_progress)
    assert (report.errors, report.warnings, report.findings) == (0, 0, ())
    train = report.splits["train"]
    assert (train.images, train.annotated_images, train.categories) == (63, 62, 80)
    assert train.category_ids == "1..90, with gaps"
    assert sum(train.small_medium_large) == pytest.approx(1, abs=0.01)


def test_a_jpeg_cut_in_half_is_found(plant: Plant) -> None:
    directory = plant()
    cut(first_image(directory))
    found = findings(directory)["image-unreadable"]
    assert (found.severity, found.count) == ("error", 1)
    assert found.examples[0].startswith(f"{first_image(directory).name}: image file is truncated")


def test_a_jpeg_with_flipped_bytes_in_its_scan_is_found(plant: Plant) -> None:
    directory = plant()
    path = first_image(directory)
    content = bytearray(path.read_bytes())
    for place in np.random.default_rng(0).integers(len(content) // 2, len(content) - 100, 400):
        content[place] ^= 0xA5
    path.write_bytes(content)
    assert findings(directory)["image-unreadable"].examples[0].startswith(path.name)


def test_an_unreadable_annotation_file_does_not_hide_the_other_split(plant: Plant) -> None:
    directory = plant()
    cut(train_annotations(directory))
    report = verify(directory, ignore_progress)
    assert list(report.splits) == ["val"]
    (finding,) = report.findings
    assert (finding.code, finding.split) == ("annotations-unreadable", "train")
    assert report.errors == 1


def test_all_faults_are_listed_at_once(plant: Plant) -> None:
    directory = plant(lambda d: d["annotations"][0].update(category_id=12))
    first_image(directory).unlink()
    assert {"unknown-category", "image-missing"} <= set(findings(directory))


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a directory"):
        verify(tmp_path / "none", ignore_progress)
