"""The types that host and worker share: frozen dataclasses of the standard library.

Everything that is stored or exchanged says its version; results/README.md has their history.
"""

from __future__ import annotations

SCHEMA_VERSION = 4
"""Version of what the host stores and prints: runs, records, baselines, comparisons."""

EXCHANGE_VERSION = 1
"""Version of what host and worker hand to each other, which a record keeps as it came.

It has a number of its own, because a worker of an earlier ssdbench can measure as the baseline.
"""
