"""The baseline arm of an interleaved run: another interpreter, another source tree, or those of a stored run."""

import re
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.machine.worker_python import inspect_python
from ssdbench.harness.process import SOURCE
from ssdbench.harness.trust import NOTHING, Trust, environment_of, require_trusted
from ssdbench.harness.version import source_commit
from ssdbench.schema.record import BaselineArm, Run

_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def choose_baseline_arm(
    python: str | None, checkout: Path | None, stored: Run | None, trust: Trust = NOTHING
) -> BaselineArm:
    """The interpreter and source of the baseline arm; what is not given is that of the candidate.

    Raises:
        UsageError: nothing is given, the checkout has no ssdbench, or the environment of a stored run is not trusted.
        EnvironmentLacksError: the interpreter cannot run, or a stored run's environment no longer exists.
    """
    if stored is not None:
        return _environment_of(stored, trust)
    if python is None and checkout is None:
        raise UsageError(
            "--decide needs a baseline to measure: give --baseline-python, --baseline-checkout or --baseline-run"
        )
    source = SOURCE if checkout is None else checkout.resolve()
    if not (source / "ssdbench" / "worker").is_dir():
        raise UsageError(f"--baseline-checkout {checkout} has no ssdbench: give the folder of a checkout")
    return BaselineArm(python=inspect_python(python).executable, source=str(source), commit=source_commit(source))


def _environment_of(stored: Run, trust: Trust) -> BaselineArm:
    header = stored.header
    if header.options.image is not None:
        raise UsageError(
            f"run {header.run_id} was measured in {header.options.image.reference}: use `ssdbench containers compare`"
        )
    python, source = header.options.measured_by, header.options.source
    if python is None or source is None or not Path(python).exists() or not Path(source).exists():
        raise EnvironmentLacksError(
            f"the environment of run {header.run_id} no longer exists here ({python}, {source}): give "
            "--baseline-python or --baseline-checkout"
        )
    require_trusted(header, environment_of(header), trust)
    then, now = header.host.ssdbench_commit, source_commit(Path(source))
    if then is not None and then.endswith("+dirty"):
        raise EnvironmentLacksError(
            f"run {header.run_id} was measured at {then}, with uncommitted changes: give a checkout of that state as "
            "--baseline-checkout"
        )
    if now != then:
        raise EnvironmentLacksError(
            f"{source} is now at {now}, run {header.run_id} was measured at {then}: check that commit out elsewhere "
            "and give it as --baseline-checkout"
        )
    _require_same_packages(stored, python)
    return BaselineArm(python=python, source=source, commit=now)


def _require_same_packages(stored: Run, python: str) -> None:
    software = next((record.measurement.software for record in stored.records if record.measurement), None)
    installed = inspect_python(python).packages
    for name, now in installed.items():
        then = getattr(software, name, None)  # only packages that a measurement uses are recorded
        # Some wheels omit the local part of their version ("+cpu") in their metadata.
        if then is not None and then.partition("+")[0] != now.partition("+")[0]:
            raise EnvironmentLacksError(
                f"{python} has {name} {now}, run {stored.header.run_id} was measured with {then}: install that version "
                "elsewhere and give its interpreter as --baseline-python"
            )


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 90s, 30m or 2h.

    Raises:
        UsageError: it is not a duration.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)", text.strip())
    if not found:
        raise UsageError(f"--budget {text} is not a duration: write 90s, 30m or 2h")
    return float(found[1]) * _UNIT_SECONDS[found[2]]
