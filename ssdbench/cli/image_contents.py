"""`ssdbench containers manifest` and `diff`: what an image contains, and what changed between two."""

from typing import Annotated

from ssdbench.analysis.contents import content_changes
from ssdbench.cli.help import OUTPUT, argument, option
from ssdbench.cli.image_options import ContainersFile, EngineName, load_engine
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, open_store
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.config import DEFAULT_FILE, Containers
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.containers.inside import InsideHere
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.store import Store
from ssdbench.report.contents import render_contents, render_manifest
from ssdbench.schema.manifest import ImageManifest
from ssdbench.schema.record import Failure
from ssdbench.workflows.manifests import update_manifest


def manifest(
    image: Annotated[str, argument("Image: repository:tag, or a tag of ci/containers.toml.", "IMAGE")],
    containers: ContainersFile = DEFAULT_FILE,
    engine: EngineName = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Show what an image contains: Python distributions, Debian packages, versions, and what workers had loaded.

    It is kept once for each image, and collected now if it is not kept yet. What a worker maps is known once a case
    was measured in the image.
    """
    found = _manifest(open_store(results, store_url), load_engine(containers, engine), image)
    if as_json:
        print_json(codec.dump(found))
    else:
        Terminal().print(render_manifest(found))


def diff(
    old: Annotated[str, argument("Image of the baseline: repository:tag, or a tag of ci/containers.toml.", "OLD")],
    new: Annotated[str, argument("Image that is compared with it.", "NEW")],
    everything: Annotated[bool, option("Also list what no worker was seen to load.", "--all", panel=OUTPUT)] = False,
    containers: ContainersFile = DEFAULT_FILE,
    engine: EngineName = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Show what changed inside of an image, what workers had mapped first; nothing is measured."""
    store, found = open_store(results, store_url), load_engine(containers, engine)
    changes = content_changes(*(_manifest(store, found, name) for name in (old, new)))
    if as_json:
        print_json(codec.plain_json(changes))
    else:
        Terminal().print(render_contents(changes, everything=everything))


def _manifest(store: Store, containers: Containers, name: str) -> ImageManifest:
    """Raises EnvironmentLacksError where the image cannot be had or says nothing."""
    image = inspect_image(containers.options, containers.image(name))
    if image.id is None:
        reason = image.failure.message if image.failure else "the engine gives it no id: use an image file"
        raise EnvironmentLacksError(f"the contents of {image.reference} cannot be listed: {reason}")
    found = update_manifest(store, InsideHere(options=containers.options), image)
    if isinstance(found, Failure):
        raise EnvironmentLacksError(found.message)
    return found
