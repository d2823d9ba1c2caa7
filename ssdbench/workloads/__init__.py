"""Workloads: one module per workload, found by its name."""
