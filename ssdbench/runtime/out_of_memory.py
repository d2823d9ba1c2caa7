"""Recognises out-of-memory errors of torch, CUDA, cuDNN, cuBLAS, NCCL, DALI and the host.

Most libraries raise a plain RuntimeError: only its text shows what happened, and which memory ran out.
"""

from __future__ import annotations

import errno
import re

from ssdbench.runtime.device import free_gpu_memory_bytes, is_gpu_allocator_error
from ssdbench.schema.record import Memory

_GPU = re.compile(
    r"CUDA out of memory|CUDA (driver )?error: out of memory|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY"
    r"|CUDNN_STATUS_ALLOC_FAILED|DEVICE_ALLOCATION_FAILED|CUBLAS_STATUS_ALLOC_FAILED"
    r"|Cuda failure (\d+ )?'out of memory'"
    r"|CUDA allocation failed|Can't allocate \d+ bytes on device|NVJPEG_STATUS_ALLOCATOR_FAILURE"
)
_HOST = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|std::bad_alloc|Can't allocate \d+ bytes on host"
    r"|HOST_ALLOCATION_FAILED|Cannot allocate memory"
)
# Also raised for other reasons (a wrong driver, an invalid argument): counts only if GPU memory is nearly full.
_GPU_WHERE_SHORT = re.compile(
    r"CUBLAS_STATUS_NOT_INITIALIZED|CUDNN_STATUS_NOT_INITIALIZED|Failed to CUDA (host )?(m|c)alloc"
)
SHORT_BYTES = 256 * 2**20
"""With less free GPU memory than this, a library that fails to initialise is assumed to have run out of memory."""


def memory_exhausted(error: BaseException) -> Memory | None:
    """Which memory ran out, the GPU's or the host's; None for any other kind of error."""
    text = str(error)
    if is_gpu_allocator_error(error) or _GPU.search(text):
        return "gpu"
    if _GPU_WHERE_SHORT.search(text):
        free_bytes = free_gpu_memory_bytes()
        return "gpu" if free_bytes is not None and free_bytes < SHORT_BYTES else None
    is_host_error = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    return "host" if is_host_error or _HOST.search(text) else None
