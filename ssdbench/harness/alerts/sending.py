"""Sends messages through Apprise; nothing of an address is logged, printed or part of a reason."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ssdbench.errors import EnvironmentLacksError, UsageError

if TYPE_CHECKING:
    from ssdbench.harness.alerts.targets import Target
    from ssdbench.schema.alert import Message

TIMEOUT_SECONDS = 30.0
"""A target that takes longer counts as failed, however slowly it goes on answering."""

# What these log holds addresses: a path of a webhook is its password.
_LOGGERS = ("apprise", "urllib3", "requests", "requests_oauthlib")
_STATUS = re.compile(r"\berror=(\d{3})\b")


class _Reasons(logging.Handler):
    """Keeps of what is logged what cannot hold a secret: an HTTP status, or that there was no connection."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if status := _STATUS.search(text):
            self.reason = f"HTTP status {status[1]}"
        elif "Connection error" in text or "Socket" in text:
            self.reason = "no connection, or no answer in time"


def check_target(target: Target) -> None:
    """Raises UsageError where Apprise cannot use the address, EnvironmentLacksError where it is not installed."""
    with _quiet():
        apprise = _apprise()
        is_known = apprise.Apprise.instantiate(target.address, suppress_exceptions=True) is not None
    if not is_known:
        raise UsageError(
            f"target {target.name}: Apprise cannot use this URL; its documentation lists the form for each service"
        )


def send(target: Target, message: Message, timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Send a message; None where the target took it, else the reason in words.

    A target that answers only after the time is up may get the message a second time.
    """
    outcome: dict[str, Any] = {}
    with _quiet() as reasons:
        apprise = _apprise()
        sender = threading.Thread(target=_send, args=(apprise, target, message, outcome), daemon=True)
        sender.start()
        sender.join(timeout_seconds)
    if sender.is_alive():
        return f"no answer for {timeout_seconds:g} s"
    if outcome.get("sent"):
        return None
    return str(outcome.get("error") or reasons.reason or "Apprise gave no reason that can be printed")


def _send(apprise: Any, target: Target, message: Message, outcome: dict[str, Any]) -> None:
    markdown, text = apprise.NotifyFormat.MARKDOWN, apprise.NotifyFormat.TEXT
    try:
        # A redirected POST is repeated as a GET without its message, and the page found there looks like success.
        asset = apprise.AppriseAsset(http_redirects=False)
        service = apprise.Apprise.instantiate(target.address, asset=asset)
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        is_markdown = service.resolve_format(markdown) is markdown
        outcome["sent"] = sender.notify(
            title=message.title,
            body=message.markdown if is_markdown else message.text,
            body_format=markdown if is_markdown else text,
        )
    except Exception as error:  # of a plug-in: its text may hold the address
        outcome["error"] = f"Apprise failed with {type(error).__name__}"


@contextmanager
def _quiet() -> Iterator[_Reasons]:
    """Nothing that these packages log or warn of is shown; what may be shown of it is kept."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.WARNING)  # whole addresses are below
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    reasons = _Reasons()
    logging.getLogger("apprise").addHandler(reasons)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield reasons
    finally:
        logging.getLogger("apprise").removeHandler(reasons)


def _apprise() -> Any:
    try:
        import apprise
    except ImportError as error:
        raise EnvironmentLacksError(
            f"messages need packages that are missing ({error}): pip install 'ssdbench[notify]'"
        ) from error
    return apprise
