"""A registry with a password: watched, and pulled from by a real engine; the password shows up nowhere."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.stores.files import FileStore
from tests.cli.conftest import Ssdbench
from tests.containers.conftest import Bench
from tests.containers.engines import registry_of_its_own
from tests.paced import write_paced

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]

USER, PASSWORD = "$oauthtoken", "sesame-opens"
# bcrypt of the password, as `htpasswd -nB` writes it.
ACCOUNTS = f"{USER}:$2b$05$abcdefghijklmnopqrstuuZLNTxDLxC14v7Qnt5IgXl8QXbntmF5u\n"
ENCODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, ENCODED)
HELPER = f"""#!/bin/sh
read host
echo "$* $host" >> "$0.calls"
echo '{json.dumps({"Username": USER, "Secret": PASSWORD})}'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """A private repository, and where its account is kept: `config` by value, `helped` by a credential helper."""

    repository: str
    config: Path
    helped: Path
    helper_calls: Path


@pytest.fixture
def private(
    docker: Bench, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Private]:
    with registry_of_its_own(ACCOUNTS) as address:
        kept = tmp_path / "accounts"
        helper = kept / "bin" / "docker-credential-xyz"
        helper.parent.mkdir(parents=True)
        helper.write_text(HELPER)
        helper.chmod(0o755)
        contents = {
            "config": {"auths": {address: {"auth": ENCODED}}},
            "helped": {"credHelpers": {address: "xyz"}},
            "wrong": {"auths": {address: {"auth": base64.b64encode(f"{USER}:no-such-word".encode()).decode()}}},
        }
        for name, content in contents.items():
            (kept / name).mkdir()
            (kept / name / "config.json").write_text(json.dumps(content))
        environment["PATH"] = f"{helper.parent}:{environment['PATH']}"
        monkeypatch.setenv("DOCKER_CONFIG", str(kept / "config"))
        docker.push("26.01", f"{address}/nvidia/pytorch:26.01-py3")
        yield Private(
            repository=f"{address}/nvidia/pytorch",
            config=kept / "config",
            helped=kept / "helped",
            helper_calls=helper.with_name(f"{helper.name}.calls"),
        )


@contextmanager
def watched_command_lines() -> Iterator[list[str]]:
    """The command lines seen in the block that have a secret; looked for all the time."""
    found: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                found.extend(words for secret in SECRETS if secret in words)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def files_with_secrets(*folders: Path) -> list[str]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if any(secret.encode() in path.read_bytes() for secret in SECRETS)]


def test_new_tags_of_a_private_repository_are_found(
    docker: Bench, private: Private, ssdbench: Ssdbench, environment: dict[str, str], tmp_path: Path
) -> None:
    asked = ("containers", "new", private.repository, "--json")
    for folder, code in ((private.helped, ExitCode.OK), (private.config, ExitCode.NOTHING_NEW)):
        environment["DOCKER_CONFIG"] = str(folder)
        done = ssdbench(*asked)
        assert done.returncode == code, done.stderr
        assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    assert private.helper_calls.read_text() == f"get {private.repository.partition('/')[0]}\n"
    assert not files_with_secrets(tmp_path / "results")
    docker.push("26.02", f"{private.repository}:26.02-py3")
    assert [tag["name"] for tag in json.loads(ssdbench(*asked).stdout)["tags"]] == ["26.02-py3"]


def test_a_wrong_password_is_one_sentence_for_the_tags_and_for_the_pull(
    docker: Bench, private: Private, ssdbench: Ssdbench, environment: dict[str, str], tmp_path: Path
) -> None:
    host = private.repository.partition("/")[0]
    environment["DOCKER_CONFIG"] = str(private.config.with_name("wrong"))
    refused = ssdbench("containers", "new", private.repository)
    assert (refused.returncode, refused.stderr.count("\n")) == (ExitCode.ENVIRONMENT, 1)
    assert f"{host} refuses the account that" in refused.stderr
    assert f"log in again (`docker login {host}`" in refused.stderr
    write_paced(tmp_path)
    image = f"{private.repository}:26.01-py3"
    subprocess.run([*docker.engine.command, "image", "rm", image], capture_output=True, check=False)
    given = ("--suite", "paced.toml", "--containers", str(docker.write(tmp_path)))
    pulled = ssdbench("containers", "run", image, *given)
    assert pulled.returncode == ExitCode.CASE_FAILED, pulled.stdout + pulled.stderr
    (record,) = FileStore(tmp_path / "results").load("latest").records
    assert record.failure is not None
    assert record.failure.message.startswith(f"{image} cannot be pulled: ")
    assert f"(`docker login {host}` or" in record.failure.message
    assert "no-such-word" not in pulled.stdout + pulled.stderr


@pytest.mark.slow
def test_an_image_is_pulled_and_compared_and_its_password_is_nowhere(
    docker: Bench,
    private: Private,
    ssdbench: Ssdbench,
    environment: dict[str, str],
    cache: Path,
    tmp_path: Path,
) -> None:
    write_paced(tmp_path)
    image = f"{private.repository}:26.01-py3"
    subprocess.run([*docker.engine.command, "image", "rm", image], capture_output=True, check=True)
    environment["DOCKER_CONFIG"] = str(private.helped)
    with watched_command_lines() as shown:
        assert ssdbench("containers", "new", private.repository).returncode == ExitCode.OK
        given = ("--suite", "paced.toml", "--containers", str(docker.write(tmp_path)))
        done = ssdbench("containers", "compare", "26.01", image, *given)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert private.helper_calls.read_text().count("get ") >= 2, "asked for the tags and for the pull"
    run = FileStore(tmp_path / "results").load("latest")
    assert run.header.options.image is not None
    assert run.header.options.image.digest is not None
    assert all(record.measurement for record in run.records)
    ssdbench("report", "latest", "-o", str(tmp_path / "results" / "report.html"))
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    assert not files_with_secrets(tmp_path / "results", cache)
    assert not shown


def test_podman_pulls_with_the_account_of_its_own_file(
    podman: Bench, private: Private, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = private.repository.partition("/")[0]
    settings = tmp_path / "registries.conf"
    settings.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
    monkeypatch.delenv("DOCKER_CONFIG")
    image = f"{private.repository}:26.01-py3"
    for folder, is_allowed in (("wrong", False), ("config", True)):
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(private.config.with_name(folder) / "config.json"))
        found = inspect_image(podman.options, image)
        said = found.failure.message if found.failure is not None else ""
        assert is_allowed == (found.failure is None), said
        assert is_allowed or f"log in with an account that may pull it (`docker login {host}`" in said
