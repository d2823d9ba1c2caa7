"""Inspects images on a node of a cluster: `python -m ssdbench.harness.launchers.slurm.image_probe FILE` runs there."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import SsdbenchError
from ssdbench.harness.containers.images import require_image_name
from ssdbench.harness.launchers.slurm.image_step import FETCH_MINUTES, hidden_values, with_hidden_values
from ssdbench.harness.launchers.slurm.probe import probe_folder, run_on_a_node
from ssdbench.harness.launchers.ways.choice import way_of
from ssdbench.harness.launchers.ways.node_images import node_name
from ssdbench.harness.stores.codec import dump, read
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage, SlurmOptions

_MINUTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedImages:
    """Images that a node has to inspect."""

    schema_version: int
    options: ContainerOptions
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedImages:
    """Images as a node has found them, in the order in which they were asked."""

    schema_version: int
    node: str
    images: tuple[ContainerImage, ...]


def inspect_on_a_node(
    options: ContainerOptions, references: Sequence[str], slurm: SlurmOptions, work_folder: Path
) -> InspectedImages:
    """Have one node fetch and inspect images; waits in Slurm's queue.

    `work_folder` must be on a file system that the nodes share.

    Raises:
        UsageError: a reference is not an image, or Slurm refuses the job, or can never start it.
        EnvironmentLacksError: Slurm is not installed here, or the node has no way into images.
    """
    for reference in references:
        require_image_name(reference)
    asked = AskedImages(schema_version=SCHEMA_VERSION, options=options.recorded(), references=tuple(references))
    file = probe_folder(work_folder) / "inspected.json"
    write_bytes(file.with_name("asked.json"), dump(asked).encode())
    command = [sys.executable, "-m", "ssdbench.harness.launchers.slurm.image_probe", str(file)]
    minutes = _MINUTES + FETCH_MINUTES * len(references)
    run_on_a_node("inspects images", command, file, slurm, minutes=minutes, variables=hidden_values(options))
    return read(InspectedImages, file.read_text(encoding="utf-8"), str(file))


def main() -> None:
    """Inspect images, and write what is in them to the requested file."""
    file = Path(sys.argv[1])
    path = file.with_name("asked.json")
    asked = read(AskedImages, path.read_text(encoding="utf-8"), str(path))
    options = with_hidden_values(asked.options)
    try:
        way = way_of(options)
        found = tuple(map(way.inspect, asked.references))
    except SsdbenchError as error:
        sys.exit(str(error))
    inspected = InspectedImages(schema_version=SCHEMA_VERSION, node=node_name(), images=found)
    write_bytes(file, dump(inspected).encode())


if __name__ == "__main__":
    main()
