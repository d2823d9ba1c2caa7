"""The file of waivers: what it may say, which sentence a mistake gets, and how an entry is added to it."""

import multiprocessing
import os
from datetime import date
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness.toml_tables import parse_toml
from ssdbench.harness.waiver_file import append_entry, entry_text, new_waiver
from ssdbench.harness.waivers import parse_ceiling, read_waivers
from ssdbench.schema.waivers import Waiver
from tests.hostile import TEXT, invisible_in

ENTRY = """
# agreed in the meeting of Monday
[[waiver]]
case = "train-amp-bs8"
ceiling = "20%"
expires = 2026-12-31
issue = "https://example.org/issues/7"
reason = "the new decoder"
"""
VALUES = {
    "case": "train amp",
    "ceiling": "12.5%",
    "expires": "2026-12-31",
    "issue": "https://example.org/issues/8",
    "reason": "known",
}


def written(folder: Path, text: str) -> Path:
    path = folder / "waivers.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_is_read(tmp_path: Path) -> None:
    text = ENTRY + 'metric = "throughput"\nhardware = "h100"\nowner = "team-x"\n'
    assert read_waivers(written(tmp_path, text)) == (
        Waiver(
            entry=1,
            case="train-amp-bs8",
            ceiling=0.2,
            expires="2026-12-31",
            issue="https://example.org/issues/7",
            reason="the new decoder",
            metric="throughput",
            hardware="h100",
            owner="team-x",
        ),
    )


def test_no_file_is_no_waivers_and_neither_is_an_empty_one(tmp_path: Path) -> None:
    assert read_waivers(None) == read_waivers(tmp_path / "waivers.toml") == ()
    assert read_waivers(written(tmp_path, "# none yet\n")) == ()


@pytest.mark.parametrize(
    ("text", "ceiling"),
    [
        ('"20%"', 0.2),
        ('"20 %"', 0.2),
        ('"0.2"', 0.2),
        ("0.2", 0.2),
        ('"0.5%"', 0.005),
        ('"7%"', 0.07),
        ('"99.9%"', 0.999),
    ],
)
def test_a_ceiling_is_a_share_or_per_cent(text: str, ceiling: float, tmp_path: Path) -> None:
    (waiver,) = read_waivers(written(tmp_path, ENTRY.replace('"20%"', text)))
    assert waiver.ceiling == ceiling


MISTAKES = [
    ("ceiling", 'ceiling = "20%"', "ceiling = 20", "20 is out of range; give more than 0 and less than 1"),
    ("ceiling", 'ceiling = "20%"', 'ceiling = "120%"', "'120%' is out of range"),
    ("ceiling", 'ceiling = "20%"', "ceiling = 0", "0 is out of range"),
    ("ceiling", 'ceiling = "20%"', "ceiling = 1", "1 is out of range"),
    ("ceiling", 'ceiling = "20%"', "ceiling = -0.2", "-0.2 is out of range"),
    ("ceiling", 'ceiling = "20%"', "ceiling = nan", "nan is out of range"),
    ("ceiling", 'ceiling = "20%"', "ceiling = inf", "inf is out of range"),
    ("ceiling", 'ceiling = "20%"', "ceiling = true", "True is no ceiling"),
    ("ceiling", 'ceiling = "20%"', 'ceiling = "much"', "'much' is no ceiling; give a part of the baseline, such as"),
    ("ceiling", 'ceiling = "20%"', 'ceiling = "20%%"', "'20%%' is no ceiling"),
    ("ceiling", 'ceiling = "20%"', "ceiling = [0.2]", "[0.2] is no ceiling"),
    ("expires", "2026-12-31", '"2026-13-01"', "'2026-13-01' is no date; write it as 2026-12-31"),
    ("expires", "2026-12-31", '"31.12.2026"', "'31.12.2026' is no date"),
    ("expires", "2026-12-31", "20261231", "'20261231' is no date"),
    ("expires", "2026-12-31", "2026-12-31T00:00:00Z", "'2026-12-31 00:00:00+00:00' is no date"),
    ("issue", '"https://example.org/issues/7"', '"ticket 7"', "'ticket 7' is no address of an issue"),
    ("issue", '"https://example.org/issues/7"', '"javascript:alert(1)"', "is no address of an issue"),
    ("reason", 'reason = "the new decoder"', "", "is missing"),
    ("reason", '"the new decoder"', '" "', "is empty"),
    ("reason", '"the new decoder"', "7", "Input should be a valid string (found 7)"),
    ("case", '"train-amp-bs8"', '""', "is empty"),
    ("case", '"train-amp-bs8"', '["train-amp-bs8"]', "Input should be a valid string"),
    ("metric", 'reason = ', 'metric = "througput"\nreason = ', "'througput' is no metric: did you mean 'throughput'?"),
    ("expiry", 'reason = ', 'expiry = 2026-12-31\nreason = ', "is not known: did you mean 'expires'? the keys"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "old", "new", "sentence"), MISTAKES, ids=[item[2] or item[0] for item in MISTAKES])
def test_a_mistake_is_a_sentence_with_file_entry_and_key(
    key: str, old: str, new: str, sentence: str, tmp_path: Path
) -> None:
    path = written(tmp_path, ENTRY + ENTRY.replace(old, new))
    with pytest.raises(UsageError) as error:
        read_waivers(path)
    assert error.value.exit_code is ExitCode.USAGE
    assert str(error.value).startswith(f"{path}: key 'waiver.2.{key}'")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[waivers]]\n", "key 'waivers' is not known: did you mean 'waiver'?"),
        ("[waiver]\n", "key 'waiver': Input should be a valid list"),
        ("[[waiver]\n", "cannot be read as TOML"),
        ("a = " + "[" * 1000, "is nested more than 20 deep"),
    ],
)
def test_a_file_that_is_none_of_waivers_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"waivers\.toml: ") as error:
        read_waivers(written(tmp_path, text))
    assert sentence in str(error.value)


def test_what_is_there_and_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.symlink_to(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_waivers(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="is no file"):
        read_waivers(path)


@pytest.mark.parametrize("ceiling", [".2", "00.2", "0.2", "+0.2", "2e-1", "20%", "\u0662\u0660%"])
def test_a_ceiling_is_written_so_that_it_is_read_again(ceiling: str, tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    (waiver,) = append_entry(path, {**VALUES, "ceiling": ceiling}, lambda text: None)
    assert waiver.ceiling == 0.2
    assert read_waivers(path) == (waiver,)


def test_the_mark_and_the_permissions_of_a_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_bytes(b"\xef\xbb\xbf" + ENTRY.encode())
    path.chmod(0o660)
    append_entry(path, VALUES, lambda text: None)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf\n# agreed")
    assert path.stat().st_mode & 0o777 == 0o660
    assert len(read_waivers(path)) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_is_read_only_is_left_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    path.chmod(0o444)
    with pytest.raises(StoreError, match="is read-only; make it writable"):
        append_entry(path, VALUES, lambda text: None)
    assert path.read_text() == ENTRY


@pytest.mark.parametrize("end", ["", "\n", "\n\n# the end", "\r\n"])
def test_an_entry_is_added_and_everything_else_stays(end: str, tmp_path: Path) -> None:
    old = ENTRY.rstrip("\n").replace("\n", "\r\n" if "\r" in end else "\n") + end
    path = tmp_path / "waivers.toml"
    path.write_bytes(old.encode())
    found = append_entry(path, VALUES, lambda text: None)
    new = path.read_bytes().decode()
    assert new.startswith(old)
    assert ("\r\n" in new[len(old) :]) == ("\r" in end)
    assert found == read_waivers(path)
    assert [(waiver.entry, waiver.case, waiver.ceiling) for waiver in found] == [
        (1, "train-amp-bs8", 0.2),
        (2, "train amp", 0.125),
    ]
    assert [item.name for item in tmp_path.iterdir() if item.name != ".locks"] == ["waivers.toml"]


def test_the_first_entry_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "waivers.toml"
    path.parent.mkdir()
    append_entry(path, VALUES, lambda text: None)
    assert path.read_text() == (
        '[[waiver]]\ncase = "train amp"\nceiling = "12.5%"\nexpires = 2026-12-31\n'
        'issue = "https://example.org/issues/8"\nreason = "known"\n'
    )


def test_a_file_in_another_form_is_left_as_it_is(tmp_path: Path) -> None:
    inline = 'waiver = [{ case = "a", ceiling = 0.2, expires = 2026-12-31, issue = "https://e.org/1", reason = "r" }]\n'
    path = written(tmp_path, inline)
    with pytest.raises(UsageError, match=r"no entry can be added at its end; write each waiver as a \[\[waiver\]\]"):
        append_entry(path, VALUES, lambda text: None)
    assert path.read_text() == inline


def test_any_text_is_written_as_toml_that_says_the_same_and_shows_everything() -> None:
    hostile = {**VALUES, "case": TEXT, "owner": f'{TEXT}"""', "reason": f"\\ ' {TEXT}", "hardware": "\U0001f600 \u202e"}
    text = entry_text(hostile)
    (entry,) = parse_toml(text, "text")["waiver"]
    assert entry == {**hostile, "expires": date(2026, 12, 31)}
    assert invisible_in(text) == set()
    assert len(text.splitlines()) == 1 + len(hostile)


def test_values_of_a_new_waiver_are_checked_by_their_options() -> None:
    flags = {key: f"--{key}" for key in VALUES}
    assert new_waiver(VALUES, 3, flags).ceiling == parse_ceiling("12.5%")
    with pytest.raises(UsageError, match="command line: --ceiling: '2' is out of range"):
        new_waiver({**VALUES, "ceiling": "2"}, 1, flags)


def _append(path: Path, number: int) -> None:
    for turn in range(3):
        append_entry(path, {**VALUES, "case": f"case-{number}-{turn}"}, lambda text: None)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append, args=(path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    cases = {waiver.case for waiver in read_waivers(path)}
    assert cases == {"train-amp-bs8", *(f"case-{number}-{turn}" for number in range(3) for turn in range(3))}
