"""`ssdbench report` of trainings for accuracy, on stores made by hand, and the same page in a browser."""

import base64
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ssdbench.harness.pictures import LARGEST_PICTURES_BYTES
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.files import FileArchive
from ssdbench.harness.training_folders import seed_folder, training_folder
from ssdbench.report.pr_markdown import MOST_LINES
from ssdbench.schema.record import Run
from tests.builders import HOST
from tests.cli.running import keep, ssdbench
from tests.report.browser import CHROMIUM, CONTRAST, PHONE, a_browser, opened
from tests.trainings import a_distribution, a_training, a_training_run, some_seeds

HOSTILE = '<script>alert(1)</script><img src="x" onerror="alert(1)"> | \u202eoops'


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a distribution of ten seeds and a run of two that are worse, a broken one, and a failed one."""
    DistributionStore(FileArchive(tmp_path)).save(a_distribution())
    run = a_training_run([*some_seeds(2, ap=0.24, first_seed=20), a_training(30, epochs_done=6), None], run_id="broken")
    assert run.records[-1].failure is not None
    hostile = replace(run.records[-1], failure=replace(run.records[-1].failure, message=HOSTILE))
    keep(tmp_path, replace(run, records=(*run.records[:-1], hostile)))
    return tmp_path


def draw_sheets(results: Path, run: Run, side: int = 8) -> None:
    """A sheet a seed; noise, so that no format makes it small."""
    for record in run.records:
        assert record.training is not None
        folder = seed_folder(
            training_folder(results), run.header.run_id, record.case.key, record.training.seed
        )  # fmt: skip
        folder.mkdir(parents=True)
        content = random.Random(record.launch).randbytes(3 * side * side)
        Image.frombytes("RGB", (side, side), content).save(folder / "detections.png")


def embedded(path: Path) -> list[tuple[str, bytes]]:
    found = re.findall('src="data:image/([a-z]+);base64,([^"]*)"', path.read_text(encoding="utf-8"))
    return [(kind, base64.b64decode(content)) for kind, content in found]


def test_the_answer_is_that_of_converge_check(results: Path):
    keep(results, a_training_run(some_seeds(3, ap=0.24, first_seed=50), run_id="worse"))
    done = ssdbench("report", "worse", "--baseline", "main", "-o", results / "r.html", "--results", results)
    assert (done.code, done.err) == (0, "")
    check = ssdbench("converge", "check", "worse", "--baseline", "main", "--results", results, columns=200)
    sentence = re.search(r"AP [0-9].*$", check.out, re.MULTILINE)
    assert sentence
    assert done.out.startswith(f"Regressed: {sentence[0].strip()}. Each bound holds with 99% confidence.")
    text = (results / "r.html").read_text(encoding="utf-8")
    assert 'aria-label="Validation AP of 3 seeds, compared with 10 seeds of main"' in text
    assert "var(--band)" in text


def test_without_a_distribution_it_says_what_was_trained_and_that_nothing_was_judged(results: Path):
    keep(results, a_training_run([a_training(1, 0.25), a_training(2, 0.26)], run_id="fine"))
    done = ssdbench("report", "fine", "-o", results / "r.html", "--results", results)
    answer = (
        "Not judged: 2 seeds of accuracy resnet50 resident amp trained, final AP 0.2550 on average (0.2500 to 0.2600)"
    )
    assert done.out.startswith(f"{answer}. Nothing was judged: there is no distribution over seeds")
    assert "There is nothing to compare with" in (results / "r.html").read_text(encoding="utf-8")
    broken = ssdbench("report", "broken", "--markdown", results / "r.md", "--results", results)
    assert broken.out.startswith("Failed: 2 of 4 seeds failed, first seed 30: 6 of 10 epochs are there")


def test_the_markdown_has_the_same_in_sixty_lines(results: Path):
    seeds = [*some_seeds(20, first_seed=100), *[a_training(200 + n, epochs_done=3) for n in range(20)], None]
    host = replace(HOST, variables={f"V{number}": "1" for number in range(30)})
    keep(results, a_training_run(seeds, run_id="many", host=host))
    done = ssdbench("report", "many", "--baseline", "main", "--markdown", results / "r.md", "--results", results)
    assert done.code == 0
    lines = (results / "r.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert lines[0].startswith("**Failed:** seed 200: 3 of 10 epochs are there")
    assert "- and 27 more seeds" in lines
    rows = [line for line in lines if line.startswith("| seed 2")]
    assert len(rows) == 15, "failed seeds come first"


def test_the_sheets_of_the_seeds_are_shown_as_far_as_there_is_room(results: Path):
    run = a_training_run(some_seeds(3), run_id="drawn")
    keep(results, run)
    draw_sheets(results, run)
    ssdbench("report", "drawn", "-o", results / "r.html", "--results", results)
    assert [kind for kind, _ in embedded(results / "r.html")] == ["png"] * 3
    large = a_training_run(some_seeds(3), run_id="large")
    keep(results, large)
    draw_sheets(results, large, side=600)
    ssdbench("report", "large", "-o", results / "r.html", "--results", results)
    pictures = embedded(results / "r.html")
    assert {kind for kind, _ in pictures} == {"jpeg"}
    assert sum(len(content) for _, content in pictures) <= LARGEST_PICTURES_BYTES
    text = (results / "r.html").read_text(encoding="utf-8")
    assert "seed 1 after epoch 10 of 10: validation images" in text
    ssdbench("report", "broken", "-o", results / "r.html", "--results", results)
    text = (results / "r.html").read_text(encoding="utf-8")
    assert re.search("seeds 20, 21.*pictures not shown.*no detections.png in", text, re.DOTALL)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--baseline", "other"), "no distribution 'other'; there are: main"),
        (("--margin", "0.05"), "trains for accuracy: --margin and --max-age are for speed"),
    ],
)
def test_what_cannot_be_told_is_one_sentence(results: Path, more: tuple[str, ...], sentence: str):
    done = ssdbench("report", "broken", *more, "--results", results)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert sentence in done.err


def test_the_history_site_has_a_report_of_every_training(results: Path):
    done = ssdbench("history", "--html", results / "site", "--results", results)
    assert (done.code, done.err) == (0, "")
    assert 'href="runs/broken.html"' in (results / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="../index.html"' in (results / "site" / "runs" / "broken.html").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)")
def test_the_page_works_in_a_browser_and_text_stays_text(results: Path):
    path = results / "r.html"
    ssdbench("report", "broken", "--baseline", "main", "-o", path, "--results", results)
    with a_browser() as browser:
        for scheme, viewport in (("light", None), ("dark", PHONE)):
            page = opened(browser, path, scheme=scheme, **({"viewport": viewport} if viewport else {}))
            assert page.page.get_by_role("heading", level=1).inner_text().startswith("Failed: seed 30: 6 of 10 epochs")
            assert len(page.texts("table.seeds tbody tr")) == 1 + 4, "the baseline, and every seed"
            assert page.page.locator("#curves svg").count() == 2
            assert page.page.locator("script").count() == 1
            assert page.page.locator("img").count() == 0
            assert HOSTILE.split("|")[0].strip() in page.page.locator("table.seeds").inner_text()
            assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert page.page.evaluate(CONTRAST.read_text(encoding="utf-8")) == []
            assert (page.complaints, page.requests) == ([], [])
