"""Slurm by its own commands: sbatch, scontrol, squeue, scancel, sinfo. No accounting database is needed."""

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

# The controller need not be asked as often as the events, which lie in a file.
_ASK_SECONDS = 1.0
_SILENCE_SECONDS = 600.0

# The command is made of arguments of this script, so that no name ever becomes shell text.
_SCRIPT = '#!/bin/sh\nexec "$@"\n'

_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD", "REQUEUE_FED"}
_GOING_ON = {*_WAITING, "RUNNING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}

# Why a waiting job will wait for ever unless somebody changes it or the cluster.
_HOPELESS = {
    *("PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "DependencyNeverSatisfied", "AccountNotAllowed"),
    *("InvalidAccount", "InvalidQOS", "QOSNotAllowed", "JobHeldUser", "JobHeldAdmin"),
}

_UNREACHABLE = ("Unable to contact slurm controller", "Socket timed out", "did not answer")


class RefusedError(Exception):
    """sbatch did not take a job; the message is Slurm's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job as the controller describes it; UNKNOWN is a job that it has forgotten."""

    state: str
    reason: str = ""
    run_seconds: float = 0.0
    nodes: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.state in _WAITING

    @property
    def has_ended(self) -> bool:
        """Whether it will do no more."""
        return self.state not in _GOING_ON

    @property
    def hopeless_reason(self) -> str | None:
        """Why it will never begin as things are; None where it may."""
        never = self.reason in _HOPELESS or "PerJob" in self.reason
        return self.reason if self.is_waiting and never else None


class Job:
    """A submitted job, followed by asking the controller now and then."""

    def __init__(self, number: str) -> None:
        self.number = number
        self._state = JobState(state="PENDING")
        self._asked_at = -math.inf
        self._silent_since: float | None = None

    def state(self) -> JobState:
        """Its state, some seconds old at most.

        Raises:
            EnvironmentLacksError: the controller has not answered for ten minutes.
        """
        now = time.monotonic()
        if not self._state.has_ended and now - self._asked_at > _ASK_SECONDS:
            self._asked_at = now
            self._state = self._ask(now)
        return self._state

    def exit_code(self) -> int | None:
        """0 where it completed, 1 where it ended otherwise, None while it goes on."""
        state = self.state()
        return None if not state.has_ended else int(state.state != "COMPLETED")

    def cancel(self, signal: str | None = None) -> bool:
        """End it, or send all processes of its steps a signal; whether the controller took the order."""
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
                f"Slurm has not answered for {_SILENCE_SECONDS:g} s ({_reason(answer.error)}): job {self.number} "
                "is left as it is; go on with --resume when it answers again"
            )
        return self._state


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job asks of the cluster; `cpus` are those of a node that it shares, None takes whole nodes."""

    nodes: int = 1
    gpus_per_node: int = 0
    cpus: int | None = None
    minutes: int


def submit(
    command: Sequence[str], folder: Path, demand: Resources, options: SlurmOptions, environment: Mapping[str, str]
) -> Job:
    """Have a command run on the first of the nodes that are asked for, in `folder`, which keeps its output.

    Raises:
        RefusedError: Slurm does not take it.
        EnvironmentLacksError: there is no sbatch here, or no controller that answers it.
    """
    script = folder / "job.sh"
    script.write_text(_SCRIPT, encoding="utf-8")
    order = ["sbatch", "--parsable", "--no-requeue", f"--job-name={job_name(folder)}", f"--chdir={folder}"]
    order += [f"--comment={folder.parent.name}/{folder.name}", "--export=ALL"]
    order += [f"--output={folder}/torchrun.log", "--open-mode=append"]
    answer = run_command(
        [*order, *sbatch_arguments(demand, options), str(script), *command], _outside_of_jobs(environment)
    )
    if any(sign in answer.error for sign in _UNREACHABLE):
        raise EnvironmentLacksError(f"Slurm does not answer ({_reason(answer.error)}): begin again when it does")
    if answer.exit_code != 0:
        raise RefusedError(_reason(answer.error))
    return Job(answer.out.strip().partition(";")[0])


def sbatch_arguments(demand: Resources, options: SlurmOptions) -> list[str]:
    """The arguments of sbatch for what a job asks for, and for how the run's jobs are submitted."""
    arguments = [f"--nodes={demand.nodes}", "--ntasks-per-node=1", f"--time={demand.minutes}"]
    # Without a number of CPUs the node is taken whole, all of its memory too.
    arguments += ["--exclusive", "--mem=0"] if demand.cpus is None else [f"--cpus-per-task={demand.cpus}"]
    if demand.gpus_per_node:
        arguments.append(f"--gres=gpu:{demand.gpus_per_node}")
    for name in ("partition", "account", "qos", "constraint", "nodelist"):
        if (value := getattr(options, name)) is not None:
            arguments.append(f"--{name}={value}")
    return [*arguments, *options.arguments]


def job_name(folder: Path) -> str:
    """A name by which a job is found again of which the host could not keep the number."""
    return f"ssdbench-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


def find_job(folder: Path) -> Job | None:
    """The job of this folder, as long as the controller knows it."""
    answer = run_command(["squeue", "--noheader", "--states=all", f"--name={job_name(folder)}", "--format=%A"])
    numbers = answer.out.split()
    return Job(numbers[-1]) if answer.exit_code == 0 and numbers else None


def count_nodes(partition: str | None) -> int:
    """How many nodes the partition has, or all partitions together without one."""
    where = [f"--partition={partition}"] if partition is not None else []
    answer = run_command(["sinfo", "--noheader", "--Node", "--format=%N", *where])
    return max(1, len(set(answer.out.split())))


def read_state(line: str) -> JobState:
    """A job from the line that `scontrol show job --oneliner` prints."""
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


def _outside_of_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what a job that submits jobs has inherited of its own size."""
    return {name: value for name, value in environment.items() if not name.startswith("SLURM_") or name == "SLURM_CONF"}
