"""The table of what else changed, as a terminal shows it."""

import pytest

from ssdbench.cli.printing import Terminal
from ssdbench.report.tables import difference_table
from ssdbench.schema.verdict import Difference

DIGEST = "4290113c0438" + "7" * 52


def rows(monkeypatch: pytest.MonkeyPatch, baseline: str, candidate: str) -> list[list[str]]:
    monkeypatch.setenv("COLUMNS", "200")
    console = Terminal()
    with console.capture() as captured:
        console.print(difference_table([Difference(name="image", baseline=baseline, candidate=candidate)]))
    return [line.split() for line in captured.get().splitlines()[2:]]


def test_digests_have_twelve_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = rows(monkeypatch, f"sha256:{DIGEST}", f"bench@sha256:{DIGEST[::-1]}")
    assert shown == [["image", "sha256:4290113c0438", "bench@sha256:777777777777"]]


def test_digests_that_begin_alike_are_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    other = DIGEST[:-1] + "8"
    assert rows(monkeypatch, f"sha256:{DIGEST}", f"sha256:{other}") == [
        ["image", f"sha256:{DIGEST}", f"sha256:{other}"]
    ]


@pytest.mark.parametrize("text", ["sha256:4290113c0438", f"sha256:{DIGEST}77", "4290113c0438" * 6, "[red]2.1[/red]"])
def test_anything_else_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert rows(monkeypatch, text, "-") == [["image", text, "-"]]
