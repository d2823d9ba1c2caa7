"""Pushes samples to a Prometheus Pushgateway, in place of those pushed before for the same hardware."""

from __future__ import annotations

import base64
import http.client
import os
import threading
import urllib.error
import urllib.parse
import urllib.request

from ssdbench.errors import UsageError
from ssdbench.harness.alerts.targets import FROM_ENVIRONMENT, variable_named

TIMEOUT_SECONDS = 10.0
"""A gateway that takes longer counts as not there, however slowly it goes on answering."""
JOB = "ssdbench"
_NO_ANSWER = "no connection, or no answer in time"


def gateway_address(text: str) -> str:
    """The address that `--push` gives: a URL, or `env:NAME` for a variable that holds one.

    Raises:
        UsageError: there is none, or it is no URL of HTTP. The message does not have it: it may hold a password.
    """
    name = variable_named(text, "--push") if text.startswith(FROM_ENVIRONMENT) else None
    address = text if name is None else os.environ.get(name, "").strip()
    try:
        parts = urllib.parse.urlsplit(address)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its other one
        is_one = False
    if not is_one:
        where = "--push" if name is None else f"--push env:{name}"
        raise UsageError(f"{where}: no URL of a Pushgateway, such as http://gateway:9091, or env:NAME for a variable")
    return address


def push(address: str, hardware_key: str, text: str, timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Replace the samples of this hardware; None where the gateway took them, else the reason in words."""
    parts = urllib.parse.urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    path = f"{parts.path.rstrip('/')}/metrics/job/{JOB}/hardware/{urllib.parse.quote(hardware_key, safe='')}"
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    if parts.username is not None:
        user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    url = urllib.parse.urlunsplit((parts.scheme, host, path, "", ""))
    request = urllib.request.Request(url, data=text.encode(), headers=headers, method="PUT")
    # The timeout of a socket begins anew with each byte.
    outcomes: list[str | None] = []
    sender = threading.Thread(target=lambda: outcomes.append(_refusal(request, timeout_seconds)), daemon=True)
    sender.start()
    sender.join(timeout_seconds)
    return outcomes[0] if outcomes else _NO_ANSWER


def _refusal(request: urllib.request.Request, timeout_seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP status {error.code}"
    except (OSError, http.client.HTTPException, ValueError):
        return _NO_ANSWER
