"""Blank the GPU code of every architecture but one in a shared library, so that it compresses.

A fat binary is a header (magic number 0xBA55ED50, version, its own size, size of what follows) and entries, each a
header and a payload. The driver finds the code of its own architecture by the entry's header, so that the payloads of
others may be zeros. The file keeps its size and its layout.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

_MAGIC = struct.pack("<I", 0xBA55ED50)
_KINDS = (1, 2, 4, 8, 16, 64)
_ELF = 2  # compiled code; the others are PTX and sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """What was found in a library: fat binaries, and bytes of code kept and blanked in them."""

    fat_binaries: int
    kept_bytes: int
    blanked_bytes: int


def thin_file(path: Path, architecture: int) -> Thinned:
    """Thin a library in place; `architecture` as in sm_90: 90.

    Raises:
        ValueError: an entry is not of the known form, and the file is left as it was.
    """
    content = bytearray(path.read_bytes())
    found = thin(content, architecture)
    path.write_bytes(content)
    return found


def thin(content: bytearray, architecture: int) -> Thinned:
    """Thin a library's bytes in place; errors as `thin_file`."""
    at = count = kept = blanked = 0
    while (at := content.find(_MAGIC, at)) >= 0:
        version, header, size = struct.unpack_from("<HHQ", content, at + 4)
        end = at + header + size
        if version != 1 or header != 16 or end > len(content):
            at += 4  # the number stands there by chance
            continue
        count += 1
        entry = at + header
        while entry + 64 <= end:
            kind, payload_at, payload_size, sm = _entry(content, entry, end)
            if kind == _ELF and sm == architecture:
                kept += payload_size
            else:
                content[payload_at : payload_at + payload_size] = bytes(payload_size)
                blanked += payload_size
            entry = payload_at + payload_size
        at = end
    return Thinned(fat_binaries=count, kept_bytes=kept, blanked_bytes=blanked)


def _entry(content: bytearray, at: int, end: int) -> tuple[int, int, int, int]:
    kind, _, header, size = struct.unpack_from("<HHIQ", content, at)
    (sm,) = struct.unpack_from("<I", content, at + 28)
    if kind not in _KINDS or header < 24 or at + header + size > end:
        raise ValueError(f"unknown entry at {at:#x}: kind {kind}, header {header}, payload {size}, sm {sm}")
    return kind, at + header, size, sm
