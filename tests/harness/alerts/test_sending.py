"""Messages through the real Apprise to a real server: taken, refused, never answered; no part of an address leaks."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import apprise
import pytest

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.alerts.sending import check_target, send
from ssdbench.harness.alerts.targets import Target
from ssdbench.schema.alert import Message
from tests.receiver import Receiver

MESSAGE = Message(target="team", run_id="run-1", title="1 regressed", text="- a < b", markdown="- **a** `b`")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


def at(url: str) -> Target:
    return Target(name="team", address=url)


def test_a_service_gets_markdown_if_it_takes_it_and_else_the_text(receiver: Receiver) -> None:
    assert send(at(receiver.url), MESSAGE) is None
    assert send(at(f"{receiver.url}?format=text"), MESSAGE) is None
    first, second = receiver.messages
    assert (first["title"], first["message"]) == (MESSAGE.title, MESSAGE.markdown)
    assert second["message"] == MESSAGE.text


def test_a_refusal_is_a_reason_and_no_leak(receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd) -> None:
    receiver.status = 500
    with caplog.at_level(logging.DEBUG):
        assert send(at(receiver.url), MESSAGE) == "HTTP status 500"
    address = receiver.url
    receiver.stop()
    assert send(at(address), MESSAGE) == "no connection, or no answer in time"
    assert "hush" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirected_message_is_not_taken_by_whatever_page_answers(receiver: Receiver, status: int) -> None:
    login = Receiver()
    receiver.status, receiver.location = status, f"http://127.0.0.1:{login.port}/login"
    assert send(at(receiver.url), MESSAGE) == f"HTTP status {status}"
    assert send(at(f"{receiver.url}?redirect=yes"), MESSAGE) is None  # for a service that answers so
    login.stop()


def test_a_target_that_never_answers_holds_nothing_up() -> None:
    server = Receiver(hangs=True)
    assert send(at(server.url), MESSAGE, timeout_seconds=0.2) == "no answer for 0.2 s"
    server.stop()


def test_an_exception_of_a_plug_in_is_a_reason_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("hush://secret")

    monkeypatch.setattr(apprise.Apprise, "notify", broken)
    assert send(at("json://127.0.0.1:1"), MESSAGE) == "Apprise failed with ValueError"


@pytest.mark.parametrize("address", ["nothing://hush", "slack://hush", "discord://hush"])
def test_an_address_that_apprise_cannot_use_is_named_by_its_target(
    address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="target team: Apprise cannot use this URL") as error:
        check_target(at(address))
    assert "hush" not in str(error.value) + "".join(capfd.readouterr())


def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(EnvironmentLacksError, match=r"ssdbench\[notify\]"):
        check_target(at("json://localhost"))


def test_the_example_in_the_guide_names_services_that_apprise_has() -> None:
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    schemes = set(re.findall(r"`([a-z]+)://", page)) - {"https", "http"}
    known = {scheme for found in apprise.Apprise().details()["schemas"] for key in ("protocols", "secure_protocols")
             for scheme in found[key] or ()}  # fmt: skip
    assert schemes
    assert schemes <= known
