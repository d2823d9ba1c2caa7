"""The position in a training stream after the batches delivered so far, as bytes for a checkpoint.

Format: 32 bytes of SHA-256 over the rest; then JSON that identifies the stream and the position.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any, Dict

import numpy as np

from ssdbench.compatibility import dataclass
from ssdbench.errors import DataError
from ssdbench.ssd.pipelines.contract import PipelineOptions

VERSION = 1
DIGEST_BYTES = hashlib.sha256().digest_size

Stream = Dict[str, Any]  # everything that determines the batches; the keys appear in error messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A position in a stream; by default its start."""

    batches: int = 0  # delivered since the start of the stream
    epoch_batches: int = 0  # of these, the batches of the current epoch
    rows: frozenset[int] = frozenset()  # images delivered in the current pass, see `epochs.EpochCoverageCheck`
    reader: bytes = b""  # state of the reader


def stream_of(pipeline: str, options: PipelineOptions) -> Stream:
    """Identify the stream of `pipeline` (a name that includes its version and variant) for `options`."""
    return {
        "version": VERSION,
        "pipeline": pipeline,
        "seed": options.seed,
        "rank": options.rank,
        "world size": options.world_size,
        "batch size per GPU": options.batch_size_per_gpu,
        "data": options.data and options.data.fingerprint,
    }


def write_state(stream: Stream, bookmark: Bookmark) -> bytes:
    """Serialise a bookmark: about one bit per image of the data, plus the state of the reader."""
    place = {
        "batches": bookmark.batches,
        "epoch_batches": bookmark.epoch_batches,
        "rows": _text(_bits(bookmark.rows)),
        "reader": _text(bookmark.reader),
    }
    content = json.dumps({"stream": stream, "place": place}).encode()
    return hashlib.sha256(content).digest() + content


def read_state(stream: Stream, state: bytes | None) -> Bookmark:
    """Read a bookmark; the start if `state` is None. `DataError` if it is damaged or of another stream."""
    if state is None:
        return Bookmark()
    content = state[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != state[:DIGEST_BYTES]:
        raise DataError("the stored position in the training data is damaged: resume from another checkpoint.")
    document = json.loads(content)
    _require_same(stream, document["stream"])
    place = document["place"]
    return Bookmark(
        batches=place["batches"],
        epoch_batches=place["epoch_batches"],
        rows=_rows(base64.b64decode(place["rows"])),
        reader=base64.b64decode(place["reader"]),
    )


def _require_same(stream: Stream, stored: Stream) -> None:
    for name, value in stream.items():
        if stored.get(name) != value:
            raise DataError(
                f"the stored position in the training data has {name} {stored.get(name)}, and this run has {name} "
                f"{value}: resume with the settings of the first start, or start a new run."
            )


def _bits(rows: Iterable[int]) -> bytes:
    numbers = sorted(rows)
    flags = np.zeros(numbers[-1] + 1 if numbers else 0, np.bool_)
    flags[numbers] = True
    return np.packbits(flags).tobytes()


def _rows(bits: bytes) -> frozenset[int]:
    return frozenset(np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8))).tolist())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
