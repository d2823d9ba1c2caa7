"""The report of one model in two images: `ssdbench report ID`, its figures, and the page in a browser."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ssdbench.analysis.reports.images import image_evaluation_report
from ssdbench.harness.image_evaluations import EvaluationFolder, begin_folder
from ssdbench.report.evaluation_page import render_evaluation_report
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.image_evaluation import (
    DEFAULT_EVALUATION_SETTINGS,
    DetectionAgreement,
    ImageComparison,
    Relabelling,
)
from ssdbench.schema.record import ContainerImage
from ssdbench.schema.verdict import Status
from tests.analysis.detections.test_judge_images import QUESTION
from tests.builders import a_case, a_run, an_evaluated_checkpoint
from tests.cli.running import keep, ssdbench
from tests.hostile import TEXT, invisible_in
from tests.report.browser import CHROMIUM, CONTRAST, PHONE, a_browser, opened

OWN = an_evaluated_checkpoint()
ANSWER = ImageComparison(
    schema_version=SCHEMA_VERSION,
    status=Status.REGRESSED,
    sentence="AP 0.2450 against 0.2500, -0.0050 (99% interval -0.0080 to -0.0020): the interval lies on one side of 0, "
    "and reaches the margin of 1%",
    question=replace(
        QUESTION,
        baseline=ContainerImage(
            reference="bench:26.01",
            id="sha256:a",
            digest="bench@sha256:0123456789abcdef",
            python="3.10.12",
            packages={"torch": "2.4.0", "pycocotools": "2.0.8"},
        ),
    ),
    settings=DEFAULT_EVALUATION_SETTINGS,
    baseline_ap=0.25,
    candidate_ap=0.245,
    change=-0.005,
    low=-0.008,
    high=-0.002,
    agreement=DetectionAgreement(
        baseline_detections=200_000,
        candidate_detections=199_000,
        same=150_000,
        relabelled=1_000,
        largest_score_difference=0.00099,
        largest_box_difference_px=0.098,
        identical=False,
        equal=False,
        relabellings=(Relabelling(baseline=17, candidate=18, detections=1_000),),
    ),
    baseline_evaluation=OWN,
    candidate_evaluation=replace(OWN, evaluation=replace(OWN.evaluation, ap_75=0.027)),
    findings=("the detections are not equal",),
)


def kept(results: Path, answer: ImageComparison = ANSWER) -> EvaluationFolder:
    folder = begin_folder(results, answer.question)
    folder.keep(replace(answer, question=folder.question))
    for arm in ("baseline", "candidate"):
        Image.new("RGB", (40, 30), "navy").save(folder.path / f"{arm}.png")
    return folder


def test_the_loss_that_would_have_been_found_is_beyond_interval_and_margin():
    # Half an interval is 0.003 = 2.576 SE, so that 1.645 SE are 0.001916.
    assert image_evaluation_report(ANSWER).detectable_loss == pytest.approx(0.003 + 0.001916, abs=1e-6)
    # Half is 0.001, and the margin is 0.01 * 0.25: the estimate has to be 0.0015, and 1.645 SE are 0.000639.
    narrow = replace(ANSWER, low=-0.006, high=-0.004)
    assert image_evaluation_report(narrow).detectable_loss == pytest.approx(0.0015 + 0.000639, abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [{"low": None, "high": None}, {"baseline_ap": 0.0}, {"agreement": replace(ANSWER.agreement, equal=True)}],
    ids=["no AP", "nothing found", "equal"],
)
def test_without_detections_that_differ_there_is_no_such_loss(change):
    assert image_evaluation_report(replace(ANSWER, **change)).detectable_loss is None


def test_an_answer_without_figures_is_a_page_all_the_same():
    bare = ImageComparison(
        schema_version=SCHEMA_VERSION,
        status=Status.FAILED,
        sentence="bench:26.01 (crash): exit code 9",
        question=QUESTION,
        settings=DEFAULT_EVALUATION_SETTINGS,
    )
    text = render_evaluation_report(image_evaluation_report(bare))
    assert "bench:26.01 (crash): exit code 9" in text
    assert "<svg" not in text
    none = replace(ANSWER.agreement, baseline_detections=0, candidate_detections=0, same=0, relabelled=0)
    render_evaluation_report(image_evaluation_report(replace(ANSWER, baseline_ap=0.0, agreement=none)))


def test_an_evaluation_is_found_by_its_id_and_pictures_are_in_the_file(tmp_path: Path):
    folder = kept(tmp_path)
    done = ssdbench("report", folder.path.name, "-o", tmp_path / "r.html", "--results", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Regressed: AP 0.2450 against 0.2500")
    assert "bench:26.02 against bench:26.01, with the same weights." in done.out
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count('src="data:image/png;base64,') == 2
    shorter = ssdbench("report", folder.path.name[:-2], "-o", tmp_path / "s.html", "--results", tmp_path)
    assert (tmp_path / "s.html").read_text(encoding="utf-8") == text, shorter.err


def test_a_run_and_latest_stay_what_they_are_beside_evaluations(tmp_path: Path):
    keep(tmp_path, a_run((a_case(), (0.1, 0.1, 0.1)), run_id="2999-run"))
    newer = replace(ANSWER, question=replace(ANSWER.question, run_id="2999-evaluate"))
    kept(tmp_path, newer).path.rename(tmp_path / "evaluations" / "2999-evaluate")
    for name in ("latest", "2999", "2999-r"):
        done = ssdbench("report", name, "-o", tmp_path / "r.html", "--results", tmp_path)
        assert done.code == 0
        assert "Run 2999-run of suite" in (tmp_path / "r.html").read_text(encoding="utf-8")
    done = ssdbench("report", "2999-e", "-o", tmp_path / "r.html", "--results", tmp_path)
    assert "of one model in two images" in (tmp_path / "r.html").read_text(encoding="utf-8"), done.err


def test_what_cannot_be_told_is_one_sentence(tmp_path: Path):
    folder = kept(tmp_path)
    given = ("report", folder.path.name, "--results", tmp_path)
    for more in (("--margin", "0.1"), ("--baseline", "main"), ("--markdown", tmp_path / "r.md")):
        done = ssdbench(*given, *more)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "is an evaluation of two images: only -o and --picture are for it" in done.err
    kept(tmp_path)
    done = ssdbench("report", folder.path.name[:8], "--results", tmp_path)
    assert "begins several evaluations" in done.err
    (folder.path / "comparison.json").unlink()
    done = ssdbench(*given)
    assert done.err.count("\n") == 1
    assert "no answer yet; continue with `ssdbench containers evaluate ... --resume`" in done.err


@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n" + bytes(40), None], ids=["empty", "cut off", "gone"])
def test_a_picture_that_is_none_is_named_and_the_rest_is_shown(tmp_path: Path, damage: bytes | None):
    folder = kept(tmp_path)
    picture = folder.path / "candidate.png"
    picture.unlink()
    if damage is not None:
        picture.write_bytes(damage)
    done = ssdbench("report", folder.path.name, "-o", tmp_path / "r.html", "--results", tmp_path)
    assert done.code == 0, done.err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count('src="data:image/png;base64,') == 1
    assert "candidate.png cannot be read" in text


def hostile(text: str) -> ImageComparison:
    question = ANSWER.question
    image = ContainerImage(reference=text, digest=text, python=text, packages={"torch": text, "pycocotools": text})
    question = replace(
        question,
        baseline=image,
        candidate=image,
        checkpoint=text,
        checkpoint_sha256=text,
        dataset=replace(question.dataset, name=text, fingerprint=text),
        ssdbench_version=text,
        commit=text,
        asked_at=text,
    )
    return replace(ANSWER, question=question, sentence=text, findings=(text,))


def test_text_of_images_and_files_stays_text(tmp_path: Path):
    folder = kept(tmp_path, hostile(TEXT))
    done = ssdbench("report", folder.path.name, "-o", tmp_path / "r.html", "--results", tmp_path)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert text.count("&lt;script&gt;alert(1)") > 10
    assert not invisible_in(text)
    assert not invisible_in(done.out)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)")
def test_known_figures_are_on_the_page_in_a_browser(tmp_path: Path):
    pages = {}
    for name, answer in (("plain", ANSWER), ("hostile", hostile(TEXT + "x" * 300))):
        pages[name] = tmp_path / f"{name}.html"
        folder = kept(tmp_path, answer).path.name
        assert ssdbench("report", folder, "-o", pages[name], "--results", tmp_path).code == 0
    with a_browser() as browser:
        for path in pages.values():
            for scheme, viewport in (("light", {"width": 1100, "height": 900}), ("dark", PHONE)):
                page = opened(browser, path, scheme=scheme, viewport=viewport)
                assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
                assert page.page.evaluate(CONTRAST.read_text(encoding="utf-8")) == []
                assert page.page.locator("script").count() == 1
                assert (page.complaints, page.requests) == ([], [])
        page = opened(browser, pages["plain"])
        assert page.page.get_by_role("heading", level=1).inner_text() == f"Regressed: {ANSWER.sentence}."
        assert page.texts("#agreement > .box:first-of-type tbody tr")[2:5] == [
            "Same\t150,000 (75.00%)\tat least 99.9%",
            "Relabelled\t1,000 (0.50%)\tat most 1%",
            "Neither\t49,000 (24.50%)",
        ]
        assert page.texts("#agreement h3 + .box tbody tr") == ["17\t18\t1,000"]
        assert page.texts("#ap tbody tr") == [
            "Baseline\t0.2500",
            "Candidate\t0.2450",
            "Difference\t-0.0050\t-2.00%",
            "99% interval\t-0.0080 to -0.0020\t-3.20% to -0.80%",
            "Margin\t0.0025\t1%",
        ]
        label = page.page.locator("#ap svg.chart").get_attribute("aria-label")
        assert label == "AP changed by -2.00%, interval -3.20% to -0.80%"
        metric = " ".join(page.texts("#figures tbody tr")[2].split())
        assert metric == "AP@.75 all, at most 100 0.0300 0.0270 -10.00%"
        assert page.texts("#found li")[0].startswith("A loss of 0.0049 AP (2.0% of the baseline's) or more: 95 of 100")
        facts = page.page.locator("dl.facts").inner_text()
        assert "bench:26.01 (bench@sha256:0123456789abcdef), Python 3.10.12, torch 2.4.0, pycocotools 2.0.8" in facts
