"""Host: how a plan becomes records."""
