"""A suite of one case that is known beforehand: steps of 0.1 s in which nothing is computed."""

from pathlib import Path

_SUITE = """
name = "paced"
device = "cpu"
foreign_cpu_limit_cores = 64.0

[protocol]
warmup_steps = 0
steps = {steps}
launches = 1

[verdict]
margin = {margin}
pilot_pairs = {pilot_pairs}
{rule}
[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = {{ step_seconds = {step_seconds} }}
"""
# As few launches as can be, for a change that is far beyond the margin.
_FEW = """rule = "fixed"
alpha = 0.2
plan_power = 0.8
power = 0.8
pair_cap = 4
confirm_pair_cap = 4
"""


def write_paced(
    folder: Path,
    *,
    margin: float = 0.3,
    pilot_pairs: int = 2,
    steps: int = 10,
    step_seconds: float = 0.1,
    few: bool = False,
) -> str:
    """Write paced.toml into a folder and return its name; no noise of a sleep reaches the margin.

    With `few`, pairs decide as soon as they can: for a change that is planted, and is judged elsewhere.
    """
    rule = _FEW if few else ""
    text = _SUITE.format(margin=margin, pilot_pairs=pilot_pairs, steps=steps, step_seconds=step_seconds, rule=rule)
    (folder / "paced.toml").write_text(text)
    return "paced.toml"
