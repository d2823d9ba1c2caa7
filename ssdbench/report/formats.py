"""Formats by name. Each format is one module of a package; its name is that of the module, with hyphens."""

import importlib
import pkgutil
from types import ModuleType

from ssdbench.errors import UsageError


def formats(package: ModuleType) -> tuple[str, ...]:
    """The names of all formats in a package."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(package.__path__)))


def find_format(package: ModuleType, name: str) -> ModuleType:
    """The module of a format.

    Raises:
        UsageError: there is no such format.
    """
    if name not in formats(package):
        raise UsageError(f"format {name!r} is not known: choose from {', '.join(formats(package))}")
    return importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")
