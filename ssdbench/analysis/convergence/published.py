"""Published accuracies: one entry a training or a set of seeds, with the faults found in each. Never a distribution."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ssdbench.analysis.convergence.stability import impossibilities
from ssdbench.schema.convergence import Printed, PrintedStability, PublishedTraining
from ssdbench.schema.published import SEED_FIGURES, PublishedFigure

SEEDS = 15
"""Number of seeds in NVIDIA's stability tables, according to the model card."""


def published_trainings(figures: Iterable[PublishedFigure]) -> tuple[PublishedTraining, ...]:
    """The accuracies among the published figures, in their order, with what is wrong with each as sentences.

    A fault is what the file notes, an arithmetic impossibility, or a set of seeds that repeats an earlier container's.
    """
    groups: dict[tuple[object, ...], list[PublishedFigure]] = {}
    for figure in figures:
        if figure.metric == "map" or figure.metric in SEED_FIGURES:
            groups.setdefault((*_place(figure), figure.metric == "map"), []).append(figure)
    found: list[PublishedTraining] = []
    for group in groups.values():
        training = _training(tuple(group))
        repeated = _repeated(training, found)
        found.append(replace(training, faults=training.faults + repeated))
    return tuple(found)


def printed_stability(figures: Iterable[PublishedFigure]) -> PrintedStability | None:
    """The five figures of a stability table; None where one of them is not there."""
    printed: Mapping[str, Printed] = {item.metric: Printed.of(item.value, item.decimals) for item in figures}
    if not set(SEED_FIGURES) <= printed.keys():
        return None
    return PrintedStability(
        seeds=SEEDS,
        mean=printed["map_mean"],
        sd=printed["map_sd"],
        minimum=printed["map_min"],
        maximum=printed["map_max"],
        median=printed["map_median"],
    )


def _training(figures: tuple[PublishedFigure, ...]) -> PublishedTraining:
    first = figures[0]
    summary = printed_stability(figures)
    faults = impossibilities(summary) if summary else ()
    # A note about the spread says less than the inequalities it was written for.
    notes = () if faults else tuple(dict.fromkeys(figure.note for figure in figures if figure.note))
    return PublishedTraining(
        container=first.container,
        gpu=first.gpu,
        gpus=first.gpus,
        batch_size_per_gpu=first.batch_size_per_gpu,
        precision=first.precision,
        figures=figures,
        faults=faults + notes,
    )


def _repeated(training: PublishedTraining, earlier: Iterable[PublishedTraining]) -> tuple[str, ...]:
    values = {figure.metric: figure.value for figure in training.figures}
    if "map" in values:
        return ()
    for other in earlier:
        theirs = {figure.metric: figure.value for figure in other.figures}
        same = [name for name in SEED_FIGURES if name in theirs and theirs[name] == values.get(name)]
        if len(same) > 1:
            return (
                f"{len(same)} of its {len(values)} figures repeat those of container {other.container}, {other.gpu}",
            )
    return ()


def _place(figure: PublishedFigure) -> tuple[object, ...]:
    return figure.container, figure.gpu, figure.gpus, figure.batch_size_per_gpu, figure.precision
