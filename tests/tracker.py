"""A stand-in for the API of GitHub on loopback, with TLS as `gh` demands it: issues and comments in memory."""

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FakeGitHub:
    """Takes the calls of the real `gh`; `environment` makes `gh` ask it. With `refuses` every answer is 403.

    Of methods in `lost` the answer is lost: what they ask is done, and the answer is 502. Issues in `deleted` are gone,
    and those in `locked` take no comment.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: list[tuple[int, str]] = []
        self.tokens: set[str] = set()
        self.refuses = False
        self.lost: set[str] = set()
        self.deleted: set[int] = set()
        self.locked: set[int] = set()
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
             certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.environment = {
            "GH_HOST": f"localhost:{self._server.server_address[1]}",
            "GH_ENTERPRISE_TOKEN": "hush-token",
            "GH_CONFIG_DIR": str(folder / "settings"),
            "GH_NO_UPDATE_NOTIFIER": "1",
            "SSL_CERT_FILE": str(certificate),
        }

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, content: dict[str, Any]) -> Any:
        """What the API answers: https://docs.github.com/en/rest/issues/issues."""
        parts = path.partition("?")[0].removeprefix("/api/v3/repos/o/r/issues").strip("/").split("/")
        if method == "GET":
            listed = [issue for number, issue in self.issues.items() if number not in self.deleted]
            return [issue for issue in listed if "ssdbench" in issue["labels"]]
        if parts == [""]:
            number = len(self.issues) + 1
            self.issues[number] = {"number": number, "state": "open", **content}
            return self.issues[number]
        number = int(parts[0])
        if len(parts) == 2:
            self.comments.append((number, content["body"]))
            return {}
        self.issues[number].update(content)
        return self.issues[number]

    def status(self, method: str, path: str) -> int:
        """The status of the answer to such a call; nothing is done from 403 to 422."""
        number, _, comments = path.partition("/issues/")[2].partition("/")
        if self.refuses or method in self.lost:
            return 403 if self.refuses else 502
        if number and int(number) in self.deleted:
            return 410
        return 422 if comments and int(number) in self.locked else 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tracker.tokens.add(str(self.headers["Authorization"]))
                text = self._body()
                status = tracker.status(self.command, self.path)
                is_done = status in (200, 502)
                found = tracker.answer(self.command, self.path, json.loads(text or "{}")) if is_done else {}
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_GET  # noqa: N815  (http.server names them so)

            def _body(self) -> bytes:
                if self.headers["Transfer-Encoding"] != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"] or 0))
                found = b""
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        return Handler
