"""Text from anywhere as text: what a terminal, the log of a CI job or a spreadsheet would act on is made visible.

Failure messages, GPU names, file names, options, tags: none of them is ours, and each may hold anything.
"""

from __future__ import annotations

import json
import re

# Control characters, lone surrogates, noncharacters, and what Unicode calls default ignorable or changes the reading
# direction. The joiners U+200C and U+200D stay: scripts and emoji need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# GitHub's runner obeys `::name ...::` after leading blanks and `##[name]` anywhere in a line, Azure's `##vso[name]`; a
# carriage return ends a line for both.
_LINE_COMMAND = re.compile(r"(?m)(?:^|(?<=\r))([^\S\n]*):(?=:[^:\s])")
_INNER_COMMAND = re.compile(r"##(?=\w*\[)")
# The full-width signs count as the plain ones in some locales.
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def visible(text: str) -> str:
    """The text with invisible and forbidden characters replaced by U+FFFD; line feeds and tabs stay."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`visible` text on one line; blanks, tabs and line ends become one blank."""
    return visible(" ".join(text.split()))


def shorten(text: str, letters: int) -> str:
    """One line of at most `letters` characters; an ellipsis marks a cut."""
    line = one_line(text)
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def without_commands(text: str) -> str:
    """The text with a blank within whatever a CI system would take for a command in a job's log."""
    return _INNER_COMMAND.sub("# #", _LINE_COMMAND.sub(r"\1: ", text))


def json_for_log(text: str) -> str:
    """The same JSON, with escapes for the characters that are not `visible` and for what is a command in a log."""
    escaped = _UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], text)
    return _INNER_COMMAND.sub(r"#\\u0023", escaped)


def csv_cell(text: str) -> str:
    """`visible` text that no spreadsheet computes: an apostrophe precedes a formula; a number stays one."""
    shown = visible(text)
    is_formula = len(shown) > 1 and shown.startswith(_FORMULA) and not _is_number(shown)
    return f"'{shown}" if is_formula else shown


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) is not None
