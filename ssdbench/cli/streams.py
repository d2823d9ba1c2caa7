"""Standard output and standard error, guarded: what goes there is text, and a stream that fails stops nothing.

A CI system takes some lines of a log for commands, a terminal acts on control characters; none of them is ours. A
reader that leaves (`| head`) or a full disk must not end a measurement: text is dropped from then on.
"""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from ssdbench.errors import ExitCode
from ssdbench.schema.plain_text import visible, without_commands

# What rich writes for colours and to redraw; text from elsewhere has lost such sequences before (`printing.Terminal`).
_STYLE = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r)")
_IN_ASCII = {"×": "x", "·": "-", "…": "...", "→": "->", "±": "+-", "–": "-", "≤": "<=", "≥": ">=", "µ": "u", "’": "'"}
_ERROR_HANDLER = "ssdbench.ascii"


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """How characters that an encoding lacks are spelled in ASCII, or a question mark for each."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_IN_ASCII.get(character, "?") for character in error.object[error.start : error.end]), error.end


codecs.register_error(_ERROR_HANDLER, _in_ascii)


class GuardedStream(io.TextIOBase):
    """Passes literal text on to a stream until that fails; `failure` is the reason."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_within_line = False
        self.failure: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERROR_HANDLER)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # as read-only as that of every text file
        return self._stream.encoding or "utf-8"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        shown = self._visible(text)
        literal = without_commands(f"x{shown}")[1:] if self._is_within_line else without_commands(shown)
        *earlier, last = shown.rsplit("\n", 1)
        self._is_within_line = bool(last.strip()) or (self._is_within_line and not earlier)
        self.write_as_is(literal)
        return len(text)

    def write_as_is(self, text: str) -> None:
        """Write text that is meant to be commands of a CI system; their arguments are escaped."""
        self._attempt(lambda: self._stream.write(text))

    def write_bytes(self, content: bytes) -> None:
        """Write what is no text."""
        self.flush()
        self._attempt(lambda: self._stream.buffer.write(content))

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _visible(self, text: str) -> str:
        if not _STYLE.search(text) or not self._takes_styles():
            return visible(text)
        parts = _STYLE.split(text)
        return "".join(part if number % 2 else visible(part) for number, part in enumerate(parts))

    def _takes_styles(self) -> bool:
        from rich.console import Console  # here, as help loads nothing that it does not need

        return Console(file=self._stream).is_terminal

    def _attempt(self, action: Callable[[], object]) -> None:
        if self.failure is not None:
            return
        try:
            action()
        except OSError as error:
            self.failure = error
            # What is still buffered, and what other processes write there, goes nowhere from now on.
            with suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)


def guard_streams() -> None:
    """Guard standard output and standard error; one that is closed takes what is written to it, and drops it."""
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def end_streams(code: int) -> int:
    """Flush both; the exit code: `code`, or that of a machine that lacks something if output was lost after all.

    A reader that left wanted no more, so that is not a failure.
    """
    sys.stdout.flush()
    failure = sys.stdout.failure if isinstance(sys.stdout, GuardedStream) else None
    if failure is None or failure.errno == errno.EPIPE:
        sys.stderr.flush()
        return code
    say(f"standard output could not be written ({failure.strerror}); everything else is done and stored")
    sys.stderr.flush()
    return code or ExitCode.ENVIRONMENT


def print_text(text: str, *, stderr: bool = False) -> None:
    """Print text; every line of it stays one line."""
    print(visible(text), file=sys.stderr if stderr else sys.stdout)


def say(sentence: str) -> None:
    """Report something next to the output, on standard error."""
    print_text(f"ssdbench: {sentence}", stderr=True)


def _guarded(stream: TextIO | None) -> GuardedStream:
    if isinstance(stream, GuardedStream):
        return stream
    # Without this the next file that is opened would become standard output.
    return GuardedStream(stream or Path(os.devnull).open("w", encoding="utf-8"))
