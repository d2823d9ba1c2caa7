"""What changed inside of two images, for people: what a worker had loaded first, everything else as a count."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.escape import markdown
from ssdbench.report.tables import new_table
from ssdbench.schema.manifest import ContentChange, ContentChanges, ImageManifest, Rank, component_name
from ssdbench.schema.plain_text import shorten
from ssdbench.schema.text import pluralize, shorten_list

TITLE = "What changed inside the image"
NO_CAUSE = "Listed by how near it is to what a worker runs. None of it is known to be the cause of anything."
NOTHING = "nothing: packages, loaded files and variables that name versions are equal in both images."
_LETTERS = 160
SHOWN_IN_TERMINAL = 8
"""Changes of each rank; `ssdbench containers diff --all` shows every one."""

RANK_WORDS: dict[Rank, str] = {
    "mapped": "mapped by the worker, and another file now",
    "loaded": "imported, or owns mapped files that are the same",
    "other": "not seen to be loaded",
}


class Shown(NamedTuple):
    """One change in words."""

    name: str
    baseline: str
    candidate: str
    files: str


def shown(change: ContentChange) -> Shown:
    """A change in words; `files` are names of the loaded files that are not the same, none in most changes."""
    return Shown(component_name(change.key), change.baseline, change.candidate, shorten_list(change.files, 3))


def ranked(contents: ContentChanges) -> list[tuple[Rank, tuple[ContentChange, ...]]]:
    """The changes of each rank that has any, in order."""
    groups = [(rank, tuple(item for item in contents.changes if item.rank == rank)) for rank in RANK_WORDS]
    return [(rank, changes) for rank, changes in groups if changes]


def rest_words(count: int) -> str:
    """How many changes are not shown because no worker was seen to load anything of them."""
    return f"{pluralize(count, 'more change')}, of which no worker was seen to load anything"


def render_contents(contents: ContentChanges, *, everything: bool = False) -> RenderableType:
    """The changes for a terminal; with `everything`, also those that nothing was loaded of."""
    count = f"{pluralize(len(contents.changes), 'change')}. {NO_CAUSE}" if contents.changes else NOTHING
    parts: list[RenderableType] = [Text(f"{TITLE}: {count}")]
    for rank, changes in ranked(contents):
        if rank == "other" and not everything:
            parts += [Text(f"{rest_words(len(changes))} (`ssdbench containers diff --all` lists them)", "dim")]
            continue
        most = len(changes) if everything else SHOWN_IN_TERMINAL
        table = new_table(RANK_WORDS[rank], "baseline", "candidate", "files", number_columns=False)
        for change in changes[:most]:
            table.add_row(*map(Text, shown(change)))
        parts += [Text(), table, *_more(changes[most:])]
    return Group(*parts, *(Text(note, "dim") for note in contents.notes))


def _more(left: Sequence[ContentChange]) -> list[Text]:
    return [Text(f"and {len(left)} more", "dim")] if left else []


def contents_markdown(contents: ContentChanges | None, most: int) -> list[str]:
    """Lines of Markdown: the first changes of which something was loaded, counts of all others, and a blank."""
    if contents is None or not contents.changes:
        return []
    seen = [change for change in contents.changes if change.rank != "other"]
    rest = len(contents.changes) - len(seen)
    counts = [f"{len(seen) - most} more that a worker loads"] if len(seen) > most else []
    counts += [rest_words(rest)] if rest else []
    listed = [_markdown_line(change) for change in seen[:most]]
    return [f"{TITLE}. {NO_CAUSE}", "", *listed, *([f"- and {'; '.join(counts)}"] if counts else []), ""]


def _markdown_line(change: ContentChange) -> str:
    name, baseline, candidate, files = (markdown(shorten(text, _LETTERS)) for text in shown(change))
    return f"- {name}: {baseline} → {candidate}{f' (mapped: {files})' if files else ''}"


def render_manifest(manifest: ImageManifest) -> RenderableType:
    """What an image contains, for a terminal: the packages that were loaded, and what was loaded of no package."""
    loaded = [package for package in manifest.installed if package.loaded]
    packages = new_table("package that was loaded", "version", number_columns=False)
    for package in loaded:
        packages.add_row(Text(component_name(package.key)), Text(package.version))
    files = new_table("file that was loaded, of no package", "size", "identity", number_columns=False)
    for file in manifest.loaded:
        if file.owner is None:
            files.add_row(Text(file.path), f"{file.bytes:,}", Text(file.identity[:24]))
    counts = [
        f"{sum(package.origin == 'python' for package in manifest.installed)} Python distributions",
        f"{sum(package.origin == 'debian' for package in manifest.installed)} Debian packages",
        f"{pluralize(len(manifest.loaded), 'loaded file')} in launches of {pluralize(len(manifest.cases), 'case')}",
    ]
    head = f"{manifest.reference} ({manifest.image_id[:19]}): Python {manifest.python}, {', '.join(counts)}"
    variables = ", ".join(f"{name}={value}" for name, value in manifest.variables.items())
    left_out = [f"left out: {pluralize(manifest.left_out, 'entry', 'entries')}"] if manifest.left_out else []
    lines = [head, *([variables] if variables else []), *left_out]
    parts: list[RenderableType] = [Text("\n".join(lines))]
    parts += [Text(), packages] if loaded else []
    parts += [Text(), files] if files.row_count else []
    return Group(*parts)
