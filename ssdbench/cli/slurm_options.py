"""`--launcher slurm` and `--slurm name=value`: how launches are submitted."""

import re
import shlex
from dataclasses import fields
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.schema.names import did_you_mean
from ssdbench.schema.record import SlurmOptions
from ssdbench.schema.variables import holds_secret

_LAUNCHERS = ("local", "slurm")
_SWITCH = {"true": True, "false": False}


def slurm_options(launcher: str, given: list[str]) -> SlurmOptions | None:
    """How the launches of a run are submitted; None if they run on this machine.

    Raises:
        UsageError: a launcher, a name or a value that does not exist.
    """
    if launcher not in _LAUNCHERS:
        raise UsageError(f"--launcher {launcher} is unknown: choose from {', '.join(_LAUNCHERS)}")
    if launcher == "local":
        if given:
            raise UsageError(f"--slurm {given[0]} is for a cluster: add --launcher slurm")
        return None
    known = tuple(field.name for field in fields(SlurmOptions))
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise UsageError(
                f"--slurm {text}: {did_you_mean(name, known)}write it as name=value, known names are {', '.join(known)}"
            )
        values[name] = _value(name, value)
    return SlurmOptions(**values)


def _value(name: str, text: str) -> object:
    if name == "jobs":
        if not re.fullmatch("[1-9][0-9]{0,4}", text):
            raise UsageError(f"--slurm jobs={text}: give how many launches may be submitted at once, 1 or more")
        return int(text)
    if name == "exclusive":
        if text not in _SWITCH:
            raise UsageError(f"--slurm exclusive={text}: give true or false")
        return _SWITCH[text]
    if name == "arguments":
        try:
            arguments = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"--slurm arguments={text} cannot be read: {error}") from None
        if any(map(holds_secret, arguments)):
            raise UsageError("--slurm arguments hold a secret: set the variable in the environment, which jobs inherit")
        return arguments
    return text
