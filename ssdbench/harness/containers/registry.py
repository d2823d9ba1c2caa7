"""Reads tags and digests from a container registry (HTTP API of the OCI distribution specification).

A registry may be broken or hostile: its answers are bounded in size, number and time, and have to be of the types and
the alphabets of the specification; what it names next is asked only over HTTPS, or on the registry's own host.

An account is used where the registry itself asks for one. Its password goes to the registry and to where that gives
tokens, over HTTPS or within this machine, and never along with a redirect.
"""

import base64
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.containers.accounts import DOCKER_HUB, Account, FoundAccount, find_account, log_in_words

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
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            fp.close()
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not encrypted")
        if not newurl.startswith(("https:", "http:")):
            fp.close()
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not HTTP")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(*, through_proxy: bool) -> urllib.request.OpenerDirector:
    """Knows HTTP and HTTPS alone; urllib's own one also opens files and FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        *([urllib.request.ProxyHandler()] if through_proxy else []),
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
    """A repository of a registry, read with the account that `docker login` or `podman login` has kept, or none."""

    name: str
    address: str
    path: str
    _authorization: str | None = field(default=None, repr=False)
    _found: FoundAccount | None = field(default=None, repr=False)
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
        return EnvironmentLacksError(f"cannot read {self.name} from its registry: {self._without_secrets(reason)}")

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
            reason = self._without_secrets(f"({url}): {getattr(error, 'reason', None) or error}")
            raise EnvironmentLacksError(f"cannot read {self.name} from its registry {reason}") from None

    def _answer(self, url: str, method: str, accept: str) -> _Reply:
        try:
            return self._open(url, method, accept)
        except urllib.error.HTTPError as error:
            challenge = _challenge(error.headers.get_all("WWW-Authenticate", []))
            if error.code != 401 or challenge is None:
                raise
            # Who answers after a redirect is not the registry that the account belongs to.
            account = self._account() if error.url.startswith(f"{self.address}/") else None
        try:
            self._authorization = self._authorize(*challenge, account)
            return self._open(url, method, accept)
        except urllib.error.HTTPError as error:
            if error.code not in (401, 403):
                raise
        raise self._refused(self._remedy(account))

    def _open(
        self, url: str, method: str, accept: str, *, authorization: str | None = None, form: bytes | None = None
    ) -> _Reply:
        request = urllib.request.Request(url, data=form, method=method, headers={"Accept": accept})
        if authorization is None and url.startswith(f"{self.address}/"):
            authorization = self._authorization
        if authorization is not None:
            # Not forwarded to the target of a redirect.
            request.add_unredirected_header("Authorization", authorization)
        through_proxy = not _is_loopback(urllib.parse.urlsplit(url).netloc)
        try:
            with _opener(through_proxy=through_proxy).open(request, timeout=_TIMEOUT_SECONDS) as answer:
                body = answer.read(_MOST_BYTES + 1)
                if len(body) > _MOST_BYTES:
                    raise ValueError(f"its answer is larger than {_MOST_BYTES >> 20} MiB")
                return _Reply(headers=dict(answer.headers.items()), body=body)
        except urllib.error.HTTPError as error:
            error.close()
            raise

    @property
    def _account_host(self) -> str:
        host = self.address.partition("://")[2]
        return DOCKER_HUB if host == _HUB else host

    def _account(self) -> Account | None:
        """The account for this repository; it is looked for once, when the registry first asks."""
        if self._found is None:
            if self.address.startswith("https:") or _is_loopback(self._account_host):
                self._found = find_account(self._account_host, self.path)
            else:
                self._found = FoundAccount(why_not="passwords are not sent without encryption, which --plain-http asks")
        return self._found.account

    def _remedy(self, account: Account | None) -> str:
        host = self._account_host
        if account is not None:
            again = f"log in again ({log_in_words(host)}), or log out"
            return f"{host} refuses the account that {account.kept_by} has: {again}"
        why = f" ({self._found.why_not})" if self._found is not None else ""
        return f"{host} wants an account, and there is none{why}: log in ({log_in_words(host)})"

    def _authorize(self, scheme: str, parts: dict[str, str], account: Account | None) -> str | None:
        """The header that the registry's challenge asks for; None where it wants a password and there is none."""
        if scheme == "bearer":
            return f"Bearer {self._fetch_token(parts, account)}"
        return _basic(account) if account is not None and account.identity_token is None else None

    def _fetch_token(self, parts: dict[str, str], account: Account | None) -> str:
        """The token for reading, requested as the registry's challenge says."""
        realm = parts.get("realm", "")
        if not realm.startswith(("https:", f"{self.address}/")):
            raise ValueError(f"it gives tokens at {realm}, which is neither encrypted nor on its own host")
        asked = {"scope": f"repository:{self.path}:pull"}
        asked |= {key: value for key, value in parts.items() if key in ("service", "scope")}
        self._authorization = None
        if account is not None and account.identity_token is not None:
            secret = {"grant_type": "refresh_token", "refresh_token": account.identity_token, "client_id": "ssdbench"}
            form = urllib.parse.urlencode(asked | secret).encode()
            reply = self._open(realm, "POST", "application/json", form=form)
        else:
            basic = _basic(account) if account is not None else None
            url = f"{realm}?{urllib.parse.urlencode(asked)}"
            reply = self._open(url, "GET", "application/json", authorization=basic)
        given = json.loads(reply.body)
        token = (given.get("token") or given.get("access_token")) if isinstance(given, dict) else None
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise ValueError("it gives no token")
        return token

    def _without_secrets(self, text: str) -> str:
        """A text of the registry's, which may repeat what it was sent."""
        account = self._found.account if self._found is not None else None
        own = (account.password, account.identity_token, _basic(account)) if account is not None else ()
        for secret in filter(None, (*own, self._authorization)):
            text = text.replace(secret.rpartition(" ")[2], "[password]")
        return text


def _challenge(headers: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """How the registry wants to be asked: "bearer" or "basic", and the parts of that; bearer where it takes both."""
    found = {header.partition(" ")[0].lower(): dict(re.findall(r'(\w+)="([^"]*)"', header)) for header in headers}
    return next(((scheme, found[scheme]) for scheme in ("bearer", "basic") if scheme in found), None)


def _basic(account: Account) -> str:
    return f"Basic {base64.b64encode(f'{account.user}:{account.password}'.encode()).decode()}"


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
