"""This machine: its hardware, GPUs and interpreters, and whether a launch was disturbed."""
