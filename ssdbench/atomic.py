"""Files and folders that are written completely or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path next to `path` to write to; when the block ends, it replaces `path` in one step.

    After an error the partial file is removed and `path` is as before. A process that is killed within the block leaves
    `path` as it was, and a file PATH.part that the next write overwrites.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to `folder` to fill; when the block ends, it is renamed to `folder`.

    Missing parents are created. After an error the partial folder is removed.

    Raises:
        OSError: `folder` exists by then and is not empty: another process was first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        yield part
        part.chmod(0o755)  # mkdtemp gives access to this user alone; a container may run as another one
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
