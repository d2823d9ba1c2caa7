"""Matching, loss and detection as the papers tell them, and as torchvision has them, beside ours on the same inputs."""
