"""The command lines that the pages show: in indented blocks, in fences, and after the `$` of a transcript."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)

# The first words of the programs that the pages call; a line that begins with another word is output, or another
# language.
_PROGRAMS = "ssdbench|pytest|python3?|pip|make|git|export|duckdb|docker|podman|curl"
_COMMAND = re.compile(rf"(?:\$ )?((?:{_PROGRAMS})\s.*)")
_LANGUAGES = ("", "sh", "bash", "console")


@dataclass(frozen=True, slots=True)
class Shown:
    """A command line as printed, without the comment after it; `section` is the heading it is under."""

    page: str
    section: str
    line: str


def shown_commands(path: Path) -> Iterator[Shown]:
    """The command lines of a page, from top to bottom; a `case` with all its lines."""
    page, section, is_heading = path.relative_to(ROOT).as_posix(), "", False
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text(encoding="utf-8")):
        if token.type == "inline" and is_heading:
            section = token.content
        is_heading = token.type == "heading_open"
        if token.type in ("code_block", "fence") and token.info in _LANGUAGES:
            yield from (Shown(page, section, line) for line in _lines(token.content))


def _lines(block: str) -> Iterator[str]:
    if "\n    0)" in block:  # a script: its lines mean nothing alone
        yield block.strip()
        return
    is_transcript = any(line.startswith("$ ") for line in block.splitlines())
    for line in block.splitlines():
        if (found := _COMMAND.fullmatch(line)) and (line.startswith("$ ") or not is_transcript):
            yield re.split(r"\s+#\s", found[1])[0].strip()
