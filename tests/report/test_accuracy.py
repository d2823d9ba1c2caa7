"""The metrics of a checkpoint in a terminal."""

from dataclasses import replace

from rich.console import Console

from ssdbench.report.accuracy import render_evaluation
from ssdbench.schema.evaluation import CheckpointEvaluation
from tests.builders import an_evaluated_checkpoint

FOUND = an_evaluated_checkpoint()


def printed(found: CheckpointEvaluation) -> list[str]:
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(render_evaluation(found, "coco (val)"))
    return capture.get().splitlines()


def test_all_twelve_metrics_are_in_the_order_of_coco() -> None:
    rows = [line.split() for line in printed(FOUND) if line.startswith(("AP .", "AP  ", "AR "))]
    assert [float(row[-1]) for row in rows] == [number / 100 for number in range(1, 13)]
    assert [row[1] for row in rows][:3] == [".50:.95", ".50", ".75"]


def test_protocol_counts_and_times_are_said() -> None:
    text = " ".join(" ".join(printed(FOUND)).split())
    assert "AP 0.0100: epoch_64.pt, after 65 epochs on coco (val)" in text
    assert "protocol every-image" in text
    assert "5000 images, 123456 detections evaluated by pycocotools" in text
    assert "20.0 s to detect (250 images/s over all ranks), 3.00 s to evaluate" in text


def test_a_size_without_objects_has_no_figure_and_the_published_protocol_is_explained() -> None:
    found = replace(FOUND, evaluation=replace(FOUND.evaluation, ap_small=-1.0, protocol="published"))
    text = "\n".join(printed(found))
    assert "no such object" in text
    assert "images without annotations are not counted" in text
