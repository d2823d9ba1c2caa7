"""Profiled launches of both arms in turns (A B B A): none of them is measured, and none becomes a record."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import ExitCode
from ssdbench.harness.cache import work_folder
from ssdbench.harness.datasets import PreparedData
from ssdbench.harness.gpu_group import Launcher
from ssdbench.harness.launch_loop import Event
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.launchers.slurm.launcher import SlurmLauncher
from ssdbench.harness.process import WorkerError
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import Case, LaunchRequest, ProfileRequest, StepCounts
from ssdbench.schema.launch_rules import usable_measurement
from ssdbench.schema.names import file_name
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import Arm, Failure, Record, RunOptions

_ARMS: tuple[Arm, Arm] = ("baseline", "candidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiling:
    """How the cases of a run are profiled; `request` says how many steps a launch has, and how large a trace may be."""

    run_id: str
    seed: int
    options: RunOptions
    data: PreparedData | None
    request: ProfileRequest

    def folder(self) -> Path:
        """Where the folders of the launches are."""
        return (work_folder() / self.run_id).absolute()


def profile_in_turns(
    profiling: Profiling,
    launchers: Mapping[Arm, Launcher],
    case: Case,
    launches: int,
    on_launch: Callable[[str], None],
    measured: Sequence[Record] = (),
) -> list[tuple[Arm, LaunchProfile, str]]:
    """So many profiles of a case in each arm, in the order in which they were taken, with the folder of each launch.

    `measured` are the launches of the run, whose warm-up is repeated. `on_launch` hears of each launch before it
    starts.

    Raises:
        WorkerError: a launch failed.
    """
    found: list[tuple[Arm, LaunchProfile, str]] = []
    for pair in range(launches):
        for arm in _ARMS if pair % 2 == 0 else reversed(_ARMS):
            on_launch(f"profiled launch {len(found) + 1} of {2 * launches}: {arm}")
            taken, folder = take_profile(profiling, launchers[arm], case, arm, pair, measured)
            found.append((arm, taken, folder))
    return found


def take_profile(
    profiling: Profiling, launcher: Launcher, case: Case, name: str, launch: int, measured: Sequence[Record] = ()
) -> tuple[LaunchProfile, str]:
    """One profiled launch of a build called `name`, and its folder below that of all launches; errors as above."""
    assert isinstance(launcher, LocalLauncher | SlurmLauncher)
    folder = f"{file_name(case.key)}-profile-{name}-{launch}-{secrets.token_hex(3)}"
    weights = profiling.options.backbone_weights
    request = LaunchRequest(
        schema_version=EXCHANGE_VERSION,
        case=case,
        launch=launch,
        seed=profiling.seed + launch,
        output=str(profiling.folder() / folder),
        prepared_data=str(profiling.data.path) if profiling.data else None,
        backbone_weights=str(Path(weights).absolute()) if weights is not None and Path(weights).is_file() else weights,
        allow_download=profiling.options.allow_download,
        step_counts=_step_counts(case, measured),
        profile=profiling.request,
    )
    outcome = launcher.profile(request, _ignore)
    if isinstance(outcome, Failure):
        raise WorkerError(
            f"profiling the {name} of {case.title} failed ({outcome.kind}): {outcome.message}; its logs are in "
            f"{request.output}",
            ExitCode.CASE_FAILED,
        )
    return outcome, f"{profiling.run_id}/{folder}"


def _step_counts(case: Case, measured: Sequence[Record]) -> StepCounts | None:
    """The steps of a measured launch, where the protocol alone does not say how many its warm-up has."""
    for record in measured:
        taken = usable_measurement(record)
        if record.case.key == case.key and taken is not None and case.protocol.in_seconds:
            timed = len(taken.step_seconds) - taken.warmup_steps
            return StepCounts(warmup_steps=taken.warmup_steps, timed_steps=timed)
    return None


def _ignore(_event: Event) -> None:
    pass
