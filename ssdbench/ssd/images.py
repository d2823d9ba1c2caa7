"""Checks the image files of a data set: that they exist, can be decoded, and have the annotated size."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

Progress = Callable[[str, int, int], None]  # phase, done, total
Work = TypeVar("Work")
Result = TypeVar("Result")

EXIF_ORIENTATION = 0x0112
JPEG_END = b"\xff\xd9"
TAIL_BYTES = 1024
CHUNK = 32  # with fewer pieces of work than this, starting a process does not pay off


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """State of one image file; `fault` is the code of a finding, None for a good file."""

    file_name: str
    file_bytes: int
    fault: str | None
    detail: str = ""


def inspect_images(
    root: Path,
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
    inspect = partial(_inspect, root, decode)
    states: list[ImageState] = []
    for state in in_processes(inspect, list(zip(file_names, sizes_wh, strict=True))):
        states.append(state)
        progress(phase, len(states), len(file_names))
    return states


def in_processes(function: Callable[[Work], Result], work: Sequence[Work]) -> Iterator[Result]:
    """Results in the order of `work`, computed in parallel on all cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = min(cores, len(work) // CHUNK)
    if processes < 2:
        yield from map(function, work)
        return
    # spawn: forking a process that has threads may deadlock
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, work, chunksize=max(1, min(CHUNK, len(work) // (4 * processes))))


def _inspect(root: Path, decode: bool, named_size: tuple[str, tuple[int, int]]) -> ImageState:
    file_name, size_wh = named_size
    path = root / file_name
    try:
        file_bytes = path.stat().st_size
    except OSError:
        return ImageState(file_name=file_name, file_bytes=0, fault="image-missing")
    fault, detail = _fault(path, size_wh, decode)
    return ImageState(file_name=file_name, file_bytes=file_bytes, fault=fault, detail=detail)


def _fault(path: Path, size_wh: tuple[int, int], decode: bool) -> tuple[str | None, str]:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # about damaged metadata: only the pixels matter
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


def _ends(path: Path) -> bool:
    """Whether the end marker of a JPEG is near the end of the file; some files have a few more bytes."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return JPEG_END in file.read()


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"
