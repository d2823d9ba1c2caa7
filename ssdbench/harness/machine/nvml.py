"""All calls of NVML. It may be missing, refuse a query or lose a GPU; callers get None instead of an exception."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pynvml

CLOCK_SM: int = pynvml.NVML_CLOCK_SM
CLOCK_MEMORY: int = pynvml.NVML_CLOCK_MEM
CLOCK_TARGET: int = pynvml.NVML_CLOCK_ID_APP_CLOCK_TARGET
TEMPERATURE_GPU: int = pynvml.NVML_TEMPERATURE_GPU
MOST_LINKS: int = pynvml.NVML_NVLINK_MAX_LINKS

# A GPU with this error responds to nothing until the machine or the GPU is reset.
_GONE = (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED)
_NO_PERMISSION = pynvml.NVML_ERROR_NO_PERMISSION


@contextmanager
def opened() -> Iterator[str | None]:
    """Keep NVML initialised for the block; yields its error message if it is not available, else None.

    Blocks may be nested: NVML counts initialisations.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        yield str(error)
        return
    try:
        yield None
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def ask(question: str, *arguments: object) -> object | None:
    """The result of an NVML query; None if the driver refuses or does not know it."""
    try:
        answer: object = getattr(pynvml, question)(*arguments)
    except (pynvml.NVMLError, AttributeError):
        return None
    return answer


def number(question: str, *arguments: object) -> int | None:
    """The result as an integer, in the query's unit; None as for `ask`."""
    answer = ask(question, *arguments)
    return answer if isinstance(answer, int) else None


def text(question: str, *arguments: object) -> str | None:
    """The result as text; None as for `ask`, or if it is empty."""
    answer = ask(question, *arguments)
    decoded = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return decoded if isinstance(decoded, str) and decoded else None


def switch(question: str, *arguments: object) -> bool | None:
    """Whether a mode is on now, whatever is pending; None as for `ask`."""
    answer = ask(question, *arguments)
    value = answer[0] if isinstance(answer, (list, tuple)) else answer
    return None if value is None else bool(value)


def memory_bytes(handle: object, which: str = "total") -> int | None:
    """Memory of a GPU, `which` is total, free or used; None if the GPU does not report it."""
    memory = ask("nvmlDeviceGetMemoryInfo", handle)
    return None if memory is None else int(getattr(memory, which))


def process_ids(question: str, handle: object) -> frozenset[int] | None:
    """The processes that a query lists; None as for `ask`."""
    found = ask(question, handle)
    return frozenset(process.pid for process in found) if isinstance(found, list) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAttributes:
    """The size of a slice of a card (MIG): of its GPU instance and of its compute instance."""

    gpu_slices: int
    compute_slices: int
    memory_bytes: int


def slice_attributes(handle: object) -> SliceAttributes | None:
    """The size of a slice; None as for `ask`."""
    try:
        found = pynvml.nvmlDeviceGetAttributes(handle)
    except (pynvml.NVMLError, AttributeError):
        return None
    return SliceAttributes(
        gpu_slices=found.gpuInstanceSliceCount,
        compute_slices=found.computeInstanceSliceCount,
        memory_bytes=found.memorySizeMB * 2**20,
    )


def open_card(index: int) -> tuple[object | None, str | None, bool]:
    """The handle of a card, else NVML's message; and whether this process may use the card."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError as error:
        return None, str(error), error.value != _NO_PERMISSION
    for question in ("nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMemoryInfo"):
        try:
            getattr(pynvml, question)(handle)
        except pynvml.NVMLError as error:
            if error.value in _GONE:
                return None, str(error), True
    return handle, None, True
