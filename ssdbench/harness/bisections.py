"""The log of a bisection: JSON lines with the question and every decision, so that it can be continued."""

import re
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import LOCKS
from ssdbench.harness.stores.lines import append_lines, read_all, write_whole
from ssdbench.harness.stores.lock_files import FileClaims
from ssdbench.harness.stores.locks import Lock
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.bisection import Bisection, Direction, Finding, PointKind, Step
from ssdbench.schema.times import utc_now


class BisectionLog:
    """The decisions on one question; each is on disk before it is acted on."""

    def __init__(
        self, path: Path, *, suite: str, case_key: str, images: tuple[str, ...], kind: PointKind = "image",
        find: Direction = "regression",
    ) -> None:  # fmt: skip
        """Start a log, or continue the existing one.

        Raises:
            UsageError: the existing log is about another question.
            StoreError: the file cannot be read or written.
        """
        self.path = path
        self.steps: list[Step] = []
        if path.exists():
            lines = read_all(path)
            asked = lines.header(Bisection)
            question = (asked.suite, asked.case_key, asked.images, asked.kind, asked.find)
            if question != (suite, case_key, images, kind, find):
                raise UsageError(
                    f"{path} is the log of another question ({asked.find} of {asked.case_key} of {asked.suite}, from "
                    f"{asked.images[0]} to {asked.images[-1]}, {len(asked.images)} points): give another file as --log"
                )
            self.steps = lines.parsed(Step)
            return
        asked = Bisection(
            schema_version=SCHEMA_VERSION, created_at=utc_now(), suite=suite, case_key=case_key, images=images,
            kind=kind, find=find,
        )  # fmt: skip
        write_whole(path, [codec.stored(asked)])

    def searching(self) -> Lock:
        """Lock the log for the process that continues it, and read what others have decided since.

        Raises:
            StoreLockedError: another process continues it.
        """
        lock = Lock(
            FileClaims(self.path.parent / LOCKS, str(self.path)), f"log-{self.path.stem}", "searching", say=_ignore
        )
        lock.acquire(0, renew=True)
        self.steps = read_all(self.path).parsed(Step)
        return lock

    @property
    def findings(self) -> dict[str, Finding]:
        """The finding for each judged point."""
        return {step.image: step.finding for step in self.steps if step.image and step.finding}

    def open_probe(self, image: str) -> Step | None:
        """The probe of this point that was started and not judged yet."""
        last = next((step for step in reversed(self.steps) if step.image == image), None)
        return last if last is not None and last.finding is None else None

    def add(
        self, because: str, *, image: str | None = None, run_id: str | None = None, attempt: int = 1,
        finding: Finding | None = None,
    ) -> Step:  # fmt: skip
        """Record a decision; `Step` documents the arguments."""
        step = Step(
            schema_version=SCHEMA_VERSION,
            decided_at=utc_now(),
            because=because,
            image=image,
            run_id=run_id,
            attempt=attempt,
            finding=finding,
        )
        append_lines(self.path, [codec.stored(step)])
        self.steps.append(step)
        return step


def _ignore(_sentence: str) -> None:
    pass


def log_file_name(images: tuple[str, ...], case_key: str, find: Direction = "regression") -> str:
    """The file name of a question's log."""
    words = [image.rpartition("/")[2] for image in (images[0], images[-1])]
    words += [case_key, *([find] if find != "regression" else [])]
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", "_".join(words)) + ".jsonl"
