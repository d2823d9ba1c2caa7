"""`ssdbench verdict`: judge launches from anywhere, given as a CSV file."""

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ssdbench.cli.help import DECIDING, SUITE, option
from ssdbench.cli.options import Better, Json
from ssdbench.cli.printing import Terminal, print_json
from ssdbench.cli.streams import say
from ssdbench.harness.readers.launch_csv import BETTER, read_rows
from ssdbench.harness.readers.launch_metrics import says_direction
from ssdbench.harness.stores import codec
from ssdbench.report.verdicts import render_verdicts
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Mode
from ssdbench.workflows.judging_tables import TableJudgement, judge_rows


class AskedMode(str, Enum):
    """How the launches are judged; auto depends on the columns."""

    AUTO = "auto"
    INTERLEAVED = Mode.INTERLEAVED.value
    SINGLE_SHOT = Mode.SINGLE_SHOT.value
    STORED = Mode.STORED.value


class AskedRule(str, Enum):
    """`schema.settings.Rule` as an option."""

    SEQUENTIAL = "sequential"
    FIXED = "fixed"


def verdict(
    csv: Annotated[Path, option("File with one line per launch.", "--csv", metavar="FILE", panel=SUITE)],
    direction: Annotated[
        Better | None,
        option(
            "Which values are better: higher or lower; default: as the file says, else lower.",
            metavar="higher|lower",
            panel=DECIDING,
        ),
    ] = None,
    margin: Annotated[
        float,
        option("Relative change that matters, such as 0.01 for 1 %.", metavar="FRACTION", panel=DECIDING),
    ] = Settings().margin,
    mode: Annotated[
        AskedMode,
        option(
            "How to judge: interleaved, single-shot, stored, or auto, which depends on the columns.",
            metavar="MODE",
            panel=DECIDING,
        ),
    ] = AskedMode.AUTO,
    rule: Annotated[
        AskedRule,
        option(
            "How pairs are planned and judged: sequential, or fixed, the rule of version 0.2 and earlier.",
            metavar="RULE",
            panel=DECIDING,
        ),
    ] = AskedRule.SEQUENTIAL,
    as_json: Json = False,
) -> None:
    """Judge launches of two arms, baseline and candidate, from a CSV file.

    Columns: case, arm (baseline or candidate), launch, value, and optionally pair, stage (measure or confirm), session,
    metric (what the values are), direction (which are better, higher or lower) and order (numbers: the smaller of a
    pair was first). A metric such as throughput or step_seconds has its direction; a file that says otherwise, or
    another --direction, is refused.

    interleaved (auto: there are rows of stage confirm): cases that stage measure flags are judged by the new pairs of
    stage confirm. Pairs are used in order, as many as the plan asks for; the launches shown are those used. A flagged
    case without pairs of stage confirm is inconclusive, and the sentence says how many are needed.

    single-shot (auto: there are no rows of stage confirm): all launches are used, with Holm's correction over all
    cases. More launches are needed to find the same change.

    stored (auto: there is a session column, no pair column, and no session with both arms): the unit is a session.
    With fewer than 5 baseline sessions no case is unchanged, no change has an interval, and only changes beyond 5 %
    are reported.

    Exit code: 3 a case regressed, 5 a case is inconclusive, 0 neither, 2 the file is wrong.
    """
    chosen = None if mode is AskedMode.AUTO else Mode(mode.value)
    rows = read_rows(csv)
    if direction is None and not says_direction(rows):
        say(f"{csv} has no column metric or direction: lower values are taken as better; --direction says otherwise")
    judged = judge_rows(
        rows,
        settings=Settings(margin=margin, rule=rule.value),
        better=None if direction is None else BETTER[direction.value],
        mode=chosen,
    )
    if as_json:
        suite = None if judged.suite is None else asdict(judged.suite)
        order = {"order_effect": json.loads(codec.dump(judged.order_effect))} if judged.order_effect else {}
        found = [_as_json(case, judged) for case in judged.verdicts]
        print_json(json.dumps({"cases": found, "suite": suite, **order}))
    else:
        cases = [_case(name, judged) for name in judged.verdicts]
        console = Terminal()
        console.print(render_verdicts(cases, judged.mode, set(judged.directions.values()), judged.suite))
        if judged.order_effect and judged.order_effect.sentence:
            console.say("\norder within pairs: ", judged.order_effect.sentence)
    raise typer.Exit(judged.exit_code)


def _case(name: str, judged: TableJudgement) -> CaseVerdict:
    return CaseVerdict(case_key=name, title=name, verdict=judged.verdicts[name], notes=_notes(name, judged))


def _notes(name: str, judged: TableJudgement) -> tuple[str, ...]:
    unpaired = judged.unpaired.get(name)
    partners = f"launches omitted because they have no partner: {unpaired}" if unpaired else ""
    return tuple(filter(None, [partners, judged.quantised.get(name)]))


def _as_json(case: str, judged: TableJudgement) -> dict[str, Any]:
    """All of the verdict, under the same names as in `compare --json`, next to the case and which values are better."""
    found = judged.verdicts[case]
    return {
        "case": case,
        "direction": judged.directions[case].word,
        "verdict": found.status.value,
        "launches": found.baseline_launches + found.candidate_launches,
        "notes": _notes(case, judged),
        **json.loads(codec.dump(found)),
    }
