"""The profiles of runs, in any archive: a document for each run, a line for each of its cases."""

from dataclasses import replace

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive, Lines, Place, checked_place, lock_name
from ssdbench.harness.stores.locks import locked
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.profile import CaseProfile, ProfileHeader


class Profiles:
    """The profiles in an archive (that of a store: `store.archive`)."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def save(self, hardware_key: str, profile: CaseProfile) -> str:
        """Keep the profile of a case, in place of an earlier one; returns where it is.

        Raises:
            StoreError: the archive cannot be read or written.
        """
        place = _place(hardware_key, profile.run_id)
        with locked(self._archive.claims, lock_name(place), f"keeping the profile of {profile.run_id}", lambda _: None):
            kept = {found.case_key: found for found in self.of_run(hardware_key, profile.run_id)}
            kept[profile.case_key] = profile
            header = ProfileHeader(
                schema_version=SCHEMA_VERSION,
                run_id=profile.run_id,
                hardware_key=hardware_key,
                profiled_at=profile.profiled_at,
                cases=tuple(kept),
            )
            self._archive.write(place, [codec.stored(line) for line in (header, *kept.values())])
        return self._archive.where(place)

    def of_run(self, hardware_key: str, run_id: str) -> tuple[CaseProfile, ...]:
        """The profiles of the cases of a run; none if it has none.

        Raises:
            StoreError: a line cannot be read, or is missing.
        """
        lines = self._archive.read(_place(hardware_key, run_id))
        return () if lines is None else profiles_of(lines)

    def load(self, place: Place) -> tuple[CaseProfile, ...]:
        """The profiles at a place; errors as `of_run`."""
        return self.of_run(place.hardware_key, place.name)


def profiles_of(lines: Lines) -> tuple[CaseProfile, ...]:
    """Stored lines as profiles; raises StoreError where one cannot be read, or is missing."""
    header, found = lines.header(ProfileHeader), tuple(lines.parsed(CaseProfile))
    if tuple(profile.case_key for profile in found) != header.cases:
        raise StoreError(
            f"{lines.source}: its lines are not those of the cases that its header names; remove it, and repeat "
            f"`ssdbench explain {header.run_id}`"
        )
    columns = [len(row.seconds) == len(row.calls) == len(p.launches) for p in found for row in p.operators]
    if not all(columns):
        raise StoreError(f"{lines.source}: an operator has not as many figures as there are launches; remove the file")
    return tuple(replace(profile, run_id=header.run_id) for profile in found)


def _place(hardware_key: str, run_id: str) -> Place:
    return checked_place(Place(kind="profile", hardware_key=hardware_key, name=run_id))
