"""A run of trainings, and the distribution that it is judged by -> what a report says of it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from ssdbench.analysis.convergence.judge import final_epochs, judge, mean_log_ap
from ssdbench.analysis.convergence.seeds import accuracy_case, aps, candidates_of, fault_of, name_of, recipe_differences
from ssdbench.analysis.differences import differences
from ssdbench.analysis.reports.run import build_of, lost, place_facts, software_facts
from ssdbench.schema.convergence import SeedDistribution, SeedResult
from ssdbench.schema.record import Run
from ssdbench.schema.report import AccuracyReport, Gap, SeedAp, SeedRow, Side
from ssdbench.schema.text import pluralize
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Difference


def accuracy_report(run: Run, distribution: SeedDistribution | None) -> AccuracyReport:
    """What is said of the seeds of a run, judged as `ssdbench converge check` judges them; no pictures yet.

    Raises:
        UsageError: the run holds no accuracy case, or several.
    """
    case, candidates = accuracy_case(run), candidates_of(run)
    drawn = [candidate.training for candidate in candidates if candidate.training and candidate.training.results]
    return AccuracyReport(
        header=run.header,
        title=case.title,
        case_key=case.key,
        recipe=_recipe(drawn),
        verdict=judge(candidates, distribution) if distribution else None,
        distribution=distribution,
        reference=_reference(distribution),
        software=software_facts(run),
        places=place_facts(run),
        builds=_builds(run, distribution),
        seeds=tuple(_row(candidate, drawn) for candidate in candidates),
        baseline=_baseline_row(distribution) if distribution else None,
        judged=_judged(candidates, distribution) if distribution else (),
        trainings=tuple(drawn),
        differences=_differences(run, candidates, distribution) if distribution else (),
        gaps=(*_gaps(candidates), *lost(run)),
    )


def _row(candidate: SeedResult, drawn: Sequence[Training]) -> SeedRow:
    fault, training = fault_of(candidate), candidate.training
    blank = SeedRow(
        name=name_of(candidate),
        outcome=_reason(candidate, fault) if fault else "finished",
        is_sound=fault is None,
    )
    if training is None or not training.results:
        return blank
    last = [result.evaluation for result in training.results if result.evaluation is not None][-1:]
    trained = sum(result.train_seconds for result in training.results)
    if fault is None and training.starts > 1:
        blank = replace(blank, outcome=f"finished, resumed ({training.starts} starts)")
    blank = replace(
        blank,
        epochs=len(training.results),
        ap=last[0].ap if last else None,
        ap_50=last[0].ap_50 if last else None,
        curve=drawn.index(training),
    )
    if training.side_by_side is not None:  # its times tell nothing about speed
        return replace(blank, outcome=f"{blank.outcome}, {training.side_by_side} seeds at a time")
    return replace(
        blank,
        seconds=training.seconds,
        evaluation_share=_ratio(sum(result.evaluation_seconds for result in training.results), training.seconds),
        images_per_second=_ratio(sum(result.images for result in training.results), trained),
    )


def _baseline_row(distribution: SeedDistribution) -> SeedRow:
    rows = [_row(SeedResult(launch=n, training=seed), distribution.seeds) for n, seed in enumerate(distribution.seeds)]

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(values) else None

    return SeedRow(
        name=f"baseline {distribution.header.name}",
        outcome=f"mean of {pluralize(len(rows), 'seed')}",
        is_sound=True,
        epochs=rows[0].epochs,
        ap=mean([row.ap for row in rows]),
        ap_50=mean([row.ap_50 for row in rows]),
        seconds=mean([row.seconds for row in rows]),
        evaluation_share=mean([row.evaluation_share for row in rows]),
        images_per_second=mean([row.images_per_second for row in rows]),
    )


def _judged(candidates: Sequence[SeedResult], distribution: SeedDistribution) -> tuple[SeedAp, ...]:
    """The seeds of both sides that have every evaluation that is judged."""
    epochs = final_epochs(distribution.seeds[0])
    sides: dict[Side, list[tuple[str, Training]]] = {
        "baseline": [(f"seed {seed.seed}", seed) for seed in distribution.seeds],
        "candidate": [(name_of(c), c.training) for c in candidates if c.training is not None and fault_of(c) is None],
    }
    return tuple(
        SeedAp(side=side, name=name, ap=math.exp(mean_log_ap(training, epochs)))
        for side, trainings in sides.items()
        for name, training in trainings
        if set(epochs) <= aps(training).keys()
    )


def _builds(run: Run, distribution: SeedDistribution | None) -> tuple[tuple[str, str], ...]:
    there = (("Baseline", build_of(distribution.header.host)),) if distribution else ()
    return (*there, ("Candidate", build_of(run.header.host, run.header.options)))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _reason(candidate: SeedResult, fault: str) -> str:
    return fault.removeprefix(f"{name_of(candidate)}: ")


def _gaps(candidates: Sequence[SeedResult]) -> list[Gap]:
    gaps = []
    for candidate in candidates:
        if fault := fault_of(candidate):
            training = candidate.training
            what = "not trained"
            if training is not None and training.results:
                what = "not finished" if not training.complete else "not judged"
            gaps.append(Gap(title=name_of(candidate), what=what, why=_reason(candidate, fault)))
    return gaps


def _recipe(trainings: Sequence[Training]) -> tuple[tuple[str, str], ...]:
    if not trainings:
        return ()
    first = trainings[0]
    facts = [
        ("epochs", str(first.epochs)),
        ("learning rate decays before epochs", _listed(first.decay_epochs)),
        ("evaluated after epochs", _listed(first.validation_epochs)),
        ("global batch size", str(first.global_batch_size)),
    ]
    found = next((result.evaluation for result in first.results if result.evaluation is not None), None)
    if found is not None:
        facts.append(("evaluation", f"{found.images} images, protocol {found.protocol}"))
    return tuple(facts)


def _listed(epochs: Sequence[int]) -> str:
    # People count epochs from 1.
    return ", ".join(str(epoch + 1) for epoch in epochs) or "none"


def _reference(distribution: SeedDistribution | None) -> str:
    if distribution is None:
        return "no distribution over seeds (--baseline chooses one, `ssdbench converge accept` makes one)"
    header = distribution.header
    return (
        f"distribution {header.name}, accepted {header.accepted_at[:10]} ({header.reason}): {header.seeds} seeds of "
        f"{', '.join(header.run_ids)}"
    )


def _differences(run: Run, candidates: Sequence[SeedResult], distribution: SeedDistribution) -> tuple[Difference, ...]:
    recipe = next((candidate.recipe for candidate in candidates if candidate.recipe is not None), None)
    asked = recipe_differences(distribution.header.recipe, recipe) if recipe is not None else ()
    return (*asked, *differences(distribution, run))
