"""The least time of a step, and the ceilings of GPUs."""
