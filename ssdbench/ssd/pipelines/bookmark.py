"""The place in a training stream behind the batches given so far, as bytes that a checkpoint can hold.

32 bytes of SHA-256 over what follows; then JSON: which stream it is, and where in it.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.errors import DataError
from ssdbench.ssd.pipelines.contract import PipelineOptions

VERSION = 1
DIGEST_BYTES = hashlib.sha256().digest_size

Stream = dict[str, Any]  # what decides every batch, by the name that an error gives it


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A place in a stream; by default its start."""

    batches: int = 0  # given since the start of the stream
    epoch_batches: int = 0  # those of them that are of the open epoch
    rows: frozenset[int] = frozenset()  # images given in the open pass, see `epochs.EpochCoverageCheck`
    reader: bytes = b""  # what the reader wants to find again


def stream_of(pipeline: str, options: PipelineOptions) -> Stream:
    """The stream that `pipeline`, its version and variant included, gives for `options`."""
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
    """The bytes of a bookmark: about one bit for each image of the data and what the reader wants."""
    place = {
        "batches": bookmark.batches,
        "epoch_batches": bookmark.epoch_batches,
        "rows": _text(_bits(bookmark.rows)),
        "reader": _text(bookmark.reader),
    }
    content = json.dumps({"stream": stream, "place": place}).encode()
    return hashlib.sha256(content).digest() + content


def read_state(stream: Stream, state: bytes | None) -> Bookmark:
    """The bookmark in `state`, the start if there is none; `DataError` if it is damaged or of another stream."""
    if state is None:
        return Bookmark()
    content = state[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != state[:DIGEST_BYTES]:
        raise DataError("the stored place in the training data is damaged: resume from another checkpoint.")
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
                f"the stored place in the training data is of {name} {stored.get(name)}, and this run has {name} "
                f"{value}: resume with what the run was started with, or start anew."
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
