"""The rule on a DataFrame says what `ssdbench verdict --csv` says of the same launches."""

import json
import random
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import ssdbench
from ssdbench.errors import UsageError
from tests.cli.running import ssdbench as command


def some_launches(**columns: object) -> pd.DataFrame:
    """Eight launches on each side of three cases, of which one is slower."""
    chance = random.Random(3)
    rows = [
        {"case": case, "arm": arm, "launch": launch, "value": level * chance.lognormvariate(0, 0.001)}
        for case, factor in (("a", 1.0), ("b", 1.05), ("c", 1.0))
        for launch in range(8)
        for arm, level in (("baseline", 0.1), ("candidate", 0.1 * factor))
    ]
    return pd.DataFrame(rows).assign(**columns)


@pytest.mark.parametrize(
    "launches",
    [
        some_launches(),
        some_launches(pair=lambda frame: frame["launch"]),
        some_launches(session=lambda frame: frame["arm"] + (frame["launch"] // 2).astype(str)),
        some_launches().convert_dtypes(),
        some_launches().astype({"case": "category", "launch": "float64"}),
        some_launches(value=lambda frame: frame["value"].where(frame["launch"] != 3)),
        some_launches().sample(frac=1.0, random_state=1),
        some_launches().set_index(pd.Index(range(100, 148))),
        some_launches(unread="text"),
    ],
    ids=["plain", "pairs", "sessions", "nullable", "category", "missing", "shuffled", "index", "more columns"],
)
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_verdicts_are_those_of_the_command(
    tmp_path: Path, launches: pd.DataFrame, better: Literal["lower", "higher"]
) -> None:
    launches.to_csv(tmp_path / "launches.csv", index=False)
    said = json.loads(
        command("verdict", "--csv", tmp_path / "launches.csv", "--direction", better, "--margin", "0.02", "--json").out
    )["cases"]
    frame = ssdbench.judge(launches, margin=0.02, better=better)
    assert list(frame["case"]) == [case["case"] for case in said]
    for (_, row), case in zip(frame.iterrows(), said, strict=True):
        assert row["status"] == case["verdict"]
        for name in ("change", "low", "high", "baseline_value", "candidate_value", "smallest_detectable_change",
                     "baseline_launches", "candidate_launches", "launches_needed", "mode", "sentence"):  # fmt: skip
            assert pd.isna(row[name]) if case[name] is None else row[name] == case[name], name
        assert row["margin"] == 0.02
        assert (row["metric"], row["direction"]) == ("value", better)


def test_the_slower_case_is_found() -> None:
    assert list(ssdbench.judge(some_launches())["status"]) == ["unchanged", "regressed", "unchanged"]


def test_a_throughput_is_better_when_higher_and_nothing_else() -> None:
    launches = some_launches(metric="throughput")
    assert list(ssdbench.judge(launches)["status"]) == ["unchanged", "improved", "unchanged"]
    with pytest.raises(
        UsageError, match="row 0 column metric: higher values of 'throughput' are better, and lower was"
    ):
        ssdbench.judge(launches, better="lower")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop(columns="arm"), "the DataFrame: column 'arm' is missing; the columns are case,arm"),
        (lambda frame: frame.iloc[:0], "the DataFrame: no launch in it"),
        (lambda frame: frame.assign(arm="base"), "row 0 column arm: 'base' is no arm; write baseline or candidate"),
        (lambda frame: frame.assign(value=frame["value"].astype(object).where(frame.index != 5, "x")), "row 5 column"),
        (lambda frame: frame.assign(launch=1), "row 2 column launch: baseline launch 1 of case a"),
        (lambda frame: frame.assign(case=np.nan), "row 0 column case: '' is no name"),
    ],
)  # fmt: skip
def test_a_wrong_frame_is_one_sentence_with_row_and_column(change, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        ssdbench.judge(change(some_launches()))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"better": "bigger"}, "better = 'bigger' is not known: choose lower or higher"),
     ({"mode": "paired"}, "mode = 'paired' is not known: choose auto, interleaved"),
     ({"margin": 5.0}, "margin 5 is no relative change between 0 and 1")],
)  # fmt: skip
def test_a_wrong_option_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        ssdbench.judge(some_launches(), **options)
