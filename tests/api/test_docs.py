"""docs/python.md has every column of every frame, as it is."""

from pathlib import Path

from ssdbench.analysis.frames.reference import FRAMES, with_columns

PAGE = Path(__file__).parents[2] / "docs/python.md"


def test_the_page_has_the_columns_of_every_frame() -> None:
    """Write them anew with `python -m ssdbench.analysis.frames.reference docs/python.md`."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_columns(page) == page
    assert [name for name in FRAMES if f"<!-- columns of {name} -->\n| column |" not in page] == []


def test_every_column_says_what_it_means() -> None:
    for name, columns in FRAMES.items():
        names = [column.name for column in columns]
        assert len(set(names)) == len(names), name
        assert all(column.meaning for column in columns), name


def test_units_are_in_the_names() -> None:
    """A figure in a unit has it in its name; the figures of a metric that is told apart by a column have it there."""
    for frame in ("launches", "steps", "phases", "curves"):
        for column in FRAMES[frame]:
            if column.meaning.endswith("[s]"):
                assert column.name.endswith("_seconds"), column.name
            if column.meaning.endswith("[images/s]"):
                assert column.name.startswith("global_"), column.name
                assert column.name.endswith("_images_per_second"), column.name
            if column.meaning.endswith("[bytes]"):
                assert column.name.endswith("_bytes"), column.name
