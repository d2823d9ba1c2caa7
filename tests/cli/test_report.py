"""`ssdbench report` and `ssdbench history --html`: files on disk, whole and linked."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from ssdbench.harness.pictures import LARGEST_PICTURES_BYTES
from ssdbench.harness.stores.files import FileStore
from ssdbench.report.site import file_name
from tests.builders import GPU_HARDWARE, a_case, a_run
from tests.cli.conftest import Ssdbench
from tests.cli.running import accept, keep, ssdbench
from tests.report.browser import CHROMIUM, PHONE, a_browser, opened
from tests.report.made_up_runs import interleaved_run, plain_run, sixty_cases


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]
        self.ids |= {value for name, value in attrs if name == "id" and value}


def links(path: Path) -> _Links:
    parser = _Links()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def test_a_report_of_a_stored_run_has_its_history(tmp_path: Path):
    nights = [a_run(run_id=f"run-{n}", created_at=f"2026-01-0{n}T02:00:00+00:00") for n in range(1, 6)]
    keep(tmp_path, *nights)
    accept(tmp_path, "run-1")
    outcome = ssdbench("report", "run-4", "-o", tmp_path / "out" / "r.html", "--results", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.words.startswith("Inconclusive: 1 of 1 case has no clear result")
    text = (tmp_path / "out" / "r.html").read_text(encoding="utf-8")
    assert "global throughput over 4 points" in text, "the run itself and those before it, none after it"
    assert "baseline main, accepted" in text
    assert not list((tmp_path / "out").glob("*.part"))


def test_the_same_records_give_the_same_bytes(tmp_path: Path):
    keep(tmp_path, interleaved_run())
    for name in ("one", "two"):
        ssdbench("report", "latest", "-o", tmp_path / f"{name}.html", "--results", tmp_path)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert "Regressed: 4 of 60 cases" in re.sub("<[^>]*>", "", (tmp_path / "one.html").read_text(encoding="utf-8"))


def test_a_dash_is_standard_output_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    empty = tmp_path / "here"
    empty.mkdir()
    monkeypatch.chdir(empty)
    keep(tmp_path, interleaved_run())
    markdown = ssdbench("report", "latest", "--markdown", "-", "--results", tmp_path)
    assert markdown.out.startswith("**Regressed:**")
    assert "| case | verdict |" in markdown.out
    assert markdown.err.startswith("Regressed:")
    html = ssdbench("report", "latest", "-o", "-", "--results", tmp_path)
    assert html.out.startswith("<!doctype html>")
    assert not list(empty.iterdir())


def test_markdown_alone_writes_no_html(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    keep(tmp_path, a_run())
    outcome = ssdbench("report", "latest", "--markdown", "r.md", "--results", tmp_path)
    assert outcome.out.splitlines()[-1] == "written: r.md"
    assert not (tmp_path / "report.html").exists()
    ssdbench("report", "latest", "--results", tmp_path)
    assert (tmp_path / "report.html").exists()


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    keep(tmp_path, a_run())
    (tmp_path / "file").write_text("")
    outcome = ssdbench("report", "latest", "-o", tmp_path / "file" / "r.html", "--results", tmp_path)
    assert outcome.code == 2
    assert "file/r.html: cannot be written" in outcome.err
    assert outcome.err.count("\n") == 1


def test_pictures_are_part_of_the_file(tmp_path: Path):
    keep(tmp_path, a_run())
    sheet, text = tmp_path / 'sheet "1".png', tmp_path / "note.txt"
    Image.new("RGB", (8, 8)).save(sheet)
    text.write_text("no picture")
    path = tmp_path / "r.html"
    outcome = ssdbench("report", "latest", "-o", path, "--picture", sheet, "--results", tmp_path)
    assert outcome.code == 0
    pictures = [link for link in links(path).found if link.startswith("data:image/png;base64,")]
    assert [base64.b64decode(link.partition(",")[2]) for link in pictures] == [sheet.read_bytes()]
    for wrong, sentence in ((text, "neither PNG nor JPEG"), (tmp_path / "none.png", "cannot be read")):
        refused = ssdbench("report", "latest", "--picture", wrong, "--results", tmp_path)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert sentence in refused.err
    sheet.write_bytes(sheet.read_bytes() + bytes(LARGEST_PICTURES_BYTES))
    assert "a report has room for 700000" in ssdbench("report", "latest", "--picture", sheet, "--results", tmp_path).err


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Ten nights of six cases, one on another machine, one of them with a name that is no file name."""
    odd = a_case(options={"note": "<b>../../x y</b>"})
    nights = [plain_run(n, launches=2, cases=sixty_cases()[:6]) for n in range(15, 25)]
    keep(tmp_path, *nights, a_run((odd, (0.1, 0.1)), run_id="elsewhere", hardware=GPU_HARDWARE))
    accept(tmp_path, "run-015")
    outcome = ssdbench("history", "--html", tmp_path / "site", "--results", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"written: 19 pages, starting with {tmp_path / 'site' / 'index.html'}\n"
    return tmp_path / "site"


def test_every_link_of_the_site_is_relative_and_leads_somewhere(site: Path):
    pages = {path: links(path) for path in site.rglob("*.html")}
    assert len(pages) == 1 + 7 + 11
    for path, found in pages.items():
        for link in found.found:
            parts = urlsplit(link)
            assert (parts.scheme, parts.netloc) in (("", ""), ("data", "")), link
            if parts.scheme == "data":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target in pages, f"{path}: {link}"
            assert not parts.fragment or parts.fragment in pages[target].ids, f"{path}: {link}"
    index = pages[site / "index.html"].found
    assert f"cases/{file_name(sixty_cases()[0].key)}" in [unquote(link) for link in index]


def test_a_case_has_its_change_point_and_every_run_its_report(site: Path):
    text = (site / "cases" / file_name(sixty_cases()[3].key)).read_text(encoding="utf-8")
    assert "1 change point among 10 points" in text
    assert text.count('href="../runs/run-') == 10 + 2 * 10, "in the table, and in the chart for each width"
    report = (site / "runs" / "run-020.html").read_text(encoding="utf-8")
    assert 'href="../index.html"' in report


def test_a_site_of_one_case_and_what_it_cannot_be(tmp_path: Path):
    keep(tmp_path, plain_run(1, launches=2, cases=sixty_cases()[:3]))
    key = sixty_cases()[1].key
    ssdbench("history", key, "--html", tmp_path / "site", "--results", tmp_path)
    assert [path.name for path in (tmp_path / "site" / "cases").iterdir()] == [file_name(key)]
    both = ssdbench("history", key, "--csv", "--html", tmp_path / "site", "--results", tmp_path)
    assert both.code == 2
    assert "--csv, --json and --html are outputs of their own" in both.err
    nowhere = ssdbench("history", "--hardware", "v100", "--html", tmp_path / "site", "--results", tmp_path)
    assert nowhere.code == 2
    assert "nothing to show on hardware 'v100'" in nowhere.err


def test_file_names_are_safe_and_differ():
    names = ["a/b", "a_b", "a b", "..", ".", "", "x" * 300, "x" * 301, "CON", "ü"]
    files = [file_name(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,119}\.html", file) for file in files), files
    assert file_name("train-resnet50") == "train-resnet50.html"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)")
def test_the_site_works_in_a_browser(site: Path):
    with a_browser() as browser:
        page = opened(browser, site / "index.html")
        page.page.get_by_role("searchbox").fill("batch 64 amp")
        assert page.texts("output")[0].endswith("of 7 shown")
        page.page.get_by_role("searchbox").fill("")
        assert page.texts("table.cases tbody tr td:nth-child(2)")[0].startswith("-"), "the latest change is first"
        page.page.locator("table.cases tbody th a").first.click()
        page.page.locator("svg.chart:visible a").nth(5).click()
        assert page.page.get_by_role("heading", level=1).inner_text()
        assert page.page.url.endswith("/runs/run-020.html")
        assert (page.complaints, page.requests) == ([], [])
        phone = opened(browser, site / "index.html", viewport=PHONE)
        assert phone.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)")
def test_the_report_of_a_real_run_opens_without_a_complaint(ssdbench: Ssdbench, tmp_path: Path):
    asked = ("--workload", "pace", "--warmup", "2", "--steps", "20", "--launches", "1", "--foreign-cpu", "64")
    assert ssdbench("run", *asked).returncode == 0
    assert ssdbench("report", "latest", "-o", "report.html", "--markdown", "report.md").returncode == 0
    run = FileStore(tmp_path / "results").load("latest")
    with a_browser() as browser:
        page = opened(browser, tmp_path / "report.html")
        assert (
            page.page.get_by_role("heading", level=1)
            .inner_text()
            .startswith("Not covered: 1 of 1 case was not judged (1 no baseline)")
        )
        assert run.header.hardware.key in page.page.locator("dl.facts").inner_text()
        page.page.locator("details.case summary").first.click()
        assert page.page.locator("details svg.chart:visible").count() >= 2
        assert (page.complaints, page.requests) == ([], [])
    assert (
        (tmp_path / "report.md").read_text(encoding="utf-8").startswith("**Not covered:** 1 of 1 case was not judged")
    )
