"""A Prometheus and a Pushgateway of the tests' own, on loopback."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

PROGRAMS = ("prometheus", "prometheus-pushgateway", "promtool")


def missing() -> str | None:
    """Why the tests cannot run; None where they can."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(lacking)} missing: ci/install-prometheus.sh" if lacking else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Monitoring:
    """Both servers, started; Prometheus reads the gateway several times a second."""

    def __init__(self, folder: Path, rules: Path) -> None:
        gateway, port = _free_port(), _free_port()
        self.gateway, self._url = f"http://127.0.0.1:{gateway}", f"http://127.0.0.1:{port}"
        config = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {"job_name": "push", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{gateway}"]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self._log = (folder / "log").open("wb")
        self._processes = [
            self._start("prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{gateway}"),
            self._start(
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ),
        ]
        for url in (f"{self.gateway}/-/ready", f"{self._url}/-/ready"):
            self._wait(url)

    def query(self, expression: str) -> list[Any]:
        """The result of an expression."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{query}", timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])

    def query_until_found(self, expression: str) -> list[Any]:
        """The same, once there is something to show; empty after a while."""
        for _ in range(100):
            if found := self.query(expression):
                return found
            time.sleep(0.1)
        return []

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)
        self._log.close()

    def _start(self, *command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def _wait(self, url: str) -> None:
        for _ in range(200):
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"{url} did not get ready")
