"""`ssdbench verdict`: judge launches from anywhere, given as a CSV file."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ssdbench.harness.readers.launch_csv import read_rows
from ssdbench.report.verdicts import render_verdicts
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Mode, Verdict
from ssdbench.workflows.judging_tables import judge_rows


class Better(str, Enum):
    """Which values are better."""

    HIGHER = "higher"
    LOWER = "lower"


class AskedMode(str, Enum):
    """How the launches are to be judged; auto goes by the columns."""

    AUTO = "auto"
    INTERLEAVED = Mode.INTERLEAVED.value
    SINGLE_SHOT = Mode.SINGLE_SHOT.value
    STORED = Mode.STORED.value


def verdict(
    csv: Annotated[Path, typer.Option("--csv", help="File with one line a launch.")],
    direction: Annotated[Better, typer.Option(help="Which values are better.")] = Better.LOWER,
    margin: Annotated[float, typer.Option(help="Relative change that matters, 0.01 for 1 %.")] = Settings().margin,
    mode: Annotated[AskedMode, typer.Option(help="How to judge; auto goes by the columns.")] = AskedMode.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as one line of JSON.")] = False,
) -> None:
    """Judge launches of two arms, baseline and candidate, from a CSV file.

    Columns: case, arm (baseline or candidate), launch, value, and where they apply pair, stage, session.

    interleaved (auto: there are rows of stage C): stage B is the first measurement, stage C the fresh pairs of the
    suspects. Pairs are taken in order as far as the plan asks for them; the launches shown are those that were used. A
    suspect without fresh pairs is inconclusive, and the answer says how many are needed.

    single-shot (auto: no rows of stage C): all launches are used, and Holm's correction over all cases takes the place
    of the fresh pairs. It needs more launches to find the same change.

    stored (auto: there is a session column, no pair column, and no session holds both arms): the unit is a session.
    Fewer than 5 baseline sessions clear nothing, and only changes beyond 5 % are called.

    Exit code: 3 a case regressed, 5 a case is inconclusive, 0 none of both, 2 the file is wrong.
    """
    chosen = None if mode is AskedMode.AUTO else Mode(mode.value)
    judged = judge_rows(read_rows(csv), margin=margin, higher_is_better=direction is Better.HIGHER, mode=chosen)
    if as_json:
        print(json.dumps({"cases": [_as_json(case, found) for case, found in judged.verdicts.items()]}))
    else:
        cases = [_case(name, found, judged.unpaired) for name, found in judged.verdicts.items()]
        Console().print(render_verdicts(cases, judged.mode))
    raise typer.Exit(judged.exit_code)


def _case(name: str, found: Verdict, lonely: Mapping[str, int]) -> CaseVerdict:
    notes = (f"launches left out for want of a partner: {lonely[name]}",) if name in lonely else ()
    return CaseVerdict(case_key=name, title=name, verdict=found, notes=notes)


def _as_json(case: str, found: Verdict) -> dict[str, Any]:
    return {
        "case": case,
        "verdict": found.status.value,
        "change": found.change,
        "low": found.low,
        "high": found.high,
        "smallest_detectable_change": found.smallest_detectable_change,
        "launches": found.baseline_launches + found.candidate_launches,
        "baseline_launches": found.baseline_launches,
        "candidate_launches": found.candidate_launches,
        "confirm_pairs": found.confirm_pairs,
        "baseline_value": found.baseline_value,
        "candidate_value": found.candidate_value,
        "launches_needed": found.launches_needed,
        "mode": None if found.mode is None else found.mode.value,
        "sentence": found.sentence,
        "settings": asdict(found.settings),
    }
