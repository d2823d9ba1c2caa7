"""The installed GPUs, and those that CUDA shows: whole cards, and the slices into which MIG divides a card.

Call these functions inside `nvml.opened()`. A card that does not respond is omitted with a remark; values that a card
does not report are None. CUDA_VISIBLE_DEVICES is interpreted as the CUDA driver does with CUDA_DEVICE_ORDER=PCI_BUS_ID,
which workers get: by index, UUID, or the beginning of a UUID. The list ends at the first name that fits no GPU or more
than one, and a name given twice leaves no GPU. For slices see NVIDIA's MIG user guide, "CUDA Device Enumeration".
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ssdbench.harness.machine import nvml
from ssdbench.schema.environment import GpuState

_SLICE = "MIG-"
_CARD = "GPU-"
_EIGHTHS = 8  # slices get memory in eighths of the card's


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as CUDA counts them. `handle` is NVML's; `card_handle`, that of the card, differs for a slice.

    `old_name` is the name of a slice in drivers before 470.
    """

    state: GpuState
    capability: tuple[int, int] | None
    handle: object
    card_handle: object
    old_name: str | None = None

    @property
    def is_slice(self) -> bool:
        """Whether it is a slice of a card."""
        return self.handle is not self.card_handle


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An installed card. If it does not respond, `complaint` is NVML's message and `whole` is None."""

    index: int
    complaint: str | None = None
    whole: Gpu | None = None
    slices: tuple[Gpu, ...] = ()

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """The GPUs that CUDA can use: with MIG on, only the slices."""
        if self.whole is None or self.whole.state.mig:
            return self.slices
        return (self.whole,)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleGpus:
    """The GPUs that CUDA shows to a process, in CUDA's order, and remarks on the others."""

    gpus: tuple[Gpu, ...]
    remarks: tuple[str, ...]


def installed_cards() -> tuple[Card, ...]:
    """All cards that this process may use, in NVML's order (the PCI bus)."""
    count = nvml.number("nvmlDeviceGetCount") or 0
    opened = ((index, *nvml.open_card(index)) for index in range(count))
    return tuple(_card(index, handle, complaint) for index, handle, complaint, is_allowed in opened if is_allowed)


def find_gpu(wanted: GpuState) -> Gpu | str:
    """The current state of the GPU, or NVML's message if it does not respond. No other GPU is queried."""
    handle, complaint, _ = nvml.open_card(wanted.index)
    here = _all_of(_card(wanted.index, handle, complaint))
    if wanted.uuid is None:
        return next((gpu for gpu in here if not gpu.is_slice), complaint or "not found")
    found = next((gpu for gpu in here if gpu.state.uuid == wanted.uuid), None)
    if found is None and not wanted.uuid.startswith(_SLICE):
        moved = nvml.ask("nvmlDeviceGetHandleByUUID", wanted.uuid)
        found = None if moved is None else _whole(wanted.index, moved)
    return found or complaint or "not found"


def visible_gpus(cards: Sequence[Card], variable: str | None) -> VisibleGpus:
    """The GPUs that CUDA shows if CUDA_VISIBLE_DEVICES is `variable` (None: not set)."""
    chosen = list(cards) if variable is None else _chosen(cards, variable)
    remarks = [_unusable(card) for card in chosen if isinstance(card, Card) and not card.usable]
    gpus = [gpu for part in chosen for gpu in (part.usable if isinstance(part, Card) else (part,))]
    first_slice = next((gpu for gpu in gpus if gpu.is_slice), None)
    if first_slice is not None and len(gpus) > 1:
        state = first_slice.state
        remarks.append(
            f"MIG is on: CUDA shows a process a single slice and no whole GPU, here the first, {state.model} of "
            f"GPU {state.index} ({state.uuid}); choose another by its UUID in CUDA_VISIBLE_DEVICES"
        )
    return VisibleGpus(gpus=tuple(gpus if first_slice is None else [first_slice]), remarks=tuple(remarks))


def of_one_model(gpus: Sequence[Gpu]) -> VisibleGpus:
    """The GPUs with the model and the memory of the first, and a remark on each other one."""
    first = gpus[0].state
    others = (gpu.state for gpu in gpus if _kind(gpu) != _kind(gpus[0]))
    remarks = tuple(
        f"GPU {gpu.index} ({_label(gpu, first)}) is not measured with GPU {first.index} ({_label(first, gpu)}): a case "
        "uses GPUs of one model; select this one with CUDA_VISIBLE_DEVICES"
        for gpu in others
    )
    return VisibleGpus(gpus=tuple(gpu for gpu in gpus if _kind(gpu) == _kind(gpus[0])), remarks=remarks)


def order_remark(cards: Sequence[Card], variable: str | None, order: str | None) -> str | None:
    """That the indices of CUDA_VISIBLE_DEVICES may mean other GPUs to CUDA; None if they cannot."""
    models = {card.whole.state.model for card in cards if card.whole is not None}
    is_by_index = variable is not None and re.match(r"\s*\+?\d", variable) is not None
    if not is_by_index or len(models) < 2 or order == "PCI_BUS_ID":
        return None
    return (
        f"CUDA_VISIBLE_DEVICES={variable} is read in the order of the PCI bus, as nvidia-smi lists GPUs; without "
        "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA counts the fastest GPU first: give UUIDs to mean the same everywhere"
    )


def _kind(gpu: Gpu) -> tuple[str, int | None]:
    memory_bytes = gpu.state.memory_bytes
    return gpu.state.model, None if memory_bytes is None else round(memory_bytes / 2**30)


def _label(gpu: GpuState, other: GpuState) -> str:
    if gpu.model != other.model:
        return gpu.model
    memory = "unknown memory" if gpu.memory_bytes is None else f"{gpu.memory_bytes / 2**30:.0f} GiB"
    return f"{gpu.model} with {memory}"


def _unusable(card: Card) -> str:
    if card.complaint is not None:
        return f"GPU {card.index} does not respond (NVML: {card.complaint})"
    return f"GPU {card.index} has MIG on and no slice, so CUDA cannot use it"


def _chosen(cards: Sequence[Card], variable: str) -> list[Card | Gpu]:
    names = [name.strip() for name in variable.split(",")]
    meant: Callable[[str], list[Card | Gpu]] = _by_index(cards)
    for kind, by_name in ((_CARD, _by_uuid(cards)), (_SLICE, _by_slice(cards))):
        meant = by_name if names[0].startswith(kind) else meant
    chosen: list[Card | Gpu] = []
    for name in names:
        matches = meant(name)
        if len(matches) != 1:
            break
        if matches[0] in chosen:
            return []
        chosen += matches
    return chosen


def _by_index(cards: Sequence[Card]) -> Callable[[str], list[Card | Gpu]]:
    def meant(name: str) -> list[Card | Gpu]:
        digits = re.match(r"\+?(\d+)", name)  # CUDA ignores what follows the digits
        return [] if digits is None else list(cards[int(digits[1]) : int(digits[1]) + 1])

    return meant


def _by_uuid(cards: Sequence[Card]) -> Callable[[str], list[Card | Gpu]]:
    named = [(card, card.whole.state.uuid or "") for card in cards if card.whole is not None]
    return lambda name: [card for card, uuid in named if name.startswith(_CARD) and uuid.startswith(name)]


def _by_slice(cards: Sequence[Card]) -> Callable[[str], list[Card | Gpu]]:
    slices = [gpu for card in cards for gpu in card.slices]

    def meant(name: str) -> list[Card | Gpu]:
        exact = [gpu for gpu in slices if name in (gpu.state.uuid, gpu.old_name)]
        starting = [gpu for gpu in slices if name.startswith(_SLICE) and (gpu.state.uuid or "").startswith(name)]
        return [*(exact or starting)]

    return meant


def _card(index: int, handle: object | None, complaint: str | None) -> Card:
    if handle is None:
        return Card(index=index, complaint=complaint)
    whole = _whole(index, handle)
    return Card(index=index, whole=whole, slices=tuple(_slices(whole)) if whole.state.mig else ())


def _all_of(card: Card) -> tuple[Gpu, ...]:
    return card.slices if card.whole is None else (card.whole, *card.slices)


def _whole(index: int, handle: object) -> Gpu:
    answer = nvml.ask("nvmlDeviceGetCudaComputeCapability", handle)
    capability = (answer[0], answer[1]) if isinstance(answer, (list, tuple)) else None
    state = GpuState(
        index=index,
        uuid=nvml.text("nvmlDeviceGetUUID", handle),
        model=nvml.text("nvmlDeviceGetName", handle) or _nameless(capability),
        memory_bytes=nvml.memory_bytes(handle),
        power_limit_watts=_thousandth(nvml.number("nvmlDeviceGetEnforcedPowerLimit", handle)),
        sm_clock_limit_mhz=nvml.number("nvmlDeviceGetMaxClockInfo", handle, nvml.CLOCK_SM),
        memory_clock_limit_mhz=nvml.number("nvmlDeviceGetMaxClockInfo", handle, nvml.CLOCK_MEMORY),
        sm_application_clock_mhz=nvml.number("nvmlDeviceGetApplicationsClock", handle, nvml.CLOCK_SM),
        memory_application_clock_mhz=nvml.number("nvmlDeviceGetApplicationsClock", handle, nvml.CLOCK_MEMORY),
        sm_default_clock_mhz=nvml.number("nvmlDeviceGetDefaultApplicationsClock", handle, nvml.CLOCK_SM),
        memory_default_clock_mhz=nvml.number("nvmlDeviceGetDefaultApplicationsClock", handle, nvml.CLOCK_MEMORY),
        sm_target_clock_mhz=nvml.number("nvmlDeviceGetClock", handle, nvml.CLOCK_SM, nvml.CLOCK_TARGET),
        memory_target_clock_mhz=nvml.number("nvmlDeviceGetClock", handle, nvml.CLOCK_MEMORY, nvml.CLOCK_TARGET),
        ecc=nvml.switch("nvmlDeviceGetEccMode", handle),
        mig=nvml.switch("nvmlDeviceGetMigMode", handle),
        persistence=nvml.switch("nvmlDeviceGetPersistenceMode", handle),
        power_default_watts=_thousandth(nvml.number("nvmlDeviceGetPowerManagementDefaultLimit", handle)),
    )
    return Gpu(state=state, capability=capability, handle=handle, card_handle=handle)


def _nameless(capability: tuple[int, int] | None) -> str:
    return "unknown GPU" if capability is None else f"unknown GPU of compute capability {capability[0]}.{capability[1]}"


def _thousandth(value: int | None) -> float | None:
    return None if value is None else value / 1000


def _slices(whole: Gpu) -> Iterator[Gpu]:
    """The slices of a card. They share its settings (power limit, clocks, ECC); memory and name are their own."""
    for index in range(nvml.number("nvmlDeviceGetMaxMigDeviceCount", whole.handle) or 0):
        handle = nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", whole.handle, index)
        if handle is None:
            continue  # no slice was created at this index
        attributes = nvml.slice_attributes(handle)
        gi, ci = (nvml.number(f"nvmlDeviceGet{kind}InstanceId", handle) for kind in ("Gpu", "Compute"))
        state = replace(
            whole.state,
            uuid=nvml.text("nvmlDeviceGetUUID", handle),
            model=f"{whole.state.model} MIG {_profile(handle, attributes, whole.state.memory_bytes)}",
            memory_bytes=nvml.memory_bytes(handle) or (attributes.memory_bytes if attributes else None),
        )
        old_name = None if gi is None or ci is None else f"{_SLICE}{whole.state.uuid}/{gi}/{ci}"
        yield replace(whole, state=state, handle=handle, old_name=old_name)


def _profile(handle: object, attributes: nvml.SliceAttributes | None, card_bytes: int | None) -> str:
    """The profile of a slice, such as 3g.40gb or 1c.3g.40gb: from its name, else from its attributes."""
    _, _, reported = (nvml.text("nvmlDeviceGetName", handle) or "").rpartition("MIG ")
    if re.fullmatch(r"(\d+c\.)?\d+g\.\d+gb.*", reported):
        return reported
    if attributes is None or card_bytes is None:
        return "slice"
    eighths = math.ceil(attributes.memory_bytes / card_bytes * _EIGHTHS)
    part = f"{attributes.compute_slices}c." if attributes.compute_slices < attributes.gpu_slices else ""
    return f"{part}{attributes.gpu_slices}g.{round(eighths / _EIGHTHS * card_bytes / 2**30)}gb"
