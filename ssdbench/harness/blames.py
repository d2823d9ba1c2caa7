"""The log of a search for a culprit: JSON lines with the question and every decision, so that it can be continued."""

import re
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import LOCKS
from ssdbench.harness.stores.lines import append_lines, read_all, write_whole
from ssdbench.harness.stores.lock_files import FileClaims
from ssdbench.harness.stores.locks import Lock
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.bisection import Direction
from ssdbench.schema.blame import Blame, BlameStep, StepKind
from ssdbench.schema.times import utc_now


class BlameLog:
    """The decisions on one question; each is on disk before it is acted on."""

    def __init__(
        self, path: Path, *, suite: str, case_key: str, old: str, new: str, find: Direction = "regression"
    ) -> None:
        """Start a log, or continue the existing one.

        Raises:
            UsageError: the existing log is about another question.
            StoreError: the file cannot be read or written.
        """
        self.path = path
        self.steps: list[BlameStep] = []
        if not path.exists():
            asked = Blame(
                schema_version=SCHEMA_VERSION,
                created_at=utc_now(),
                suite=suite,
                case_key=case_key,
                old=old,
                new=new,
                find=find,
            )
            write_whole(path, [codec.stored(asked)])
            return
        asked = read_all(path).header(Blame)
        if (asked.suite, asked.case_key, asked.old, asked.new, asked.find) != (suite, case_key, old, new, find):
            raise UsageError(
                f"{path} is the log of another question ({asked.find} of {asked.case_key} of {asked.suite}, "
                f"{asked.old} and {asked.new}): give another file as --log"
            )

    def searching(self) -> Lock:
        """Lock the log for the process that continues it, and read what others have decided since.

        Raises:
            StoreLockedError: another process continues it.
        """
        lock = Lock(
            FileClaims(self.path.parent / LOCKS, str(self.path)),
            f"log-{self.path.stem}",
            "searching",
            say=lambda _: None,
        )
        lock.acquire(0, renew=True)
        self.steps = read_all(self.path).parsed(BlameStep)
        return lock

    def finished(self, kind: StepKind, swapped: tuple[str, ...] = ()) -> BlameStep | None:
        """The step of this kind and these components that has its finding; None if there is none."""
        found = [step for step in self.steps if (step.kind, step.swapped) == (kind, swapped) and step.finding]
        return found[-1] if found else None

    def open(self, kind: StepKind, swapped: tuple[str, ...] = ()) -> BlameStep | None:
        """The last step of this kind and these components, if it was begun and has no finding yet."""
        found = [step for step in self.steps if (step.kind, step.swapped) == (kind, swapped)]
        return found[-1] if found and found[-1].finding is None else None

    def add(self, step: BlameStep) -> BlameStep:
        """Record a decision."""
        append_lines(self.path, [codec.stored(step)])
        self.steps.append(step)
        return step


def log_name(old: str, new: str, case_key: str, find: Direction = "regression") -> str:
    """The file name of a question's log; `old` and `new` are names of images."""
    kind = [] if find == "regression" else [find]
    words = [image.rpartition("/")[2] for image in (old, new)]
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", "_".join([*words, case_key, *kind])) + ".jsonl"
