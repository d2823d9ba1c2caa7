"""Ceilings of GPUs: measured where one was at hand, else of NVIDIA's data sheets; and what a user says they are.

Data sheets: V100 (DS-09130), T4, A100 (nvidia-a100-datasheet 2021), A10, L4, L40S, H100 (2023) and H200, without
sparsity; matrix products in 16 bits by the tensor cores, memory by its nominal rate, which no copy reaches.
"""

from collections.abc import Mapping
from dataclasses import replace

from ssdbench.errors import UsageError
from ssdbench.schema.roofline import ARITHMETICS, Arithmetic, Ceilings

_H100_NOTE = "measured, the best of results/gpu/20261126-h100-80gb.json and of the two later sessions, -2 and -3"


def _sheet(half: float, tf32: float | None, fp32: float, memory: float, *, bf16: bool = True) -> Ceilings:
    """Ceilings from a data sheet, in TFLOP/s and TB/s."""
    rates: dict[Arithmetic, float | None] = {"fp16": half, "bf16": half if bf16 else None, "tf32": tf32, "fp32": fp32}
    return Ceilings(
        source="NVIDIA's data sheet",
        matmul_flop_per_second={name: 1e12 * rate for name, rate in rates.items() if rate is not None},
        copy_bytes_per_second=1e12 * memory,
    )


# By the name that the driver gives the GPU.
KNOWN: Mapping[str, Ceilings] = {
    "Tesla V100-SXM2-16GB": _sheet(125, None, 15.7, 0.9, bf16=False),
    "Tesla V100-SXM2-32GB": _sheet(125, None, 15.7, 0.9, bf16=False),
    "Tesla T4": _sheet(65, None, 8.1, 0.32, bf16=False),
    "NVIDIA A100-SXM4-40GB": _sheet(312, 156, 19.5, 1.555),
    "NVIDIA A100-SXM4-80GB": _sheet(312, 156, 19.5, 2.039),
    "NVIDIA A100 80GB PCIe": _sheet(312, 156, 19.5, 1.935),
    "NVIDIA A10": _sheet(125, 62.5, 31.2, 0.6),
    "NVIDIA L4": _sheet(121, 60, 30.3, 0.3),
    "NVIDIA L40S": _sheet(362, 183, 91.6, 0.864),
    "NVIDIA H100 PCIe": _sheet(756, 378, 51.2, 2.0),
    # The host: 282 operations of the forward pass at batch 1 took 4.68 ms to submit, clocks up (16 cores).
    "NVIDIA H100 80GB HBM3": Ceilings(
        source=_H100_NOTE,
        matmul_flop_per_second={"fp16": 805.7e12, "bf16": 805.7e12, "tf32": 395.9e12, "fp32": 51.5e12},
        copy_bytes_per_second=3.021e12,
        host_seconds_per_operation=16.6e-6,
    ),
    "NVIDIA H200": _sheet(989.4, 494.7, 66.9, 4.8),
}

_KEYS: Mapping[str, tuple[Arithmetic, ...]] = {
    "matmul": ("fp16", "bf16"),
    **{arithmetic: (arithmetic,) for arithmetic in ARITHMETICS},
}


def known_ceilings(gpu: str) -> Ceilings:
    """Ceilings of a GPU by its name or a unique part of it, such as "h100 80gb".

    Raises:
        UsageError: it is in no table, or several are meant.
    """
    words = gpu.lower().split()
    found = [name for name in KNOWN if name.lower() == gpu.lower()]
    found = found or [name for name in KNOWN if all(word in name.lower() for word in words)]
    if len(found) == 1:
        return KNOWN[found[0]]
    what = "is in no table of ceilings" if not found else f"may be {' or '.join(found)}"
    raise UsageError(
        f"GPU {gpu!r} {what}: name one of {', '.join(KNOWN)}, measure with --measure on a machine that has it, or "
        "give --ceilings matmul=312e12,tf32=156e12,fp32=19.5e12,copy=1.5e12"
    )


def given_ceilings(text: str, base: Ceilings | None) -> Ceilings:
    """Ceilings as written: name=value by commas, over those of `base`.

    `matmul` is the rate in 16 bits in FLOP/s, `fp16`, `bf16`, `tf32` and `fp32` are those of one arithmetic, `copy` is
    bytes read plus written a second, `host` seconds of the host an operation.

    Raises:
        UsageError: an unknown name, no number above 0, or no copy.
    """
    values: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in (*_KEYS, "copy", "host"):
            raise UsageError(f"--ceilings {part.strip()}: write name=value, names are {', '.join(_KEYS)}, copy, host")
        values[name] = _positive(part, value)
    copy = values.get("copy", base.copy_bytes_per_second if base else None)
    if copy is None:
        raise UsageError("--ceilings needs copy=BYTES_PER_SECOND (read plus written), as in copy=3.02e12")
    rates = dict(base.matmul_flop_per_second) if base else {}
    rates |= {each: values[name] for name, arithmetics in _KEYS.items() if name in values for each in arithmetics}
    given = Ceilings(
        source="as given with --ceilings",
        matmul_flop_per_second=rates,
        copy_bytes_per_second=copy,
        host_seconds_per_operation=values.get("host", base.host_seconds_per_operation if base else None),
    )
    return replace(given, source=f"{given.source}, else {base.source}") if base else given


def _positive(part: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise UsageError(f"--ceilings {part.strip()}: {value!r} is no number above 0")
    return number
