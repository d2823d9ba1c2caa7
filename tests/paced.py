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

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = {{ step_seconds = {step_seconds} }}
"""


def write_paced(
    folder: Path, *, margin: float = 0.3, pilot_pairs: int = 2, steps: int = 10, step_seconds: float = 0.1
) -> str:
    """Write paced.toml into a folder and return its name; no noise of a sleep reaches the margin."""
    text = _SUITE.format(margin=margin, pilot_pairs=pilot_pairs, steps=steps, step_seconds=step_seconds)
    (folder / "paced.toml").write_text(text)
    return "paced.toml"
