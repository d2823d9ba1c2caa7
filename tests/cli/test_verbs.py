"""The list of verbs: each is where it is said to be, and its line in the help is its own first sentence."""

import importlib
import inspect

import pytest
import typer

from ssdbench.cli.verbs import VERBS
from tests.cli.running import ssdbench


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_where_the_list_says_and_says_of_itself_what_the_list_says(name: str) -> None:
    verb = VERBS[name]
    found = getattr(importlib.import_module(f"ssdbench.cli.{verb.module}"), verb.attribute)
    text = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert text.split("\n\n")[0].replace("\n", " ") == verb.help


@pytest.mark.parametrize(
    ("words", "usage"),
    [(("compare",), "compare [OPTIONS]"), (("data",), "data [OPTIONS] COMMAND"), (("data", "synth"), "data synth")],
)
def test_a_verb_has_its_own_help(words: tuple[str, ...], usage: str) -> None:
    found = ssdbench(*words, "--help")
    assert found.code == 0
    assert usage in found.words
    assert "--install-completion" not in found.out


def test_help_lists_every_verb_in_its_order() -> None:
    lines = ssdbench("--help", columns=160).out.splitlines()
    listed = [line.split()[1] for line in lines if len(line.split()) > 1 and line.split()[1] in VERBS]
    assert listed == list(VERBS)


def test_a_misspelt_verb_is_refused_with_a_hint() -> None:
    found = ssdbench("tabel")
    assert found.code == 2
    assert "Did you mean 'table'?" in found.err
