"""The page of health in a browser: nothing is fetched, a phone scrolls down only, text has contrast, dots say what."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ssdbench.analysis.watch import Watched, health_of
from ssdbench.report.watch import render_health_page
from ssdbench.schema.verdict import Status
from ssdbench.schema.waivers import Waiver
from ssdbench.schema.watch import Limits, Waiting
from tests.nightly_results import a_case_of, a_result, day
from tests.report.browser import CHROMIUM, CONTRAST, DESKTOP, PHONE, a_browser, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH"),
]
HARDWARE = "8x-nvidia-h100-80gb-hbm3-80gib--cpu-112x-intel-xeon-platinum-8480"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on which everything needs attention."""
    long = a_case_of(Status.INCONCLUSIVE, "train-resnet50-dali-amp-channels_last-eager-8xcuda-bs64-t8-decode=cpu")
    results = [
        *(a_result(number, long, a_case_of(), hardware_key=HARDWARE) for number in range(10)),
        a_result(10, a_case_of(Status.REGRESSED), hardware_key=HARDWARE, against_itself=True),
    ]
    waiver = Waiver(entry=1, case="train", ceiling=0.1, expires="2026-03-15", issue="https://e.org/1", reason="known")
    waiting = (Waiting(place="results/spool/postgresql-db", count=3),)
    watched = Watched(store="results", results=results, headers=(), waivers=(waiver,), records=waiting, alerts=waiting)
    page = tmp_path_factory.mktemp("site") / "health.html"
    page.write_text(render_health_page(health_of(watched, Limits(), day(15)), home="index.html"), encoding="utf-8")
    return page


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_and_can_be_read(
    browser: Browser, path: Path, viewport: dict[str, int], scheme: str
) -> None:
    found = opened(browser, path, scheme=scheme, viewport=viewport)
    assert found.complaints == []
    assert found.requests == []
    assert found.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert found.page.evaluate(CONTRAST.read_text()) == []
    assert found.page.locator(".box:has(table.tight)").evaluate("box => box.scrollWidth <= box.clientWidth")
    attention = found.page.locator("#attention li")
    assert attention.count() == 9
    for place in range(attention.count()):
        box = attention.nth(place).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= viewport["width"]


def test_a_false_alarm_has_its_own_colour_and_a_tooltip(browser: Browser, path: Path) -> None:
    found = opened(browser, path)
    titles = found.page.locator("figure.only-wide .dot.bad title").all_text_contents()
    assert titles == [
        "2026-03-11 02:00: train · resnet18-1xcpu-bs2 +0.1% (-0.4% to +0.6%), a false alarm, run-10",
    ]
    assert found.page.locator(".kicker a").get_attribute("href") == "index.html"
