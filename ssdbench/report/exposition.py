"""The text format of OpenMetrics 1.0: families of gauges with their samples, ended by `# EOF`."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssdbench.schema.metrics import Metric
from ssdbench.schema.plain_text import visible
from ssdbench.schema.verdict import Comparison

_UNITS = {
    "images/s": "images_per_second",
    "s": "seconds",
    "bytes": "bytes",
    "1": "ratio",
    "J/image": "joules_per_image",
    "W": "watts",
    "FLOP/s": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A gauge of one unit, which ends its name, with samples: labels and a value."""

    name: str
    unit: str
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]


def family(metric: Metric, kind: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> Family:
    """The family of a metric; `kind` is "baseline" for values of the baseline, else empty."""
    unit = _UNITS[metric.unit]
    name = "_".join(part for part in ("ssdbench", kind, metric.name, unit) if part)
    return Family(name=name, unit=unit, help=f"{kind} {metric.description}".strip(), samples=samples)


def run_family(run_id: str, hardware_key: str) -> Family:
    """Which run the other samples are of: the only sample with a label that is another one for every run."""
    labels = {"hardware": hardware_key, "run": run_id}
    return Family(name="ssdbench_run", unit="", help="the run that these samples are of", samples=[(labels, 1.0)])


def whole_run_families(comparison: Comparison, labels: Mapping[str, str]) -> list[Family]:
    """Gauges of all cases together: how many crept, what became of waivers, and the change of the suite."""
    crept = [({**labels, "against": creep.against}, float(len(creep.worse))) for creep in comparison.creep]
    states = Counter(use.state for use in comparison.waivers)
    suite = comparison.suite
    bounds = () if suite is None else (("", suite.worse_by), ("_low", suite.low), ("_high", suite.high))
    return [
        Family(
            name="ssdbench_creep_cases",
            unit="",
            help="cases that are worse than the anchor or the last release by more than the margin",
            samples=crept,
        ),
        Family(
            name="ssdbench_waivers",
            unit="",
            help="waivers for this hardware by what became of them",
            samples=[({**labels, "state": state}, float(count)) for state, count in states.items()],
        ),
        *(
            Family(
                name=f"ssdbench_suite_worse{bound}_ratio",
                unit="ratio",
                help="median change over all cases, or a bound of its interval: more than 0 is worse",
                samples=[(labels, value)],
            )
            for bound, value in bounds
        ),
    ]


def exposition(families: Sequence[Family]) -> str:
    """The whole text; families without samples are omitted."""
    lines = []
    for item in families:
        if not item.samples:
            continue
        lines += [f"# TYPE {item.name} gauge"]
        lines += [f"# UNIT {item.name} {item.unit}"] if item.unit else []
        lines += [f"# HELP {item.name} {_escaped(item.help)}"]
        for labels, value in item.samples:
            joined = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{item.name}{f'{{{joined}}}' if joined else ''} {_number(value)}")
    return "\n".join([*lines, "# EOF"]) + "\n"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[repr(value)]


def _escaped(text: str) -> str:
    return visible(text).replace("\r", " ").replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
