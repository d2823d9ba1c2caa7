"""Device: torch plumbing that knows nothing of measuring."""
