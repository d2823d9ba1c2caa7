"""Reads tags and digests from a container registry (HTTP API of the OCI distribution specification)."""

import hashlib
import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

from ssdbench.errors import EnvironmentLacksError, UsageError

_TIMEOUT_SECONDS = 30.0
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
    """Refuses redirects from HTTPS to HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: object, code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository of a registry, read anonymously."""

    name: str
    address: str
    path: str
    _token: str | None = field(default=None, repr=False)

    def tags(self) -> list[str]:
        """All tags, in the registry's order.

        Raises:
            EnvironmentLacksError: the registry does not respond, or refuses.
        """
        found: list[str] = []
        url: str | None = f"{self.address}/v2/{self.path}/tags/list?n=1000"
        while url is not None:
            reply = self._ask(url)
            found += json.loads(reply.body)["tags"] or []
            link = re.search(r'<([^>]+)>\s*;\s*rel="?next', reply.headers.get("Link", ""))
            url = urllib.parse.urljoin(url, link[1]) if link else None
        return found

    def digest(self, tag: str) -> str:
        """The digest to which a tag points now; errors as `tags`."""
        url = f"{self.address}/v2/{self.path}/manifests/{urllib.parse.quote(tag)}"
        found = self._ask(url, method="HEAD", accept=_MANIFESTS).headers.get("Docker-Content-Digest")
        return found or f"sha256:{hashlib.sha256(self._ask(url, accept=_MANIFESTS).body).hexdigest()}"

    def _ask(self, url: str, *, method: str = "GET", accept: str = "application/json") -> _Reply:
        try:
            try:
                return self._open(url, method, accept)
            except urllib.error.HTTPError as error:
                challenge = error.headers.get("WWW-Authenticate", "")
                if error.code != 401 or not challenge.lower().startswith("bearer "):
                    raise
                self._token = self._fetch_token(challenge)
                return self._open(url, method, accept)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            reason = getattr(error, "reason", None) or error
            raise EnvironmentLacksError(f"cannot read {self.name} from its registry ({url}): {reason}") from None

    def _open(self, url: str, method: str, accept: str) -> _Reply:
        request = urllib.request.Request(url, method=method, headers={"Accept": accept})
        if self._token is not None and url.startswith(f"{self.address}/"):
            # Not forwarded to the target of a redirect.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with urllib.request.build_opener(_NoDowngrade).open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return _Reply(headers=dict(answer.headers.items()), body=answer.read())

    def _fetch_token(self, challenge: str) -> str:
        """The token for anonymous reading, requested as the registry's challenge says."""
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = parts.pop("realm")
        if self.address.startswith("https:") and not realm.startswith("https:"):
            raise ValueError(f"it gives tokens at {realm}, which is not encrypted")
        asked = {"scope": f"repository:{self.path}:pull"} | {
            k: v for k, v in parts.items() if k in ("service", "scope")
        }
        self._token = None
        given = json.loads(self._open(f"{realm}?{urllib.parse.urlencode(asked)}", "GET", "application/json").body)
        return str(given.get("token") or given["access_token"])


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
