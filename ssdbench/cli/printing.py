"""The way to a terminal and to the log of a job, with `streams`: every verb prints through these functions.

Whatever is printed is text: markup in it is not interpreted, and characters that a terminal would act on are visible.
"""

import sys
from collections.abc import Iterable
from typing import TypeAlias

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ssdbench.cli.streams import GuardedStream
from ssdbench.errors import UsageError
from ssdbench.harness.stores.codec import plain_json
from ssdbench.schema.plain_text import json_for_log, visible

Part: TypeAlias = str | tuple[str, str]
"""A text, or a text and its style."""


class Terminal(Console):
    """Standard output, or standard error, with colours if it is a terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def say(self, *parts: Part) -> None:
        """Print a paragraph; a terminal wraps it, a log gets it on one line."""
        self.print(Text.assemble(*parts), soft_wrap=not self.is_terminal)


def print_document(text: str, *, has_commands: bool = False) -> None:
    """Print a document that a format made; with `has_commands`, a CI system is meant to obey its lines."""
    ended = text if text.endswith("\n") else f"{text}\n"
    if has_commands and isinstance(sys.stdout, GuardedStream):
        sys.stdout.write_as_is(ended)
    else:
        sys.stdout.write(ended)


def print_bytes(content: bytes) -> None:
    """Write bytes to standard output.

    Raises:
        UsageError: it is a terminal.
    """
    if sys.stdout.isatty():
        raise UsageError("this output is binary and would garble the terminal: name a file, or redirect it")
    if isinstance(sys.stdout, GuardedStream):
        sys.stdout.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)


def print_json(text: str) -> None:
    """Print JSON that reads the same, with escapes for whatever a terminal or a CI system would act on."""
    print_document(json_for_log(text))


def print_data(value: object) -> None:
    """Print dataclasses, mappings and sequences of them as one line of JSON."""
    print_json(plain_json(value))


def print_line(console: Console, text: str) -> None:
    """Print text on one line, however narrow the terminal is."""
    console.print(text, soft_wrap=True)
