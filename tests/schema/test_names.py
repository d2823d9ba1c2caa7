"""A case's folder is always one folder below its parent, and those of ordinary cases keep their names."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.harness.resources import SUITES, resource
from ssdbench.harness.suite import expand, load_suite
from ssdbench.schema.names import did_you_mean, file_name, is_name, quoted

REPORT_14 = (
    f"accuracy-resnet18-dali-fp32-channels_last-eager-1xcpu-bs4-t2-epochs=65-validation={','.join(map(str, range(65)))}"
)


@pytest.mark.parametrize("path", sorted(resource(SUITES).glob("*.toml")), ids=lambda path: path.stem)
def test_the_cases_of_the_shipped_suites_have_their_keys_as_folders(path):
    keys = [case.key for case, _ in expand(load_suite(path), "cuda", 64, 8)]
    assert [file_name(key) for key in keys] == keys


@pytest.mark.parametrize(
    "key", ["a/../b", "../../x", "", ".", "..", "a\0b", "a\nb", "é", "a" * 201, REPORT_14, "-a", "x:y"]
)
def test_a_long_or_odd_key_becomes_a_short_part_and_a_hash(key: str):
    name = file_name(key)
    assert name != key
    assert set(name) <= set(string.ascii_letters + string.digits + "_.,=+-")
    assert len(name) <= 120


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_key_is_one_folder_of_its_own(one: str, other: str):
    name = file_name(one)
    assert 0 < len(name.encode()) <= 200
    assert name not in (".", "..")
    assert not set(name) & set("/\\\0\n")
    assert (name == file_name(other)) == (one == other)


def test_long_keys_that_begin_alike_have_folders_of_their_own():
    assert file_name(REPORT_14) != file_name(REPORT_14 + ",65")
    assert file_name("a" * 300) != file_name("a" * 301)


def test_a_name_of_a_suite_can_be_part_of_a_file_name():
    assert all(map(is_name, ["smoke", "a-b_c.d", "2x", "a" * 100]))
    assert not any(map(is_name, ["", "a b", "a/b", "[/b]", ".a", "-a", "a\n", "é", "a" * 101]))


def test_sentences_stay_short_whatever_was_written():
    assert len(quoted("x" * 10**6)) == 80
    assert quoted(10**5000) == "a number of thousands of digits"
    assert did_you_mean("launch" * 10**5, ["launches"]) == ""
    assert did_you_mean("launchs", ["launches", "steps"]) == "did you mean 'launches'? "
