import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ssdbench.schema.launch_values import LaunchesByCase
from tests.analysis.verdicts.launch_values import some_launches
from tests.cli.running import Outcome, ssdbench

VERDICTS = ("regressed", "inconclusive", "unchanged", "improved")


def write(path: Path, night: LaunchesByCase, *, stages: str = "BC", paired: bool = False) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case", "arm", "launch", "value", "stage", *(["pair"] if paired else [])])
        for name, case in night.items():
            for stage, arms in (("B", case.measure), ("C", case.confirm)):
                for arm, values in (("baseline", arms.baseline), ("candidate", arms.candidate)):
                    for launch, value in enumerate(values if stage in stages else ()):
                        rows.writerow([name, arm, launch, value, stage, *([launch] if paired else [])])
    return path


def judged(path: Path, *arguments: str) -> tuple[Outcome, dict[str, dict[str, Any]]]:
    outcome = ssdbench("verdict", "--csv", path, "--json", *arguments)
    return outcome, {case["case"]: case for case in json.loads(outcome.out)["cases"]}


def text(path: Path, *lines: str, header: str = "case,arm,launch,value") -> Path:
    path.write_text("\n".join([header, *lines, ""]))
    return path


def test_a_file_with_fresh_pairs_is_judged_interleaved(tmp_path: Path):
    outcome, cases = judged(write(tmp_path / "night.csv", some_launches(changes={0: 0.02})))
    assert outcome.code == 3
    assert [case["verdict"] for case in cases.values()] == ["regressed"] + ["unchanged"] * 9
    first = cases["0"]
    assert first["low"] < first["change"] < first["high"]
    assert first["mode"] == "interleaved"
    assert first["launches"] == first["baseline_launches"] + first["candidate_launches"] == 2 * (3 + 8)
    assert first["settings"]["margin"] == 0.01


def test_more_may_be_better(tmp_path: Path):
    outcome, cases = judged(write(tmp_path / "night.csv", some_launches(changes={0: 0.02})), "--direction", "higher")
    assert outcome.code == 0
    assert cases["0"]["verdict"] == "improved"
    assert cases["0"]["change"] == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize("header", ["metric", "direction"])
def test_the_file_may_say_what_is_better_case_by_case(tmp_path: Path, header: str):
    of_a, of_b = ("images/s", "step_seconds") if header == "metric" else ("higher", "lower")
    sides = (("baseline", 1.0), ("candidate", 1.1))
    lines = [f"{case},{arm},{n},{level + n / 1000},{said}" for case, said in (("a", of_a), ("b", of_b))
             for arm, level in sides for n in range(6)]  # fmt: skip
    path = text(tmp_path / "x.csv", *lines, header=f"case,arm,launch,value,{header}")
    outcome, cases = judged(path)
    assert (outcome.code, outcome.err) == (3, "")
    assert {name: (case["verdict"], case["direction"]) for name, case in cases.items()} == {
        "a": ("improved", "higher"),
        "b": ("regressed", "lower"),
    }
    assert "(single-shot; better as each metric says)" in ssdbench("verdict", "--csv", path).words


def test_without_fresh_pairs_all_launches_are_judged_in_a_single_shot(tmp_path: Path):
    outcome, cases = judged(write(tmp_path / "night.csv", some_launches(changes={0: 0.02}), stages="B"))
    assert outcome.code == 3
    assert (cases["0"]["mode"], cases["0"]["launches"]) == ("single-shot", 36)


def test_a_suspect_without_fresh_pairs_asks_for_them(tmp_path: Path):
    path = write(tmp_path / "night.csv", some_launches(changes={0: 0.02}), stages="B", paired=True)
    outcome, cases = judged(path, "--mode", "interleaved")
    assert outcome.code == 5
    assert cases["0"]["verdict"] == "inconclusive"
    assert "8 fresh pairs are needed to confirm it" in cases["0"]["sentence"]


def test_sessions_make_it_a_stored_baseline(tmp_path: Path):
    lines = [f"a,baseline,{n},{0.1 + 1e-5 * n},s{n // 2}" for n in range(12)]
    lines += [f"a,candidate,{n},{0.1 + 1e-5 * n},tonight" for n in range(2)]
    outcome, cases = judged(text(tmp_path / "s.csv", *lines, header="case,arm,launch,value,session"))
    assert outcome.code == 0
    assert (cases["a"]["mode"], cases["a"]["verdict"]) == ("stored", "unchanged")


def test_a_session_of_both_arms_is_no_stored_baseline(tmp_path: Path):
    lines = [f"a,{arm},{n},{0.1 + 1e-5 * n},s" for n in range(3) for arm in ("baseline", "candidate")]
    _, cases = judged(text(tmp_path / "s.csv", *lines, header="case,arm,launch,value,session"))
    assert cases["a"]["mode"] == "single-shot"


def test_pairs_are_joined_by_their_column_and_taken_in_order(tmp_path: Path):
    lines = [f"a,baseline,{n},{1 + (10 - n) / 1000},{10 - n}" for n in range(10)]
    lines += [f"a,candidate,{n},{1 + n / 1000},{n}" for n in range(1, 10)]
    path = text(tmp_path / "p.csv", *lines, header="case,arm,launch,value,pair")
    _, cases = judged(path, "--mode", "interleaved")
    assert cases["a"]["launches"] == 6
    assert cases["a"]["baseline_value"] == cases["a"]["candidate_value"] == pytest.approx(1.002, rel=1e-6)
    assert "because they have no partner: 1" in ssdbench("verdict", "--csv", path, "--mode", "interleaved").words


def test_the_order_is_that_of_the_launch_column(tmp_path: Path):
    night = some_launches(cases=1, noise=3e-3)
    path = write(tmp_path / "night.csv", night)
    head, *lines = path.read_text().splitlines()
    shuffled = text(tmp_path / "other.csv", *reversed(lines), header=head)
    assert judged(path)[1] == judged(shuffled)[1]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("a,baseline,0,1", "a,baseline,1,1", "a,candidate,0,", "a,candidate,1,1"), "value of nan"),
        (("a,baseline,0,1", "a,baseline,1,1", "a,candidate,0,0", "a,candidate,1,1"), "value of 0, which is impossible"),
        (
            ("a,baseline,0,1", "a,baseline,1,1.1", "a,baseline,2,1.2", "a,candidate,0,1"),
            "1 launch against 3 launches",
        ),
        (("a,baseline,0,1", "a,candidate,0,1"), "1 launch against 1 launch of the baseline"),
        (
            ("a,baseline,0,1", "a,baseline,1,1", "a,candidate,0,-1", "a,candidate,1,1"),
            "value of -1, which is impossible",
        ),
        (
            ("a,baseline,0,1", "a,baseline,1,inf", "a,candidate,0,1", "a,candidate,1,1"),
            "value of inf, which is impossible",
        ),
        (
            ("a,baseline,0,1", "a,baseline,1,1e-400", "a,candidate,0,1", "a,candidate,1,1"),
            "value of 0, which is impossible",
        ),
        (("a,candidate,0,1", "a,candidate,1,1.1", "a,candidate,2,1.2"), "3 launches against 0 launches of the"),
        (("a,baseline,0,1",), "0 launches against 1 launch of the baseline"),
        (("a,baseline,0,1", "a,baseline,1,1", "a,candidate,0,1", "a,candidate,1,1"), "exactly equal"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "interleaved", "stored"])
def test_what_allows_no_verdict_is_inconclusive_in_words(tmp_path: Path, lines: tuple[str, ...], words: str, mode: str):
    path = text(tmp_path / "x.csv", *lines)
    outcome, cases = judged(path, "--mode", mode)
    assert (outcome.code, cases["a"]["verdict"]) == (5, "inconclusive")
    assert words in cases["a"]["sentence"]
    assert words in ssdbench("verdict", "--csv", path, "--mode", mode).words


@pytest.mark.parametrize(
    ("header", "lines", "sentence"),
    [
        (
            "case,launch,value",
            ("a,0,1",),
            "line 1: column 'arm' is missing; the columns are case,arm,launch,value[,pair",
        ),
        (
            "case,arm,launch,value,sesion",
            ("a,baseline,0,1,x",),
            "column 'sesion' is not known; did you mean 'session'?",
        ),
        ("case,arm,launch,value", (), "no launch in it"),
        ("case,arm,launch,value", ("a,base,0,1",), "line 2 column arm: 'base' is no arm; write baseline or candidate"),
        ("case,arm,launch,value", ("a,baseline,0,1 s",), "line 2 column value: '1 s' is no number"),
        ("case,arm,launch,value,stage", ("a,baseline,0,1,D",), "line 2 column stage: 'D' is no stage; write measure"),
        ("case,arm,launch,value", ("a,baseline,0,1", "", "a,baseline"), "line 4: 2 cells; the header has 4 columns"),
        ("case,arm,launch,value", ("a,baseline,0,1", "a,baseline,0,2"), "line 3 column launch: baseline launch 0 of"),
        ("case,arm,launch,value,value", ("a,baseline,0,1,2",), "line 1: column 'value' is given twice; keep one"),
        (
            "case,arm,launch,value,pair",
            ("a,baseline,0,1,0", "a,candidate,0,1,0", "a,candidate,1,1,"),
            "line 4 column pair: is empty, and other launches of case a, stage measure, have one",
        ),
        (
            "case,arm,launch,value,pair",
            ("a,baseline,0,1,0", "a,baseline,1,1,0"),
            "line 3 column pair: baseline pair 0 of case a, stage measure, is given twice, first in ",
        ),
        ("case,arm,launch,value", (",baseline,0,1",), "line 2 column case: '' is no name"),
        ("case,arm,launch,value,direction", ("a,baseline,0,1,up",), "line 2 column direction: 'up' is no direction"),
        ("case,arm,launch,value,metric", ("a,baseline,0,1,score",), "nothing says which values of 'score' are better"),
        (
            "case,arm,launch,value,metric",
            ("a,baseline,0,1,latency", "a,candidate,0,1,throughput"),
            "line 3 column metric: 'throughput' for case a, and 'latency' in ",
        ),
        (
            "case,arm,launch,value,metric,direction",
            ("a,baseline,0,1,score,lower", "a,candidate,0,1,score,higher"),
            "line 3 column direction: 'higher' for case a, and 'lower' in ",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence_with_place_and_remedy(
    tmp_path: Path, header: str, lines: tuple[str, ...], sentence: str
):
    outcome = ssdbench("verdict", "--csv", text(tmp_path / "x.csv", *lines, header=header))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert f"{tmp_path / 'x.csv'}" in outcome.err
    assert sentence in outcome.err


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path):
    absent = ssdbench("verdict", "--csv", tmp_path / "none.csv")
    assert (absent.code, absent.out) == (2, "")
    assert "none.csv: cannot be read (No such file or directory); check the path" in absent.err
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    outcome = ssdbench("verdict", "--csv", tmp_path / "x.csv")
    assert outcome.code == 2
    assert "cannot be read as CSV" in outcome.err


@pytest.mark.parametrize("columns", [60, 120])
def test_the_table_has_the_worst_first_and_fits(tmp_path: Path, columns: int):
    path = write(tmp_path / "night.csv", some_launches(changes={7: 0.02, 3: -0.02}))
    outcome = ssdbench("verdict", "--csv", path, columns=columns)
    assert outcome.words.startswith("REGRESSED: 1 regressed, 8 unchanged, 1 improved (interleaved; lower is better)")
    rows = [line.split() for line in outcome.out.splitlines()[3:] if line.split()[-1:] and line.split()[-1] in VERDICTS]
    assert [row[0] for row in rows] == ["7", "0", "1", "2", "4", "5", "6", "8", "9", "3"]
    assert max(map(len, outcome.out.splitlines())) <= columns


@pytest.mark.parametrize("mode", ["auto", "interleaved", "single-shot", "stored"])
def test_the_answer_is_json_whatever_the_values(tmp_path: Path, mode: str):
    values = [*["0.1"] * 9, "0.2", *["0.102"] * 9, "0.05"]
    lines = [f"a,{'baseline' if n < 10 else 'candidate'},{n % 10},{value}" for n, value in enumerate(values)]
    lines += ["b,baseline,0,1e-300", "b,baseline,1,1e300", "b,candidate,0,1e300", "b,candidate,1,1e-300"]
    outcome = ssdbench("verdict", "--csv", text(tmp_path / "x.csv", *lines), "--json", "--mode", mode)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    cases = json.loads(outcome.out, parse_constant=refuse)["cases"]
    assert [case["verdict"] for case in cases] == ["inconclusive", "inconclusive"]
    assert outcome.code == 5


def test_a_margin_that_is_no_fraction_is_refused(tmp_path: Path):
    assert ssdbench("verdict", "--csv", write(tmp_path / "n.csv", some_launches()), "--margin", "2").code == 2


def test_the_whole_suite_has_a_line_and_a_key(tmp_path: Path):
    draw = random.Random(5)
    rows = [
        f"case-{case},{arm},{launch},{draw.gauss(1.0, 0.001) * (1.003 if arm == 'candidate' else 1.0)!r}"
        for case in range(40)
        for arm in ("baseline", "candidate")
        for launch in range(5)
    ]
    file = tmp_path / "launches.csv"
    file.write_text("\n".join(["case,arm,launch,value", *rows]) + "\n")
    shown = ssdbench("verdict", "--csv", file)
    assert "Suite: over 40 cases the median change is 0.3" in shown.words
    assert "the suite as a whole got worse." in shown.words
    suite = json.loads(ssdbench("verdict", "--csv", file, "--json").out)["suite"]
    assert suite["low"] < 0.003 < suite["high"]
    assert (suite["cases"], suite["confidence"]) == (40, 0.999)
    file.write_text("\n".join(["case,arm,launch,value", *rows[:50]]) + "\n")
    assert "Suite" not in ssdbench("verdict", "--csv", file).out
    assert json.loads(ssdbench("verdict", "--csv", file, "--json").out)["suite"] is None


def test_rounded_values_are_named_with_the_remedy(tmp_path: Path):
    draw = random.Random(6)
    values = [(arm, launch, draw.gauss(100.0, 0.1)) for arm in ("baseline", "candidate") for launch in range(5)]
    file = tmp_path / "launches.csv"
    for decimals, is_noted in ((1, True), (9, False)):
        rows = [f"train,{arm},{launch},{value:.{decimals}f}" for arm, launch, value in values]
        file.write_text("\n".join(["case,arm,launch,value", *rows]) + "\n")
        shown = ssdbench("verdict", "--csv", file)
        assert ("the values lie on steps of 0.1%" in shown.words) is is_noted
        assert ("give them with all their digits" in shown.words) is is_noted
        (case,) = json.loads(ssdbench("verdict", "--csv", file, "--json").out)["cases"]
        assert bool(case["notes"]) is is_noted
