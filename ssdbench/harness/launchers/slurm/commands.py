"""Calls Slurm's commands sbatch, scontrol, squeue, scancel and sinfo; needs no accounting database."""

import hashlib
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.process import last_line, run_command
from ssdbench.schema.record import SlurmOptions

# The controller is asked less often than the events, which are read from a file.
_ASK_SECONDS = 1.0
_SILENCE_SECONDS = 600.0

# The command is passed as arguments of this script, so that no name becomes shell text.
_SCRIPT = '#!/bin/sh\nexec "$@"\n'

_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "REQUEUE_FED"}
_RUNNING = {*_WAITING, "RUNNING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}

# Reasons for which a pending job waits forever, unless somebody changes it or the cluster.
_HOPELESS = {
    *("PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "DependencyNeverSatisfied", "AccountNotAllowed"),
    *("InvalidAccount", "InvalidQOS", "QOSNotAllowed", "JobHeldUser", "JobHeldAdmin"),
}

_UNREACHABLE = ("Unable to contact slurm controller", "Socket timed out", "did not answer")


class RefusedError(Exception):
    """sbatch refused a job; the message is Slurm's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job as the controller describes it; UNKNOWN if it no longer knows the job."""

    state: str
    reason: str = ""
    run_seconds: float = 0.0
    nodes: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has not started."""
        return self.state in _WAITING

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self.state not in _RUNNING

    @property
    def hopeless_reason(self) -> str | None:
        """Why it can never start; None if it may start."""
        never = self.reason in _HOPELESS or "PerJob" in self.reason
        return self.reason if self.is_waiting and never else None


class Job:
    """A submitted job, whose state is requested from the controller."""

    def __init__(self, number: str) -> None:
        self.number = number
        self._state = JobState(state="PENDING")
        self._asked_at = -math.inf
        self._silent_since: float | None = None

    def state(self) -> JobState:
        """Its state, at most a few seconds old.

        Raises:
            EnvironmentLacksError: the controller has not responded for ten minutes.
        """
        now = time.monotonic()
        if not self._state.has_ended and now - self._asked_at > _ASK_SECONDS:
            self._asked_at = now
            self._state = self._ask(now)
        return self._state

    def exit_code(self) -> int | None:
        """0 if it completed, 1 if it ended otherwise, None while it is pending or running."""
        state = self.state()
        return None if not state.has_ended else int(state.state != "COMPLETED")

    def cancel(self, signal: str | None = None) -> bool:
        """Cancel it, or send a signal to all processes of its steps; returns whether the controller accepted."""
        order = [f"--signal={signal}"] if signal else []
        return run_command(["scancel", *order, self.number]).exit_code == 0

    def _ask(self, now: float) -> JobState:
        answer = run_command(["scontrol", "show", "job", "--oneliner", self.number])
        if answer.exit_code == 0:
            self._silent_since = None
            return read_state(answer.out)
        if "Invalid job id" in answer.error:
            return JobState(state="UNKNOWN")
        self._silent_since = self._silent_since or now
        if now - self._silent_since > _SILENCE_SECONDS:
            raise EnvironmentLacksError(
                f"Slurm has not responded for {_SILENCE_SECONDS:g} s ({_reason(answer.error)}): job {self.number} "
                "is left as it is; continue with --resume when Slurm responds again"
            )
        return self._state


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The resources that a job requests; `cpus` are those of a shared node, None requests whole nodes."""

    nodes: int = 1
    gpus_per_node: int = 0
    cpus: int | None = None
    minutes: int


def submit(
    command: Sequence[str], folder: Path, resources: Resources, options: SlurmOptions, environment: Mapping[str, str]
) -> Job:
    """Submit a command that runs on the first of the requested nodes, in `folder`, which gets its output.

    Raises:
        RefusedError: Slurm refuses the job.
        EnvironmentLacksError: sbatch is missing, or the controller does not respond.
    """
    script = folder / "job.sh"
    script.write_text(_SCRIPT, encoding="utf-8")
    order = ["sbatch", "--parsable", "--no-requeue", f"--job-name={job_name(folder)}", f"--chdir={folder}"]
    order += [f"--comment={folder.parent.name}/{folder.name}", "--export=ALL"]
    order += [f"--output={folder}/launch.log", "--open-mode=append"]
    answer = run_command(
        [*order, *sbatch_arguments(resources, options), str(script), *command], _without_own_job(environment)
    )
    if any(sign in answer.error for sign in _UNREACHABLE):
        raise EnvironmentLacksError(f"Slurm does not respond ({_reason(answer.error)}): try again later")
    if answer.exit_code != 0:
        raise RefusedError(_reason(answer.error))
    return Job(answer.out.strip().partition(";")[0])


def sbatch_arguments(resources: Resources, options: SlurmOptions) -> list[str]:
    """The arguments of sbatch for a job's resources and the run's options."""
    arguments = [f"--nodes={resources.nodes}", "--ntasks-per-node=1", f"--time={resources.minutes}"]
    # Without a number of CPUs the whole node is requested, with all its memory.
    arguments += ["--exclusive", "--mem=0"] if resources.cpus is None else [f"--cpus-per-task={resources.cpus}"]
    if resources.gpus_per_node:
        arguments.append(f"--gres=gpu:{resources.gpus_per_node}")
    for name in ("partition", "account", "qos", "constraint", "nodelist"):
        if (value := getattr(options, name)) is not None:
            arguments.append(f"--{name}={value}")
    return [*arguments, *options.arguments]


def job_name(folder: Path) -> str:
    """The name of a job, by which it is found if the host could not store its number."""
    return f"ssdbench-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


def find_job(folder: Path) -> Job | None:
    """The job of this folder, if the controller knows it."""
    answer = run_command(["squeue", "--noheader", "--states=all", f"--name={job_name(folder)}", "--format=%A"])
    numbers = answer.out.split()
    return Job(numbers[-1]) if answer.exit_code == 0 and numbers else None


def count_nodes(partition: str | None) -> int:
    """The number of nodes of the partition, or of all partitions."""
    where = [f"--partition={partition}"] if partition is not None else []
    answer = run_command(["sinfo", "--noheader", "--Node", "--format=%N", *where])
    return max(1, len(set(answer.out.split())))


def read_state(line: str) -> JobState:
    """Parse the line that `scontrol show job --oneliner` prints."""
    facts = dict(re.findall(r"(?:^|\s)(JobState|Reason|RunTime|NodeList)=(\S*)", line))
    return JobState(
        state=facts["JobState"],
        reason=facts["Reason"],
        run_seconds=_seconds(facts["RunTime"]),
        nodes=facts["NodeList"].replace("(null)", ""),
    )


def _seconds(duration: str) -> float:
    """Slurm's [days-]hours:minutes:seconds."""
    days, _, clock = duration.rpartition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    return int(days or 0) * 86400.0 + hours * 3600 + minutes * 60 + seconds


def _reason(error: str) -> str:
    return re.sub(r"^\w+: (error: )?(Batch job submission failed: )?", "", last_line(error))


def _without_own_job(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the size of the job that this process may be running in."""
    return {name: value for name, value in environment.items() if not name.startswith("SLURM_") or name == "SLURM_CONF"}
