"""Pushes samples to a Prometheus Pushgateway, in place of those pushed before for the same hardware."""

import base64
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request

from ssdbench.errors import UsageError

TIMEOUT_SECONDS = 10.0
JOB = "ssdbench"
_FROM_ENVIRONMENT = "env:"


def gateway_address(text: str) -> str:
    """The address that `--push` gives: a URL, or `env:NAME` for a variable that holds one.

    Raises:
        UsageError: there is none, or it is no URL of HTTP. The message does not have it: it may hold a password.
    """
    name = text.removeprefix(_FROM_ENVIRONMENT) if text.startswith(_FROM_ENVIRONMENT) else None
    address = text if name is None else os.environ.get(name, "").strip()
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
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
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP status {error.code}"
    except (OSError, http.client.HTTPException, ValueError):
        return "no connection, or no answer in time"
