"""The pages say what is true: their commands exist, their links lead somewhere, their tables are complete."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
from markdown_it import MarkdownIt

from docs.site.command_line import commands
from ssdbench.cli.app import app
from ssdbench.cli.verbs import VERBS
from ssdbench.errors import EXIT_CODES
from ssdbench.harness.suite import parse_suite
from ssdbench.harness.suite_tables import DataTable, MatrixTable, ProtocolTable, Suite, VerdictTable
from ssdbench.harness.toml_tables import read_toml
from ssdbench.schema.accuracy import AccuracyOptions

ROOT = Path(__file__).parents[2]
_FOLDERS = ("docs", "results", "benchmarks", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.md"))])
GLOSSARY = [
    *("arm", "case", "launch", "pair", "session", "margin", "smallest detectable change", "baseline", "candidate"),
    *("anchor", "creep", "flagged", "release", "alert", "seed distribution", "gate", "plan"),
]
# Words of the project's past that say nothing to a stranger; tables that a command writes are that command's.
PRIVATE = re.compile(r"\b(nights?|shelf|shelves|wings?|convicts?|convicted|suspects?|culprits?|stage [BC])\b", re.I)


def page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def headings(path: Path) -> set[str]:
    """The anchors that GitHub and the site give to a page's headings."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(path: Path) -> Iterator[str]:
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text(encoding="utf-8")):
        for child in token.children or []:
            if target := child.attrs.get("href") or child.attrs.get("src"):
                yield str(target)


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(path: Path):
    lost = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        if link.startswith("https://"):
            continue
        file = (path.parent / target) if target else path
        if not file.exists() or (anchor and anchor not in headings(file)):
            lost.append(link)
    assert not lost


def command_lines(text: str) -> Iterator[str]:
    """Commands of ssdbench in blocks of code, without what a shell adds to them."""
    for line in re.findall(r"^    (?:\$ )?(ssdbench .*)$", text, re.M):
        yield re.split(r"\s#\s|\s[|>&;]|\$\(", line)[0].strip()


COMMANDS = sorted({(page(path), line) for path in PAGES for line in command_lines(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize(("path", "line"), COMMANDS)
def test_every_command_of_a_page_is_understood(path: str, line: str):
    if path == "CHANGELOG.md":
        pytest.skip("commands of the past")
    arguments = shlex.split(line)[1:]
    if arguments[0].isupper() or "..." in arguments:
        pytest.skip("a pattern and no command")
    command: Any = typer.main.get_command(app)
    context = command.make_context("ssdbench", [], resilient_parsing=True)
    while hasattr(command, "list_commands") and arguments and arguments[0] in command.list_commands(context):
        _, command, arguments = command.resolve_command(context, arguments)
    assert not hasattr(command, "list_commands") or not arguments or arguments[0].startswith("-"), "no such command"
    command.make_context(command.name, arguments, parent=context)


def named_in_prose(path: Path) -> Iterator[str]:
    """Commands of ssdbench between words of a sentence: often without their arguments."""
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text(encoding="utf-8")):
        for child in token.children or []:
            if child.type == "code_inline" and child.content.startswith("ssdbench "):
                yield child.content


NAMED = sorted({(page(path), text) for path in PAGES if path.name != "CHANGELOG.md" for text in named_in_prose(path)})


def test_the_commands_and_options_that_a_sentence_names_exist():
    assert len(NAMED) > 40
    unknown = []
    for place, text in NAMED:
        words = [word for word in text.split()[1:] if not word.isupper()]
        command: Any = typer.main.get_command(app)
        context = command.make_context("ssdbench", [], resilient_parsing=True)
        while hasattr(command, "list_commands") and words and words[0] in command.list_commands(context):
            _, command, words = command.resolve_command(context, words)
        is_verb = not hasattr(command, "list_commands") or not words or words[0].startswith("-")
        options = {
            name for parameter in command.get_params(context) for name in parameter.opts + parameter.secondary_opts
        }
        asked = {word.partition("=")[0].rstrip(",;)") for word in words if word.startswith("-") and word != "-"}
        if not is_verb or not asked <= options:
            unknown.append((place, text, asked - options))
    assert unknown == []


def test_commands_are_found_in_the_pages():
    assert len(COMMANDS) > 80
    assert ("README.md", "ssdbench run nightly") in COMMANDS


def test_the_command_reference_has_every_command():
    reference = commands()
    assert [name for name in VERBS if f"\n## {name}\n" not in f"\n{reference}"] == []
    assert "\n### baseline accept\n" in reference
    assert "| `--allow-regression`" in reference


def test_every_exit_code_is_described():
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8"), re.M)
    assert rows == [str(int(code)) for code in EXIT_CODES]


def test_every_key_of_a_suite_is_described():
    text = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    tables = (Suite, MatrixTable, ProtocolTable, DataTable, VerdictTable)
    keys = {key for table in tables for key in table.model_fields} | {field.name for field in fields(AccuracyOptions)}
    described = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert described == keys


def test_the_example_of_a_suite_is_a_suite(tmp_path: Path):
    text = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    example = tmp_path / "example.toml"
    example.write_text(re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)[0], encoding="utf-8")
    assert parse_suite(read_toml(example), "example").name == "two-batches"


def test_every_package_is_in_the_table_of_layers():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "ssdbench").glob("*/__init__.py")} - {"resources"}
    assert {name for name in packages if f"| `ssdbench.{name}` |" not in text} == set()


def test_the_glossary_has_the_words_of_the_project():
    assert {word.replace(" ", "-") for word in GLOSSARY} <= headings(ROOT / "docs/glossary.md")


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "CHANGELOG.md"], ids=page)
def test_a_page_has_no_private_words(path: Path):
    text = re.sub(r"<!-- (.+?) -->.*?<!-- end of \1 -->", "", path.read_text(encoding="utf-8"), flags=re.S)
    assert PRIVATE.findall(text) == []
