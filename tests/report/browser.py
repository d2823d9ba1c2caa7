"""A headless Chromium of the system, which may talk to nobody, and what went wrong in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
CONTRAST = Path(__file__).parent / "contrast.js"
"""Script that lists the texts of a page whose contrast is below 4.5."""

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@dataclass(slots=True)
class Opened:
    """A page, what its console said, and every address that it asked for beside pages of its folder."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def shown_cases(self) -> list[str]:
        return self.texts("table.cases tbody tr:not([hidden]) th a")


@contextmanager
def a_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, *, scheme: str = "light", viewport: dict[str, int] = DESKTOP) -> Opened:
    """A file in a context of its own; every request but to go to a page beside it is noted and refused."""
    context = browser.new_context(color_scheme=scheme, viewport=viewport, device_scale_factor=1)  # type: ignore[arg-type]
    page = context.new_page()
    found = Opened(page)

    def judge(route: Route) -> None:
        if route.request.is_navigation_request() and route.request.url.startswith(path.parent.as_uri()):
            route.continue_()
        else:
            found.requests.append(route.request.url)
            route.abort()

    context.route("**/*", judge)
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
    page.goto(path.as_uri())
    return found
