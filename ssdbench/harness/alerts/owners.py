"""Who is told of which case: a file that people write and review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ssdbench.harness.toml_tables import Table, read_toml, validated
from ssdbench.schema.case_names import find_named

OWNERS_FILE = "owners.toml"
"""In the folder of results, where no option names another file."""


class Owner(Table):
    """The cases that `cases` means (a key, or words of a name; empty: all) on hardware whose key contains `hardware`.

    `mention` is written into messages as it stands; with `target` a message goes to the target of that name alone.
    """

    cases: str = ""
    hardware: str = ""
    mention: str = Field(default="", max_length=100)
    target: str = ""


class _File(Table):
    owner: list[Owner] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Owners:
    """The entries of a file, in its order."""

    entries: Sequence[Owner] = ()

    def of_cases(self, titles: Mapping[str, str], hardware_key: str) -> dict[str, Owner]:
        """The first entry for each of these cases, given by key and title; cases that have none are absent."""
        names = {key: (title,) for key, title in titles.items()}
        found: dict[str, Owner] = {}
        for entry in self.entries:
            if entry.hardware.casefold() in hardware_key.casefold():
                for key in find_named(names, entry.cases) if entry.cases else names:
                    found.setdefault(key, entry)
        return found


def read_owners(path: Path) -> Owners:
    """The owners in a file.

    Raises:
        UsageError: it cannot be read, or has an unknown key.
    """
    return Owners(tuple(validated(_File, read_toml(path), str(path)).owner))
