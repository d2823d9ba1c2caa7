"""A run of trainings, and the distribution that it is judged by -> what a report says of it."""

from collections.abc import Sequence
from dataclasses import replace

from ssdbench.analysis.convergence.judge import judge
from ssdbench.analysis.convergence.seeds import accuracy_case, candidates_of, fault_of, name_of, recipe_differences
from ssdbench.analysis.differences import differences
from ssdbench.analysis.reports.run import lost, place_facts, software_facts
from ssdbench.schema.convergence import SeedDistribution, SeedResult
from ssdbench.schema.record import Run
from ssdbench.schema.report import AccuracyReport, Gap, SeedRow
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
        seeds=tuple(_row(candidate, drawn) for candidate in candidates),
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
    return replace(
        blank,
        epochs=len(training.results),
        ap=last[0].ap if last else None,
        ap_50=last[0].ap_50 if last else None,
        seconds=training.seconds,
        evaluation_share=_ratio(sum(result.evaluation_seconds for result in training.results), training.seconds),
        images_per_second=_ratio(sum(result.images for result in training.results), trained),
        curve=drawn.index(training),
    )


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
