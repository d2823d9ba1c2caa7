"""Which way into an image its options name."""

from ssdbench.harness.launchers.ways.contract import Way
from ssdbench.harness.launchers.ways.engine import EngineWay
from ssdbench.harness.launchers.ways.image_file import ImageFileWay
from ssdbench.harness.launchers.ways.oci import OciWay
from ssdbench.harness.launchers.ways.pyxis import PyxisWay
from ssdbench.schema.container import ContainerOptions


def way_of(options: ContainerOptions) -> Way:
    """The way into images that these options name."""
    if options.engine.job_step == "pyxis":
        return PyxisWay(options)
    if options.engine.job_step == "oci":
        return OciWay(options)
    if any("{file}" in word for word in options.engine.pull):
        return ImageFileWay(options)
    return EngineWay(options)
