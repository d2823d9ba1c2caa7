"""Which cases somebody means by a key, a title, or some words of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ssdbench.schema.case import Case


def names_of(case: Case) -> list[str]:
    """What a case goes by besides its key; decode=cpu and decode=mixed count, although only decode=cpu is in keys."""
    return [case.title, *([f"decode={case.decode}"] if case.decode_is_a_choice else [])]


def find_named(names: Mapping[str, Sequence[str]], asked: str, *, with_parts: bool = True) -> list[str]:
    """The keys of the cases that are meant, in the order of `names`; empty where there is none.

    `names` has by case key the case's title and further words that it goes by. A whole key or title means that case
    alone; else a case is meant if its names have every word of `asked`, in any order and whether capital or small.
    Whole words go before parts of words: `bs8` does not find `bs80` where there is a `bs8`, and without `with_parts`
    never does.
    """
    words = asked.casefold().split()
    if not words:
        return []
    texts = {key: " ".join([key, *more]).casefold() for key, more in names.items()}
    exact = [key for key, more in names.items() if asked in (key, *more)]
    whole = [key for key, text in texts.items() if set(words) <= set(re.split(r"[\s-]+", text))]
    parts = [key for key, text in texts.items() if with_parts and all(word in text for word in words)]
    return exact or whole or parts
