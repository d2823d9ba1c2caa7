"""The command line as Markdown: every command with its text and options, as the program itself declares them."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer.main

from ssdbench.cli.app import app


def commands() -> str:
    """All commands, in the order of the help."""
    root = typer.main.get_command(app)
    return "\n".join(_below(root, root.make_context("ssdbench", [], resilient_parsing=True), 2))


def _below(group: Any, context: Any, level: int) -> Iterator[str]:
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        yield from _command(command, inner, level)
        if hasattr(command, "list_commands"):
            yield from _below(command, inner, level + 1)


def _command(command: Any, context: Any, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path.removeprefix('ssdbench ')}\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    yield _text(command.help or "") + "\n"
    for panel, parameters in _panels(command, context).items():
        yield f"| {panel} | |\n|---|---|"
        for names, text in parameters:
            yield f"| {_names(names)} | {_inline(text)} |"
        yield ""


def _text(text: str) -> str:
    """Paragraphs as they are; lines set by hand (after Click's \\b) as a block of code."""
    shown = []
    for block in inspect.cleandoc(text.split("\f")[0]).split("\n\n"):
        lines = block.splitlines()
        shown.append("\n".join(f"    {line}" for line in lines[1:]) if lines[:1] == ["\b"] else _marked(block))
    return "\n\n".join(shown)


def _panels(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or kind, []).append(record)
    return panels


def _names(text: str) -> str:
    return "`" + text.replace("|", "\\|").replace(" / ", "` / `") + "`"


def _inline(text: str) -> str:
    """One line of a table cell; brackets and angles as they are, so that Markdown takes none of them as its own."""
    text = " ".join(text.split())
    for mark in "\\|<*[]":
        text = text.replace(mark, f"&#{ord(mark)};")
    return _marked(text)


def _marked(text: str) -> str:
    """Options as code, where they are not yet: elsewhere two hyphens become a dash."""
    outside_and_inside = text.split("`")
    outside_and_inside[::2] = [
        re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"`\g<0>`", part) for part in outside_and_inside[::2]
    ]
    return "`".join(outside_and_inside)
