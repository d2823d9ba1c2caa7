"""The time a step must take at least, from its operations and a device's ceilings; and how near a measured one comes.

Each operation takes the longer of arithmetic / matrix rate and bytes / copy rate; operations follow each other, so a
step takes their sum, as it does in eager mode. Where the host needs longer to submit them, it sets the pace.
(Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009, here operation by operation.)
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ssdbench.analysis.metrics import figure
from ssdbench.errors import UsageError
from ssdbench.schema.case import WORKLOADS, Case
from ssdbench.schema.launch_rules import usable_measurement
from ssdbench.schema.record import Record
from ssdbench.schema.roofline import GROUPS, CasePrediction, Ceilings, GroupPrediction, Operation, arithmetic_of


def no_roofline_reason(case: Case, ceilings: Ceilings | None) -> str | None:
    """Why there is no prediction for a case: a sentence, or None where there is one."""
    traits = WORKLOADS.get(case.workload)
    if traits is None or not traits.uses_model or traits.gated_metric is None:
        return f"workload {case.workload} has no step of the model: train, infer and detect have a roofline"
    if ceilings is not None and (needed := arithmetic_of(case)) not in ceilings.matmul_flop_per_second:
        return f"the rate of matrix products in {needed} is not known: give --ceilings {needed}=..."
    return None


def predict(case: Case, operations: Sequence[Operation], ceilings: Ceilings) -> CasePrediction:
    """The predicted step of a case on one of its GPUs.

    Raises:
        UsageError: a ceiling is not known that the case needs (`no_roofline_reason`).
    """
    if reason := no_roofline_reason(case, ceilings):
        raise UsageError(f"case {case.key}: {reason}")
    matmul = ceilings.matmul_flop_per_second[arithmetic_of(case)]

    def seconds(operation: Operation) -> float:
        return max(operation.flop / matmul, operation.bytes / ceilings.copy_bytes_per_second)

    groups = []
    for group in GROUPS:
        members = [operation for operation in operations if operation.group == group]
        if members:
            groups.append(
                GroupPrediction(
                    group=group,
                    launches=sum(operation.launches for operation in members),
                    flop=sum(operation.flop for operation in members),
                    bytes=sum(operation.bytes for operation in members),
                    seconds=sum(map(seconds, members)),
                )
            )
    device = sum(group.seconds for group in groups)
    launches, flop = sum(group.launches for group in groups), sum(group.flop for group in groups)
    cost = ceilings.host_seconds_per_operation if case.device == "cuda" else None
    host = cost * launches if cost is not None else None
    step = max(device, host or 0.0)
    return CasePrediction(
        case=case,
        flop=flop,
        bytes=sum(group.bytes for group in groups),
        launches=launches,
        groups=tuple(groups),
        device_seconds=device,
        host_seconds=host,
        predicted_step_seconds=step,
        predicted_images_per_second=case.batch_size_per_gpu / step,
        bound="host" if host is not None and host > device else "device",
        share_of_matmul_ceiling=flop / step / matmul,
    )


def beside_measured(prediction: CasePrediction, step_seconds: float) -> CasePrediction:
    """A prediction with the measured step of its case: its shares are those of what was measured."""
    return replace(
        prediction,
        measured_step_seconds=step_seconds,
        share_of_roofline=prediction.predicted_step_seconds / step_seconds,
        share_of_matmul_ceiling=prediction.share_of_matmul_ceiling * prediction.predicted_step_seconds / step_seconds,
    )


def measured_step_seconds(records: Iterable[Record], case_key: str) -> float | None:
    """The median over the valid launches of a case of their median step; None where there is none."""
    steps = [
        value
        for record in records
        if record.case.key == case_key and record.arm == "candidate"
        if (found := usable_measurement(record)) is not None and (value := figure("latency_p50", found)) is not None
    ]
    return statistics.median(steps) if steps else None
