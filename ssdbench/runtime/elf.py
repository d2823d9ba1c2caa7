"""Reads the build-id of shared objects: the notes of an ELF file (System V ABI, generic part, "Note Section")."""

from __future__ import annotations

import struct
from pathlib import Path

_NOTES = 4  # PT_NOTE
_BUILD_ID = 3  # NT_GNU_BUILD_ID
_MOST_BYTES = 1 << 16


def build_id(path: Path) -> str | None:
    """The build-id of a file in hexadecimal; None where it has none, or is no ELF file that can be read."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
            if start[:4] != b"\x7fELF" or len(start) < 64:
                return None
            is_64_bit, order = start[4] == 2, "<" if start[5] == 1 else ">"
            (table,) = struct.unpack_from(order + ("Q" if is_64_bit else "I"), start, 32 if is_64_bit else 28)
            size, count = struct.unpack_from(order + "HH", start, 54 if is_64_bit else 42)
            file.seek(table)
            headers = file.read(min(size * count, _MOST_BYTES))
            for place in range(0, len(headers), max(size, 1)):
                if struct.unpack_from(order + "I", headers, place)[0] != _NOTES:
                    continue
                pointer, at, length = ("Q", 8, 32) if is_64_bit else ("I", 4, 16)
                file.seek(struct.unpack_from(order + pointer, headers, place + at)[0])
                notes = file.read(min(struct.unpack_from(order + pointer, headers, place + length)[0], _MOST_BYTES))
                found = _build_id_in(notes, order)
                if found is not None:
                    return found
    except (OSError, struct.error, OverflowError, ValueError):
        pass
    return None


def _build_id_in(notes: bytes, order: str) -> str | None:
    place = 0
    while place + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(order + "III", notes, place)
        name = notes[place + 12 : place + 12 + name_size]
        begin = place + 12 + _aligned(name_size)
        if kind == _BUILD_ID and name == b"GNU\0" and 0 < size <= 64:
            return notes[begin : begin + size].hex()
        place = begin + _aligned(size)
    return None


def _aligned(size: int) -> int:
    return (size + 3) // 4 * 4
