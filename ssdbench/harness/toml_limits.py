"""What a TOML file may not be, found before it is parsed: Python's parser takes memory and time without end for it."""

import re

MOST_BYTES = 1_000_000
_DEEPEST = 20
_LONGEST_WORD = 1_000

_TOKEN = re.compile(
    r"""
    (?P<skip>  [ \t]+ | \#[^\n]* )
  | (?P<text>  \"{3} [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* \"{3,5}
             | '{3} [^']* (?: '(?!'') [^']* )* '{3,5}
             | "(?!"") [^"\\\n]* (?: \\. [^"\\\n]* )* "
             | '(?!'') [^'\n]* ' )
  | (?P<word>  [\w+:-]+ )
  | (?P<mark>  . )
    """,
    re.X | re.S,
)


def extreme_of(text: str) -> str | None:
    """What makes a TOML text too large, too deep or too long to be a file that somebody wrote; None for others."""
    if len(text.encode("utf-8")) > MOST_BYTES:
        return f"is larger than {MOST_BYTES // 1_000_000} MB"
    depth = parts = 0
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if token["word"] and len(token["word"]) > _LONGEST_WORD:
            return f"line {_line(text, token)} has a word of more than {_LONGEST_WORD:,} letters"
        if mark in ("'", '"'):
            return None  # a string without an end: the parser refuses the file here
        if mark is None:
            continue
        depth += (mark in "[{") - (mark in "]}")
        parts = parts + 1 if mark == "." else 0
        if depth > _DEEPEST or parts > _DEEPEST:
            return f"line {_line(text, token)} is nested more than {_DEEPEST} deep"
    return None


def _line(text: str, token: re.Match[str]) -> int:
    return text.count("\n", 0, token.start()) + 1
