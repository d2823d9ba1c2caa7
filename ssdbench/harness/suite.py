"""Suites: reads TOML files and expands them into cases. A mistake is one sentence with file, key and remedy."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.harness.resources import SUITES, resource
from ssdbench.harness.suite_tables import AXES, MatrixTable, Suite
from ssdbench.harness.toml_tables import read_toml, validated
from ssdbench.schema.case import NOT_USED, WORKLOADS, Case, DeviceKind, OptionValue, Protocol
from ssdbench.schema.names import did_you_mean, quoted
from ssdbench.schema.options import case_options

SUITES_FOLDER = Path("benchmarks/suites")
MOST_CASES = 10_000
"""Combinations of a suite's axes: more is a mistake, and would take years."""


def find_suite(name: str) -> Path:
    """The file of a suite given by its path, or by its name: of benchmarks/suites here, else of ssdbench's own suites.

    Raises:
        UsageError: there is none.
    """
    folders = [SUITES_FOLDER, resource(SUITES)]
    for path in [Path(name), *(folder / f"{name}.toml" for folder in folders)]:
        with suppress(OSError):  # a name that is longer than a file's may be
            if path.is_file():
                return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    raise UsageError(
        f"there is no suite {quoted(name)}: {did_you_mean(name, known)}give a .toml file or one of "
        f"{', '.join(known) or '(none found)'}"
    )


def load_suite(path: Path) -> Suite:
    """Read and check a suite.

    Raises:
        UsageError: not TOML, or a key or value that a suite does not have.
    """
    return parse_suite(read_toml(path), str(path))


def parse_suite(content: dict[str, Any], origin: str, flags: Mapping[str, str] | None = None) -> Suite:
    """Check a suite's content.

    Args:
        content: its tables.
        origin: what a message calls it.
        flags: what a message calls a key that was an option of the command line.

    Raises:
        UsageError: a key or value that a suite does not have, too many cases, or an exclude that never applies.
    """
    suite = validated(Suite, content, origin, flags)
    _check_settings(suite, origin)
    combinations = sum(matrix.combinations for matrix in suite.matrix)
    if combinations > MOST_CASES:
        raise UsageError(
            f"{origin}: its axes have {combinations:,} combinations, and a suite may have {MOST_CASES:,}: shorten the "
            "lists, or split the suite"
        )
    for number, matrix in enumerate(suite.matrix, start=1):
        where = f"{origin}: matrix {number}"
        if "decode" in matrix.model_fields_set and "dali" not in matrix.pipeline:
            raise UsageError(
                f"{where}: decode is for the pipeline dali, and its pipeline is "
                f"{', '.join(matrix.pipeline)}: omit decode, or add dali"
            )
        _check_protocol(_protocol(suite, matrix), where)
        _check_options(matrix, where)
        for rule in matrix.exclude:
            _check_exclude(rule, matrix, where)
    return suite


def _protocol(suite: Suite, matrix: MatrixTable) -> Protocol:
    return matrix.protocol.over(suite.protocol.over(Protocol()))


def _check_protocol(protocol: Protocol, where: str) -> None:
    seconds = protocol.warmup_seconds + protocol.timed_seconds
    if seconds >= protocol.timeout_seconds:
        raise UsageError(
            f"{where}: warmup_seconds and timed_seconds sum to {seconds:g} s, and a launch may take only "
            f"{protocol.timeout_seconds:g} s: increase timeout_seconds"
        )


def _check_settings(suite: Suite, origin: str) -> None:
    try:
        suite.verdict.settings()
    except UsageError as error:
        raise UsageError(f"{origin}: {error}") from None


def _check_options(matrix: MatrixTable, where: str) -> None:
    try:
        for workload in matrix.workload:
            case_options(workload, matrix.options)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _check_exclude(rule: dict[str, OptionValue], matrix: MatrixTable, where: str) -> None:
    for key, value in rule.items():
        if key not in AXES:
            raise UsageError(
                f"{where}: exclude has {quoted(key)}, which is not an axis: {did_you_mean(key, AXES)}"
                f"choose from {', '.join(AXES)}"
            )
        if value not in getattr(matrix, key):
            raise UsageError(
                f"{where}: exclude never applies: {key} = {quoted(value)} is not in {quoted(getattr(matrix, key))}"
            )


def expand(suite: Suite, device: DeviceKind, cpu_count: int, gpu_count: int = 0) -> Iterator[tuple[Case, str | None]]:
    """All cases in the suite's order, each with the compute capability below which it is wanted (None: always).

    `threads_per_rank` 0 becomes a share of the logical CPUs of a machine with `cpu_count` CPUs and `gpu_count` GPUs,
    see `_default_threads`.
    """
    seen: set[str] = set()
    for matrix in suite.matrix:
        protocol = _protocol(suite, matrix)
        for values in itertools.product(*(getattr(matrix, axis) for axis in AXES)):
            axes = dict(zip(AXES, values, strict=True))
            if any(all(axes[key] == value for key, value in rule.items()) for rule in matrix.exclude):
                continue
            threads = matrix.threads_per_rank or _default_threads(axes, device, cpu_count, gpu_count)
            case = Case(
                device=device,
                threads_per_rank=threads,
                options=case_options(axes["workload"], matrix.options),
                protocol=protocol,
                **_without_unused(axes, device),
            )
            if case.key not in seen:
                seen.add(case.key)
                yield case, matrix.below_capability


def _default_threads(axes: dict[str, Any], device: DeviceKind, cpu_count: int, gpu_count: int) -> int:
    """CPU threads of a rank if the suite gives no number.

    On a CPU the ranks share all CPUs. On a GPU a rank gets the share that it would get if every GPU of the machine were
    in use, so that throughput of one and of eight GPUs differs by the GPUs only; one CPU of that share is left for the
    rank's main thread, which keeps the GPU busy. torchvision's threads are processes with two batches each in shared
    memory: at most 8, as in the published loader.
    """
    ranks: int = max(1, axes["world_size"] // axes["nodes"])
    if device == "cpu":
        return max(1, cpu_count // ranks)
    share = max(1, cpu_count // max(ranks, gpu_count) - 1)
    return min(8, share) if axes["pipeline"] == "torchvision" else share


def _without_unused(axes: dict[str, Any], device: DeviceKind) -> dict[str, Any]:
    """Set axes that a workload does not use to fixed values: `input` of resnet18 and of resnet50 is one case."""
    unused: dict[str, Any] = {}
    if not WORKLOADS[axes["workload"]].uses_model:
        unused |= {"backbone": NOT_USED, "precision": "fp32", "compile": False, "cuda_graph": False}
    if axes["workload"] == "pace":
        unused |= {"pipeline": NOT_USED, "layout": "channels_last"}
    if device == "cpu" or (axes | unused)["pipeline"] != "dali":
        unused |= {"decode": "mixed"}
    return axes | unused
