"""What can be measured somewhere, and why not the rest: each workload, precision and pipeline in its simplest case."""

from collections.abc import Callable, Mapping

from ssdbench.cli.printing import Part
from ssdbench.schema.case import PIPELINES, PRECISIONS, WORKLOADS, Case, DeviceKind

Abilities = dict[str, dict[str, str | None]]
"""By kind (such as "workloads") and name: why it cannot be measured, None if it can."""

_NOT_FOR_USERS = "pace"


def abilities(kind: DeviceKind, reason: Callable[[Case], str | None]) -> Abilities:
    """Ask `reason` for the simplest case of each workload, precision and pipeline on a kind of device."""

    def ask(workload: str = "train", precision: str = "fp32", pipeline: str = "resident") -> str | None:
        return reason(simplest(kind, workload=workload, precision=precision, pipeline=pipeline))

    return {
        "workloads": {
            # From noise nothing can be learned.
            name: ask(workload=name, pipeline=_of_real_images(ask) if name == "accuracy" else "resident")
            for name in WORKLOADS
            if name != _NOT_FOR_USERS
        },
        "precisions": {name: ask(precision=name) for name in PRECISIONS},
        "pipelines": {name: ask(pipeline=name) for name in PIPELINES},
    }


def _of_real_images(ask: Callable[..., str | None]) -> str:
    """A pipeline that can be used, of those that read images."""
    return next((name for name in ("torchvision", "dali") if ask(pipeline=name) is None), "torchvision")


def simplest(
    kind: DeviceKind, *, workload: str = "train", precision: str = "fp32", pipeline: str = "resident",
    compile: bool = False, cuda_graph: bool = False,
) -> Case:  # fmt: skip
    """A small case that uses this."""
    return Case(
        workload=workload,
        device=kind,
        world_size=1,
        batch_size_per_gpu=2,
        precision=precision,
        backbone="resnet50",
        pipeline=pipeline,
        compile=compile,
        cuda_graph=cuda_graph,
    )


def ability_lines(place: str, found: Mapping[str, Mapping[str, str | None]]) -> list[list[Part]]:
    """The abilities of a place, such as "a GPU", for people."""
    able = {kind: [name for name, reason in names.items() if reason is None] for kind, names in found.items()}
    if not able["workloads"]:
        reason = next(iter(found["workloads"].values()))
        return [[(f"\nOn {place}", "bold"), f" nothing can be measured: {reason}"]]
    lines: list[list[Part]] = [[(f"\nOn {place}", "bold"), " can be measured:"]]
    lines += [[f"  {kind:12}", (", ".join(names) or "none", "green")] for kind, names in able.items()]
    lines += [
        [(f"  not {name}", "yellow"), f": {reason}"]
        for names in found.values()
        for name, reason in names.items()
        if reason is not None
    ]
    return lines
