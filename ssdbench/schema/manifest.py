"""What an image contains, kept once for each image; and what two images do not have in common."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.variables import is_recordable

Origin = Literal["python", "debian"]
INTERPRETER = "interpreter:python"
"""The owner of Python itself and of its standard library."""

_VERSIONS = """
    AWS_OFI_NCCL CUBLASMP CUDAQ CUDLA CUDSS CUFFT CUFILE CURAND CUSOLVER CUSPARSE CUSPARSELT CUTENSOR CUTLASS DALI EFA
    GDRCOPY HPCX JUPYTER_NGC LIBRARY_PATH MODEL_OPT MOFED NPP NSIGHT_COMPUTE NSIGHT_SYSTEMS NVFATBIN NVJITLINK NVJPEG
    NVPTXCOMPILER NVSHMEM NVTX NVVM OPENMPI OPENUCX OPENUCX POLYGRAPHY PYTHON PYTORCH_TRITON RDMACORE TENSORBOARD
    TENSORRT TRANSFORMER_ENGINE TRT TRTOSS TRTORCH TORCH_TENSORRT
"""
VERSION_VARIABLES = frozenset(f"{name}_VERSION" for name in _VERSIONS.split())
"""Variables of NVIDIA's images that name a version and change nothing; a manifest may also hold those of records."""


def is_version_variable(name: str, value: str) -> bool:
    """Whether a manifest may hold this variable of an image."""
    return name.endswith("_VERSION") and (name in VERSION_VARIABLES or is_recordable(name, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A Python distribution or a Debian package.

    `content` is the beginning of the SHA-256 of the list of its files with their hashes (RECORD), None where it has
    none; `place` is the folder in which a distribution is installed, `info` the name of the folder of its metadata in
    there. It is `loaded` if a worker imported or mapped a file of it.
    """

    origin: Origin
    name: str
    version: str
    content: str | None = None
    place: str | None = None
    info: str | None = None
    loaded: bool = False

    @property
    def key(self) -> str:
        """Its name as the owner of files: `python:torch`."""
        return f"{self.origin}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFile:
    """A shared object that a worker mapped, or a module of no package that it imported; `path` is in the image.

    `identity` is the build-id of its ELF notes ("build-id:..."), where it has none the hash of its content
    ("sha256:..."). `owner` is the key of the package that it is part of, None if it is of none.
    """

    path: str
    bytes: int
    identity: str
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageManifest:
    """What is in an image, without what was mounted into it; `image_id` is the engine's name of its content.

    `loaded` is what workers had loaded at the end of launches, in all `cases` (keys) that were measured in it.
    `site` is the folder in which its interpreter installs distributions. `left_out` counts entries that had an odd
    form, or were too many.
    """

    schema_version: int
    image_id: str
    reference: str
    collected_at: str
    python: str
    site: str
    digest: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    installed: tuple[Installed, ...] = ()
    loaded: tuple[LoadedFile, ...] = ()
    cases: tuple[str, ...] = ()
    left_out: int = 0


Rank = Literal["mapped", "loaded", "other"]
"""Of a change: a mapped file is another one; the package was imported or owns mapped files; nothing of it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentChange:
    """One thing that two images do not have in common: a package, or loaded files that belong to none.

    `key` is an owner (`python:torch`), `folder:` and a folder for files of no package, or `variable:` and a name.
    `baseline` and `candidate` are versions, "-" where it is absent. `files` are names of loaded files that are not the
    same, `changed_bytes` their size in the candidate.
    """

    key: str
    rank: Rank
    baseline: str
    candidate: str
    files: tuple[str, ...] = ()
    changed_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentChanges:
    """What two images do not have in common, what workers had mapped first; no change is known to be the cause of any.

    `notes` say what could not be compared.
    """

    baseline_image: str
    candidate_image: str
    changes: tuple[ContentChange, ...] = ()
    notes: tuple[str, ...] = ()


_ORIGINS = {"python": "Python", "debian": "Debian"}


def component_name(key: str) -> str:
    """A component as people call it: `torch (Python)` for `python:torch`."""
    kind, _, name = key.partition(":")
    if key == INTERPRETER:
        return "Python itself"
    if kind == "variable":
        return f"${name}"
    if kind == "folder":
        return f"libraries in {name}"
    return f"{name} ({_ORIGINS[kind]})" if kind in _ORIGINS else name
