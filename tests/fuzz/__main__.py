"""Fuzzes every reader in turn until the time is over: `python -m tests.fuzz --seconds 600`, or `make fuzz`.

An input that a reader answers with anything but a value or an error of ours is made as small as it can be and kept in
tests/fuzz/found, where `make test` reads it again. Exit code 1 if there was one.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
import tempfile
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.damage import damaged
from tests.fuzz.targets import TARGETS, Target

FOUND = Path(__file__).parent / "found"


class _Over(BaseException):
    """The time is over."""


def fuzz(target: Target, number: int, until: float) -> tuple[int, bytes | None]:
    """The number of inputs tried in one round, and the smallest one that the reader fell short of."""
    tried, failing = 0, b""

    with tempfile.TemporaryDirectory() as folder:

        @seed(number)
        @settings(max_examples=1_000, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
                  suppress_health_check=list(HealthCheck), report_multiple_bugs=False)  # fmt: skip
        @given(damaged(target.samples))
        def read(content: bytes) -> None:
            nonlocal tried, failing
            if time.monotonic() > until:
                raise _Over
            tried += 1
            try:
                target.check(content, Path(folder))
            except Exception:
                failing = content
                raise

        try:
            read()
        except _Over:
            return tried, None
        except Exception:
            traceback.print_exc()
            return tried, failing
    return tried, None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--target", choices=[target.name for target in TARGETS])
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each next one has the next number")
    asked = parser.parse_args()
    targets = [target for target in TARGETS if asked.target in (None, target.name)]
    until, tried, found = time.monotonic() + asked.seconds, 0, []
    for number in itertools.count(asked.seed):
        for target in targets:
            inputs, failing = fuzz(target, number, until)
            tried += inputs
            if failing is not None:
                FOUND.mkdir(exist_ok=True)
                path = FOUND / f"{target.name}-{hashlib.sha256(failing).hexdigest()[:8]}"
                path.write_bytes(failing)
                found.append(path)
                sys.stdout.write(f"{target.name}: seed {number}: {path}\n")
        if time.monotonic() > until:
            break
    sys.stdout.write(f"{tried:,} inputs for {len(targets)} readers: {len(set(found))} fell short\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
