"""The shelf of report formats: one file per format."""
