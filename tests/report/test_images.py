"""The pictures of the documentation: each is drawn by docs/images/make.py and shown on a page."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from docs.images import make
from tests.report.browser import CHROMIUM, a_browser

ROOT = Path(__file__).parents[2]
PICTURES = sorted(path.name for path in (ROOT / "docs/images").iterdir() if path.suffix in (".png", ".svg"))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_shown_on_a_page(name: str) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert any(f"images/{name}" in page.read_text(encoding="utf-8") for page in pages)


def test_the_picture_of_a_terminal_is_drawn() -> None:
    picture = ElementTree.fromstring(make.terminal())
    words = " ".join("".join(picture.itertext()).replace("\xa0", " ").split())
    assert "REGRESSED: 4 of 6 cases got worse" in words


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)")
@pytest.mark.long
def test_one_command_draws_all_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    with a_browser() as browser:
        make.draw_all(browser)
    assert sorted(path.name for path in tmp_path.iterdir()) == PICTURES
