"""Where messages go: from a variable, a file or the command line, each with a name that holds no secret."""

import re
from pathlib import Path

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.alerts.targets import read_targets

SLACK, MAIL = "slack://T1/B2/hush3/#bench", "mailtos://bench:hush@example.org"


def names(*asked: str) -> list[str]:
    return [target.name for target in read_targets(asked)]


def test_a_variable_names_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", f" {SLACK}\n")
    (target,) = read_targets(["env:TEAM"])
    assert (target.name, target.address) == ("env:TEAM", SLACK)
    assert "hush" not in repr(target)


def test_a_file_names_its_targets_or_their_addresses_do(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text(f"# people\n\nteam = {SLACK}\n{MAIL}\n")
    first, second = read_targets([f"file:{path}"])
    assert (first.name, first.address) == ("team", SLACK)
    assert re.fullmatch("mailtos-[0-9a-f]{8}", second.name)
    assert second.name == names(MAIL)[0] != names(f"{MAIL}x")[0]


def test_a_file_may_begin_with_a_mark_of_its_encoding_and_an_address_hold_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_bytes(f"\ufeffteam = {SLACK}\r\n".encode())
    assert names(f"file:{path}") == ["team"]
    assert re.fullmatch("slack-[0-9a-f]{8}", names(f"{SLACK}\udcff")[0])


def test_a_target_that_is_named_twice_is_one(tmp_path: Path) -> None:
    assert len(names(SLACK, SLACK, MAIL)) == 2
    (tmp_path / "targets").write_text(f"team = {SLACK}\nteam = {MAIL}\n")
    with pytest.raises(UsageError, match="two targets have the name team"):
        names(f"file:{tmp_path / 'targets'}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("env:NOT_THERE", "the variable NOT_THERE is not set"),
        ("env:HUSH", "--to env:HUSH: not a URL"),
        ("file:/not/there", "cannot be read"),
        ("env:slack://hush", "--to env:NAME: what follows env: is no name of a variable; write it without a"),
        ("file:slack://hush", "--to file:PATH: a URL and no path"),
        ("hush", "--to: not a URL"),
        ("file:bad", "bad line 2: not a URL"),
        ("file:worse", "worse line 1: neither"),
    ],
)
def test_a_mistake_is_named_without_what_may_be_a_secret(
    text: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUSH", "hush")
    Path("bad").write_text("# fine\nhush\n")
    Path("worse").write_text("name = hush hush\n")
    with pytest.raises(UsageError, match=says) as error:
        read_targets([text])
    assert "hush" not in str(error.value).replace("env:HUSH", "")
