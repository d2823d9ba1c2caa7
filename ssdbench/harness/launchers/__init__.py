"""Launchers: each starts workers in its own way, and follows them to their end."""
