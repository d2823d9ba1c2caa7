"""Damages a sound text in ways that people, disks, other programs and attackers do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[\w.+-]+|\s+|.', re.S)

ODD = (
    *("null", "true", "false", "0", "-1", "2", "-0", "0.5", "1e308", "-1e308", "5e-324", "1e999", "NaN", "-Infinity"),
    *("9" * 20, "9" * 400, "-" + "9" * 5_000, "nan", "inf", "0x" + "f" * 300, "1_000", "²", "١", "1979-05-27"),
    *(
        '""',
        '"\\u0000"',
        '"\\ud800"',
        '"../../x"',
        '"\\u001b[2J\\u202e"',
        '"a b"',
        '"' + "n" * 300 + '"',
        '"yesterday"',
    ),
    *("[]", "{}", "[1]", '{"a": 1}', "[[[]]]", "[" * 3_000, '{"a":' * 3_000, "[" * 30 + "]" * 30, "{", "}", "[", "]"),
    *('"', "'", "'''", '"""', "\n", "\r", ",", ":", "=", ".", "\ufeff", "\0", "\xa0", "\\", "#", "a" * 2_000),
    *("a." * 100, "x = 1\n", "=1+1", "[/b]", "::error::x", "higher", "lower", "baseline", "candidate", "stored"),
)


def damaged(samples: Sequence[str]) -> st.SearchStrategy[bytes]:
    """A sample with up to four damages, or rarely bytes of any kind."""
    return st.one_of(*(_damaged(sample) for sample in samples), st.binary(max_size=200))


def _damaged(sample: str) -> st.SearchStrategy[bytes]:
    tokens = _TOKEN.findall(sample)
    place = st.integers(0, max(0, len(tokens) - 1))
    change = st.one_of(
        st.tuples(st.just("replace"), place, st.sampled_from(ODD)),
        st.tuples(st.just("insert"), place, st.sampled_from(ODD) | st.text(max_size=5)),
        st.tuples(st.just("remove"), place, st.integers(1, 8)),
        st.tuples(st.just("repeat"), place, st.integers(1, 8)),
        st.tuples(st.just("cut"), place, st.just(0)),
    )
    return st.lists(change, max_size=4).map(lambda changes: _changed(tokens, changes))


def _changed(tokens: Sequence[str], changes: Sequence[tuple[str, int, str | int]]) -> bytes:
    found = list(tokens)
    for way, place, what in changes:
        if isinstance(what, str):
            found[place : place + (way == "replace")] = [what]
        elif way == "remove":
            del found[place : place + what]
        elif way == "repeat":
            found[place:place] = found[place : place + what]
        else:
            del found[place:]
    return "".join(found).encode("utf-8", "surrogatepass")
