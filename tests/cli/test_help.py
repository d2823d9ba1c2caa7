"""The help of every command, as a terminal of any width shows it."""

import itertools
import re
from collections.abc import Iterator

import pytest
import typer.main

from ssdbench.cli.app import app
from ssdbench.cli.verbs import VERBS
from tests.cli.running import ssdbench

WIDTHS = (60, 80, 100, 140)
PANELS = {"Arguments", "Options", "Commands", "Suite", "Model", "Measuring", "Deciding", "Storing", "Output"}


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command: the verbs, and the commands that some of them have."""
    group = typer.main.get_command(app)
    context = group.make_context("ssdbench", ["env"], resilient_parsing=True)
    for name in VERBS:
        yield (name,)
        _, verb, _ = group.resolve_command(context, [name])  # type: ignore[attr-defined]
        for inner in getattr(verb, "commands", {}):
            yield (name, inner)


COMMANDS = [(), *commands()]


def paragraphs(text: str) -> Iterator[list[str]]:
    """The paragraphs of prose: what is before the first panel, each as its lines."""
    prose = text.partition("╭")[0].partition("Usage:")[2].partition("\n")[2]
    for paragraph in re.split(r"\n\s*\n", prose):
        if lines := [line.strip() for line in paragraph.splitlines() if line.strip()]:
            yield lines


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_paragraph_fills_every_line_of_any_terminal(words: tuple[str, ...], width: int) -> None:
    found = ssdbench(*words, "--help", columns=width)
    assert found.code == 0
    for lines in paragraphs(found.out):
        for line, following in itertools.pairwise(lines):
            next_word = following.split()[0]
            assert len(line) + 1 + len(next_word) > width - 2, f"{line!r} has room for {next_word!r}"
    assert max(map(len, found.out.splitlines())) <= width


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_value_has_one_name_and_an_option_is_in_a_known_panel(words: tuple[str, ...]) -> None:
    text = ssdbench(*words, "--help", columns=140).out
    usage = text.partition("Usage:")[2].splitlines()[0]
    assert not re.search(r"\[\[|\{|\]\]|\.\.\..*\.\.\.", usage.removesuffix("COMMAND [ARGS]...")), usage
    assert not re.search(r"<(str|int|float|bool|path|list|[a-z|]+\|)", text)
    assert set(re.findall(r"╭─ (\w+) ─", text)) <= PANELS
    if len(words) == 1 and words[0] in ("run", "plan", "converge"):
        assert {"Suite", "Model", "Measuring", "Storing", "Output"} <= set(re.findall(r"╭─ (\w+) ─", text)) | {"Output"}


@pytest.mark.parametrize("words", [(), ("run",), ("data", "synth")], ids=" ".join)
def test_h_is_short_for_help(words: tuple[str, ...]) -> None:
    short = ssdbench(*words, "-h", columns=100)
    assert short == ssdbench(*words, "--help", columns=100)
    assert short.code == 0


def test_exit_codes_are_one_line_each_in_a_narrow_terminal() -> None:
    lines = ssdbench("--help", columns=60).out.partition("Exit codes:")[2].strip().splitlines()
    assert [int(line.split()[0]) for line in lines] == [*range(13), 130]


def test_completion_can_be_installed_and_completes_the_options_of_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ssdbench("--help").out
    assert "--install-completion" in text
    assert "--show-completion" in text
    monkeypatch.setenv("_SSDBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("COMP_WORDS", "ssdbench compare --ma")
    assert ssdbench().out.split() == ["--margin", "--max-age"]
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("COMP_WORDS", "ssdbench con")
    assert ssdbench().out.split() == ["containers", "converge"]
