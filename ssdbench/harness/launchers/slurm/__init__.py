"""Launches over Slurm."""
