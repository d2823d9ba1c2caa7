"""A hostile registry: a real server, whose answers do not end, lead elsewhere, or are of other types."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers import registry
from ssdbench.harness.containers.registry import open_repository
from ssdbench.harness.containers.seen_tags import check_tags
from tests.cli.running import ssdbench

TAGS = b'{"tags": ["24.01-py3"]}'
Answer = Callable[[BaseHTTPRequestHandler], None]


def _say(handler: BaseHTTPRequestHandler, body: bytes, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def _next(link: str) -> Answer:
    return lambda handler: _say(handler, TAGS, Link=f'<{link}>; rel="next"')


def _growing(handler: BaseHTTPRequestHandler) -> None:
    number = int(handler.path.partition("last=")[2] or 0)
    _say(handler, TAGS, Link=f'</v2/x/y/tags/list?last={number + 1}>; rel="next"')


def _huge(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    block = b" " * (1 << 20)
    while True:  # until the reader goes
        handler.wfile.write(block)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "file:///etc/hostname")
    handler.end_headers()


def _token(realm: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", f'Bearer realm="{realm}"')
        handler.end_headers()

    return answer


def _escapes(handler: BaseHTTPRequestHandler) -> None:
    digest = "sha256:\x1b]0;owned\x07"
    _say(handler, TAGS, Docker_Content_Digest=digest)


ANSWERS: dict[str, tuple[Answer, str]] = {
    "a next page that is itself": (_next("/v2/x/y/tags/list?n=1000"), "does not end (1 pages)"),
    "endless next pages": (_growing, "does not end (100 pages)"),
    "a file as the next page": (_next("file:///etc/hostname"), "next page is on another host"),
    "an FTP server as the next page": (_next("ftp://127.0.0.1/x"), "next page is on another host"),
    "another host as the next page": (_next("http://127.0.0.2:1/v2/"), "next page is on another host"),
    "a redirect to a file": (_redirect, "is not allowed"),
    "tokens from a file": (_token("file:///etc/hostname"), "neither encrypted nor on its own host"),
    "tokens from another host in plain HTTP": (_token("http://127.0.0.2:1/t"), "neither encrypted nor on its own host"),
    "a list instead of an object": (lambda handler: _say(handler, b"[]"), "not one of names of tags"),
    "numbers as tags": (lambda handler: _say(handler, b'{"tags": [1]}'), "not one of names of tags"),
    "a tag with terminal escapes": (
        lambda handler: _say(handler, b'{"tags": ["\\u001b]0;owned\\u0007"]}'),
        "not one of names of tags",
    ),
    "a digest with terminal escapes": (_escapes, "the digest of 24.01-py3 is none"),
    "no JSON": (lambda handler: _say(handler, b"<html>"), "is not JSON"),
    "JSON nested 100,000 deep": (lambda handler: _say(handler, b"[" * 100_000), "is not JSON"),
    "gigabytes of blanks": (_huge, "larger than 16 MiB"),
    "a byte at a time, for ever": (_drip, "no whole answer within"),
}


@pytest.fixture(params=ANSWERS)
def hostile(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The address of a registry that answers so, and what has to be said about it."""
    answer, sentence = ANSWERS[request.param]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", sentence
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.fault("K11", "E51", "registries whose answers do not end, lead to files or other hosts, or are nonsense")
def test_a_hostile_registry_is_refused_in_a_sentence(
    hostile: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address, sentence = hostile
    monkeypatch.setattr(registry, "_ANSWER_SECONDS", 3.0)
    done = ssdbench("containers", "new", f"{address}/x/y", "--state", tmp_path / "seen.json")
    assert done.code == 8, done.out + done.err
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err + done.out
    assert not (tmp_path / "seen.json").exists()


@pytest.mark.fault("K11", "a registry that takes its time for each of very many tags")
def test_all_answers_together_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "_ALL_SECONDS", 0.0)
    with pytest.raises(EnvironmentLacksError, match="it is too slow"):
        check_tags(open_repository("127.0.0.1:1/x/y"), tmp_path / "seen.json", ".*")
