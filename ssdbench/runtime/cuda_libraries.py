"""What the CUDA libraries and the driver say without a device being opened: their versions, and where a GPU is."""

from __future__ import annotations

import ctypes

import torch

from ssdbench.errors import EnvironmentLacksError


def cuda_versions() -> tuple[str | None, str | None, str | None]:
    """Versions of CUDA, cuDNN and NCCL that torch was built with or loads; None for each that it lacks."""
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None  # type: ignore[no-untyped-call]
    nccl: tuple[int, ...] | int | None = None
    if torch.version.cuda and torch.distributed.is_nccl_available():
        nccl = torch.cuda.nccl.version()  # type: ignore[no-untyped-call]
    if isinstance(nccl, int):  # torch before 1.11: NCCL_VERSION_CODE
        nccl = divide_version_code(nccl)
    return torch.version.cuda, str(cudnn) if cudnn else None, ".".join(map(str, nccl)) if nccl else None


def divide_version_code(code: int) -> tuple[int, int, int]:
    """(2, 10, 3) of NCCL's 21003, and (2, 8, 4) of 2804: up to 2.8 the minor version has one digit."""
    major = 10_000 if code >= 10_000 else 1_000
    return code // major, code % major // 100, code % 100


def pci_bus_id(local_rank: int) -> str:
    """PCI bus id of the GPU of a local rank ("0000:3B:00.0"), from the driver; creates no CUDA context.

    Raises:
        EnvironmentLacksError: there is no driver, or no such GPU.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise EnvironmentLacksError("bind = numa: there is no NVIDIA driver (libcuda.so.1): omit bind here") from None
    device, text = ctypes.c_int(), ctypes.create_string_buffer(32)
    for name, *arguments in (
        ("cuInit", 0),
        ("cuDeviceGet", ctypes.byref(device), local_rank),
        ("cuDeviceGetPCIBusId", text, len(text), device),
    ):
        if error := getattr(driver, name)(*arguments):
            raise EnvironmentLacksError(
                f"bind = numa: the driver does not say where GPU {local_rank} is ({name}: {error})"
            )
    return text.value.decode()


def cublas_version() -> str | None:
    """Version of the cuBLAS that torch has loaded, as the library reports it; None without cuBLAS."""
    if torch.version.cuda is None:
        return None
    try:
        library = ctypes.CDLL(f"libcublas.so.{torch.version.cuda.partition('.')[0]}")
    except OSError:
        return None
    part, parts = ctypes.c_int(), []
    for which in range(3):  # MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL of libraryPropertyType
        library.cublasGetProperty(which, ctypes.byref(part))
        parts.append(str(part.value))
    return ".".join(parts)
