"""Input pipelines: one module per pipeline, found by its name."""
