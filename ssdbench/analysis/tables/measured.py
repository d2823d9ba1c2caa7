"""Runs -> sheets: the figure of each case with its bounds, or why there is none.

* The figure of a case is the geometric mean of its launches, its bounds the 95 % interval of Student's t over their
  logarithms. Where several runs measured the case, a run is the unit (launches of one run share its conditions): the
  geometric mean of each run is one value. Accuracies are arithmetic means over seeds.
* A sheet holds runs of one hardware, software, container image and data set; nothing is summed up across them.
* A cell has one case: two cases that differ only in what the layout does not show are refused, and so are runs that
  measured a case under other conditions (`differences.comparability_issues`).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev

from ssdbench.analysis.convergence.seeds import ACCURACY, aps
from ssdbench.analysis.convergence.stability import final_ap, impossibilities, summarised
from ssdbench.analysis.differences import comparability_issues, software_of
from ssdbench.analysis.metrics import STEPS_NEEDED, figure
from ssdbench.analysis.tables.sheet import LATENCIES, SUMMARY_TITLES, Cells, Place, Sheet
from ssdbench.analysis.verdicts.contrast import quantile
from ssdbench.analysis.verdicts.coverage import does_not_fit, failures
from ssdbench.errors import UsageError
from ssdbench.schema.case import NOT_USED, WORKLOADS, Case, PlannedCase
from ssdbench.schema.environment import Hardware, Software
from ssdbench.schema.launch_rules import usable
from ssdbench.schema.record import Measurement, Record, Run
from ssdbench.schema.table import Cell
from ssdbench.schema.training import Training

CONFIDENCE = 0.95
_LATENCY_WORKLOADS = ("infer", "detect")
_MODEL_WORKLOADS = ("train", *_LATENCY_WORKLOADS)
_EFFICIENCY: Mapping[str, Callable[[Measurement], float | None]] = {
    "flop_per_second_per_gpu": lambda launch: _scaled(1e-12, figure("flop_per_second_per_gpu", launch)),
    "mfu": lambda launch: _scaled(100.0, figure("mfu", launch)),
    "images_per_joule": lambda launch: 1 / energy if (energy := figure("energy", launch)) else None,
    "power": lambda launch: figure("power", launch),
    "peak_memory": lambda launch: _scaled(2.0**-30, figure("peak_memory", launch)),
}
"""The columns of `sheet.EFFICIENCY`, each in its unit."""


def measured_sheets(runs: Sequence[Run]) -> list[Sheet]:
    """One sheet for each machine, software and data set, in the order of the runs.

    Raises:
        UsageError: figures that cannot stand in one cell.
    """
    groups: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        header = run.header
        groups[header.hardware.key, _software(run), header.host.container_image, header.dataset].append(run)
    return [_sheet(group) for group in groups.values()]


def mean_cell(values: Sequence[float], *, logarithmic: bool = True, note: str = "") -> Cell:
    """The mean of independent values with its 95 % interval; of one value, no interval.

    Values that cannot be (not finite, not positive) make it a word.
    """
    if not values or not all(0 < value < math.inf for value in values):
        return Cell(word="impossible", note=note or "a time or a count of images is not a positive number")
    scaled = [math.log(value) if logarithmic else value for value in values]
    back = math.exp if logarithmic else float
    centre = fmean(scaled)
    if len(values) < 2:
        return Cell(value=back(centre), note=note)
    half = quantile((1 + CONFIDENCE) / 2, len(values) - 1) * stdev(scaled) / math.sqrt(len(values))
    return Cell(value=back(centre), low=back(centre - half), high=back(centre + half), note=note)


def _sheet(runs: Sequence[Run]) -> Sheet:
    planned: dict[str, list[PlannedCase]] = defaultdict(list)
    records: dict[str, list[Record]] = defaultdict(list)
    for run in runs:
        for item in run.header.plan.cases:
            planned[item.case.key].append(item)
        for record in run.records:
            records[record.case.key].append(record)
            if record.case.key not in planned:
                planned[record.case.key].append(PlannedCase(case=record.case))
    cells: dict[Place, Cells] = {}
    keys: dict[Place, str] = {}
    for key, items in planned.items():
        is_accuracy = any(record.training for record in records[key])
        place = _place(items[0].case, ACCURACY if is_accuracy else items[0].case.workload)
        if place in keys:
            raise UsageError(
                f"cases {keys[place]} and {key} would share a cell of the table; give runs that measured one of them"
            )
        keys[place] = key
        cells[place] = _cells(items, records[key], place.workload)
    return Sheet(
        title=_machine(runs[0].header.hardware), context=_context(runs), cells=cells, hardware=runs[0].header.hardware
    )


def _place(case: Case, workload: str) -> Place:
    traits = WORKLOADS.get(case.workload)
    named = [case.backbone, case.pipeline, case.layout, "compiled" if case.compile else ""]
    named += ["decode=cpu"] if case.decode_is_a_choice and case.decode == "cpu" else []
    named += ["CUDA graph"] if case.cuda_graph else []
    named += [f"{case.nodes} nodes"] if case.nodes > 1 else []
    named += [f"{name}={value}" for name, value in sorted(case.options.items())]
    return Place(
        workload=workload,
        gpus=case.world_size,
        batch_size_per_gpu=case.batch_size_per_gpu,
        precision=case.precision if traits is None or traits.uses_model else NOT_USED,
        conditions=", ".join(name for name in named if name not in ("", NOT_USED)),
        is_synchronised=case.is_synchronised,
    )


def _cells(planned: Sequence[PlannedCase], records: Sequence[Record], workload: str) -> Cells:
    case = planned[0].case
    if workload == ACCURACY:
        return _accuracy_cells(planned, records)
    metrics = ["throughput", *(LATENCIES if workload in _LATENCY_WORKLOADS else ())]
    absent = _absent(planned, records)
    if absent is not None:
        return dict.fromkeys(metrics, absent)
    sound = usable(records)
    if len({record.run_id for record in sound}) > 1 and (unlike := comparability_issues(sound, sound)):
        listed = ", ".join(f"{item.name} {item.baseline}" for item in unlike)
        raise UsageError(f"case {case.key}: the runs cannot be summed up, they differ in {listed}; give one of them")
    cells = {metric: _metric_cell(metric, sound) for metric in metrics}
    return cells | (_efficiency(sound) if case.workload in _MODEL_WORKLOADS else {})


def _absent(planned: Sequence[PlannedCase], records: Sequence[Record]) -> Cell | None:
    """Why a case has no figure; None where it has."""
    broken = failures(records)
    if broken:
        record, failure = broken[0]
        kind = failure.kind.replace("_", " ")
        return Cell(
            word="does not fit" if does_not_fit(records) else "failed",
            note=f"launch {record.launch} of run {record.run_id}: {kind}, {failure.message}",
        )
    if any((record.measurement or record.training) and not record.invalid_reason for record in records):
        return None
    invalid = [record.invalid_reason for record in records if record.invalid_reason]
    if invalid:
        return Cell(word="invalid", note=f"every launch is invalid: {invalid[0]}")
    unsupported = [r.failure.message for r in records if r.failure and r.failure.kind == "unsupported"]
    reasons = [item.skip_reason for item in planned if item.skip_reason] + unsupported
    if reasons:
        return Cell(word="skipped", note=reasons[0])
    verb = "converge" if any(item.case.workload == "accuracy" for item in planned) else "run"
    return Cell(word="not run", note=f"planned, not measured: `ssdbench {verb} --resume` continues")


def _metric_cell(metric: str, records: Sequence[Record]) -> Cell:
    factor = 1e3 if metric in LATENCIES else 1.0
    by_run: dict[str, list[float]] = defaultdict(list)
    for record in records:
        assert record.measurement is not None
        value = figure(metric, record.measurement)
        if value is None:
            return _too_few_steps(metric, record.measurement)
        by_run[record.run_id].append(factor * value)
    return _mean_over_runs(by_run)


def _efficiency(records: Sequence[Record]) -> dict[str, Cell]:
    """The figures of efficiency that every launch has; none of the memory alone, which says nothing of it."""
    found: dict[str, Cell] = {}
    for name, derive in _EFFICIENCY.items():
        values = [(record.run_id, derive(record.measurement) if record.measurement else None) for record in records]
        by_run: dict[str, list[float]] = defaultdict(list)
        for run_id, value in values:
            if value is not None:
                by_run[run_id].append(value)
        if values and all(value is not None for _, value in values):
            found[name] = _mean_over_runs(by_run)
    return found if found.keys() - {"peak_memory"} else {}


def _scaled(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def _mean_over_runs(by_run: Mapping[str, Sequence[float]]) -> Cell:
    if len(by_run) == 1:
        return mean_cell(next(iter(by_run.values())))
    means = [mean_cell(values) for values in by_run.values()]
    return mean_cell([math.nan if cell.value is None else cell.value for cell in means])


def _too_few_steps(metric: str, measurement: Measurement) -> Cell:
    steps = len(measurement.step_seconds) - measurement.warmup_steps
    if metric not in STEPS_NEEDED:
        return Cell(word="-", note=f"no timed step among {len(measurement.step_seconds)}")
    name, needed = metric.removeprefix("latency_"), STEPS_NEEDED[metric]
    return Cell(word="-", note=f"{name} needs {needed} timed steps a launch, {steps} are there")


def _accuracy_cells(planned: Sequence[PlannedCase], records: Sequence[Record]) -> Cells:
    absent = _absent(planned, records)
    if absent is not None:
        return {"map": absent, "time_to_train": absent}
    curves = [(record, record.training) for record in records if record.training and not record.invalid_reason]
    whole = [curve for _, curve in curves if curve.complete]
    if not whole:
        record, curve = curves[0]
        stopped = Cell(
            word="incomplete",
            note=f"seed {curve.seed} of run {record.run_id}: {len(curve.results)} of {curve.epochs} epochs",
        )
        return {"map": stopped, "time_to_train": stopped}
    finals = [final_ap(curve) for curve in whole if aps(curve)]
    if not finals:
        unknown = Cell(word="-", note="no epoch was evaluated")
        return {"map": unknown, "time_to_train": _time_to_train(whole)}
    left_out = len(curves) - len(whole)
    note = f"{left_out} of {len(curves)} seeds did not finish and are left out" if left_out else ""
    figures: dict[str, Cell] = {
        "map": mean_cell(finals, logarithmic=False, note=note),
        "time_to_train": _time_to_train(whole),
    }
    return figures | (_stability(finals) if len(finals) > 1 else {})


def _time_to_train(trainings: Sequence[Training]) -> Cell:
    if any(training.side_by_side for training in trainings):
        return Cell(word="-", note="seeds were trained side by side: their times tell nothing about speed")
    return mean_cell([training.seconds / 60 for training in trainings])


def _stability(finals: Sequence[float]) -> dict[str, Cell]:
    row = summarised(finals)
    faults = impossibilities(row)
    if faults:
        return dict.fromkeys(SUMMARY_TITLES, Cell(word="refused", note=f"impossible summary: {'; '.join(faults)}"))
    texts = [Cell(value=value, decimals=4) for value in (row.mean, row.sd, row.minimum, row.maximum, row.median)]
    return dict(zip(SUMMARY_TITLES, [Cell(value=row.seeds, decimals=0), *texts], strict=True))


def _software(run: Run) -> Software | None:
    # Launches of a run share their software; which of several names the sheet must not depend on chance.
    return min(software_of(run), key=repr, default=None)


def _machine(hardware: Hardware) -> str:
    if hardware.gpu_model is None:
        quota = hardware.cpu_quota_cores
        limited = "" if quota is None else f" (quota of {quota:.3g})"
        return f"{hardware.cpu_model}, {hardware.cpu_count} CPUs{limited}"
    gibibytes = f", {hardware.gpu_memory_bytes / 2**30:.0f} GiB" if hardware.gpu_memory_bytes else ""
    return f"{hardware.gpu_count} × {hardware.gpu_model}{gibibytes}"


def _context(runs: Sequence[Run]) -> tuple[tuple[str, str], ...]:
    header, software = runs[0].header, _software(runs[0])
    release = software.container_release if software else None
    days = sorted({run.header.created_at[:10] for run in runs})
    found = [("hardware", f"{_machine(header.hardware)} ({header.hardware.key})")]
    found.append(("container", " ".join(filter(None, (release, header.host.container_image))) or "none"))
    if software:
        named = (("torch", software.torch), ("CUDA", software.cuda), ("cuDNN", software.cudnn), ("DALI", software.dali))
        found.append(("software", ", ".join(f"{name} {version}" for name, version in named if version)))
    found.append(("measured", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"))
    if header.dataset:
        found.append(("images", header.dataset.name))
    found.append(("runs", ", ".join(run.header.run_id for run in runs)))
    return tuple(found)
