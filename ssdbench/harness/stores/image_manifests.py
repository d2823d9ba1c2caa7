"""What images contain, in any archive: a line for each image, by the engine's name of its content."""

import re

from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Archive, Place, checked_place
from ssdbench.schema.manifest import ImageManifest


class ImageManifests:
    """The manifests in an archive (that of a store: `store.archive`)."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def save(self, manifest: ImageManifest) -> str:
        """Keep a manifest, in place of an earlier one of the same image; returns where it is.

        Raises:
            StoreError: the archive cannot be written.
        """
        place = place_of_manifest(manifest.image_id)
        self._archive.write(place, [codec.stored(manifest)])
        return self._archive.where(place)

    def of_image(self, image_id: str | None) -> ImageManifest | None:
        """The manifest of this image; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        lines = self._archive.read(place_of_manifest(image_id)) if image_id else None
        return None if lines is None else lines.header(ImageManifest)


def place_of_manifest(image_id: str) -> Place:
    """Where the manifest of an image is kept.

    Raises:
        StoreError: this is the name of no image.
    """
    return checked_place(Place(kind="manifest", name=re.sub(r"[^A-Za-z0-9._-]", "-", image_id)))
