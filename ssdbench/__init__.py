"""ssdbench: benchmark and performance-regression suite for SSD300 v1.1 (PyTorch, DALI).

As a library (docs/python.md)::

    import ssdbench

    lab = ssdbench.open("results")        # a store of runs as pandas DataFrames
    ssdbench.judge(launches)              # the verdict rule on any DataFrame
    run = ssdbench.measure("smoke")       # plan, launch, store
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssdbench.api.judging import judge
    from ssdbench.api.lab import Lab, open
    from ssdbench.api.measuring import measure
    from ssdbench.schema.record import Run

__version__ = "0.2.0"
__all__ = ["Lab", "Run", "__version__", "judge", "measure", "open"]

# Imported when they are asked for: the worker, which has no pandas, imports this package too.
_HOMES = {
    "Lab": "ssdbench.api.lab",
    "Run": "ssdbench.schema.record",
    "judge": "ssdbench.api.judging",
    "measure": "ssdbench.api.measuring",
    "open": "ssdbench.api.lab",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
