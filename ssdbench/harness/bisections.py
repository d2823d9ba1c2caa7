"""The log of a bisection: a file of JSON lines with the question and every decision, from which it goes on."""

import re
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.lines import append_lines, read_all, write_whole
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.bisection import Bisection, Finding, Step
from ssdbench.schema.times import utc_now


class BisectionLog:
    """The decisions on one question so far; each new one is on disk before it is acted upon."""

    def __init__(self, path: Path, *, suite: str, case_key: str, images: tuple[str, ...]) -> None:
        """Begin a log, or take up the one that is there.

        Raises:
            UsageError: the one that is there is about another question.
            StoreError: it cannot be read or written.
        """
        self.path = path
        self.steps: list[Step] = []
        if path.exists():
            lines = read_all(path)
            asked = lines.header(Bisection)
            if (asked.suite, asked.case_key, asked.images) != (suite, case_key, images):
                raise UsageError(
                    f"{path} is the log of another question ({asked.case_key} of {asked.suite}, from {asked.images[0]} "
                    f"to {asked.images[-1]}, {len(asked.images)} images): give another file as --log"
                )
            self.steps = lines.parsed(Step)
            return
        asked = Bisection(
            schema_version=SCHEMA_VERSION, created_at=utc_now(), suite=suite, case_key=case_key, images=images
        )
        write_whole(path, [codec.dump(asked)])

    @property
    def findings(self) -> dict[str, Finding]:
        """What was found of each image that was judged."""
        return {step.image: step.finding for step in self.steps if step.image and step.finding}

    def open_probe(self, image: str) -> Step | None:
        """The probe of this image that has begun and was not judged."""
        last = next((step for step in reversed(self.steps) if step.image == image), None)
        return last if last is not None and last.finding is None else None

    def add(
        self, because: str, *, image: str | None = None, run_id: str | None = None, attempt: int = 1,
        finding: Finding | None = None,
    ) -> Step:  # fmt: skip
        """Write down a decision; what the arguments mean stands with `Step`."""
        step = Step(
            schema_version=SCHEMA_VERSION,
            decided_at=utc_now(),
            because=because,
            image=image,
            run_id=run_id,
            attempt=attempt,
            finding=finding,
        )
        append_lines(self.path, [codec.dump(step)])
        self.steps.append(step)
        return step


def log_file_name(images: tuple[str, ...], case_key: str) -> str:
    """A file name for the log of a question."""
    words = [image.rpartition("/")[2] for image in (images[0], images[-1])]
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", "_".join([*words, case_key])) + ".jsonl"
