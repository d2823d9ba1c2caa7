"""Draw the pictures of the documentation again, from made-up runs, in the Chromium of the system.

python -m docs.images.make
"""

import io
import math
import random
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from ssdbench.analysis.history.series import every_series
from ssdbench.analysis.reports.accuracy import accuracy_report
from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare_arms, exit_code
from ssdbench.report.page import render_accuracy, render_report
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.case import Protocol
from ssdbench.schema.record import Dataset, Run
from ssdbench.schema.training import EpochResult, Training
from ssdbench.schema.verdict import Comparison
from tests.builders import HOST, SOFTWARE, a_case, a_header
from tests.report.browser import a_browser
from tests.report.made_up_runs import HARDWARE, interleaved_run, plain_run
from tests.trainings import a_distribution, a_recipe, a_training, a_training_run, an_evaluation

FOLDER = Path(__file__).parent
COLUMNS = 110
CASE = a_case(
    workload="accuracy", device="cuda", world_size=8, batch_size_per_gpu=32, precision="amp", backbone="resnet50",
    pipeline="dali", protocol=Protocol(launches=3),
)  # fmt: skip
IMAGES_OF_AN_EPOCH, IMAGES_OF_VAL2017 = 117_266, 5000
COCO = Dataset(name="coco-2017", fingerprint="c0c02017", train_images=118_287, val_images=IMAGES_OF_VAL2017)
EPOCHS, DECAYS, VALIDATIONS = 65, (43, 54), (20, 31, 36, 42, 48, 52, 53, 54, 59, 64)


def compared() -> tuple[Run, Run, Comparison]:
    """A run with four regressions: baseline, candidate, and their comparison."""
    interleaved = interleaved_run()
    baseline, candidate = split_arms(interleaved)
    return baseline, candidate, compare_arms(interleaved, candidate.header.settings)


def report() -> str:
    """The report of a run with four regressions, after 30 runs."""
    baseline, candidate, comparison = compared()
    history = every_series([*(plain_run(number, launches=2) for number in range(30)), candidate])
    return render_report(report_on(candidate, baseline, comparison, history))


def trainings() -> str:
    """The report of three seeds that are worse than the ten of the baseline."""
    draw = random.Random(1)
    kept = [a_seed(draw, seed, 0.2505) for seed in range(1, 11)]
    worse = [a_seed(draw, seed, 0.2445) for seed in range(21, 24)]
    recipe = a_recipe(
        case=CASE, hardware=HARDWARE, global_batch_size=256, epochs=EPOCHS, decay_epochs=DECAYS,
        validation_epochs=VALIDATIONS, evaluated_images=IMAGES_OF_VAL2017, epoch_images=IMAGES_OF_AN_EPOCH,
    )  # fmt: skip
    run_id = "2026-07-04T2200-convergence"
    made = a_training_run(worse, run_id=run_id)
    records = tuple(replace(record, case=CASE, hardware=HARDWARE) for record in made.records)
    header = a_header(
        run_id=run_id, cases=[CASE], created_at="2026-07-04T22:00:00+00:00", hardware=HARDWARE, dataset=COCO,
        host=replace(HOST, driver="580.95", os="Ubuntu 24.04"),
    )  # fmt: skip
    run = Run(header=header, records=tuple(replace(record, dataset=COCO) for record in records))
    distribution = a_distribution(kept, recipe=replace(recipe, dataset=COCO))
    return render_accuracy(accuracy_report(run, distribution))


def a_seed(draw: random.Random, seed: int, ap: float) -> Training:
    """65 epochs in the shape of the published recipe."""
    final = ap * draw.gauss(1, 4e-3)
    results = []
    for epoch in range(EPOCHS):
        stage = sum(epoch >= decay for decay in DECAYS)
        reached = (
            (0.74 - 0.28 * math.exp(-epoch / 12), 0.975, 1.0)[stage] * final * draw.gauss(1, (0.02, 3e-3, 1e-3)[stage])
        )
        loss = ((2.35 + 2.6 * math.exp(-epoch / 6)), 1.98, 1.93)[stage] * draw.gauss(1, 3e-3)
        evaluation = an_evaluation(reached, images=IMAGES_OF_VAL2017) if epoch in VALIDATIONS else None
        results.append(
            EpochResult(
                epoch=epoch, iterations=458 * (epoch + 1), images=IMAGES_OF_AN_EPOCH, losses=(loss,),
                train_seconds=48 * draw.gauss(1, 0.01), learning_rate=2e-2 / 10**stage,
                evaluation=evaluation and replace(evaluation, ap_50=1.72 * reached, detections=990_400),
                evaluation_seconds=12.0 if evaluation else 0.0,
            )
        )  # fmt: skip
    return a_training(
        seed, epochs=EPOCHS, decay_epochs=DECAYS, validation_epochs=VALIDATIONS, global_batch_size=256,
        results=tuple(results), software=SOFTWARE,
    )  # fmt: skip


def terminal() -> str:
    """What `ssdbench compare` prints about the worst cases, as SVG."""
    _, _, comparison = compared()
    # The line about the suite is of all cases, and would contradict the headline over these.
    worst = replace(comparison, cases=comparison.cases[:6], suite=None)
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    console.print(render_comparison(worst, exit_code(worst), COLUMNS))
    return console.export_svg(title="ssdbench compare latest", unique_id="compare", theme=DIMMED_MONOKAI)


def shoot(browser: Browser, html: str, name: str, *, height: int, scheme: str = "light", anchor: str = "") -> None:
    """A picture of a page, from its top or from an anchor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1100, "height": height})  # type: ignore[arg-type]
        page.goto(path.as_uri() + anchor)
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            # A third of the size; the usual method merges the colours of thin lines.
            small = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)
            small.save(FOLDER / f"{name}.png", optimize=True)


def draw_all(browser: Browser) -> None:
    """Every picture of this folder."""
    (FOLDER / "compare.svg").write_text(terminal(), encoding="utf-8")
    page = report()
    shoot(browser, page, "report", height=860)
    shoot(browser, page, "report-case", height=780, scheme="dark", anchor="#case-1")
    shoot(browser, trainings(), "report-accuracy", height=1130)


if __name__ == "__main__":
    with a_browser() as browser:
        draw_all(browser)
