"""Distributions over seeds, in any archive: a header, then one line a seed, in their order; replaced whole."""

from contextlib import AbstractContextManager

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive, Place, checked_place, is_name, lock_name
from ssdbench.harness.stores.locks import locked
from ssdbench.schema.convergence import DistributionHeader, SeedDistribution
from ssdbench.schema.training import Training


class DistributionStore:
    """The distributions of an archive (that of a store: `store.archive`)."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    @property
    def name(self) -> str:
        """The archive's name in a sentence."""
        return self._archive.name

    def save(self, distribution: SeedDistribution) -> str:
        """Write a distribution, replacing the one of its name; returns where it is.

        Raises:
            StoreError: the name is no file name, or the archive cannot be written.
        """
        place = _place(distribution.header.name)
        seeds = sorted(distribution.seeds, key=lambda training: training.seed)
        self._archive.write(place, [codec.stored(line) for line in (distribution.header, *seeds)])
        return self._archive.where(place)

    def load(self, name: str) -> SeedDistribution:
        """The distribution of this name.

        Raises:
            StoreError: there is none, or a line cannot be read or is missing.
        """
        place = _place(name)
        lines = self._archive.read(place)
        if lines is None:
            there = ", ".join(header.name for header in self.headers()) or "none yet"
            raise StoreError(
                f"{self._archive.where(place)}: no distribution {name!r}; there are: {there} (accept seeds with "
                "`ssdbench converge accept`)"
            )
        header = lines.header(DistributionHeader)
        if lines.torn or len(lines.lines) != 1 + header.seeds:
            raise StoreError(
                f"{lines.source}: {len(lines.lines) - 1} whole seeds where its header counts {header.seeds}; restore "
                "it from version control or a backup"
            )
        return SeedDistribution(header=header, seeds=tuple(lines.parsed(Training)))

    def accepting(self, name: str) -> AbstractContextManager[None]:
        """One acceptance of this name at a time; errors as `Store.accepting`."""
        return locked(self._archive.claims, lock_name(_place(name)), f"accepting distribution {name}", lambda _: None)

    def has(self, name: str) -> bool:
        """Whether there is a distribution of this name."""
        return is_name(name) and _place(name) in self._archive.places("distribution")

    def headers(self) -> list[DistributionHeader]:
        """The headers of all distributions, by name."""
        return [lines.header(DistributionHeader) for lines in self._archive.headers("distribution")]


def _place(name: str) -> Place:
    return checked_place(Place(kind="distribution", name=name))
