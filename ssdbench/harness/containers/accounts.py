"""Accounts of container registries, as `docker login` and `podman login` keep them. They are read, never written.

The package `docker` reads the file and speaks the protocol of credential helpers (docs/decisions/0010). A helper gets
the name of the registry and returns the password through pipes, which no list of processes shows.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCKER_HUB = "docker.io"
_HUB_KEY = "index.docker.io"
_HELPER = "docker-credential-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user with a password, or an identity token, with which the registry gives tokens; `kept_by` says who has it."""

    kept_by: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAccount:
    """The account for a repository; where there is none, `why_not` says what was looked into, and what went wrong."""

    account: Account | None = None
    why_not: str = ""


class _LacksError(Exception):
    """Why no account can be read from a file: a part of a sentence, without anything of the file."""


def find_account(host: str, path: str) -> FoundAccount:
    """The account for this repository of a registry (`DOCKER_HUB` for Docker Hub).

    The first file that has one wins: that of REGISTRY_AUTH_FILE, config.json in DOCKER_CONFIG, Podman's auth.json,
    ~/.docker/config.json.
    """
    lacks = []
    for file in dict.fromkeys(_files()):
        if not file.exists():
            continue
        try:
            account = _account_in(file, host, path)
        except _LacksError as lack:
            lacks.append(str(lack))
            continue
        if account is not None:
            return FoundAccount(account=account)
        lacks.append(f"{file} has none")
    return FoundAccount(why_not="; ".join(lacks) or "nobody has logged in on this machine")


def log_in_words(host: str) -> str:
    """What a user types to keep an account."""
    return f"`docker login {host}` or `podman login {host}`"


def _files() -> Iterator[Path]:
    variables, home = os.environ, Path.home()
    if variables.get("REGISTRY_AUTH_FILE"):
        yield Path(variables["REGISTRY_AUTH_FILE"])
    if variables.get("DOCKER_CONFIG"):
        yield Path(variables["DOCKER_CONFIG"], "config.json")
    if variables.get("XDG_RUNTIME_DIR"):
        yield Path(variables["XDG_RUNTIME_DIR"], "containers", "auth.json")
    yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config", "containers", "auth.json")
    yield home / ".docker" / "config.json"


def _account_in(file: Path, host: str, path: str) -> Account | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _LacksError(f"{file} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise _LacksError(f"{file} is not JSON") from None
    if not isinstance(content, dict):
        raise _LacksError(f"{file} is not a file of accounts")
    try:
        name, entry = _entry(content.get("auths") or {}, host, path)
        if not entry and not content.get("credHelpers") and not content.get("credsStore"):
            return None
        helper = None if "/" in name else _helper_of(content, host)
        if helper is not None and (account := _ask_helper(helper, host)) is not None:
            return account
        return _account(_parsed(name, entry), str(file))
    except (AttributeError, TypeError, ValueError, KeyError):
        raise _LacksError(f"{file} has an entry for {host} that cannot be read") from None


def _entry(auths: Mapping[str, Any], host: str, path: str) -> tuple[str, Any]:
    """The entry for a repository, that of the longest name: Podman keeps accounts for parts of a registry, too."""
    names = {_plain(key): key for key in auths}
    whole = [host, *path.split("/")]
    for length in range(len(whole), 0, -1):
        name = "/".join(whole[:length])
        key = names.get(name)
        if key is not None and auths[key]:
            return name, auths[key]
    return host, {}


def _plain(key: str) -> str:
    """The key of an entry without what old versions of Docker wrote around the host."""
    name = key.partition("://")[2] or key
    for ending in ("/", "/v1", "/v2"):
        name = name.removesuffix(ending)
    return name.replace(_HUB_KEY, DOCKER_HUB)


def _helper_of(content: Mapping[str, Any], host: str) -> str | None:
    found = _docker().auth.AuthConfig(dict(content)).get_credential_store(host)
    return None if found is None else str(found)


def _ask_helper(helper: str, host: str) -> Account | None:
    program = f"{_HELPER}{helper}"
    if "/" in helper or shutil.which(program) is None:
        raise _LacksError(f"the accounts are kept by {program}, which is not on the PATH")
    docker = _docker()
    try:
        # Not what it printed: a helper that fails may have printed the password.
        found = docker.auth.AuthConfig({"credsStore": helper}).resolve_authconfig(host)
    except (docker.errors.DockerException, ValueError, KeyError, TypeError, OSError):
        raise _LacksError(f"{program} fails") from None
    return _account(found, program)


def _parsed(name: str, entry: Any) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = _docker().auth.parse_auth({name: entry}).get(name)
    return found


def _account(found: Mapping[str, Any] | None, kept_by: str) -> Account | None:
    """The account in what the package returns, which names the fields of a helper with capital letters."""
    fields = {key.lower(): value for key, value in (found or {}).items()}
    if fields.get("identitytoken"):
        return Account(kept_by=kept_by, identity_token=fields["identitytoken"])
    if fields.get("password"):
        return Account(kept_by=kept_by, user=fields["username"], password=fields["password"])
    return None


def _docker() -> Any:
    try:
        import docker
    except ImportError as error:
        raise _LacksError(
            f"accounts are read by a package that is missing ({error}): pip install 'ssdbench[registry]'"
        ) from None
    return docker
