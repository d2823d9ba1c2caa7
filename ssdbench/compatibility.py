"""What the device side needs of newer Pythons: older container images have Python 3.8.

All other files that the device side imports are written so that Python 3.8 runs them as they are.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info >= (3, 10):
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, kw_only, slots, frozen=False, eq=True):  # noqa: ARG001
        """`dataclasses.dataclass` with fields by keyword only, as all of the device side's are, and without slots."""

        def decorate(cls):
            made = dataclasses.dataclass(init=False, frozen=frozen, eq=eq)(cls)
            made.__init__ = _initialise
            return made

        return decorate

    def _initialise(self, **values):
        """Any field may follow one with a default value, which Python allows in a generated `__init__` from 3.10 on."""
        name = type(self).__name__
        for field in dataclasses.fields(self):
            if not field.init:
                continue
            if field.name in values:
                value = values.pop(field.name)
            elif field.default is not dataclasses.MISSING:
                value = field.default
            elif field.default_factory is not dataclasses.MISSING:
                value = field.default_factory()
            else:
                raise TypeError(f"{name}.__init__() missing required keyword-only argument: {field.name!r}")
            object.__setattr__(self, field.name, value)
        if values:
            raise TypeError(f"{name}.__init__() got an unexpected keyword argument {next(iter(values))!r}")
        if hasattr(self, "__post_init__"):
            self.__post_init__()


if TYPE_CHECKING:
    zip_equal = zip  # with the type of zip's result for each number of arguments
elif sys.version_info >= (3, 10):
    zip_equal = functools.partial(zip, strict=True)
else:

    def zip_equal(*iterables):
        """`zip`, and a ValueError where one iterable is shorter than another."""
        iterators = [iter(iterable) for iterable in iterables]
        ended = object()
        while iterators:
            items = tuple([next(iterator, ended) for iterator in iterators])
            missing = sum(item is ended for item in items)
            if missing == len(items):
                return
            if missing:
                raise ValueError("zip_equal() arguments have different lengths")
            yield items


def without_suffix(text: str, suffix: str) -> str:
    """`str.removesuffix` of Python 3.9."""
    return text[: -len(suffix)] if suffix and text.endswith(suffix) else text


__all__ = ["dataclass", "without_suffix", "zip_equal"]
