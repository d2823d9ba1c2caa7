"""Locks that need nothing of a file system but exclusive names, name their holder, and do not outlive it.

A lock is a claim in a store: a file of its own (NFS and Lustre need no `flock` for it), or a row of a database. The
claim says who holds it. It is broken, with a sentence, once its holder cannot be alive: on the same machine the process
is gone, on another one the holder has stopped renewing its claim, by the clock of the file system or the database.
"""

import getpass
import json
import os
import secrets
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol

import psutil

from ssdbench.errors import StoreError
from ssdbench.schema.times import utc_now

HEARTBEAT_SECONDS = 20.0
EXPIRY_SECONDS = 180.0
"""How long a claim of another machine may go without a heartbeat; NFS may show a file's time up to 60 s late."""

WAIT_SECONDS = 120.0
_POLL_SECONDS, _RETRY_SECONDS = 0.05, 0.5


class StoreLockedError(StoreError):
    """Another process does what this one was asked to do; the message names it."""


class Claims(Protocol):
    """Where claims are kept, each a text under a name, made and removed by one process at a time."""

    @property
    def name(self) -> str:
        """The store in a sentence."""

    def claim(self, name: str, text: str) -> bool:
        """Keep the text under a name that has none; False where it has one."""

    def find(self, name: str) -> str | None:
        """The text under a name; None where there is none."""

    def age_seconds(self, name: str) -> float:
        """How long ago the claim was made or renewed, by the store's own clock; 0 where there is none."""

    def renew(self, name: str, text: str) -> bool:
        """Begin the age of a claim anew; False where the name no longer has this text."""

    def remove(self, name: str, text: str) -> bool:
        """Remove a claim; False where the name does not have this text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds a lock; `machine` is its boot and process namespace, in which `pid` is unique."""

    token: str
    doing: str
    host: str
    machine: str
    pid: int
    process_started: float
    user: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user} on {self.host}, since {self.since}"


class Lock:
    """A lock that is held from `acquire` to `release`, or until this object is gone."""

    def __init__(self, claims: Claims, name: str, doing: str, *, say: Callable[[str], None]) -> None:
        self._claims = claims
        self._name = name
        self._text = json.dumps(asdict(_this_process(doing)), sort_keys=True)
        self._say = say
        self._ended = threading.Event()
        self._finalizer: weakref.finalize[..., Lock] | None = None

    def acquire(self, wait_seconds: float, *, renew: bool = False) -> None:
        """Take the lock, waiting for its holder; with `renew` it is kept alive for hours.

        Raises:
            StoreLockedError: its holder keeps it for longer than this.
            StoreError: the store cannot be written.
        """
        deadline = time.monotonic() + wait_seconds
        while not self._claim():
            text = self._claims.find(self._name)
            if text is None:
                continue
            if reason := self._death(text):
                if self._claims.remove(self._name, text):
                    self._say(f"{self._claims.name}: took over from {_named(text)}: {reason}")
                continue
            if time.monotonic() >= deadline:
                raise StoreLockedError(_refusal(self._claims.name, text))
            time.sleep(_POLL_SECONDS)
        self._finalizer = weakref.finalize(self, _let_go, self._claims, self._name, self._text, self._ended)
        if renew:
            beat = (self._claims, self._name, self._text, self._ended)
            threading.Thread(target=_renew_until, args=beat, daemon=True, name="ssdbench-lock").start()

    def _claim(self) -> bool:
        try:
            return self._claims.claim(self._name, self._text)
        except StoreError:
            # A server that went away in its answer may have kept the claim.
            _let_go_later(self._claims, self._name, self._text)
            raise

    def require(self) -> None:
        """Raises StoreLockedError if another process has taken the lock over, because this one seemed to be dead."""
        text = self._claims.find(self._name)
        if text != self._text:
            by = _named(text) if text else "another process, which has released it since"
            raise StoreLockedError(f"{self._claims.name}: this process seemed to be dead, and its work is done by {by}")

    def release(self) -> None:
        """Let the lock go; nothing happens if it is not held."""
        if self._finalizer is not None:
            self._finalizer()

    def _death(self, text: str) -> str | None:
        """Why the holder cannot be alive; None where it may be."""
        holder, here = _parsed(text), json.loads(self._text)
        if holder is not None and (holder.host, holder.machine) == (here["host"], here["machine"]):
            return None if _is_running(holder.pid, holder.process_started) else "that process has ended"
        age = self._claims.age_seconds(self._name)
        return f"no sign of life for {age:.0f} s" if age > EXPIRY_SECONDS else None


@contextmanager
def locked(
    claims: Claims, name: str, doing: str, say: Callable[[str], None], *, wait_seconds: float = WAIT_SECONDS
) -> Iterator[None]:
    """Hold a lock for the block; errors as `Lock.acquire`."""
    lock = Lock(claims, name, doing, say=say)
    lock.acquire(wait_seconds)
    try:
        yield
    finally:
        lock.release()


def holder_of(claims: Claims, name: str) -> str | None:
    """The living holder of a lock in words; None where nobody holds it."""
    text = claims.find(name)
    if text is None:
        return None
    # A store that this process may only read cannot say how old a claim is: it may be alive.
    with suppress(StoreError):
        if Lock(claims, name, "", say=lambda _: None)._death(text):
            return None
    return _named(text)


def _let_go(claims: Claims, name: str, text: str, ended: threading.Event) -> None:
    ended.set()
    try:
        claims.remove(name, text)
    except StoreError:
        _let_go_later(claims, name, text)


def _let_go_later(claims: Claims, name: str, text: str) -> None:
    # This process lives on, so nobody else may break the claim: it is removed once the store is back.
    later = threading.Thread(target=_remove_later, args=(claims, name, text), daemon=True, name="ssdbench-unlock")
    later.start()


def _remove_later(claims: Claims, name: str, text: str) -> None:
    deadline = time.monotonic() + EXPIRY_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_RETRY_SECONDS)
        with suppress(StoreError):
            claims.remove(name, text)
            return


def _renew_until(claims: Claims, name: str, text: str, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        with suppress(StoreError):
            if not claims.renew(name, text):
                return


def _this_process(doing: str) -> Holder:
    return Holder(
        token=secrets.token_hex(8),
        doing=doing,
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        process_started=_started(),
        user=_user(),
        since=utc_now(),
    )


def _started() -> float:
    with suppress(psutil.Error):  # without /proc
        return psutil.Process().create_time()
    return 0.0


def _machine() -> str:
    """Tells containers and machines with one host name apart; empty where the system has no such names."""
    found = ""
    with suppress(OSError):
        found += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        found += f" {Path('/proc/self/ns/pid').readlink()}"
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user id without a name
        return "a user without a name"


def _is_running(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        # A second: the system counts from its boot, whose time an adjusted clock moves a little.
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return sys.platform == "linux" and not Path("/proc/self").exists()  # unknown: it may run
    except psutil.Error:
        return True


def _parsed(text: str) -> Holder | None:
    """The holder; None where the text is none, as that of a claim which is being written."""
    with suppress(ValueError, TypeError):
        found = json.loads(text)
        return Holder(**{field.name: found[field.name] for field in fields(Holder) if field.name in found})
    return None


def _named(text: str) -> str:
    holder = _parsed(text)
    return str(holder) if holder else "a process that left no name"


def _refusal(store: str, text: str) -> str:
    holder = _parsed(text)
    doing = holder.doing if holder else "using it"
    return f"{store}: {_named(text)}, is {doing}; wait for it, or end it and repeat this command"
