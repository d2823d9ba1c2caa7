"""The shelf of workloads: one file per workload, found by name."""
