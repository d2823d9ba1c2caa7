"""This machine: hardware, GPUs, interpreters, and whether a launch was disturbed."""
