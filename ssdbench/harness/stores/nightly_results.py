"""The results of `ssdbench nightly`, in any archive: a line each, by hardware and run."""

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive, Place, checked_place
from ssdbench.harness.stores.latest import Say
from ssdbench.schema.nightly import NightlyResult


class NightlyResults:
    """The results in an archive (that of a store: `store.archive`); `say` hears of those that cannot be read."""

    def __init__(self, archive: Archive, say: Say = lambda _: None) -> None:
        self._archive = archive
        self._say = say

    def save(self, result: NightlyResult) -> str:
        """Keep a result, in place of an earlier one of the same run; returns where it is.

        Raises:
            StoreError: the archive cannot be written.
        """
        place = checked_place(Place(kind="nightly", hardware_key=result.hardware_key, name=result.run_id))
        self._archive.write(place, [codec.stored(result)])
        return self._archive.where(place)

    def of_run(self, hardware_key: str, run_id: str) -> NightlyResult | None:
        """The result of the call that measured this run of a whole suite; None if there is none yet.

        Raises:
            StoreError: it cannot be read.
        """
        lines = self._archive.read(checked_place(Place(kind="nightly", hardware_key=hardware_key, name=run_id)))
        return None if lines is None else lines.header(NightlyResult)

    def all(self, hardware_key: str | None = None, suite: str | None = None) -> list[NightlyResult]:
        """The results in the order of arrival, of this hardware and suite where they are given.

        One that cannot be read is named and passed over.
        """
        found = []
        for lines in self._archive.headers("nightly"):
            try:
                found.append(lines.header(NightlyResult))
            except StoreError as error:
                self._say(f"{error} (passed over)")
        return sorted(
            (
                result
                for result in found
                if hardware_key in (None, result.hardware_key) and suite in (None, result.suite)
            ),
            key=lambda result: (result.arrival, result.measured_at, result.run_id),
        )
