"""The measured rows of a check beside their rooflines, as a Markdown table for docs/performance.md.

python -m benchmarks.gpu.shares results/gpu/20261126-h100-80gb.json [--gpu "h100 80gb"]
"""

import argparse
import json
import re
from pathlib import Path

from ssdbench.analysis.roofline.ceilings import known_ceilings
from ssdbench.analysis.roofline.prediction import beside_measured, predict
from ssdbench.report.numbers import rounded
from ssdbench.schema.case import PRECISIONS, Case
from ssdbench.schema.roofline import CasePrediction
from ssdbench.worker.trace import Trace, operations, trace

_ROW = re.compile(r"(train|infer|detect)(?: ours)? (amp|bf16|tf32|fp32) b(\d+)\b")
HEAD = "| step | predicted | measured | share of roofline | share of the matrix ceiling |\n|---|--:|--:|--:|--:|"


def predictions(check: Path, gpu: str) -> list[CasePrediction]:
    """Every row of a check that is a step of the eager ResNet-50."""
    traces: dict[tuple[str, bool], Trace] = {}
    found: dict[str, CasePrediction] = {}
    for row in json.loads(check.read_text(encoding="utf-8"))["rows"]:
        named = _ROW.match(row["name"])
        if named is None or "step_ms" not in row or re.search("plain|compiled|graph", row["name"]):
            continue
        workload, precision, batch_size = named[1], named[2], int(named[3])
        case = Case(
            workload=workload,
            device="cuda",
            world_size=1,
            batch_size_per_gpu=batch_size,
            precision=precision,
            backbone="resnet50",
            pipeline="resident",
        )
        key = (workload, PRECISIONS[precision].autocast_dtype is not None)
        if key not in traces:
            traces[key] = trace(case)
        steps = operations(traces[key], batch_size, on_gpu=True)
        found[case.key] = beside_measured(predict(case, steps, known_ceilings(gpu)), row["step_ms"] / 1e3)
    return list(found.values())


def table(found: list[CasePrediction]) -> str:
    """One row a step."""
    rows = [
        f"| {p.case.workload} {p.case.precision}, batch {p.case.batch_size_per_gpu} "
        f"| {rounded(1e3 * p.predicted_step_seconds, 3)} ms{' (host)' if p.bound == 'host' else ''} "
        f"| {rounded(1e3 * (p.measured_step_seconds or 0), 3)} ms | {rounded(100 * (p.share_of_roofline or 0), 2)} % "
        f"| {rounded(100 * p.share_of_matmul_ceiling, 2)} % |"
        for p in found
    ]
    return "\n".join([HEAD, *rows])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", type=Path, help="gpu-check.json")
    parser.add_argument("--gpu", default="h100 80gb", help="the card, as in the table of ceilings")
    asked = parser.parse_args()
    print(table(predictions(asked.check, asked.gpu)))


if __name__ == "__main__":
    main()
