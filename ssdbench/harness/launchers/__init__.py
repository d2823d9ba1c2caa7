"""The shelf of launchers: how a worker is started and followed."""
