"""`ssdbench env`: what can be measured on this machine, and what is missing."""

from typing import Annotated, get_args

from ssdbench.cli.abilities import abilities, ability_lines
from ssdbench.cli.help import MEASURING, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, open_store
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.harness.machine.advice import current_advice
from ssdbench.harness.machine.probe import Machine, probe_machine
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.planning import skip_reason
from ssdbench.report.numbers import size
from ssdbench.schema.case import Case, DeviceKind
from ssdbench.schema.environment import Hardware
from ssdbench.workflows.sensitivity import sensitivity


def env(
    python: Annotated[
        str | None,
        option("Interpreter that would measure; default: that of ssdbench.", metavar="FILE", panel=MEASURING),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Report what can be measured on this machine, and what is missing.

    It also says which settings of the machine make launches differ, and how many pairs of launches tell a change of 1 %
    at the spread of the stored ones.
    """
    machine, console = probe_machine(), Terminal()
    worker = inspect_python(python, with_gpu_code=bool(machine.hardware.gpu_count))

    def reason(case: Case) -> str | None:
        return skip_reason(case, machine, worker)

    store = open_store(results, store_url)
    told = [*current_advice(machine.host.gpus), sensitivity(store, machine.hardware.key)]
    if as_json:
        can = {name: abilities(name, reason) for name in get_args(DeviceKind)}
        print_data({"machine": machine, "interpreter": worker, "why_not": can, "advice": told})
        return
    for sentence in [*_machine_lines(machine), *_worker_lines(worker)]:
        console.say(sentence)
    console.say(("\nWhat makes launches differ", "bold"))
    for sentence in told:
        console.say(f"  {sentence}")
    kinds: dict[str, DeviceKind] = {"a GPU": "cuda", "the CPU": "cpu"}
    for place, kind in kinds.items():
        for line in ability_lines(place, abilities(kind, reason)):
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
