"""`ssdbench explain`: why cases of a run changed, by profiled launches of both builds."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import DECIDING, MEASURING, OUTPUT, SUITE, option
from ssdbench.cli.options import (
    DEFAULT_RESULTS,
    BaselineName,
    Json,
    Results,
    RunName,
    StoreUrl,
    open_store,
)
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.cli.progress import TerminalDisplay
from ssdbench.cli.streams import print_text, say
from ssdbench.cli.suite_options import TrustRun
from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.baseline_arm import choose_baseline_arm
from ssdbench.harness.cache import work_folder
from ssdbench.harness.process import SOURCE
from ssdbench.harness.stores.store import Store
from ssdbench.harness.trust import Trust, started_by
from ssdbench.report.explanation_terminal import render_explanations
from ssdbench.report.numbers import size
from ssdbench.schema.case import Case
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.record import BaselineArm, Run, RunOptions
from ssdbench.schema.text import pluralize
from ssdbench.workflows.display import Display, Quiet
from ssdbench.workflows.explained import explanations
from ssdbench.workflows.explaining import (
    Effort,
    ask,
    chosen_cases,
    find_baseline_arm,
    profile,
    trace_files,
)
from ssdbench.workflows.judging import Judgement, judge_run, load_whole
from ssdbench.workflows.manifests import with_contents_if_known

BaselinePython = Annotated[
    str | None, option("Interpreter of the other build; default: as recorded.", metavar="FILE", panel=DECIDING)
]
BaselineCheckout = Annotated[
    Path | None, option("ssdbench checkout of the other build; default: as recorded.", metavar="FOLDER", panel=DECIDING)
]


def explain(
    run: RunName,
    case: Annotated[
        list[str] | None,
        option(
            "Cases with this key, or these words in their names, whatever their verdict; may be repeated.",
            metavar="PATTERN",
            panel=SUITE,
        ),
    ] = None,
    baseline: BaselineName = None,
    baseline_python: BaselinePython = None,
    baseline_checkout: BaselineCheckout = None,
    launches: Annotated[
        int, option("Profiled launches of each build and case.", min=2, max=50, metavar="N", panel=MEASURING)
    ] = Effort().launches,
    steps: Annotated[
        int, option("Profiled steps of a launch.", min=1, max=200, metavar="N", panel=MEASURING)
    ] = Effort().steps,
    traces_mib: Annotated[
        int,
        option("Most of the raw traces of a case to keep, in MiB.", "--traces-mib", min=0, metavar="N", panel=OUTPUT),
    ] = Effort().traces_bytes // 2**20,
    traces: Annotated[
        Path | None, option("Copy the raw traces (open them in Perfetto) to a folder.", metavar="FOLDER", panel=OUTPUT)
    ] = None,
    again: Annotated[bool, option("Profile again what is profiled already.", "--again", panel=MEASURING)] = False,
    dry_run: Annotated[bool, option("Say what would be profiled, without it.", "--dry-run", panel=OUTPUT)] = False,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
    trust_run: TrustRun = False,
) -> None:
    """Explain why cases changed: profile both builds in turns, and name the operators and waits that differ.

    By default the cases whose verdict is regressed, improved or waived; where nothing changed, nothing is profiled. A
    profile is kept beside its run: a second call shows it, and so do `compare` and `report`.
    """
    store = open_store(results, store_url)
    measured = load_whole(store, run, say)
    judgement = with_contents_if_known(store, judge_run(store, measured, baseline), say)
    display: Display = Quiet() if as_json else TerminalDisplay()
    cases = chosen_cases(judgement, measured, case or ())
    known = {found.case_key for found in explanations(store, judgement)}
    missing = [one for one in cases if again or one.key not in known]
    if missing:
        trust = _trust(baseline_python, baseline_checkout, everything=trust_run)
        arm = (
            choose_baseline_arm(baseline_python, baseline_checkout, None)
            if baseline_python is not None or baseline_checkout is not None
            else find_baseline_arm(store, judgement, measured, trust)
        )
        effort = Effort(launches=launches, steps=steps, traces_bytes=traces_mib * 2**20)
        _profile(store, judgement, measured, missing, arm, effort, trust, display, dry_run=dry_run)
    found = () if dry_run else explanations(store, judgement, [one.key for one in cases])
    if as_json:
        print_data({"run_id": judgement.run.header.run_id, "explanations": found})
    elif found:
        console = Terminal()
        console.print(render_explanations(found))
    elif not cases:
        print_text(f"no case of run {measured.header.run_id} changed: nothing is profiled (name cases with --case)")
    if found:
        _say_traces(found, traces, is_quiet=as_json)


def _profile(
    store: Store,
    judgement: Judgement,
    measured: Run,
    cases: list[Case],
    arm: BaselineArm,
    effort: Effort,
    trust: Trust,
    display: Display,
    *,
    dry_run: bool,
) -> None:
    question = ask(store, measured, cases, arm, effort, trust)
    counted = pluralize(question.launches, "profiled launch", "profiled launches")
    display.message(f"{pluralize(len(cases), 'case')}: {counted}{_time(question.seconds)}")
    header = judgement.run.header
    if not dry_run:
        profile(store, question, header.run_id, header.hardware.key, display)


def _time(seconds: float) -> str:
    """How long it will take, by the measured launches; empty where there are none."""
    if not seconds:
        return ""
    return f", about {seconds / 60:.0f} min" if seconds >= 90 else f", about {seconds:.0f} s"


def _trust(python: str | None, checkout: Path | None, *, everything: bool) -> Trust:
    arm = BaselineArm(python=python or sys.executable, source=str((checkout or SOURCE).resolve()))
    return Trust(named=started_by(RunOptions(), arm), everything=everything)


def _say_traces(found: tuple[Explanation, ...], folder: Path | None, *, is_quiet: bool) -> None:
    """Say where the raw traces are, or copy them."""
    files = [path for one in found for path in trace_files(one, work_folder())]
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in files:
                shutil.copyfile(path, folder / f"{path.parent.name}-{path.name}")
        except OSError as error:
            raise EnvironmentLacksError(f"{folder} cannot be written ({error.strerror})") from None
    if files and not is_quiet:
        total = size(sum(path.stat().st_size for path in files))
        where = folder if folder is not None else files[0].parents[1]
        print_text(f"raw traces ({len(files)}, {total}), for https://ui.perfetto.dev: {where}")
