"""Launches in an image, whatever starts them: what they need of it, and what its container is given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.harness.containers.commands import container_name
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.containers.images import worker_in
from ssdbench.harness.launchers.torchrun import launch_variables, visible_names
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.machine.worker_python import missing_gpu_code, missing_software
from ssdbench.harness.process import SOURCE
from ssdbench.schema.case import Case, LaunchRequest
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.environment import GpuState, Hardware
from ssdbench.schema.record import ContainerImage, Failure
from ssdbench.schema.variables import mask_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredImage:
    """An image that measures, with the ssdbench of `source` and the data set in `data_folder`.

    With `hardware`, launches fail at once if the image's torch was not compiled for its GPUs.
    """

    options: ContainerOptions
    image: ContainerImage
    data_folder: Path | None = None
    source: Path = SOURCE
    hardware: Hardware | None = None

    def unusable(self, case: Case) -> Failure | None:
        """Why the image cannot measure this case, as far as that is known without starting it."""
        if self.image.failure is not None:
            return self.image.failure
        worker = worker_in(self.image, self.options.python)
        reason = missing_software(case, worker)
        if reason is None and self.hardware is not None:
            reason = missing_gpu_code(case, self.hardware, worker)
        return None if reason is None else Failure(kind="unsupported", message=reason)

    def read_only(self, request: LaunchRequest) -> tuple[Path, ...]:
        """What the worker reads, apart from ssdbench itself."""
        found = [] if request.prepared_data is None else [Path(request.prepared_data).parent]
        if self.data_folder is not None and request.prepared_data is not None:
            found.append(self.data_folder)
        if request.backbone_weights is not None and Path(request.backbone_weights).is_file():
            found.append(Path(request.backbone_weights))
        if request.checkpoint is not None:
            found.append(Path(request.checkpoint))
        return tuple(found)

    def without_secrets(self, failure: Failure) -> Failure:
        """The failure without the values that only the container was given, which its log may show."""
        values = variable_values(self.options)
        log = failure.log and mask_secrets(failure.log, values)
        return replace(failure, message=mask_secrets(failure.message, values), log=log)


def contents_of(
    request: LaunchRequest, package: Path, read_only: Sequence[Path], gpus: Sequence[GpuState], program: Sequence[str]
) -> Contents:
    """What the container of a launch is given on one machine, whose `gpus` it may use in this order."""
    folder, case = Path(request.output), request.case
    return Contents(
        name=container_name(folder),
        folder=folder,
        package=package,
        program=tuple(program),
        read_only=tuple(read_only),
        writable=() if request.training_folder is None else (Path(request.training_folder),),
        # Engines show GPUs in PCI order, whatever order was requested, and with indices of their own.
        variables=launch_variables(case, [gpu for gpu in gpus if gpu.uuid]),
        gpu_uuids=tuple(visible_names(gpus[: case.ranks_per_node])) if case.device == "cuda" else (),
        network=case.nodes > 1,
    )
