"""Escapes text from records, so that it stays text in every format, whatever it holds."""

import re

# Control characters, lone surrogates and changes of the reading direction: each becomes U+FFFD.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
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
    '"': r"\textquotedbl{}",
    "×": r"$\times$",
    "·": r"\textperiodcentered{}",
    "[": "{[}",
    "]": "{]}",
}


def visible(text: str) -> str:
    """The text with invisible or forbidden characters replaced by U+FFFD; line breaks and tabs stay."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """`visible` text on one line."""
    return " ".join(visible(text).split())


def shortened(text: str, letters: int) -> str:
    """One line of at most `letters` characters; an ellipsis marks a cut."""
    line = one_line(text)
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def markdown(text: str) -> str:
    """Literal text for a Markdown cell or paragraph (CommonMark and GitHub's tables)."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def html(text: str) -> str:
    """Literal text for HTML, within an element or a quoted attribute."""
    return "".join(_HTML.get(character, character) for character in one_line(text))


def latex(text: str) -> str:
    """Literal text for LaTeX."""
    return "".join(_LATEX.get(character, character) for character in one_line(text))


def github_data(text: str) -> str:
    """The message of a GitHub workflow command."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """A property of a GitHub workflow command."""
    return github_data(text).replace(":", "%3A").replace(",", "%2C")
