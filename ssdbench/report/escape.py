"""Escapes text from records, so that it stays text in every format, whatever it holds."""

import re

from ssdbench.schema.plain_text import one_line, visible

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$@&!])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "°": r"$^{\circ}$",
    "µ": r"$\mu$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "…": r"\dots{}",
    "–": "--",
    "—": "---",
    "’": "'",
    "×": r"$\times$",
    "·": r"\textperiodcentered{}",
    "[": "{[}",
    "]": "{]}",
}


def markdown(text: str) -> str:
    """Literal text for a Markdown cell or paragraph (CommonMark and GitHub's tables)."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def html(text: str) -> str:
    """Literal text for HTML, within an element or a quoted attribute."""
    return "".join(_HTML.get(character, character) for character in one_line(text))


def latex(text: str) -> str:
    """Literal text for LaTeX; a question mark for a character that pdflatex has in no font of its own."""
    return "".join(map(_latex_character, one_line(text)))


def _latex_character(character: str) -> str:
    is_letter = "À" <= character <= "ÿ" and character not in "ÐðÞþ÷"
    return _LATEX.get(character, character if character.isascii() or is_letter else "?")


def github_data(text: str) -> str:
    """The message of a GitHub workflow command."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """A property of a GitHub workflow command."""
    return github_data(text).replace(":", "%3A").replace(",", "%2C")
