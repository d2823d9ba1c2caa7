"""A web server on loopback that takes messages as services do, refuses them, or never answers."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Keeps what it is sent; `status` is its answer, and with `hangs` it has none until `stop`.

    With `drips` the answer comes byte by byte, over a second or two. `location` is where it redirects to; a GET gets a
    page, as of a login.
    """

    def __init__(self, status: int = 200, *, hangs: bool = False, drips: bool = False) -> None:
        self.status, self.location, self.drips = status, "", drips
        self.bodies: list[str] = []
        self.paths: list[str] = []
        self._released = threading.Event()
        if not hangs:
            self._released.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address for Apprise, with a secret in its path as webhooks have."""
        return f"json://127.0.0.1:{self.port}/hush-secret"

    @property
    def messages(self) -> list[Any]:
        return [json.loads(body) for body in self.bodies]

    def stop(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if receiver.status == 200:
                    receiver.bodies.append(body)
                    receiver.paths.append(self.path)
                receiver._released.wait(60)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                if receiver.location:
                    self.send_header("Location", receiver.location)
                if receiver.drips:
                    self.flush_headers()
                    self._drip()
                self.end_headers()

            def _drip(self) -> None:
                for letter in b"X-Slow: " + b"a" * 60 + b"\r\n":
                    time.sleep(0.02)
                    self.wfile.write(bytes([letter]))

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST  # noqa: N815  (http.server names it so)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        return Handler
