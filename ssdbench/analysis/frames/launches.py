"""A row for each launch: its case, its figures, where it was measured, and whether a verdict would use it."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from ssdbench.analysis.differences import conditions
from ssdbench.analysis.frames.columns import TIME, Column, build
from ssdbench.analysis.metrics import figure
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.schema import launch_rules
from ssdbench.schema.case import Case
from ssdbench.schema.metrics import METRICS, Metric
from ssdbench.schema.record import Record, Run

_SUFFIXES = {
    "images/s": "_images_per_second",
    "s": "_seconds",
    "1": "",
    "bytes": "_bytes",
    "J/image": "_joules_per_image",
    "W": "_watts",
    "FLOP/s": "",
}
_GLOBAL = ("throughput",)


def figure_column(metric: Metric) -> str:
    """The column of a metric: its name with its unit, `throughput` as `global_throughput_images_per_second`."""
    return f"{'global_' if metric.name in _GLOBAL else ''}{metric.name}{_SUFFIXES[metric.unit]}"


IDENTITY = (
    Column("run_id", "string", "the run"),
    Column("suite", "string", "the suite that the run measured"),
    Column("case", "string", "key of the case: equal keys ask for the same measurement"),
    Column("title", "string", "short name of the case"),
    Column("arm", "string", "`candidate`, or `baseline` for launches of the baseline's build in an interleaved run"),
    Column("stage", "string", "stage of an interleaved run: the first measurement of all cases, or the confirmation"),
    Column("launch", "int64", "number of the launch within its case, arm and stage, from 0"),
    Column("replacement", "int64", "how many invalid launches were measured again before this one"),
    Column("order", "int64", "place among all launches of the run, from 0"),
)
_OUTCOME = (
    Column("usable", "bool", "whether verdicts, tables and histories use this launch"),
    Column("replaced", "bool", "whether a later launch was measured in place of this one"),
    Column("invalid_reason", "string", "why its conditions were not those of the run; missing for a valid launch"),
    Column("failure_kind", "string", "`crash`, `out_of_memory`, `timeout`, ...; missing where it did not fail"),
    Column("failure", "string", "the message of the failure"),
)
CONDITIONS = (
    Column("hardware", "string", "hardware key; figures of different hardware are never compared"),
    Column("workload_version", "Int64", "version of the workload; figures of different versions are never compared"),
    Column("conditions", "string", "all that must agree but the hardware: workload version, timer, steps, images"),
)
_FIGURES = tuple(Column(figure_column(m), "float64", f"{m.description} [{m.unit}]") for m in METRICS.values())
_LIMITS = (
    Column("flop_per_image", "float64", "floating-point operations of the model on an image [FLOP]"),
    Column("bytes_per_image", "float64", "bytes that the step of an image reads and writes at least"),
    Column("matmul_ceiling_flop_per_second", "float64", "measured rate of a matrix product in the case's arithmetic"),
    Column("copy_ceiling_bytes_per_second", "float64", "measured rate of a copy, bytes read plus written"),
)
_TIMES = (
    Column("launch_seconds", "float64", "the whole launch, from the start of the processes to their end [s]"),
    Column("started_at", TIME, "when the measurement (or training) began"),
    Column("run_created_at", TIME, "when the run began"),
)
_CASE = (
    Column("workload", "string", "`train`, `infer`, `detect`, `input`, `accuracy`"),
    Column("device", "string", "`cuda` or `cpu`"),
    Column("world_size", "int64", "ranks: GPUs, or processes on a CPU"),
    Column("nodes", "int64", "machines that the ranks are spread over"),
    Column("batch_size_per_gpu", "int64", "images of a step on each rank"),
    Column("global_batch_size", "int64", "images of a step on all ranks"),
    Column("precision", "string", "`fp32`, `tf32`, `amp`, `bf16`"),
    Column("backbone", "string", "`resnet18` ... `resnet152`"),
    Column("pipeline", "string", "what feeds the images: `dali`, `torchvision`, `resident`"),
    Column("layout", "string", "memory layout: `channels_last` or `contiguous`"),
    Column("compile", "bool", "whether torch.compile is used"),
    Column("cuda_graph", "bool", "whether the network is replayed as a CUDA graph"),
    Column("threads_per_rank", "int64", "CPU threads of each rank"),
    Column("decode", "string", "where DALI decodes for a GPU: `cpu` or `mixed`"),
    Column("options", "string", "options of the workload, as `name=value name=value`, empty for none"),
)
_STEPS = (
    Column("warmup_steps", "Int64", "steps before the timed region"),
    Column("timed_steps", "Int64", "steps of the timed region"),
    Column("seed", "Int64", "seed of a training for accuracy"),
    Column("side_by_side", "Int64", "trainings at a time on its machine, whose times are no speed; missing if alone"),
)
_SOFTWARE = ("container_release", "torch", "torchvision", "dali", "cuda", "cudnn", "nccl", "python")
_HOST = ("driver", "container_image", "hostname", "ssdbench_version", "ssdbench_commit")
_ENVIRONMENT = (
    Column("container_release", "string", "release of NVIDIA's container, such as 26.01; missing outside of one"),
    *(Column(name, "string", f"version of {name}, as the worker saw it") for name in _SOFTWARE[1:]),
    Column("driver", "string", "version of the GPU driver"),
    Column("container_image", "string", "the image in which the worker ran"),
    Column("hostname", "string", "the machine"),
    Column("ssdbench_version", "string", "version of ssdbench"),
    Column("ssdbench_commit", "string", "commit of ssdbench, where it ran from a checkout"),
)
COLUMNS = (*IDENTITY, *_OUTCOME, *CONDITIONS, *_FIGURES, *_LIMITS, *_TIMES, *_CASE, *_STEPS, *_ENVIRONMENT)


def launches_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """A row for each launch of these runs, in the order of measurement: all arms, stages, failures and replacements.

    Columns as `COLUMNS`; the index counts the rows from 0.
    """
    return build(COLUMNS, [row for run in runs for row in _rows(run)])


def identity(run: Run, record: Record) -> dict[str, Any]:
    """The cells of `IDENTITY`."""
    return {
        "run_id": record.run_id,
        "suite": run.header.plan.suite,
        "case": record.case.key,
        "title": record.case.title,
        "arm": record.arm,
        "stage": record.stage,
        "launch": record.launch,
        "replacement": record.replacement,
        "order": record.order,
    }


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    arms = split_arms(run)
    last = {record.id for arm in arms for record in arm.records}
    baseline, candidate = (_host_facts(arm) for arm in arms)
    for record in run.records:
        is_last = record.id in last
        yield {
            **identity(run, record),
            "usable": is_last and is_usable(record),
            "replaced": not is_last,
            "invalid_reason": record.invalid_reason,
            "failure_kind": record.failure.kind if record.failure else None,
            "failure": record.failure.message if record.failure else None,
            **conditions_cells(record),
            **_figures(record),
            **_limits(record),
            "launch_seconds": record.launch_seconds,
            "run_created_at": run.header.created_at,
            **_case(record.case),
            **_measured(record),
            **(baseline if record.arm == "baseline" else candidate),
        }


def is_usable(record: Record) -> bool:
    """Whether verdicts on speed use this launch, or those on accuracy this training: it is valid and whole."""
    if record.training is None:
        return launch_rules.is_usable(record)
    return record.training.complete and record.failure is None and record.invalid_reason is None


def conditions_cells(record: Record) -> dict[str, Any]:
    """The cells of `CONDITIONS`."""
    version = record.measurement or record.training
    found = conditions(record)
    return {
        "hardware": record.hardware.key,
        "workload_version": version.workload_version if version else None,
        "conditions": "; ".join(f"{name} {value}" for name, value in found.items() if name != "hardware") or None,
    }


def _figures(record: Record) -> dict[str, float | None]:
    measurement = record.measurement
    return {
        figure_column(metric): figure(metric.name, measurement) if measurement else None for metric in METRICS.values()
    }


def _limits(record: Record) -> dict[str, float | None]:
    limits = record.measurement.limits if record.measurement else None
    names = ("flop_per_image", "bytes_per_image", "matmul_flop_per_second", "copy_bytes_per_second")
    values = (getattr(limits, name, None) for name in names)
    return dict(zip((column.name for column in _LIMITS), values, strict=True))


def _case(case: Case) -> dict[str, Any]:
    named = {column.name: getattr(case, column.name) for column in _CASE if column.name != "options"}
    return named | {"options": " ".join(f"{name}={value}" for name, value in sorted(case.options.items()))}


def _measured(record: Record) -> dict[str, Any]:
    """Facts reported by the worker: when it started, how much it did, and with which software."""
    measurement, training = record.measurement, record.training
    source = measurement or training
    software = source.software if source else None
    return {
        "started_at": source.started_at if source else None,
        "warmup_steps": measurement.warmup_steps if measurement else None,
        "timed_steps": len(measurement.step_seconds) - measurement.warmup_steps if measurement else None,
        "seed": training.seed if training else None,
        "side_by_side": training.side_by_side if training else None,
        **{name: getattr(software, name, None) for name in _SOFTWARE},
    }


def _host_facts(arm: Run) -> dict[str, Any]:
    host, image = arm.header.host, arm.header.options.image
    facts = {name: getattr(host, name) for name in _HOST}
    return facts | ({"container_image": image.reference} if image else {})
