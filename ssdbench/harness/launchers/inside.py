"""Where our own modules run inside of images: on this machine, or on a node of the cluster that measures."""

from dataclasses import replace

from ssdbench.harness.containers.inside import Inside, InsideHere
from ssdbench.harness.launchers.slurm.inside_step import InsideOnNode
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import SlurmOptions


def inside_of(options: ContainerOptions, slurm: SlurmOptions | None, node: str | None = None) -> Inside:
    """What runs them as launches are run: with `slurm` by jobs, on `node` if that is given."""
    if slurm is None:
        return InsideHere(options=options)
    return InsideOnNode(options=options, slurm=slurm if node is None else replace(slurm, nodelist=node))
