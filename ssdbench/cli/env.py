"""`ssdbench env`: what can be measured on this machine, and what is missing."""

from typing import Annotated, get_args

from ssdbench.cli.help import MEASURING, option
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Part, Terminal, print_data
from ssdbench.harness.machine.probe import Machine, probe_machine
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.planning import skip_reason
from ssdbench.report.numbers import size
from ssdbench.schema.case import PIPELINES, PRECISIONS, WORKLOADS, Case, DeviceKind
from ssdbench.schema.environment import Hardware

_NOT_FOR_USERS = "pace"


def env(
    python: Annotated[
        str | None,
        option("Interpreter that would measure; default: that of ssdbench.", metavar="FILE", panel=MEASURING),
    ] = None,
    as_json: Json = False,
) -> None:
    """Report what can be measured on this machine, and what is missing."""
    machine, console = probe_machine(), Terminal()
    worker = inspect_python(python, with_gpu_code=bool(machine.hardware.gpu_count))
    if as_json:
        can = {name: _abilities(name, machine, worker) for name in get_args(DeviceKind)}
        print_data({"machine": machine, "interpreter": worker, "why_not": can})
        return
    for sentence in [*_machine_lines(machine), *_worker_lines(worker)]:
        console.say(sentence)
    kinds: dict[str, DeviceKind] = {"a GPU": "cuda", "the CPU": "cpu"}
    for place, kind in kinds.items():
        for line in _ability_lines(place, _abilities(kind, machine, worker)):
            console.say(*line)


def _machine_lines(machine: Machine) -> list[str]:
    hardware, host = machine.hardware, machine.host
    lines = [
        f"{host.os}, kernel {host.kernel}, {hardware.cpu_model}, {hardware.cpu_count} logical CPUs"
        f"{_quota(hardware)}, {size(host.memory_bytes)} memory",
    ]
    lines += [
        f"GPU {gpu.index}: {gpu.model}, {_memory(gpu.memory_bytes)}, {gpu.uuid or 'no UUID'}" for gpu in host.gpus
    ]
    lines += [remark for remark in machine.remarks if remark != machine.no_gpu_reason]
    lines.append(
        f"NVIDIA driver {host.driver or 'of unknown version'}"
        if machine.no_gpu_reason is None
        else f"No GPU: {machine.no_gpu_reason}"
    )
    lines.append(f"Baselines of this hardware are kept under {hardware.key}")
    return lines


def _quota(hardware: Hardware) -> str:
    quota = hardware.cpu_quota_cores
    return "" if quota is None else f" (of which a CPU quota allows {quota:.3g} to be busy)"


def _memory(count_bytes: int | None) -> str:
    return "unknown memory" if count_bytes is None else size(count_bytes)


def _worker_lines(worker: WorkerPython) -> list[str]:
    installed = ", ".join(f"{name} {version}" for name, version in worker.packages.items()) or "nothing it needs"
    lines = [f"Measuring interpreter: {worker.executable} (Python {worker.version}) with {installed}"]
    return [*lines, f"Its torch has code for {', '.join(worker.gpu_code)}"] if worker.gpu_code else lines


def _ability_lines(place: str, abilities: dict[str, dict[str, str | None]]) -> list[list[Part]]:
    able = {kind: [name for name, reason in names.items() if reason is None] for kind, names in abilities.items()}
    if not able["workloads"]:
        reason = next(iter(abilities["workloads"].values()))
        return [[(f"\nOn {place}", "bold"), f" nothing can be measured: {reason}"]]
    lines: list[list[Part]] = [[(f"\nOn {place}", "bold"), " can be measured:"]]
    lines += [[f"  {kind:12}", (", ".join(names), "green")] for kind, names in able.items()]
    lines += [
        [(f"  not {name}", "yellow"), f": {reason}"]
        for names in abilities.values()
        for name, reason in names.items()
        if reason is not None
    ]
    return lines


def _abilities(kind: DeviceKind, machine: Machine, worker: WorkerPython) -> dict[str, dict[str, str | None]]:
    """Why each workload, precision and pipeline cannot be measured (None: it can), each in its simplest case."""

    def ask(workload: str = "train", precision: str = "fp32", pipeline: str = "resident") -> str | None:
        case = Case(
            workload=workload,
            device=kind,
            world_size=1,
            batch_size_per_gpu=2,
            precision=precision,
            backbone="resnet50",
            pipeline=pipeline,
        )
        return skip_reason(case, machine, worker)

    return {
        "workloads": {
            # From noise nothing can be learned.
            name: ask(workload=name, pipeline="torchvision" if name == "accuracy" else "resident")
            for name in WORKLOADS
            if name != _NOT_FOR_USERS
        },
        "precisions": {name: ask(precision=name) for name in PRECISIONS},
        "pipelines": {name: ask(pipeline=name) for name in PIPELINES},
    }
