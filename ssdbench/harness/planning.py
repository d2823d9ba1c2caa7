"""Turns a suite and a machine into a plan: which cases are measured, in which order, and why others are skipped."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ssdbench.errors import UsageError
from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython, dotted, missing_gpu_code, missing_software
from ssdbench.harness.memory import too_large
from ssdbench.harness.suite import expand
from ssdbench.harness.suite_tables import Suite
from ssdbench.schema.case import PRECISIONS, WORKLOADS, Case, DeviceKind, Plan, PlannedCase, Slot
from ssdbench.schema.case_names import find_named, names_of
from ssdbench.schema.names import quoted
from ssdbench.schema.text import shorten_list

MOST_LAUNCHES = 100_000
"""Launches of a plan: more would take weeks even if each took seconds."""
_SYSTEM_NAMES = {"Darwin": "macOS"}


def make_plan(
    suite: Suite, machine: Machine, worker: WorkerPython | None, seed: int, *, pilot_pairs: int | None = None
) -> Plan:
    """Plan a suite for a machine; nothing is started.

    `worker` is None for runs in container images: launches fail if an image lacks something. `pilot_pairs` is given if
    the verdict rule decides how many pairs are measured; the plan has only the first ones.

    Raises:
        UsageError: it would have more than `MOST_LAUNCHES`.
    """
    device: DeviceKind = "cpu" if suite.device == "cpu" else "cuda"
    if suite.device == "auto" and not machine.hardware.gpu_count:
        device = "cpu"
    cases = tuple(
        PlannedCase(case=case, skip_reason=skip_reason(case, machine, worker) or _unwanted_reason(case, below, machine))
        for case, below in _expanded(suite, device, machine, pilot_pairs)
    )
    refuse_endless(suite.name, sum(planned.case.protocol.launches for planned in cases))
    return Plan(suite=suite.name, seed=seed, cases=cases, order=_interleave(cases))


def plan_pairs(plan: Plan, keys: Collection[str], pairs: int) -> Plan:
    """These cases of a plan, those that are skipped left out, to be measured in so many pairs at first."""
    cases = tuple(
        replace(planned, case=replace(planned.case, protocol=replace(planned.case.protocol, launches=pairs)))
        for planned in plan.cases
        if planned.case.key in keys and planned.skip_reason is None
    )
    return replace(plan, cases=cases, order=_interleave(cases))


def plan_first_launches(plan: Plan, keys: Collection[str]) -> Plan:
    """The plan with one launch of these cases."""
    cases = tuple(
        replace(planned, case=replace(planned.case, protocol=replace(planned.case.protocol, launches=1)))
        if planned.case.key in keys
        else planned
        for planned in plan.cases
    )
    return replace(plan, cases=cases, order=_interleave(cases))


def refuse_endless(suite: str, launches: int) -> None:
    """Raises UsageError for more launches than anybody can measure."""
    if launches > MOST_LAUNCHES:
        raise UsageError(
            f"{suite} has {launches:,} launches, and a run may have {MOST_LAUNCHES:,}: ask for fewer launches, or cases"
        )


def _expanded(
    suite: Suite, device: DeviceKind, machine: Machine, pilot_pairs: int | None
) -> Iterator[tuple[Case, str | None]]:
    hardware = machine.hardware
    for case, below in expand(suite, device, hardware.whole_cpus, hardware.gpu_count):
        launches = pilot_pairs or case.protocol.launches
        yield replace(case, protocol=replace(case.protocol, launches=launches)), below


def _interleave(cases: tuple[PlannedCase, ...]) -> tuple[Slot, ...]:
    """Round robin, every second round in reverse order, so that a drift of the machine affects all cases alike."""
    measured = [planned.case for planned in cases if planned.skip_reason is None]
    rounds = max((case.protocol.launches for case in measured), default=0)
    return tuple(
        Slot(case_key=case.key, launch=launch)
        for launch in range(rounds)
        for case in (measured if launch % 2 == 0 else reversed(measured))
        if launch < case.protocol.launches
    )


def skip_reason(case: Case, machine: Machine, worker: WorkerPython | None) -> str | None:
    """Why this machine cannot measure the case: a sentence, or None if it can."""
    reason = (
        _system_reason(machine)
        or _nodes_reason(case, machine)
        or _device_reason(case, machine)
        or _precision_reason(case, machine)
        or _shape_reason(case)
    )
    reason = reason or _graph_reason(case) or too_large(case, machine.hardware.gpu_memory_bytes)
    if reason is not None or worker is None:
        return reason
    return missing_software(case, worker) or missing_gpu_code(case, machine.hardware, worker)


def _system_reason(machine: Machine) -> str | None:
    # Workers bind ranks to CPUs, read /proc and end with their parent: all three are Linux's own.
    if machine.system == "Linux":
        return None
    name = _SYSTEM_NAMES.get(machine.system, machine.system)
    return f"launches need Linux, this is {name}"


def _nodes_reason(case: Case, machine: Machine) -> str | None:
    if case.world_size % case.nodes:
        return f"{case.world_size} ranks cannot be spread evenly over {case.nodes} nodes"
    if case.nodes > machine.nodes:
        have = "this is one machine (see docs/slurm.md)" if machine.nodes == 1 else f"there are {machine.nodes}"
        return f"needs {case.nodes} nodes, {have}"
    return None


def _device_reason(case: Case, machine: Machine) -> str | None:
    hardware, ranks = machine.hardware, case.ranks_per_node
    owner = "this machine" if machine.nodes == 1 else "a node"
    if case.device == "cuda" and not hardware.gpu_count:
        return f"needs a GPU, and {machine.no_gpu_reason}"
    if case.device == "cuda" and ranks > hardware.gpu_count:
        why = f": {'; '.join(machine.remarks)}" if machine.remarks else ""
        return f"needs {ranks} GPUs, {owner} has {hardware.gpu_count}{why}"
    if case.device == "cpu" and case.binds_to_numa_node:
        return "bind = numa selects the CPUs near a GPU, and this case runs on the CPU"
    if case.device == "cpu" and ranks > hardware.cpu_count:
        return f"needs a CPU for each of {ranks} processes, {owner} has {hardware.cpu_count}"
    return None


def _precision_reason(case: Case, machine: Machine) -> str | None:
    rule = PRECISIONS[case.precision]
    if case.device == "cpu":
        if not rule.on_cpu:
            return f"{case.precision} needs a GPU"
        if case.precision == "bf16" and not machine.cpu_has_bf16:
            return "this CPU has no vector arithmetic for bfloat16 (AVX-512 or better)"
        return None
    capability = machine.hardware.compute_capability
    if capability is not None and capability < rule.minimum_capability:
        have, need = dotted(capability), dotted(rule.minimum_capability)
        return f"{case.precision} needs compute capability {need}, {machine.hardware.gpu_model} has {have}"
    return None


def _shape_reason(case: Case) -> str | None:
    if WORKLOADS[case.workload].trains and case.batch_size_per_gpu == 1:
        return "training with one image per GPU is impossible: BatchNorm on the 1x1 map needs more than one value"
    if case.workload == "accuracy" and case.pipeline == "resident":
        return "the resident pipeline serves noise, from which nothing can be learned: use dali or torchvision"
    return None


def _graph_reason(case: Case) -> str | None:
    if not case.cuda_graph:
        return None
    if case.device == "cpu":
        return "a CUDA graph needs a GPU, not a CPU"
    if not WORKLOADS[case.workload].records_graph:
        have = " or ".join(name for name, traits in WORKLOADS.items() if traits.records_graph)
        return f"CUDA graphs are for {have}, not for {case.workload}"
    if case.compile:
        return "cuda_graph and compile cannot be combined: measure them separately"
    if WORKLOADS[case.workload].trains and case.world_size > 1:
        return "a CUDA graph of training is limited to one GPU: averaging gradients over several cannot be recorded"
    return None


def _unwanted_reason(case: Case, below_capability: str | None, machine: Machine) -> str | None:
    capability = machine.hardware.compute_capability
    if below_capability is None or capability is None or case.device == "cpu":
        return None
    major, minor = below_capability.split(".")
    if capability < (int(major), int(minor)):
        return None
    return f"the suite asks for {case.precision} below compute capability {below_capability} only"


def select_cases(plan: Plan, asked: Sequence[str]) -> Plan:
    """The cases of a plan that these patterns mean, as `schema.case_names.find_named` takes them; none: all cases.

    decode=cpu and decode=mixed count as words too, although only decode=cpu is part of a key. Keys do not change.

    Raises:
        UsageError: a pattern fits no case.
    """
    if not asked:
        return plan
    names = {planned.case.key: names_of(planned.case) for planned in plan.cases}
    keys: set[str] = set()
    for text in asked:
        if not (found := find_named(names, text)):
            there = shorten_list([*names], 8)
            raise UsageError(f"--case {quoted(text)} fits no case of {plan.suite}; there are {there}")
        keys.update(found)
    cases = tuple(planned for planned in plan.cases if planned.case.key in keys)
    order = tuple(slot for slot in plan.order if slot.case_key in keys)
    return replace(plan, cases=cases, order=order, chosen=tuple(asked))
