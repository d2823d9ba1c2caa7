"""Plants the faults of tests/mutants.toml one at a time in a copy of this tree: its tests have to see each of them.

    python -m tests.mutants [WORD...]    # `make mutants`; with words only the mutants whose rule or file holds one
    python -m tests.mutants --table      # writes the rules of the verdicts into docs/selftest.md

A test that passes although its fault is there says nothing. Before a fault is planted its tests have to pass, and each
of them has to fail with it: not to be collected, as with a name that is gone, is an error of the list.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ssdbench.harness.toml_tables import Table, read_toml, validated

REPOSITORY = Path(__file__).parents[1]
LIST = Path(__file__).with_name("mutants.toml")

PAGE = REPOSITORY / "docs" / "selftest.md"

_BEGIN, _END = "<!-- mutants -->", "<!-- end of mutants -->"
_VERDICTS = "ssdbench/analysis/verdicts/"
_PASSED, _FAILED = 0, 1


class Mutant(Table):
    """A fault: in `file`, `old` (there exactly once) becomes `new`, and each of `tests` fails, for it says `rule`."""

    rule: str
    file: str
    old: str
    new: str
    tests: Annotated[list[str], Field(min_length=1)]

    def fault_of_text(self, root: Path) -> str | None:
        """Why it cannot be planted in this tree, in a sentence; None where it can."""
        path = root / self.file
        found = path.read_text(encoding="utf-8").count(self.old) if path.is_file() else 0
        if found != 1:
            return f"the old text is {found} times in {self.file}, not once"
        return "the new text is the old one" if self.new == self.old else None

    def plant(self, root: Path) -> None:
        """Write the fault into this tree."""
        path = root / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")


class MutantList(Table):
    """The file."""

    mutant: list[Mutant]


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """The faults of a list."""
    return validated(MutantList, read_toml(path), str(path)).mutant


def not_passing(tests: Sequence[str], root: Path) -> set[str]:
    """Those tests that do not pass in this tree as it is."""
    if _run(tests, root) == _PASSED:
        return set()
    return {test for test in tests if _run([test], root) != _PASSED}


def outcome(mutant: Mutant, root: Path, broken: Collection[str] = ()) -> str:
    """What becomes of a mutant in this tree, which is afterwards as before: "killed", or a sentence in its place.

    `broken` are tests that do not pass without it.
    """
    if fault := mutant.fault_of_text(root):
        return f"ERROR: {fault}"
    if wrong := [test for test in mutant.tests if test in broken]:
        return f"ERROR: without the fault there is no pass of {', '.join(wrong)}"
    path = root / mutant.file
    before = path.read_bytes()
    mutant.plant(root)
    try:
        codes = {test: _run([test], root) for test in mutant.tests}
    finally:
        path.write_bytes(before)
    if seen := [f"{test} passes" for test, code in codes.items() if code == _PASSED]:
        return f"SURVIVED: {'; '.join(seen)}"
    if broken := [f"{test}: pytest exits with {code}" for test, code in codes.items() if code != _FAILED]:
        return f"ERROR: {'; '.join(broken)}"
    return "killed"


def _run(tests: Sequence[str], root: Path) -> int:
    """pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # The copy before the installed package; no bytecode, because a fault may be planted in the second of the last one.
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, check=False).returncode


def copy_tree(source: Path, target: Path) -> None:
    """What git knows of a checkout, and what is new in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=source, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)


def with_table(page: str, mutants: Sequence[Mutant]) -> str:
    """The page with a table of the rules of the verdicts between its two marks: which rule, and what sees it broken."""
    lines = ["| rule that is broken | in `analysis/verdicts/` | seen by, in `tests/` |", "|---|---|---|"]
    for mutant in mutants:
        if mutant.file.startswith(_VERDICTS):
            seen = "<br>".join(_shown(test) for test in mutant.tests)
            lines.append(f"| {mutant.rule} | `{mutant.file.removeprefix(_VERDICTS)}` | {seen} |")
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{begin}\n{chr(10).join(lines)}\n{end}{after}"


def _shown(test: str) -> str:
    file, _, name = test.removeprefix("tests/").partition("::")
    return f"`{Path(file).name}` {name.removeprefix('test_').replace('_', ' ')}".strip()


def main(words: Sequence[str]) -> int:
    """Try the mutants of the list; 0 where each is killed."""
    if list(words) == ["--table"]:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), read_mutants()), encoding="utf-8")
        return 0
    if any(word.startswith("-") for word in words):
        sys.stdout.write(__doc__ or "")
        return 2
    chosen = [mutant for mutant in read_mutants() if not words or any(w in mutant.rule + mutant.file for w in words)]
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder)
        copy_tree(REPOSITORY, root)
        broken = not_passing(list(dict.fromkeys(test for mutant in chosen for test in mutant.tests)), root)
        for number, mutant in enumerate(chosen, start=1):
            found = outcome(mutant, root, broken)
            survivors += found != "killed"
            sys.stdout.write(f"{number}/{len(chosen)} {found}: {mutant.rule} ({mutant.file})\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survivors} of {len(chosen)} mutants killed\n")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
