"""Pictures for a report: files named by the user, and the detection sheets of trainings, compressed to fit."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.training_folders import seed_folder
from ssdbench.schema.report import Gap, Picture
from ssdbench.schema.training import SHEET, Training

LARGEST_PICTURES_BYTES = 700_000
"""Keeps a report below 2 MB, small enough to mail."""

_MEDIA_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_SMALLEST_SHARE_BYTES = 90_000
"""Below this a sheet shows nothing: fewer sheets are better."""

_TRIES = ((1660, 85), (1660, 70), (1280, 70), (1280, 50), (960, 50))
"""Width in pixels and quality of a JPEG, from good to small."""


def read_pictures(paths: Sequence[Path]) -> tuple[Picture, ...]:
    """Read pictures named by the user.

    Raises:
        UsageError: one cannot be read or is neither PNG nor JPEG, or together they are too large.
    """
    found = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"--picture {path}: cannot be read ({error.strerror}); check the path") from error
        media_type = next((kind for start, kind in _MEDIA_TYPES.items() if content.startswith(start)), None)
        if media_type is None:
            raise UsageError(f"--picture {path}: neither PNG nor JPEG; convert it to one of them")
        found.append(Picture(caption=path.name, media_type=media_type, content=content))
    total = sum(len(picture.content) for picture in found)
    if total > LARGEST_PICTURES_BYTES:
        raise UsageError(
            f"--picture: {total} bytes, a report has room for {LARGEST_PICTURES_BYTES}; give fewer or smaller ones"
        )
    return tuple(found)


def training_sheets(
    trainings_folder: Path, run_id: str, case_key: str, trainings: Sequence[Training], most_bytes: int
) -> tuple[list[Picture], list[Gap]]:
    """The sheets of the trainings' last evaluations, and the reasons why some are not shown."""
    found: list[tuple[Training, Path]] = []
    missing: list[str] = []
    for training in trainings:
        path = seed_folder(trainings_folder, run_id, case_key, training.seed) / SHEET
        if path.is_file():
            found.append((training, path))
        elif training.complete:
            missing.append(str(training.seed))
    gaps = [_gap(missing, f"no {SHEET} in {trainings_folder / run_id}: trained on another machine, or deleted")]
    pictures: list[Picture] = []
    crowded: list[str] = []
    left = most_bytes
    for number, (training, path) in enumerate(found):
        try:
            picture = _sheet(
                path, _caption(training), max(left // (len(found) - number), min(left, _SMALLEST_SHARE_BYTES))
            )
        except OSError as error:
            gaps.append(_gap([str(training.seed)], f"{path} cannot be read ({error})"))
            continue
        if picture is None:
            crowded.append(str(training.seed))
        else:
            pictures.append(picture)
            left -= len(picture.content)
    gaps.append(_gap(crowded, f"the report has no room left; they are in {trainings_folder / run_id}"))
    return pictures, [gap for gap in gaps if gap is not None]


def image_sheets(sheets: Mapping[str, Path], most_bytes: int) -> tuple[list[Picture], list[Gap]]:
    """The sheets of images by their names, each in its share of the room, and the reasons why some are not shown."""
    pictures: list[Picture] = []
    gaps: list[Gap] = []
    for name, path in sheets.items():
        caption = f"{name}: validation images with ground truth and detections"
        try:
            picture = _sheet(path, caption, most_bytes // len(sheets))
        except OSError as error:
            gaps.append(Gap(title=name, what="picture not shown", why=f"{path} cannot be read ({error})"))
            continue
        if picture is None:
            gaps.append(Gap(title=name, what="picture not shown", why=f"the report has no room left; it is {path}"))
        else:
            pictures.append(picture)
    return pictures, gaps


def _gap(seeds: Sequence[str], why: str) -> Gap | None:
    title = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
    return Gap(title=title, what="pictures not shown", why=why) if seeds else None


def _caption(training: Training) -> str:
    after = f"after epoch {len(training.results)} of {training.epochs}"
    return f"seed {training.seed} {after}: validation images with ground truth and detections"


def _sheet(path: Path, caption: str, most_bytes: int) -> Picture | None:
    """The sheet in at most so many bytes; None if that shows nothing, OSError if it is no whole picture."""
    # Imported here: most reports show no sheet.
    from PIL import Image

    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as opened:
            sheet = opened.convert("RGB")
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError(f"no whole picture: {error}") from error
    if len(content) <= most_bytes:
        return Picture(caption=caption, media_type="image/png", content=content)
    for width, quality in _TRIES:
        size = (min(width, sheet.width), round(sheet.height * min(width, sheet.width) / sheet.width))
        out = io.BytesIO()
        sheet.resize(size).save(out, format="JPEG", quality=quality, optimize=True)
        if len(out.getvalue()) <= most_bytes:
            return Picture(caption=caption, media_type="image/jpeg", content=out.getvalue())
    return None
