"""Keeps what the images of a run contain, once for each image, and compares two of them."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ssdbench.analysis.contents import content_changes
from ssdbench.errors import EnvironmentLacksError, StoreError, UsageError
from ssdbench.harness.cache import work_folder
from ssdbench.harness.containers.inside import Inside
from ssdbench.harness.containers.manifests import collect_manifest, read_loaded
from ssdbench.harness.launchers.inside import inside_of
from ssdbench.harness.stores.image_manifests import ImageManifests
from ssdbench.harness.stores.store import Store
from ssdbench.schema.manifest import ContentChanges, ImageManifest, Installed
from ssdbench.schema.record import Arm, ContainerImage, Failure, Record, Run, RunOptions
from ssdbench.workflows.display import Say
from ssdbench.workflows.judging import Judgement


def keep_manifests(store: Store, run: Run, options: RunOptions, say: Say) -> None:
    """Keep the manifests of the images of a run, with what its launches had loaded; `say` hears what went wrong.

    A container is started for an image that has no manifest yet, or in which a case was measured for the first time;
    on a cluster by a job, on a node that has measured in it.
    """
    baseline = run.header.baseline_arm.image if run.header.baseline_arm else None
    arms: tuple[tuple[Arm, ContainerImage | None], ...] = (("candidate", options.image), ("baseline", baseline))
    for arm, image in arms:
        if image is None or options.container is None or image.id is None:
            continue
        measured = [record for record in run.records if record.arm == arm and record.measurement is not None]
        if measured and not image.overlays:
            cases = {record.case.key for record in measured}
            inside = inside_of(options.container, options.slurm, _node(measured))
            try:
                found = update_manifest(store, inside, image, launch_folders(run.header.run_id, arm), cases)
            except (StoreError, EnvironmentLacksError, UsageError) as error:
                found = Failure(kind="unsupported", message=str(error))
            if isinstance(found, Failure):
                say(f"what is in {image.reference} was not kept: {found.message}")


def update_manifest(
    store: Store,
    inside: Inside,
    image: ContainerImage,
    folders: Iterable[Path] = (),
    cases: Iterable[str] = (),
) -> ImageManifest | Failure:
    """The manifest of an inspected image, collected and kept where it is new or says nothing of these cases.

    `folders` are those of launches in this image.

    Raises:
        StoreError: the store cannot be read or written.
        EnvironmentLacksError: what runs images is not installed.
        UsageError: the cluster refuses the job.
    """
    kept = ImageManifests(store.archive)
    known = kept.of_image(image.id)
    if known is not None and set(cases) <= set(known.cases):
        return known
    loaded: dict[str, set[str]] = {"objects": set(), "modules": set()}
    for folder in folders:
        for kind, paths in read_loaded(folder).items():
            loaded[kind] |= paths
    if known is not None:
        loaded["objects"] |= {file.path for file in known.loaded if not file.path.endswith(".py")}
        loaded["modules"] |= {file.path for file in known.loaded if file.path.endswith(".py")}
    found = collect_manifest(inside, image, loaded, {*cases, *(known.cases if known else ())})
    if isinstance(found, Failure):
        return found
    merged = replace(found, installed=_still_loaded(found, known))
    kept.save(merged)
    return merged


def _still_loaded(found: ImageManifest, known: ImageManifest | None) -> tuple[Installed, ...]:
    """The packages, those that an earlier manifest says were loaded among them."""
    before = {package.key for package in known.installed if package.loaded} if known else set()
    return tuple(replace(package, loaded=package.loaded or package.key in before) for package in found.installed)


def _node(records: Iterable[Record]) -> str | None:
    """A node on which one of these launches was; None where they do not say."""
    networks = (record.measurement.network for record in records if record.measurement is not None)
    return next((network.rank_hosts[0] for network in networks if network is not None and network.rank_hosts), None)


def launch_folders(run_id: str, arm: Arm) -> list[Path]:
    """The folders of a run's launches of one arm, as `harness.launch_loop` names them."""
    form = re.compile(rf".*-(measure|confirm)-{arm}-\d+-\d+(-again\d+)?")
    folder = work_folder() / run_id
    return sorted(path for path in folder.iterdir() if form.fullmatch(path.name)) if folder.is_dir() else []


def with_contents(store: Store, judgement: Judgement) -> Judgement:
    """The judgement with what changed inside of the images that were compared, as far as it is known.

    Raises:
        StoreError: a manifest cannot be read.
    """
    contents = changes_of(store, judgement)
    return (
        judgement
        if contents is None
        else replace(judgement, comparison=replace(judgement.comparison, contents=contents))
    )


def with_contents_if_known(store: Store, judgement: Judgement, say: Say) -> Judgement:
    """Like `with_contents`; `say` hears why the contents cannot be told."""
    # A verdict that took hours to measure is shown in any case.
    try:
        return with_contents(store, judgement)
    except StoreError as error:
        say(f"what changed inside the image is not known: {error}")
        return judgement


def changes_of(store: Store, judgement: Judgement) -> ContentChanges | None:
    """What changed between the images of the two sides; None where they are no images, the same, or not known.

    Raises:
        StoreError: a manifest cannot be read.
    """
    reference, run = judgement.sides
    there = reference.header.options.image if reference is not None else None
    here = run.header.options.image
    if there is None or here is None or there.id == here.id:
        return None
    kept = ImageManifests(store.archive)
    before, after = kept.of_image(there.id), kept.of_image(here.id)
    return content_changes(before, after) if before is not None and after is not None else None
