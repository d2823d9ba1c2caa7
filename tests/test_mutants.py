"""The list of faults still fits the code, and the runner tells a fault that is seen from one that is not."""

import ast
from pathlib import Path

import pytest

from tests.mutants import PAGE, REPOSITORY, Mutant, not_passing, outcome, read_mutants, with_table

MUTANTS = read_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_every_fault_of_the_list_can_still_be_planted(mutant: Mutant) -> None:
    assert mutant.fault_of_text(REPOSITORY) is None
    source = (REPOSITORY / mutant.file).read_text(encoding="utf-8").replace(mutant.old, mutant.new)
    compile(source, mutant.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_every_test_of_the_list_is_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        file, _, name = test.partition("::")
        functions = ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8")))
        assert name.partition("[")[0] in {node.name for node in functions if isinstance(node, ast.FunctionDef)}


def test_no_rule_is_listed_twice() -> None:
    assert len({mutant.rule for mutant in MUTANTS}) == len(MUTANTS)


def test_the_page_has_every_rule_of_the_verdicts_that_is_broken_and_what_sees_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_table(text, MUTANTS), "python -m tests.mutants --table writes it"
    assert text.count("\n| ") > 30


CODE = "def half(value):\n    return value / 2\n"
TESTS = """
from code_under_test import half

def test_half(): assert half(4) == 2
def test_of_nothing(): assert half(0) == 0
def test_that_is_wrong(): assert half(4) == 4
"""


@pytest.mark.parametrize(
    ("old", "tests", "found"),
    [
        ("/ 2", ["test_half"], "killed"),
        ("/ 2", ["test_half", "test_of_nothing"], "SURVIVED: test_code.py::test_of_nothing passes"),
        ("// 3", ["test_half"], "ERROR: the old text is 0 times in code_under_test.py, not once"),
        ("value", ["test_half"], "ERROR: the old text is 2 times in code_under_test.py, not once"),
        (
            "/ 2",
            ["test_that_is_wrong"],
            "ERROR: without the fault there is no pass of test_code.py::test_that_is_wrong",
        ),
        ("def half", ["test_half"], "ERROR: test_code.py::test_half: pytest exits with 4"),
    ],
)
def test_a_fault_is_killed_only_by_tests_that_fail_because_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, tests: list[str], found: str
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # these tests need no plugin, and each start imports all
    (tmp_path / "code_under_test.py").write_text(CODE)
    (tmp_path / "test_code.py").write_text(TESTS)
    names = [f"test_code.py::{test}" for test in tests]
    mutant = Mutant(rule="a half is a half", file="code_under_test.py", old=old, new="* 1", tests=names)
    assert outcome(mutant, tmp_path, not_passing(names, tmp_path)).startswith(found)
    assert (tmp_path / "code_under_test.py").read_text() == CODE
