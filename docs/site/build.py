"""Build the documentation site, in strict mode and without a network.

python -m docs.site.build build/site

The pages are the Markdown files of the repository, which people also read on GitHub. There, links are relative paths.
On the site, a link leads to the page made from that file, or downloads a copy of the file.
"""

import argparse
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from sphinx.cmd.build import main as sphinx

from docs.site.command_line import commands

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SECTIONS = {
    "Tutorial": ["tutorial.md"],
    "How-to guides": [
        *("running.md", "explain.md", "data.md", "report.md", "ci.md", "waivers.md", "containers.md"),
        *("container-accuracy.md", "bisect.md", "tables.md", "convergence.md"),
        *("stores.md", "slurm.md", "gpus.md", "watch.md", "alerts.md"),
        *("examples.md", "pytest.md", "formats.md", "gpu-check.md"),
    ],
    "Reference": ["command-line.md", "python.md", "exit-codes.md", "suites.md", "files.md", "glossary.md"],
    "Explanation": [
        *(
            "verdicts.md",
            "method.md",
            "reliability.md",
            "selftest.md",
            "performance.md",
            "architecture.md",
            "contributing.md",
        ),
        *("security.md", "changelog.md"),
    ],
}
_OUTSIDE = {
    "index.md": "README.md",
    "files.md": "results/README.md",
    "method.md": "benchmarks/METHOD.md",
    "gpu-check.md": "benchmarks/gpu/README.md",
    "examples.md": "examples/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}
OUTSIDE = {page: path for page, path in _OUTSIDE.items() if (ROOT / path).is_file()}
"""Pages whose files are not below docs/."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)([^)\s]*)\)")
COMMANDS = "<!-- commands -->"


def main(arguments: list[str] | None = None) -> int:
    """Build the site into a folder; the exit code is 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m docs.site.build", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the pages go")
    folder: Path = parser.parse_args(arguments).folder
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        collect(source)
        code = sphinx(["-q", "-W", "--keep-going", "-E", "-c", str(Path(__file__).parent), name, str(folder)])
    faults = [fault for path in sorted(folder.rglob("*.html")) for fault in _faults(path)]
    print("\n".join(faults) if faults else f"built: {folder / 'index.html'}", file=sys.stderr if faults else sys.stdout)
    return code or bool(faults)


def pages() -> dict[str, Path]:
    """Every page of the site and the file that it is made from."""
    below = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    return below | {page: ROOT / path for page, path in OUTSIDE.items()}


def collect(folder: Path) -> None:
    """Write the sources of the site: pages with adapted links, and the files that they show or link to."""
    found = pages()
    for page, path in found.items():
        text = LINK.sub(lambda match: _link(match, page, path, folder), path.read_text(encoding="utf-8"))  # noqa: B023
        target = folder / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_completed(page, text, found), encoding="utf-8")


def _completed(page: str, text: str, found: dict[str, Path]) -> str:
    if page == "index.md":
        return text + "".join(
            _contents(title, [name for name in names if name in found]) for title, names in SECTIONS.items()
        )
    if page == "architecture.md":
        return text + _contents("", sorted(name for name in found if name.startswith("decisions/")))
    return text.replace(COMMANDS, commands()) if COMMANDS in text else text


def _contents(title: str, names: list[str]) -> str:
    caption = f":caption: {title}\n" if title else ""
    return f"\n```{{toctree}}\n:hidden:\n{caption}\n" + "\n".join(names) + "\n```\n"


def _link(match: re.Match[str], page: str, path: Path, folder: Path) -> str:
    """A link as the site needs it; a linked file that is not a page is copied, and a folder becomes plain text."""
    picture, label, target, anchor = match.groups()
    linked = posixpath.normpath(posixpath.join(path.relative_to(ROOT).parent.as_posix(), target))
    if (ROOT / linked).is_dir():
        return label
    onsite = next((name for name, file in OUTSIDE.items() if file == linked), linked.removeprefix("docs/"))
    if not onsite.endswith(".md"):
        copy = folder / onsite
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / linked, copy)
    return f"{picture}[{label}]({posixpath.relpath(onsite, posixpath.dirname(page) or '.')}{anchor})"


def _faults(path: Path) -> Iterator[str]:
    """What a page fetches from elsewhere, and external links that are not plain https addresses."""
    links = _Links()
    links.feed(path.read_text(encoding="utf-8"))
    yield from (f"{path.name} fetches {address}" for address in links.fetched if urlsplit(address).netloc)
    for address in links.followed:
        parts = urlsplit(address)
        if parts.netloc and (parts.scheme != "https" or "." not in parts.netloc or " " in address):
            yield f"{path.name} links to {address}"


class _Links(HTMLParser):
    """What a page makes a browser fetch, and what its reader can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.followed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.followed.append(values.get("href") or "")
        else:
            self.fetched += [value for name in ("src", "href") if (value := values.get(name))]


if __name__ == "__main__":
    sys.exit(main())
