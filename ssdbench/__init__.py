"""ssdbench: benchmark and performance-regression suite for SSD300 v1.1 (PyTorch, DALI)."""

__version__ = "0.2.0"
