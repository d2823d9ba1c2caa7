"""Reports as a reader meets them: opened in a real Chromium."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ssdbench.analysis.history.series import every_series
from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare, compare_arms
from ssdbench.report.page import OPEN_AT_FIRST, render_report
from ssdbench.schema.record import Run
from ssdbench.schema.report import RooflinePicture, RooflinePoint
from tests.builders import HOST, a_baseline, a_case, a_failure, a_run
from tests.report.browser import CHROMIUM, CONTRAST, PHONE, Opened, a_browser, opened
from tests.report.made_up_runs import REGRESSED, interleaved_run, plain_run, sixty_cases

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)"),
]

HOSTILE = "<script>alert(1)</script> \"><img src=x onerror=alert(2)> {{ 7 * 7 }} </style></title> & ' &lt;b&gt;"
RIGHT_TO_LEFT = "\u202eمرحبا \u202b שלום"
LONG = "x" * 300


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as started:
        yield started


@pytest.fixture(scope="module")
def report_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 60 cases with regressions, and a history of 12 runs."""
    baseline, candidate = split_arms(interleaved_run())
    comparison = compare_arms(interleaved_run(), candidate.header.settings)
    history = every_series([*(plain_run(n, launches=1) for n in range(14, 26)), candidate])
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(report_on(candidate, baseline, comparison, history)), encoding="utf-8")
    return path


def natural(text: str) -> list[str]:
    return [part.zfill(8) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def quiet(page: Opened) -> None:
    assert page.complaints == []
    assert page.requests == []


def test_the_answer_is_on_top_and_nothing_is_fetched(browser: Browser, report_path: Path):
    page = opened(browser, report_path)
    heading = page.page.get_by_role("heading", level=1).inner_text()
    worst = sixty_cases()[max(REGRESSED, key=REGRESSED.__getitem__)].title
    assert heading == f"Regressed: 4 of 60 cases got worse; worst: {worst}: global throughput -10.6%."
    assert len(page.shown_cases()) == 60
    assert page.page.locator("svg.chart").count() > 200
    assert report_path.stat().st_size < 2_000_000
    quiet(page)


def test_columns_sort_by_click_and_by_keyboard(browser: Browser, report_path: Path):
    page = opened(browser, report_path)
    worst_first = page.shown_cases()
    head = page.page.get_by_role("columnheader", name="Case").first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    by_name = page.shown_cases()
    assert by_name == sorted(worst_first, key=natural), "resnet18 before resnet101"
    assert by_name != worst_first
    change = page.page.get_by_role("columnheader", name="Change").first
    change.get_by_role("button").focus()
    page.page.keyboard.press("Enter")
    assert (head.get_attribute("aria-sort"), change.get_attribute("aria-sort")) == ("none", "ascending")
    numbers = [float(t.splitlines()[0].rstrip("%")) for t in page.texts("table.cases tbody td:nth-child(3)") if t]
    assert numbers == sorted(numbers)
    page.page.keyboard.press("Space")
    assert change.get_attribute("aria-sort") == "descending"
    turned = [float(t.splitlines()[0].rstrip("%")) for t in page.texts("table.cases tbody td:nth-child(3)") if t]
    assert turned == sorted(numbers, reverse=True)
    assert page.texts("table.cases tbody td:nth-child(3)")[-1] == "", "cases without a change stay at the end"
    quiet(page)


def test_filters_by_text_and_status_hide_rows_and_their_details(browser: Browser, report_path: Path):
    page = opened(browser, report_path)
    page.page.get_by_role("searchbox").focus()
    page.page.keyboard.type("resnet101 batch 16")
    assert set(page.shown_cases()) == {"infer resnet101 resident amp", "infer resnet101 resident tf32"}
    assert page.page.locator("details.case:not([hidden])").count() == 2
    assert page.texts("output") == ["2 of 60 shown"]
    page.page.get_by_role("searchbox").fill("")
    page.page.get_by_label("unchanged").focus()
    page.page.keyboard.press("Space")
    statuses = set(page.texts("table.cases tbody tr:not([hidden]) .status"))
    assert "regressed" in statuses
    assert "unchanged" not in statuses
    quiet(page)


def test_a_link_from_the_table_opens_the_details_of_the_case(browser: Browser, report_path: Path):
    page = opened(browser, report_path)
    last = page.page.locator("table.cases tbody th a").last
    target = page.page.locator(str(last.get_attribute("href")))
    assert target.get_attribute("open") is None
    last.click()
    assert target.locator("table").is_visible()
    quiet(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_text_has_contrast(browser: Browser, report_path: Path, scheme: str):
    page = opened(browser, report_path, scheme=scheme, viewport=PHONE)
    assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    low = page.page.evaluate(CONTRAST.read_text(encoding="utf-8"))
    assert low == [], "text below a contrast of 4.5"
    quiet(page)


def test_a_phone_shows_the_change_without_scrolling(browser: Browser, report_path: Path):
    page = opened(browser, report_path, viewport=PHONE)
    shown = page.page.locator("table.cases tbody tr").first.get_by_text("-10.6%").locator("visible=true")
    box = shown.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]
    desktop = opened(browser, report_path)
    assert desktop.page.locator("table.cases tbody tr").first.get_by_text("-10.6%").locator("visible=true").count() == 1


def test_the_heading_of_a_table_is_repeated_on_every_printed_page(browser: Browser, report_path: Path):
    page = opened(browser, report_path)
    page.page.emulate_media(media="print")
    head = page.page.locator("table.cases thead")
    assert head.evaluate("(head) => getComputedStyle(head).display") == "table-header-group"
    # Chromium repeats no heading of a table in a box that scrolls, and no button.
    assert head.locator("button:visible").count() == 0
    named = head.locator("th").evaluate_all("(heads) => heads.map((th) => getComputedStyle(th, '::before').content)")
    assert [name.strip('"') for name in named if name != "none"][:3] == ["Case", "Verdict", "Change"]
    assert page.page.locator(".box").first.evaluate("(box) => getComputedStyle(box).overflowX") == "visible"


def test_what_is_open_is_printed(browser: Browser, report_path: Path):
    page = opened(browser, report_path)
    page.page.emulate_media(media="print")
    printed = page.page.locator("details.case:visible")
    assert printed.count() == OPEN_AT_FIRST
    page.page.emulate_media(media="screen")
    page.page.get_by_role("button", name="Open all").click()
    page.page.emulate_media(media="print")
    assert printed.count() == 60
    assert page.page.get_by_role("searchbox").count() == 0, "controls are for the screen"
    quiet(page)


def a_hostile_run(text: str) -> Run:
    case = a_case(options={"note": text})
    broken = a_case(workload="infer", options={"other": text})
    host = replace(HOST, hostname=text, driver=text, variables={"NCCL_ALGO": text})
    failure = replace(a_failure("crash", text), log=text)
    return a_run((case, (0.1, 0.1, 0.11)), (broken, (0.1, failure)), host=host)


def test_the_log_of_a_failed_launch_keeps_its_lines(browser: Browser, tmp_path: Path):
    run = a_run((a_case(), (0.1, replace(a_failure(), log=f"Traceback:\n  File 'a'\n{HOSTILE}"))))
    path = tmp_path / "report.html"
    comparison = compare(run, None, "main", run.header.settings)
    path.write_text(render_report(report_on(run, None, comparison, {})), encoding="utf-8")
    assert opened(browser, path).texts("pre.log") == [f"Traceback:\n  File 'a'\n{HOSTILE}"]


def test_a_phone_shows_the_whole_table_of_the_roofline(browser: Browser, report_path: Path):
    point = RooflinePoint(
        title="detect resnet18 dali bf16 · 1 proc × batch 4", case_key="a", flop_per_byte=1188.8,
        flop_per_second_per_gpu=1.23e10, mfu=0.1234, share_of_roof=0.1234,
    )  # fmt: skip
    found = RooflinePicture(points=(point,), matmul_flop_per_second={"bf16": 2e12}, copy_bytes_per_second=25e9)
    run = a_run()
    report = report_on(run, None, compare(run, None, "main", run.header.settings), {})
    path = report_path.parent / "roofline.html"
    path.write_text(render_report(replace(report, roofline=found)), encoding="utf-8")
    box = opened(browser, path, viewport=PHONE).page.locator(".roofline .box")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


@pytest.mark.parametrize(
    "text", [HOSTILE, RIGHT_TO_LEFT, LONG, f"{LONG} {HOSTILE}"], ids=["html", "rtl", "long", "both"]
)
def test_whatever_a_record_says_stays_text(browser: Browser, tmp_path: Path, text: str):
    run = a_hostile_run(text)
    reference = a_baseline(a_run((a_case(options={"note": text}), (0.1, 0.1, 0.1)), run_id="run-0"), reason=text)
    comparison = compare(run, reference, "main", run.header.settings)
    path = tmp_path / "report.html"
    path.write_text(render_report(report_on(run, reference, comparison, every_series([run]))), encoding="utf-8")
    for viewport in (PHONE, None):
        page = opened(browser, path, viewport=viewport) if viewport else opened(browser, path)
        assert page.page.locator("script").count() == 1
        assert page.page.locator("img").count() == 0
        assert page.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        said = page.page.locator("table.cases tbody").inner_text()
        shown = text.replace("\u202e", "\ufffd").replace("\u202b", "\ufffd")  # those would turn what follows them
        assert "".join(shown.split()) in "".join(said.split())
        quiet(page)
