"""Samples to a gateway that is slow, refuses or is none; no part of its address leaks."""

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.alerts.pushgateway import gateway_address, push
from tests.receiver import Receiver


def test_a_gateway_that_answers_byte_by_byte_holds_nothing_up() -> None:
    server = Receiver(drips=True)
    assert push(f"http://127.0.0.1:{server.port}", "cpu", "a 1\n", timeout_seconds=0.2) is not None
    assert push(f"http://127.0.0.1:{server.port}", "cpu", "a 1\n") is None
    assert server.paths == ["/metrics/job/ssdbench/hardware/cpu"] * 2
    server.stop()


def test_a_gateway_that_redirects_has_not_taken_the_samples() -> None:
    server = Receiver(302)
    server.location = f"http://127.0.0.1:{server.port}/login"
    assert push(f"http://me:hush@127.0.0.1:{server.port}", "cpu", "a 1\n") == "HTTP status 302"
    server.stop()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://[hush", "no URL of a Pushgateway"),
        ("http://me:hush@gateway:port/", "no URL of a Pushgateway"),
        ("http://gateway:70000/hush", "no URL of a Pushgateway"),
        ("http:hush", "no URL of a Pushgateway"),
        ("ftp://hush", "no URL of a Pushgateway"),
        ("env:http://me:hush@gateway:9091", "--push env:NAME: what follows env: is no name of a variable"),
        ("env:NOT_THERE", "--push env:NOT_THERE: no URL"),
    ],
)
def test_what_is_no_address_is_a_sentence_without_it(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        gateway_address(text)
    assert "hush" not in str(error.value)
