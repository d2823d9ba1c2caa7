"""Whose a thing is: kernels by their names, differences and parts of images by what they are called.

The names of kernels are those that profiles of NVIDIA's libraries show (results/gpu/ has some hundreds of them).
"""

import re
from typing import Literal

from ssdbench.analysis.differences import SOFTWARE
from ssdbench.schema.manifest import INTERPRETER, ContentChange

Owner = Literal[
    "ssdbench", "torch", "python", "cudnn", "cublas", "nccl", "dali", "torchvision", "decoders", "threads", "machine"
]
"""`decoders` of images; `threads`: how many there are, where they run, and where they allocate. `machine`: all that two
builds which are profiled in turns on one machine have in common."""

# The first that fits. Both cuDNN and cuBLAS have kernels of CUTLASS and of XMMA; those of cuDNN convolve.
_KERNELS: tuple[tuple[Owner, str], ...] = (
    ("nccl", r"nccl"),
    ("cudnn", r"cudnn|implicit_?gemm|winograd|xmma_(fprop|dgrad|wgrad)|nchwtonhwc|nhwctonchw|nhwcaddpadding"),
    ("dali", r"\bdali"),
    ("torchvision", r"vision::"),
    ("torch", r"^(void )?(at|c10)::|^triton_"),
    ("cublas", r"cublas|nvjet|gemm|gemv|splitkreduce|cutlass"),
)

_VARIABLES: tuple[tuple[Owner, str], ...] = (
    ("nccl", r"NCCL_|GLOO_|TORCH_NCCL_|TP_SOCKET_"),
    ("threads", r"OMP_|GOMP_|KMP_|MKL_|OPENBLAS_|ONEDNN_|MALLOC_|LD_PRELOAD$"),
    ("cudnn", r"CUDNN_|TORCH_CUDNN_"),
    ("cublas", r"CUBLAS_|CUBLASLT_"),
    ("dali", r"DALI_"),
    ("torch", r"TORCH|PYTORCH_"),
)

_PARTS: tuple[tuple[Owner, str], ...] = (
    ("cudnn", r"cudnn"),
    ("cublas", r"cublas"),
    ("nccl", r"nccl|hpcx|ucx|openmpi|rdma|libefa|gdrcopy"),
    ("dali", r"nvidia-dali|libdali"),
    ("torchvision", r"python:torchvision$"),
    ("torch", r"python:(torch|pytorch-triton|triton)$|libtorch|libc10"),
    ("decoders", r"python:pillow|libjpeg|libturbojpeg|nvjpeg|libwebp|libpng"),
)

_SSDBENCH = ("ssdbench version", "ssdbench commit", "source")
_MACHINE = ("driver", "hostname", "os", "kernel", "interconnect", "network interface")


def owner_of_kernel(name: str) -> Owner | None:
    """The library that a kernel is part of."""
    return _first(_KERNELS, name.lower())


def owner_of_difference(name: str) -> Owner | None:
    """What a difference of `analysis.differences` belongs to."""
    if name.startswith("$"):
        return _first(_VARIABLES, name[1:], at_beginning=True)
    if name.startswith("GPU ") or name in _MACHINE:
        return "machine"
    if name in _SSDBENCH:
        return "ssdbench"
    known: tuple[Owner, ...] = ("python", "torch", "torchvision", "dali", "cudnn", "cublas", "nccl")
    return next((owner for owner in known if owner == name and name in SOFTWARE), None)


def owner_of_part(change: ContentChange) -> Owner | None:
    """What a part of an image belongs to, by its name and by those of the files that a worker had mapped."""
    if change.key == INTERPRETER:
        return "python"
    if change.key.startswith("variable:"):
        return owner_of_difference(f"${change.key.removeprefix('variable:')}")
    return _first(_PARTS, change.key.lower()) or _first(_PARTS, " ".join(change.files).lower())


def _first(patterns: tuple[tuple[Owner, str], ...], text: str, *, at_beginning: bool = False) -> Owner | None:
    find = re.match if at_beginning else re.search
    return next((owner for owner, pattern in patterns if find(pattern, text)), None)
