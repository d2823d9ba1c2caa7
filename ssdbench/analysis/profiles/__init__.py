"""Profiled launches of two builds: merged into a profile that is kept, and explained."""
