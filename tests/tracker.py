"""A stand-in for the API of GitHub on loopback, with TLS as `gh` demands it: issues and comments in memory."""

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FakeGitHub:
    """Takes the calls of the real `gh`; `environment` makes `gh` ask it. With `refuses` every answer is 403."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: list[tuple[int, str]] = []
        self.tokens: set[str] = set()
        self.refuses = False
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
            return [issue for issue in self.issues.values() if "ssdbench" in issue["labels"]]
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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tracker.tokens.add(str(self.headers["Authorization"]))
                text = self._body()
                found = tracker.answer(self.command, self.path, json.loads(text or "{}")) if not tracker.refuses else {}
                body = json.dumps(found).encode()
                self.send_response(403 if tracker.refuses else 200)
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
