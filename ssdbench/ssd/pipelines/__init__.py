"""The shelf of input pipelines: one file per pipeline, found by name."""
