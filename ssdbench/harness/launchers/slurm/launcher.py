"""Launches on a Slurm cluster: each is a batch job, followed through its folder on a shared file system.

A job outlives the host process. Its number is stored in the launch's folder, so that a resumed run follows jobs that
are still pending or running, collects those that have ended, and measures nothing twice.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ssdbench.errors import StoreError
from ssdbench.harness.cache import CacheFullError
from ssdbench.harness.containers.commands import SOURCE_INSIDE
from ssdbench.harness.launchers.diagnosis import diagnose
from ssdbench.harness.launchers.following import Event, follow, read_event
from ssdbench.harness.launchers.images import MeasuredImage
from ssdbench.harness.launchers.slurm.commands import Job, JobState, RefusedError, Resources, find_job, submit
from ssdbench.harness.launchers.slurm.image_step import FETCH_MINUTES, await_image, hand_over, image_failure
from ssdbench.harness.launchers.slurm.placement import PairNodes
from ssdbench.harness.launchers.slurm.shared_files import wait_for
from ssdbench.harness.launchers.slurm.watch import with_watched_gpus
from ssdbench.harness.launchers.torchrun import kept_result, read_left, read_result, result_file, write_request
from ssdbench.harness.machine.node import node_mismatch, read_node
from ssdbench.harness.process import SOURCE, worker_environment
from ssdbench.harness.stores.codec import read_profile
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema.case import Case, LaunchRequest
from ssdbench.schema.environment import Hardware, Host
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import Failure, FailureKind, Measurement, Memory, SlurmOptions
from ssdbench.schema.training import Training

_POLL_SECONDS = 1.0
_STACK_DUMP_SECONDS = 2.0
_STOP_SECONDS = 120.0
# For the time before and after the worker; our own limit, which excludes it, is reached first.
_SPARE_MINUTES = 2
_WITHDRAWN = "withdrawn"

_ENDS: dict[str, tuple[FailureKind, str]] = {
    "OUT_OF_MEMORY": ("out_of_memory", "it ran out of memory"),
    "NODE_FAIL": ("lost", "a node failed"),
    "BOOT_FAIL": ("lost", "a node did not boot"),
    "CANCELLED": ("interrupted", "it was cancelled by somebody else"),
    "REVOKED": ("interrupted", "it was revoked"),
    "PREEMPTED": ("interrupted", "it was preempted"),
    "UNKNOWN": ("lost", "Slurm no longer knows it, and it left no result"),
}


class SlurmLauncher:
    """Submits workers with the interpreter `python` and the ssdbench of `source`, both on the shared file system.

    A launch is valid only on a node like the one that the run was planned for (`hardware`, and the driver of `host`).
    With `image` the worker runs in it, and `python` is the interpreter there. Launches of several nodes are where
    `pair_nodes` puts them.
    """

    def __init__(
        self, options: SlurmOptions, python: str, hardware: Hardware, host: Host, source: Path = SOURCE,
        image: MeasuredImage | None = None, pair_nodes: PairNodes | None = None,
    ) -> None:  # fmt: skip
        self.jobs = options.jobs
        self._options = options
        self._python = python
        self._hardware, self._host = hardware, host
        self._source = source
        self._image = image
        self._pair_nodes = pair_nodes
        self._submitted: dict[str, Job | Failure] = {}
        self._run_seconds: dict[str, float] = {}

    def holds(self, folder: Path) -> bool:
        """Whether this folder's launch is pending or running, or has ended and was not collected."""
        return folder.is_dir() and _submitted_job(folder) is not None

    def submit(self, request: LaunchRequest) -> None:
        """Submit a launch before its turn, unless it has been submitted already."""
        if request.output not in self._submitted:
            self._submitted[request.output] = _submitted_job(Path(request.output)) or self._submit(request)

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Training | Failure:
        """Run one launch to its end, its time limit, or an interruption, which cancels all submitted jobs."""
        folder = Path(request.output)
        failure = self._run(request, on_event, result_file(request))
        outcome = read_result(request) if failure is None else kept_result(request, failure)
        if failure is not None and isinstance(outcome, Failure):
            return outcome
        return self._wrong_node_kind(folder) or _watched(outcome, folder)

    def profile(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> LaunchProfile | Failure:
        """Like `launch`, for a request that asks for a profile."""
        folder = Path(request.output)
        result = folder / "profile.json"
        failure = self._run(request, on_event, result) or self._wrong_node_kind(folder)
        return read_left(result, read_profile) if failure is None else failure

    def _run(self, request: LaunchRequest, on_event: Callable[[Event], None], result: Path) -> Failure | None:
        """Run the launch; returns its failure, or None if it wrote the file `result`."""
        self.submit(request)
        job = self._submitted[request.output]
        try:
            return job if isinstance(job, Failure) else self._collect(job, request, on_event, result)
        except BaseException:
            self.withdraw()
            raise
        finally:
            self._submitted.pop(request.output, None)

    def run_seconds(self, folder: Path) -> float:
        """How long the launch of this folder ran, without its time in the queue."""
        return self._run_seconds.pop(str(folder), 0.0)

    def withdraw(self) -> None:
        """Cancel pending and running jobs; ended ones that were not collected are kept for a resumed run."""
        for output, job in self._submitted.items():
            if isinstance(job, Job) and not Job(job.number).state().has_ended and job.cancel():
                write_bytes(_job_file(Path(output)), _WITHDRAWN.encode())
        self._submitted.clear()

    def _submit(self, request: LaunchRequest) -> Job | Failure:
        unusable = self._image.unusable(request.case) if self._image is not None else None
        if unusable is not None:
            return unusable
        try:
            case_file = write_request(request, self._source if self._image is None else SOURCE_INSIDE)
            handed = hand_over(self._image, request) if self._image is not None else {}
        except CacheFullError as error:
            return Failure(kind="disk_full", message=str(error))
        folder = case_file.parent
        command = [sys.executable, "-m", "ssdbench.harness.launchers.slurm.node", str(case_file), self._python]
        try:
            demand = required_resources(
                request.case, self._hardware.cpu_count, shares_nodes=not self._options.exclusive
            )
            if self._image is not None:
                demand = replace(demand, minutes=demand.minutes + FETCH_MINUTES)
            options = self._pair_nodes.options(request.case, self._options) if self._pair_nodes else self._options
            job = submit(command, folder, demand, options, worker_environment(handed))
        except RefusedError as error:
            return Failure(kind="unsupported", message=f"Slurm refused the job: {error}")
        write_bytes(_job_file(folder), job.number.encode())
        return job

    def _collect(
        self, job: Job, request: LaunchRequest, on_event: Callable[[Event], None], result: Path
    ) -> Failure | None:
        if not job.state().has_ended:
            on_event({"event": "phase", "phase": f"job {job.number}", "seconds": time.monotonic()})
        while (state := job.state()).is_waiting:
            if state.hopeless_reason is not None:
                job.cancel()
                return Failure(kind="unsupported", message=f"job {job.number} can never start: {state.hopeless_reason}")
            time.sleep(_POLL_SECONDS)
        if self._pair_nodes is not None:
            self._pair_nodes.note(request.case, state.nodes)
        folder, limit = Path(request.output), request.case.protocol.timeout_seconds
        fetch_seconds = 0.0 if self._image is None else await_image(job, folder, on_event)
        limit, state = limit + fetch_seconds, job.state()
        timed_out = not follow(job, folder, max(0.0, limit - state.run_seconds), on_event)
        if timed_out:
            _stop(job, folder)
        state = job.state()
        self._run_seconds[request.output] = max(0.0, state.run_seconds - fetch_seconds)
        if state.state == "COMPLETED" or (state.state == "UNKNOWN" and _reported_done(folder)):
            wait_for(result)
            return None
        failure = _failure(job, state, request, timed_out=timed_out or state.state in ("TIMEOUT", "DEADLINE"))
        return failure if self._image is None else self._image.without_secrets(failure)

    def _wrong_node_kind(self, folder: Path) -> Failure | None:
        for path in sorted(folder.glob("node-*.json")):
            if sentence := node_mismatch(self._hardware, self._host, read_node(path)):
                remedy = "choose nodes of one kind with --slurm constraint=..., partition=... or nodelist=..."
                return Failure(kind="unsupported", message=f"{sentence}; {remedy}")
        return None


def required_resources(case: Case, node_cpus: int, *, shares_nodes: bool) -> Resources:
    """The resources of a launch's job; a launch on CPUs always gets whole nodes.

    With GPUs it requests a CPU for each thread of the input pipeline and one for each rank's main thread, at most the
    `node_cpus` of a node.
    """
    on_gpus = case.device == "cuda"
    cpus = min(node_cpus, case.ranks_per_node * (case.threads_per_rank + 1))
    return Resources(
        nodes=case.nodes,
        gpus_per_node=case.ranks_per_node if on_gpus else 0,
        cpus=cpus if on_gpus and shares_nodes else None,
        minutes=math.ceil(case.protocol.timeout_seconds / 60) + _SPARE_MINUTES,
    )


def _watched(outcome: Measurement | Training | Failure, folder: Path) -> Measurement | Training | Failure:
    if not isinstance(outcome, Measurement):
        return outcome
    try:
        return with_watched_gpus(outcome, folder)
    except (StoreError, ValueError, OSError) as error:
        return Failure(kind="crash", message=f"bad measurement: {error}")


def _failure(job: Job, state: JobState, request: LaunchRequest, *, timed_out: bool) -> Failure:
    limit = request.case.protocol.timeout_seconds if timed_out else None
    reported = None if timed_out else image_failure(Path(request.output))
    found = reported or diagnose(
        Path(request.output), request.case.world_size, exit_code=job.exit_code(), timed_out_after_seconds=limit
    )
    if timed_out or state.state not in _ENDS:
        return found
    kind, what = _ENDS[state.state]
    where = f" on {state.nodes}" if state.nodes else ""
    memory: Memory | None = "host" if kind == "out_of_memory" else None
    return replace(found, kind=kind, message=f"job {job.number}{where} ended: {what}", rank=None, memory=memory)


def _stop(job: Job, folder: Path) -> None:
    """Cancel a job at its time limit, after its ranks have written their stacks to their logs."""
    job.cancel("USR1")
    time.sleep(_STACK_DUMP_SECONDS)
    job.cancel()
    follow(job, folder, _STOP_SECONDS, lambda _event: None)


def _job_file(folder: Path) -> Path:
    return folder / "job"


def _submitted_job(folder: Path) -> Job | None:
    """The job of a launch that this or an earlier host process submitted and did not cancel."""
    if _job_file(folder).exists():
        number = _job_file(folder).read_text(encoding="utf-8")
        return Job(number) if number != _WITHDRAWN else None
    return find_job(folder) if (folder / "case.json").exists() else None


def _reported_done(folder: Path) -> bool:
    events = folder / "events-0.jsonl"
    lines = events.read_bytes().splitlines() if events.is_file() else []
    last = read_event(lines[-1]) if lines else None
    return last is not None and last.get("phase") == "done"
