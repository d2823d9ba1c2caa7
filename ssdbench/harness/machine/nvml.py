"""NVML behind one door: it may be absent, refuse any question, or lose a GPU, and no caller ends by that."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pynvml

CLOCK_SM: int = pynvml.NVML_CLOCK_SM
CLOCK_MEMORY: int = pynvml.NVML_CLOCK_MEM
CLOCK_TARGET: int = pynvml.NVML_CLOCK_ID_APP_CLOCK_TARGET
TEMPERATURE_GPU: int = pynvml.NVML_TEMPERATURE_GPU
MOST_LINKS: int = pynvml.NVML_NVLINK_MAX_LINKS

# A GPU that answers so answers nothing else until the machine, or the GPU, is started again.
_GONE = (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED)
_NO_PERMISSION = pynvml.NVML_ERROR_NO_PERMISSION


@contextmanager
def opened() -> Iterator[str | None]:
    """NVML for as long as the block lasts; yields its complaint where it does not answer, None where it does.

    May be entered again inside: NVML counts.
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
    """The answer; None where the driver refuses it, or does not know the question yet or any more."""
    try:
        answer: object = getattr(pynvml, question)(*arguments)
    except (pynvml.NVMLError, AttributeError):
        return None
    return answer


def number(question: str, *arguments: object) -> int | None:
    """The answer, an integer in the unit of the question; None as for `ask`."""
    answer = ask(question, *arguments)
    return answer if isinstance(answer, int) else None


def text(question: str, *arguments: object) -> str | None:
    """The answer in words; None as for `ask`, or where it is empty."""
    answer = ask(question, *arguments)
    decoded = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return decoded if isinstance(decoded, str) and decoded else None


def switch(question: str, *arguments: object) -> bool | None:
    """Whether something is on now, whatever is pending; None as for `ask`."""
    answer = ask(question, *arguments)
    value = answer[0] if isinstance(answer, (list, tuple)) else answer
    return None if value is None else bool(value)


def memory_bytes(handle: object, which: str = "total") -> int | None:
    """Memory of a GPU, `which` of total, free and used; None where it has none of its own to tell of."""
    memory = ask("nvmlDeviceGetMemoryInfo", handle)
    return None if memory is None else int(getattr(memory, which))


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAttributes:
    """What a slice of a card (MIG) is made of: of its GPU instance, and of the compute instance in that."""

    gpu_slices: int
    compute_slices: int
    memory_bytes: int


def slice_attributes(handle: object) -> SliceAttributes | None:
    """What a slice is made of; None as for `ask`."""
    try:
        told = pynvml.nvmlDeviceGetAttributes(handle)
    except (pynvml.NVMLError, AttributeError):
        return None
    return SliceAttributes(
        gpu_slices=told.gpuInstanceSliceCount,
        compute_slices=told.computeInstanceSliceCount,
        memory_bytes=told.memorySizeMB * 2**20,
    )


def open_card(index: int) -> tuple[object | None, str | None, bool]:
    """The handle of a card or why there is none, in NVML's words, and whether this process may use the card."""
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
