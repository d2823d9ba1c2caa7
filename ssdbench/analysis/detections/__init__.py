"""Detections of one model from two builds: whether they agree, and the difference of their AP."""
