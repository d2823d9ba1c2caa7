"""Tests that share something costly say so by a group, and pytest-xdist has to give a group to one worker.

pytest 9.2 stopped pytest-xdist 3.8 from doing so without a word: everything that is shared was made once per worker.
"""

import re

import pytest

pytest_plugins = ["pytester"]


def test_the_tests_of_a_group_run_in_one_worker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.xdist_group('shared')\n"
        "@pytest.mark.parametrize('number', range(8))\n"
        "def test_it(number): pass\n"
    )
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-v", "-n", "2", "--dist", "loadgroup")
    workers = re.findall(r"\[(gw\d)\]", done.stdout.str())
    assert len(workers) == 8
    assert len(set(workers)) == 1
