"""How help looks: paragraphs that reflow at any width, options in panels, one name for each value."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

SUITE, MODEL, MEASURING, DECIDING = "Suite", "Model", "Measuring", "Deciding"
STORING, OUTPUT = "Storing", "Output"
"""The panels that options are in."""


class PlainCommand(TyperCommand):
    """A command whose help reflows, and whose arguments and options have each one name for their value."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.help = reflow(self.help)

    def get_params(self, ctx: Any) -> list[Any]:
        return _plain(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        # {RUN}... is typer's own notation; everyone else writes RUN...
        return [re.sub(r"[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]


class PlainGroup(TyperGroup):
    """A group of commands with the same help."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.help = reflow(self.help)

    def get_params(self, ctx: Any) -> list[Any]:
        return _plain(super().get_params(ctx))


class VerbApp(typer.Typer):
    """A verb with commands of its own."""

    def __init__(self, help: str, *, runs_alone: bool = False) -> None:
        """`runs_alone`: it does something without a command as well."""
        super().__init__(help=help, cls=PlainGroup, no_args_is_help=not runs_alone, rich_markup_mode="rich")

    def command(self, name: str | None = None, **attributes: Any) -> Callable[[Any], Any]:
        """Like typer's, with the help of this module."""
        return super().command(name, cls=PlainCommand, **attributes)


def reflow(text: str | None) -> str | None:
    """The text with each paragraph on one line, so that the terminal's width alone breaks it."""
    if text is None:
        return None
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def option(help: str, *names: str, metavar: str | None = None, panel: str | None = None, **attributes: Any) -> Any:
    """An option for an annotation; `metavar` names its value, a switch has none."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **attributes)


def argument(help: str, metavar: str) -> Any:
    """An argument for an annotation."""
    return typer.Argument(help=help, metavar=metavar)


def _plain(parameters: list[Any]) -> list[Any]:
    panels = [panel for parameter in parameters if (panel := getattr(parameter, "rich_help_panel", None))]
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = _no_type  # its name says what it is
        elif "--help" in parameter.opts:
            parameter.help = "Show this help and exit."
            parameter.rich_help_panel = OUTPUT if panels else None
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""  # a switch takes no value
    return parameters


def _no_type(ctx: Any) -> None:  # noqa: ARG001  # as typer calls it
    return None
