"""What no person writes is found before the parser meets it; what a person writes passes."""

from pathlib import Path

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.resources import SUITES, resource
from ssdbench.harness.toml_limits import extreme_of
from ssdbench.harness.toml_tables import read_toml


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a = " + "[" * 100_000, "line 1 is nested more than 20 deep"),
        ("\n\na = " + "{a=" * 100_000, "line 3 is nested more than 20 deep"),
        (".".join("a" * 100_000) + " = 1", "line 1 is nested more than 20 deep"),
        ("[" + " . ".join('"a"' for _ in range(30)) + "]", "is nested more than 20 deep"),
        ("a = " + "9" * 5_000, "line 1 has a word of more than 1,000 letters"),
        ("a = 0x" + "f" * 5_000, "line 1 has a word of more than 1,000 letters"),
        ("a" * 5_000 + " = 1", "line 1 has a word of more than 1,000 letters"),
        ('a = "' + "x" * 1_000_001 + '"', "is larger than 1 MB"),
    ],
    ids=["lists", "tables", "keys", "quoted keys", "digits", "hexadecimal", "key", "size"],
)
def test_what_a_parser_would_choke_on_is_named(text: str, fault: str):
    assert fault in str(extreme_of(text))


@pytest.mark.parametrize(
    "text",
    [
        '# [[[[ a.b.c\na = "' + "[" * 100 + '"',
        'a = """' + "[" * 100 + '\n"quoted" ""\\""""',
        "a = '''" + "[" * 100 + "''''",
        "a = '" + "." * 100 + "' # " + "{" * 100,
        'a = ["", "", ' + '"", ' * 100 + "]",
        "a = [" + "1.5, " * 100 + "]",
        "\n".join("a.b.c = 1" for _ in range(100)),
        'a = "' + "x" * 5_000 + '"',
    ],
)
def test_what_only_looks_deep_passes(text: str):
    assert extreme_of(text) is None


def test_a_hostile_text_costs_no_more_than_its_size():
    assert extreme_of('a = "' + '\\"' * 400_000) is None  # without an end: the parser says so
    assert extreme_of("a = " + "''' " * 200_000) is None


@pytest.mark.parametrize("path", sorted(resource(SUITES).glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_suites_pass(path):
    assert extreme_of(path.read_text(encoding="utf-8")) is None


def test_a_file_that_is_not_there_has_its_path_checked_and_not_its_content(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.toml: cannot be read \(No such file or directory\); check the path"):
        read_toml(tmp_path / "none.toml")
