"""Where messages go: addresses of Apprise, which hold secrets, each under a name that may be printed and stored."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssdbench.errors import UsageError

FROM_ENVIRONMENT, _FROM_FILE = "env:", "file:"
_VARIABLE = re.compile(r"[A-Za-z0-9_.-]+")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S+")
_LINE = re.compile(r"(?:([A-Za-z0-9][A-Za-z0-9._-]*)\s*=\s*)?(\S+)")
_FORMS = "a URL of Apprise, env:NAME for a variable that holds one, or file:PATH for a file of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address, and its name in messages, logs and stores. The address never leaves this process but to be used."""

    name: str
    address: str = field(repr=False)


def read_targets(asked: Sequence[str]) -> tuple[Target, ...]:
    """The targets that `--to` names, each once: a URL, `env:NAME`, or `file:PATH` with lines `NAME = URL` or `URL`.

    Raises:
        UsageError: a variable is not set, a file cannot be read, or something is no URL. No message has an address.
    """
    found: dict[str, Target] = {}
    for target in (target for text in asked for target in _targets(text)):
        known = found.setdefault(target.name, target)
        if known.address != target.address:
            raise UsageError(f"--to: two targets have the name {target.name}; rename one of them")
    return tuple(found.values())


def _targets(text: str) -> Iterator[Target]:
    if text.startswith(FROM_ENVIRONMENT):
        yield _of_environment(variable_named(text, "--to"))
    elif text.startswith(_FROM_FILE):
        if "://" in text:
            raise UsageError("--to file:PATH: a URL and no path; give the file, or the URL in a variable as env:NAME")
        yield from _of_file(Path(text.removeprefix(_FROM_FILE)))
    else:
        yield _named(text, "", "--to")


def variable_named(text: str, option: str) -> str:
    """The variable of `env:NAME`, which may not be set.

    Raises:
        UsageError: it is no name. The message does not have it: a shell that read `env:$NAME` put the secret there.
    """
    name = text.removeprefix(FROM_ENVIRONMENT)
    if not _VARIABLE.fullmatch(name):
        raise UsageError(f"{option} env:NAME: what follows env: is no name of a variable; write it without a $")
    return name


def _of_environment(name: str) -> Target:
    address = os.environ.get(name, "").strip()
    if not address:
        raise UsageError(f"--to env:{name}: the variable {name} is not set: have it hold a URL of Apprise")
    return _named(address, f"env:{name}", f"--to env:{name}")


def _of_file(path: Path) -> Iterator[Target]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise UsageError(f"--to file:{path}: cannot be read ({reason}); give a file with one URL a line") from None
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        where = f"{path} line {number}"
        if match is None:
            raise UsageError(f"{where}: neither `NAME = URL` nor a URL; correct the line")
        yield _named(match[2], match[1] or "", where)


def _named(address: str, name: str, where: str) -> Target:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UsageError(f"{where}: not a URL; give {_FORMS}")
    return Target(name=name or f"{match[1].lower()}-{_digest(address)}", address=address)


def _digest(address: str) -> str:
    """Tells addresses apart; slow to compute, so that nobody finds a short password by trying."""
    return hashlib.scrypt(
        address.encode("utf-8", "surrogateescape"), salt=b"ssdbench target", n=2**14, r=8, p=1, dklen=4
    ).hex()
