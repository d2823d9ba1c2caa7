"""Reads tags and digests from a container registry (HTTP API of the OCI distribution specification).

A registry may be broken or hostile: its answers are bounded in size, number and time, and have to be of the types and
the alphabets of the specification; what it names next is asked only over HTTPS, or on the registry's own host.
"""

import hashlib
import http.client
import ipaddress
import json
import queue
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ssdbench.errors import EnvironmentLacksError, UsageError

_TIMEOUT_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_ALL_SECONDS = 600.0
_MOST_BYTES = 16 * 2**20
_MOST_PAGES = 100
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,256}")
_HUB = "registry-1.docker.io"
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_HOST = re.compile(r"localhost(?::\d+)?|[A-Za-z0-9-]+(?:(?:\.[A-Za-z0-9-]+)+(?::\d+)?|:\d+)")
_PATH = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    headers: Mapping[str, str]
    body: bytes


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Refuses redirects from HTTPS to anything else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: object, code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not encrypted")
        if not newurl.startswith(("https:", "http:")):
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not HTTP")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener() -> urllib.request.OpenerDirector:
    """Knows HTTP and HTTPS alone; urllib's own one also opens files and FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _NoDowngrade(),
    ):
        opener.add_handler(handler)
    return opener


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository of a registry, read anonymously."""

    name: str
    address: str
    path: str
    _token: str | None = field(default=None, repr=False)
    _deadline: float = field(default_factory=lambda: time.monotonic() + _ALL_SECONDS, repr=False)

    def tags(self) -> list[str]:
        """All tags, in the registry's order.

        Raises:
            EnvironmentLacksError: the registry does not respond, or refuses.
        """
        found: list[str] = []
        url: str | None = f"{self.address}/v2/{self.path}/tags/list?n=1000"
        asked: set[str] = set()
        while url is not None:
            asked.add(url)
            reply = self._ask(url)
            found += self._tags_of(reply)
            link = re.search(r'<([^<>]{1,4096})>\s*;\s*rel="?next', reply.headers.get("Link", ""))
            url = urllib.parse.urljoin(url, link[1]) if link else None
            if url is not None and not url.startswith(f"{self.address}/"):
                raise self._refused(f"its next page is on another host or not over the same protocol ({url})")
            if url in asked or len(asked) >= _MOST_PAGES:
                raise self._refused(f"its list of tags does not end ({len(asked)} pages)")
        return found

    def _tags_of(self, reply: _Reply) -> list[str]:
        try:
            content = json.loads(reply.body)
        except (ValueError, RecursionError):
            raise self._refused("its list of tags is not JSON") from None
        tags = content.get("tags") if isinstance(content, dict) else 0
        if tags is None:
            return []
        if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags):
            raise self._refused("its list of tags is not one of names of tags")
        return tags

    def _refused(self, reason: str) -> EnvironmentLacksError:
        return EnvironmentLacksError(f"cannot read {self.name} from its registry: {reason}")

    def digest(self, tag: str) -> str:
        """The digest to which a tag points now; errors as `tags`."""
        url = f"{self.address}/v2/{self.path}/manifests/{urllib.parse.quote(tag)}"
        found = self._ask(url, method="HEAD", accept=_MANIFESTS).headers.get("Docker-Content-Digest")
        if found and not _DIGEST.fullmatch(found):
            raise self._refused(f"the digest of {tag} is none")
        return found or f"sha256:{hashlib.sha256(self._ask(url, accept=_MANIFESTS).body).hexdigest()}"

    def _ask(self, url: str, *, method: str = "GET", accept: str = "application/json") -> _Reply:
        seconds = min(_ANSWER_SECONDS, self._deadline - time.monotonic())
        if seconds <= 0:
            raise self._refused(f"it is too slow (stopped after {_ALL_SECONDS:g} s)")
        try:
            return _within(seconds, lambda: self._answer(url, method, accept))
        except RecursionError:
            raise self._refused("its answer is nested too deep") from None
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            reason = getattr(error, "reason", None) or error
            raise EnvironmentLacksError(f"cannot read {self.name} from its registry ({url}): {reason}") from None

    def _answer(self, url: str, method: str, accept: str) -> _Reply:
        try:
            return self._open(url, method, accept)
        except urllib.error.HTTPError as error:
            error.close()
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != 401 or not challenge.lower().startswith("bearer "):
                raise
        self._token = self._fetch_token(challenge)
        return self._open(url, method, accept)

    def _open(self, url: str, method: str, accept: str) -> _Reply:
        request = urllib.request.Request(url, method=method, headers={"Accept": accept})
        if self._token is not None and url.startswith(f"{self.address}/"):
            # Not forwarded to the target of a redirect.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with _opener().open(request, timeout=_TIMEOUT_SECONDS) as answer:
            body = answer.read(_MOST_BYTES + 1)
            if len(body) > _MOST_BYTES:
                raise ValueError(f"its answer is larger than {_MOST_BYTES >> 20} MiB")
            return _Reply(headers=dict(answer.headers.items()), body=body)

    def _fetch_token(self, challenge: str) -> str:
        """The token for anonymous reading, requested as the registry's challenge says."""
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = parts.pop("realm")
        if not realm.startswith(("https:", f"{self.address}/")):
            raise ValueError(f"it gives tokens at {realm}, which is neither encrypted nor on its own host")
        asked = {"scope": f"repository:{self.path}:pull"} | {
            k: v for k, v in parts.items() if k in ("service", "scope")
        }
        self._token = None
        given = json.loads(self._open(f"{realm}?{urllib.parse.urlencode(asked)}", "GET", "application/json").body)
        token = (given.get("token") or given.get("access_token")) if isinstance(given, dict) else None
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise ValueError("it gives no token")
        return token


def _within(seconds: float, ask: Callable[[], _Reply]) -> _Reply:
    """The result of `ask`, or its error; TimeoutError where it takes longer, byte by byte or not at all."""
    done: queue.SimpleQueue[_Reply | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(ask())
        except Exception as error:  # raised again by the waiting thread
            done.put(error)

    # Timeouts of a socket begin again with every byte.
    threading.Thread(target=run, daemon=True).start()
    try:
        found = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no whole answer within {seconds:.0f} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def open_repository(name: str, *, plain_http: bool = False) -> Repository:
    """The repository of this name, as in the name of an image; sends no request.

    Raises:
        UsageError: this is not the name of a repository.
    """
    host, _, path = name.partition("/")
    if not _HOST.fullmatch(host):
        host, path = _HUB, name if "/" in name else f"library/{name}"
    if not _PATH.fullmatch(path):
        raise UsageError(f"{name!r} is not a repository: write registry/path, without a tag")
    scheme = "http" if plain_http or _is_loopback(host) else "https"
    return Repository(name=name, address=f"{scheme}://{host}", path=path)


def _is_loopback(host: str) -> bool:
    name = host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
