"""Checks the image files of a data set: that they exist, can be decoded, and have the annotated size."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Callable

from PIL import Image, UnidentifiedImageError

from ssdbench.compatibility import dataclass, zip_equal
from ssdbench.ssd.file_names import ImageFolder, name_fault
from ssdbench.ssd.processes import in_processes

Progress = Callable[[str, int, int], None]  # phase, done, total

EXIF_ORIENTATION = 0x0112
JPEG_END = b"\xff\xd9"
TAIL_BYTES = 1024
# What every pipeline decodes to the same pixels: DALI reads no GIF, AVIF, TGA, DIB, ICO, PCX or SGI, as Pillow does.
READABLE_FORMATS = {"JPEG", "MPO", "PNG", "BMP", "PPM", "TIFF", "WEBP", "JPEG2000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """State of one image file; `fault` is the code of a finding, None for a good file."""

    file_name: str
    file_bytes: int
    fault: str | None
    detail: str = ""


def inspect_images(
    folder: ImageFolder,
    file_names: Sequence[str],
    sizes_wh: Sequence[tuple[int, int]],
    *,
    decode: bool,
    progress: Progress,
    phase: str,
) -> list[ImageState]:
    """One `ImageState` per file, in order.

    Without `decode` only the header and the end are read (a fraction of a millisecond per file), which finds truncated
    files. With it every pixel is decoded, which also finds a corrupt scan unless it still parses.
    """
    inspect = partial(_inspect, folder, decode)
    states: list[ImageState] = []
    for state in in_processes(inspect, list(zip_equal(file_names, sizes_wh))):
        states.append(state)
        progress(phase, len(states), len(file_names))
    return states


def _inspect(folder: ImageFolder, decode: bool, named_size: tuple[str, tuple[int, int]]) -> ImageState:
    file_name, size_wh = named_size
    if name_fault(file_name):
        return ImageState(file_name=file_name, file_bytes=0, fault="file-name")  # a finding about the annotations
    path = folder.root / file_name
    try:
        status = path.stat()
    except FileNotFoundError:
        return ImageState(file_name=file_name, file_bytes=0, fault="image-missing")
    except OSError as error:
        return ImageState(file_name=file_name, file_bytes=0, fault="image-unreadable", detail=error.strerror or "")
    state: tuple[str | None, str]
    if (target := folder.outside(file_name)) is not None:
        state = ("image-outside", f"leads to {target}")
    elif not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
        state = ("image-unreadable", "not a regular file")
    else:
        state = _fault(path, size_wh, decode)
    return ImageState(file_name=file_name, file_bytes=status.st_size, fault=state[0], detail=state[1])


def _fault(path: Path, size_wh: tuple[int, int], decode: bool) -> tuple[str | None, str]:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # about damaged metadata: only the pixels matter
            if unread := _unread_by_a_pipeline(image):
                return "image-format", unread
            if image.size != size_wh:
                return "image-size-differs", f"{_by(image.size)} in the file, {_by(size_wh)} annotated"
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
            if decode or (image.format == "JPEG" and not _ends(path)):
                image.load()
    except UnidentifiedImageError:
        return "image-unreadable", "unknown image format"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return "image-unreadable", str(error)
    return ("image-rotated", f"EXIF orientation {orientation}") if orientation != 1 else (None, "")


def _unread_by_a_pipeline(image: Image.Image) -> str | None:
    """What of an image the pipelines do not read, or read differently; None if they read it alike."""
    if image.format not in READABLE_FORMATS:
        return f"{image.format} file"
    raw_modes = [str(tile[3]) for tile in getattr(image, "tile", ())]
    if image.mode[0] in "IF" or any(";16" in mode for mode in raw_modes):
        return f"{image.format} file with more than 8 bits per channel"
    if image.format == "TIFF" and image.mode == "1":
        return "TIFF file with 1 bit per pixel"
    return None


def _ends(path: Path) -> bool:
    """Whether the end marker of a JPEG is near the end of the file; some files have a few more bytes."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return JPEG_END in file.read()


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"
