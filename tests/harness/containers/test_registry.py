"""Registries: pages of tags, tokens for anonymous readers, and nothing without encryption."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError, StoreError, UsageError
from ssdbench.harness.containers.registry import open_repository
from ssdbench.harness.containers.seen_tags import Tag, check_tags

DIGESTS = {
    f"24.{tag}": f"sha256:{letter * 64}" for tag, letter in (("01-py3", "a"), ("02-py3", "b"), ("02-py3-igpu", "c"))
}
MOVED, NEW = "sha256:" + "d" * 64, "sha256:" + "e" * 64


class Registry(BaseHTTPRequestHandler):
    """Two pages of tags and their digests, for who brings the token that it gives to everyone."""

    asked: list[tuple[str, str | None]]
    digests: dict[str, str]
    token_at: str | None = None

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        authorization = self.headers.get("Authorization")
        self.asked.append((self.path, authorization))
        if path == "/token":
            self._say(200, {"token": "anonymous"})
        elif authorization != "Bearer anonymous":
            realm = self.token_at or f"http://{self.headers['Host']}/token"
            challenge = f'Bearer realm="{realm}",service="test",scope="repository:nvidia/pytorch:pull"'
            self._say(401, {}, {"WWW-Authenticate": challenge})
        elif path.endswith("/tags/list"):
            tags = sorted(self.digests)
            more = {"Link": '</v2/nvidia/pytorch/tags/list?last=x>; rel="next"'} if "last" not in query else {}
            self._say(200, {"tags": tags[1:] if "last" in query else tags[:1]}, more)
        else:
            self._say(200, {}, {"Docker-Content-Digest": self.digests[path.rpartition("/")[2]]})

    def _say(self, code: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def handler() -> type[Registry]:
    return type("Handler", (Registry,), {"asked": [], "digests": dict(DIGESTS)})


@pytest.fixture
def address(handler: type[Registry]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_tags_are_read_to_the_last_page_with_one_token(address: str, handler: type[Registry]) -> None:
    repository = open_repository(f"{address}/nvidia/pytorch")
    assert repository.tags() == sorted(DIGESTS)
    assert repository.digest("24.01-py3") == DIGESTS["24.01-py3"]
    tokens = [path for path, _ in handler.asked if path.startswith("/token")]
    assert tokens == ["/token?scope=repository%3Anvidia%2Fpytorch%3Apull&service=test"]


def test_only_new_or_moved_tags_are_reported(address: str, handler: type[Registry], tmp_path: Path) -> None:
    state = tmp_path / "results" / "seen.json"
    name = f"{address}/nvidia/pytorch"

    def check(match: str = r"\d\d\.\d\d-py3") -> list[Tag]:
        return check_tags(open_repository(name), state, match)

    assert [tag.name for tag in check()] == ["24.01-py3", "24.02-py3"]
    assert check() == []
    handler.digests |= {"24.01-py3": MOVED, "24.03-py3": NEW}
    assert check() == [
        Tag(name="24.01-py3", digest=MOVED, earlier=DIGESTS["24.01-py3"]),
        Tag(name="24.03-py3", digest=NEW),
    ]
    gone = handler.digests.pop("24.03-py3")
    assert check() == []
    handler.digests["24.03-py3"] = gone
    assert check() == []
    assert [tag.name for tag in check(".*")] == ["24.02-py3-igpu"]
    with pytest.raises(UsageError, match="is not a regular expression"):
        check("(")
    state.write_text("[]")
    with pytest.raises(StoreError, match="not a file of known tags"):
        check()


def test_plain_http_is_used_only_on_the_loopback_and_on_request() -> None:
    assert open_repository("nvcr.io/nvidia/pytorch").address == "https://nvcr.io"
    assert open_repository("127.0.0.1:5000/a").address == "http://127.0.0.1:5000"
    assert open_repository("localhost:5000/a").address == "http://localhost:5000"
    assert open_repository("lab:5000/a", plain_http=True).address == "http://lab:5000"
    assert open_repository("nvidia/cuda").path == "nvidia/cuda"
    hub = open_repository("ubuntu")
    assert (hub.address, hub.path) == ("https://registry-1.docker.io", "library/ubuntu")
    for wrong in ("nvcr.io/nvidia/pytorch:24.01", "Nvidia/pytorch", "https://nvcr.io/x", ""):
        with pytest.raises(UsageError, match="is not a repository"):
            open_repository(wrong)


def test_a_registry_that_does_not_respond_is_named() -> None:
    with pytest.raises(EnvironmentLacksError, match=r"cannot read 127\.0\.0\.1:1/a from its registry .*refused"):
        open_repository("127.0.0.1:1/a").tags()


def test_the_token_of_one_registry_is_not_shown_to_another(address: str, handler: type[Registry]) -> None:
    repository = open_repository(f"{address}/nvidia/pytorch")
    repository.tags()
    handler.asked.clear()
    repository._open(f"http://localhost:{address.rpartition(':')[2]}/token", "GET", "application/json")
    assert handler.asked == [("/token", None)]
