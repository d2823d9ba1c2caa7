"""Accepting baselines, slow drift against older ones, and what verifies a stored one."""
