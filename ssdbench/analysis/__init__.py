"""Host: pure functions from records to figures and verdicts; no I/O."""
