"""Distributions over seeds as JSON lines: <root>/convergence/<name>.jsonl, a header, then one line a seed.

Seeds stand in their order, so that what an acceptance changes can be reviewed; a file is replaced whole.
"""

import re
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.lines import parsed, read_all, read_header, write_whole
from ssdbench.schema.convergence import DistributionHeader, SeedDistribution
from ssdbench.schema.training import Training

_SUFFIX = ".jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class DistributionStore:
    """The distributions under `root`; nothing is created before the first write."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "convergence"

    def save(self, distribution: SeedDistribution) -> Path:
        """Write a distribution, replacing the one of its name; returns the file.

        Raises:
            StoreError: the name is no file name, or the folder cannot be written.
        """
        path = self._path(distribution.header.name)
        seeds = sorted(distribution.seeds, key=lambda training: training.seed)
        write_whole(path, map(codec.dump, [distribution.header, *seeds]))
        return path

    def load(self, name: str) -> SeedDistribution:
        """The distribution of this name.

        Raises:
            StoreError: there is none, or a line cannot be read or is missing.
        """
        path = self._path(name)
        if not path.exists():
            there = ", ".join(header.name for header in self.headers()) or "none yet"
            raise StoreError(
                f"{path}: no distribution {name!r}; there are: {there} (accept seeds with `ssdbench converge accept`)"
            )
        lines, torn = read_all(path)
        header = codec.read(DistributionHeader, lines[0] if lines else b"", f"{path} line 1")
        if torn or len(lines) != 1 + header.seeds:
            raise StoreError(
                f"{path}: {len(lines) - 1} whole seeds where its header counts {header.seeds}; restore the file from "
                "version control"
            )
        return SeedDistribution(header=header, seeds=tuple(parsed(Training, lines[1:], path, first=2)))

    def has(self, name: str) -> bool:
        """Whether there is a distribution of this name."""
        return _NAME.fullmatch(name) is not None and self._path(name).exists()

    def headers(self) -> list[DistributionHeader]:
        """The headers of all distributions, by name."""
        return [read_header(DistributionHeader, path) for path in sorted(self.folder.glob(f"*{_SUFFIX}"))]

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StoreError(f"distribution name {name!r} is no file name; use letters, digits, '.', '_' and '-' only")
        return self.folder / f"{name}{_SUFFIX}"
