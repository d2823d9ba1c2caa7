"""Launches as Slurm jobs."""
