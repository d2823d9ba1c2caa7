"""Readers of files that other tools, or people, wrote."""
