"""Accounts of registries: found where `docker login` and `podman login` keep them, and shown to nobody else."""

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError, ExitCode
from ssdbench.harness.containers import registry
from ssdbench.harness.containers.accounts import Account, FoundAccount, find_account
from ssdbench.harness.containers.registry import open_repository
from tests.cli.running import ssdbench

USER, PASSWORD, TOKEN = "$oauthtoken", "nvapi-NOTAREALKEY", "token-of-a-reader"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, BASIC.rpartition(" ")[2], TOKEN)


def auths(host: str, user: str = USER, password: str = PASSWORD) -> dict[str, dict[str, object]]:
    return {"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any account."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def keep(content: object, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def put_helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str = "xyz") -> None:
    """A credential helper on the PATH, which keeps the words and the input of its calls in `calls`."""
    program = folder / "bin" / f"docker-credential-{name}"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nread host\necho "$* $host" >> {folder}/calls\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


GIVES = f"""echo '{json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})}'"""


class Private(BaseHTTPRequestHandler):
    """A registry for who has the account; it asks for a password, or for a token that it gives for the password."""

    scheme: str
    asked: list[tuple[str, str, str | None]]
    realm: str | None = None
    moved_to: str | None = None
    moves_everybody = False
    reason: str | None = None

    def do_GET(self) -> None:
        self._answer("")

    def do_HEAD(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _answer(self, form: str) -> None:
        authorization = self.headers.get("Authorization")
        self.asked.append((self.command, self.path, authorization))
        if self.path.startswith("/token"):
            is_known = authorization == BASIC or f"refresh_token={PASSWORD}" in form
            self._say(200 if is_known else 401, {"token": TOKEN} if is_known else {})
        elif self.moved_to is not None and (authorization is not None or self.moves_everybody):
            self._say(302, {}, Location=self.moved_to)
        elif authorization == (BASIC if self.scheme == "Basic" else f"Bearer {TOKEN}"):
            self._say(200, {"tags": ["26.01-py3"]})
        else:
            realm = self.realm or f"http://{self.headers['Host']}/token"
            self._say(401, {}, WWW_Authenticate=f'{self.scheme} realm="{realm}",service="test"')

    def _say(self, code: int, content: object, **headers: str) -> None:
        body = json.dumps(content).encode()
        echoed = self.headers.get("Authorization") if self.reason else None
        self.send_response(code, f"{self.reason} {echoed}" if echoed else None)
        for name, value in {**headers, "Content_Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(host: str, **settings: object) -> Iterator[tuple[str, type[Private]]]:
    handler = type("Handler", (Private,), {"asked": [], "scheme": "Basic", **settings})
    server = ThreadingHTTPServer((host, 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{host}:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_accounts_are_found_in_each_file_and_the_first_file_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {
        home / ".docker" / "config.json": None,
        home / ".config" / "containers" / "auth.json": None,
        home / "runtime" / "containers" / "auth.json": ("XDG_RUNTIME_DIR", home / "runtime"),
        home / "other" / "config.json": ("DOCKER_CONFIG", home / "other"),
        home / "own.json": ("REGISTRY_AUTH_FILE", home / "own.json"),
    }
    assert find_account("nvcr.io", "nvidia/pytorch").why_not == "nobody has logged in on this machine"
    for number, (file, variable) in enumerate(places.items()):
        keep(auths("nvcr.io", password=f"password-{number}"), file)
        if variable is not None:
            monkeypatch.setenv(variable[0], str(variable[1]))
        found = find_account("nvcr.io", "nvidia/pytorch").account
        assert found == Account(kept_by=str(file), user=USER, password=f"password-{number}")
        assert "password-" not in repr(found)
    assert find_account("quay.io", "x").account is None


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://nvcr.io", "nvcr.io"),
        ("nvcr.io/v2/", "nvcr.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_the_names_that_old_versions_wrote_are_understood(key: str, host: str, home: Path) -> None:
    keep(auths(key), home / ".docker" / "config.json")
    assert find_account(host, "nvidia/pytorch").account is not None


def test_the_account_of_a_part_of_a_registry_is_for_that_part_alone(home: Path) -> None:
    file = home / ".docker" / "config.json"
    entries: dict[str, object] = {}
    for name in ("quay.io/lab", "quay.io", "quay.io/lab/deep"):
        entries |= auths(name, user=name)["auths"]
    keep({"auths": entries}, file)
    for path, user in (("lab/x", "quay.io/lab"), ("labor/x", "quay.io"), ("lab/deep/x", "quay.io/lab/deep")):
        account = find_account("quay.io", path).account
        assert account is not None
        assert account.user == user
    keep(auths("quay.io/lab"), file)
    assert find_account("quay.io", "other").account is None


@pytest.mark.parametrize(
    "content", [{"credHelpers": {"nvcr.io": "xyz"}}, {"credsStore": "xyz", "auths": {"nvcr.io": {}}}]
)
def test_a_credential_helper_is_asked_by_its_protocol(
    content: object, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_helper(tmp_path, monkeypatch, GIVES)
    keep(content, home / ".docker" / "config.json")
    found = find_account("nvcr.io", "nvidia/pytorch").account
    assert found == Account(kept_by="docker-credential-xyz", user=USER, password=PASSWORD)
    assert (tmp_path / "calls").read_text() == "get nvcr.io\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo {PASSWORD}; exit 1", "docker-credential-xyz fails"),
        (f"echo {PASSWORD}", "docker-credential-xyz fails"),
        ("echo credentials not found in native keychain; exit 1", "config.json has none"),
    ],
)
def test_what_a_failing_helper_prints_is_not_shown(
    script: str, said: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_helper(tmp_path, monkeypatch, script)
    keep({"credsStore": "xyz"}, home / ".docker" / "config.json")
    with serving("127.0.0.1") as (address, _), pytest.raises(EnvironmentLacksError) as refused:
        open_repository(f"{address}/x").tags()
    assert said in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("content", ["[]", "{", '{"auths": {"nvcr.io": {"auth": "x"}}}', '{"auths": [1]}'])
def test_a_damaged_file_of_accounts_is_named_and_not_shown(content: str, home: Path) -> None:
    file = home / ".docker" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    found = find_account("nvcr.io", "x")
    assert found.account is None
    assert found.why_not.startswith(f"{file} ")


def test_without_the_package_the_sentence_says_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(auths("nvcr.io"), home / ".docker" / "config.json")
    monkeypatch.setitem(sys.modules, "docker", None)
    assert "pip install 'ssdbench[registry]'" in find_account("nvcr.io", "x").why_not
    assert "has none" in find_account("quay.io", "x").why_not, "nothing is missing for a registry without an account"


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_tags_are_read_with_the_account(scheme: str, home: Path) -> None:
    with serving("127.0.0.1", scheme=scheme) as (address, handler):
        keep(auths(address), home / ".docker" / "config.json")
        repository = open_repository(f"{address}/nvidia/pytorch")
        assert repository.tags() == ["26.01-py3"]
        repository.digest("26.01-py3")
        assert PASSWORD not in repr(repository)
    shown = {authorization for _, _, authorization in handler.asked}
    assert shown == {None, BASIC} if scheme == "Basic" else shown == {None, BASIC, f"Bearer {TOKEN}"}
    assert not [path for _, path, _ in handler.asked if PASSWORD in path]


def test_an_identity_token_goes_into_the_body_of_the_question_for_a_token(home: Path) -> None:
    with serving("127.0.0.1", scheme="Bearer") as (address, handler):
        keep({"auths": {address: {"auth": "", "identitytoken": PASSWORD}}}, home / ".docker" / "config.json")
        assert open_repository(f"{address}/nvidia/pytorch").tags() == ["26.01-py3"]
    assert [(method, path) for method, path, _ in handler.asked if method == "POST"] == [("POST", "/token")]


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_refused_account_is_one_sentence_with_the_remedy(scheme: str, home: Path, tmp_path: Path) -> None:
    file = home / ".docker" / "config.json"
    with serving("127.0.0.1", scheme=scheme, reason="You sent") as (address, _):
        asked = ("containers", "new", f"{address}/x", "--state", tmp_path / "seen.json")
        nobody = ssdbench(*asked)
        keep(auths(address, password="wrong-password"), file)
        refused = ssdbench(*asked)
    assert nobody.code == refused.code == ExitCode.ENVIRONMENT
    assert f"{address} wants an account, and there is none (nobody has logged in" in nobody.err
    assert f"{address} refuses the account that {file} has: log in again (`docker login {address}`" in refused.err
    for done in (nobody, refused):
        assert done.err.count("\n") == 1
        assert "wrong-password" not in done.err + done.out


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_who_a_registry_redirects_to_gets_neither_password_nor_token(scheme: str, home: Path) -> None:
    with serving("127.0.0.2", scheme=scheme) as (other, thief):
        thief.realm = f"http://{other}/token"
        with serving("127.0.0.1", scheme=scheme, moved_to=f"http://{other}/v2/x/tags/list") as (address, _):
            keep(auths(address), home / ".docker" / "config.json")
            with pytest.raises(EnvironmentLacksError):
                open_repository(f"{address}/x").tags()
        assert thief.asked
        assert {authorization for _, _, authorization in thief.asked} == {None}


def test_who_asks_after_a_redirect_does_not_get_the_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(host: str, path: str) -> FoundAccount:
        asked.append(f"{host}/{path}")
        return FoundAccount()

    monkeypatch.setattr(registry, "find_account", note)
    with serving("127.0.0.2") as (other, _):
        away = f"http://{other}/v2/x/tags/list"
        with serving("127.0.0.1", moved_to=away, moves_everybody=True) as (address, _):
            keep(auths(address), home / ".docker" / "config.json")
            with pytest.raises(EnvironmentLacksError, match="wants an account"):
                open_repository(f"{address}/x").tags()
    assert asked == []


def test_the_password_is_not_sent_to_another_host_without_encryption(home: Path) -> None:
    with (
        serving("127.0.0.2", scheme="Bearer") as (other, thief),
        serving("127.0.0.1", scheme="Bearer", realm=f"http://{other}/token") as (address, _),
    ):
        keep(auths(address), home / ".docker" / "config.json")
        with pytest.raises(EnvironmentLacksError, match="neither encrypted nor on its own host"):
            open_repository(f"{address}/x").tags()
        assert thief.asked == []


def test_the_password_is_not_sent_without_encryption(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("127.0.0.1") as (address, handler):
        keep(auths(address), home / ".docker" / "config.json")
        monkeypatch.setattr(registry, "_is_loopback", lambda host: False)
        with pytest.raises(EnvironmentLacksError, match="passwords are not sent without encryption"):
            open_repository(f"{address}/x", plain_http=True).tags()
        assert {authorization for _, _, authorization in handler.asked} == {None}


def test_the_proxy_is_not_asked_for_this_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("127.0.0.2") as (proxy, thief), serving("127.0.0.1") as (address, _):
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.delenv("no_proxy", raising=False)
        keep(auths(address), home / ".docker" / "config.json")
        assert open_repository(f"{address}/x").tags() == ["26.01-py3"]
        assert thief.asked == []


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_repeated_password_is_not_shown(scheme: str, home: Path) -> None:
    repeated = "/".join(SECRETS if scheme == "Bearer" else SECRETS[:2])
    with serving("127.0.0.1", scheme=scheme, reason="You sent", moved_to=f"ftp://x/{repeated}") as (address, _):
        keep(auths(address), home / ".docker" / "config.json")
        with pytest.raises(EnvironmentLacksError) as refused:
            open_repository(f"{address}/x").tags()
        assert not [secret for secret in SECRETS if secret in str(refused.value)], str(refused.value)
