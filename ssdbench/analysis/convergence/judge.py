"""Judge the end of trainings against a distribution over seeds, by the rule of `rule`."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from ssdbench.analysis.convergence.comparability import comparability_fault
from ssdbench.analysis.convergence.loss import loss_findings
from ssdbench.analysis.convergence.rule import (
    MOST_SEEDS,
    OWN_SPREAD_SEEDS,
    Shift,
    seeds_needed,
    shift_of,
    status_of,
)
from ssdbench.analysis.convergence.seeds import aps, asked_evaluations
from ssdbench.analysis.verdicts.contrast import f_tail, quantile
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.convergence import (
    DEFAULT_CONVERGENCE_SETTINGS,
    RECOMMENDED_SEEDS,
    ConvergenceSettings,
    ConvergenceVerdict,
    SeedDistribution,
    SeedResult,
)
from ssdbench.schema.text import interval, percent, pluralize
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status


def final_epochs(training: Training) -> list[int]:
    """The epochs whose evaluations are judged: those after the last decay, else the last one alone."""
    asked = asked_evaluations(training)
    decays = [epoch for epoch in training.decay_epochs if epoch < training.epochs]
    after = [epoch for epoch in asked if decays and epoch >= max(decays)]
    return after or asked[-1:]


def mean_log_ap(training: Training, epochs: Sequence[int]) -> float:
    """Mean of ln AP over these evaluations; -inf where one of them is 0."""
    curve = aps(training)
    return fmean(math.log(curve[epoch]) if curve[epoch] > 0 else -math.inf for epoch in epochs)


def judge(
    candidates: Sequence[SeedResult],
    distribution: SeedDistribution,
    settings: ConvergenceSettings = DEFAULT_CONVERGENCE_SETTINGS,
) -> ConvergenceVerdict:
    """The verdict on all candidates together; only UNCHANGED and IMPROVED are passes, and IMPROVED is a finding."""
    blank = unjudged(distribution, len(candidates), settings)
    if found := comparability_fault(candidates, distribution, until=None):
        return replace(blank, status=found[0], sentence=found[1])
    trainings = [candidate.training for candidate in candidates if candidate.training is not None]
    epochs = final_epochs(distribution.seeds[0])
    there = [mean_log_ap(seed, epochs) for seed in distribution.seeds]
    here = [mean_log_ap(training, epochs) for training in trainings]
    if -math.inf in there + here:
        side = "the baseline" if -math.inf in there else "the candidates"
        return replace(blank, sentence=f"{side} had AP 0 at the end, which no rule can compare; train longer")
    shift = shift_of(there, here)
    status = status_of(shift, settings)
    alone, both = seeds_needed(shift, settings) if status is Status.INCONCLUSIVE else (None, None)
    reach = shift.half_width(settings.confidence)
    detected = (quantile(settings.confidence, shift.freedom) + quantile(settings.power, shift.freedom)) * shift.error
    verdict = replace(
        blank,
        status=status,
        change=math.expm1(-shift.drop),
        low=math.expm1(-shift.drop - reach),
        high=math.expm1(-shift.drop + reach),
        baseline_ap=math.exp(fmean(there)),
        candidate_ap=math.exp(fmean(here)),
        smallest_detectable_drop=-math.expm1(-detected),
        detection_power=settings.power,
        more_candidate_seeds=alone,
        more_seeds_on_both_sides=both,
        findings=_findings(status, shift, trainings, distribution, settings),
    )
    return replace(verdict, sentence=_sentence(verdict, shift))


def unjudged(distribution: SeedDistribution, measured: int, settings: ConvergenceSettings) -> ConvergenceVerdict:
    """A verdict that says nothing yet."""
    return ConvergenceVerdict(
        schema_version=SCHEMA_VERSION,
        status=Status.INCONCLUSIVE,
        sentence="",
        baseline=distribution.header.name,
        settings=settings,
        margin=settings.margin(measured),
        baseline_seeds=len(distribution.seeds),
        candidate_seeds=measured,
    )


def _findings(
    status: Status,
    shift: Shift,
    trainings: Sequence[Training],
    distribution: SeedDistribution,
    settings: ConvergenceSettings,
) -> tuple[str, ...]:
    found = []
    if status is Status.IMPROVED:
        found.append("too good to be the noise of seeds: find out why before it is accepted (data, evaluation, recipe)")
    if spread := _spread_finding(shift, settings):
        found.append(spread)
    own = [training.seed for training in trainings if training in distribution.seeds]
    if own:
        found.append(f"seed {own[0]} is one of the baseline's own trainings, so agreement proves nothing")
    if len(distribution.seeds) < RECOMMENDED_SEEDS:
        found.append(
            f"the baseline has {len(distribution.seeds)} seeds; {RECOMMENDED_SEEDS} or more find smaller drops"
        )
    found += [f"seed {item.seed} was resumed ({item.starts} starts)" for item in trainings if item.starts > 1]
    return (*found, *loss_findings(trainings, distribution, settings))


def _spread_finding(shift: Shift, settings: ConvergenceSettings) -> str | None:
    """What the candidate's seeds say of their own spread."""
    if shift.candidate_sd is None or shift.candidates < OWN_SPREAD_SEEDS:
        cannot = "one seed cannot show its" if shift.candidates == 1 else f"{shift.candidates} seeds cannot show their"
        return f"{cannot} own spread: that of the baseline is taken, and seeds that spread more can look regressed"
    if shift.baseline_sd == 0:
        return None
    ratio = shift.candidate_sd / shift.baseline_sd
    if f_tail(ratio**2, shift.candidates - 1, shift.baseline - 1) >= 1 - settings.confidence:
        return None
    return f"the candidate's seeds spread {ratio:.1f} times as much as the baseline's, more than chance explains"


def _sentence(verdict: ConvergenceVerdict, shift: Shift) -> str:
    assert verdict.change is not None
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.margin is not None
    sides = f"{pluralize(shift.candidates, 'seed')} against {shift.baseline}"
    if shift.error == 0:
        return f"all seeds are exactly equal ({sides}): that is no distribution, look for a fixed seed"
    size, word = percent(abs(verdict.change), 2), "lower" if verdict.change < 0 else "higher"
    change = "equal to" if round(verdict.change, 4) == 0 else f"{size} {word} than"
    bounds = " to ".join(interval(verdict.low, verdict.high, 2))
    figures = f"AP {change} the baseline's ({sides}; interval {bounds})"
    margin = f"{100 * verdict.margin:g}%"
    if verdict.status is Status.UNCHANGED:
        return f"{figures}: the whole interval is within the margin of {margin}"
    if verdict.status is not Status.INCONCLUSIVE:
        return f"{figures}: more than seeds differ by chance, and perhaps more than the margin of {margin}"
    return f"{figures}: too uncertain to tell; {_needed(verdict)}"


def _needed(verdict: ConvergenceVerdict) -> str:
    if verdict.more_candidate_seeds is not None:
        return f"{pluralize(verdict.more_candidate_seeds, 'more candidate seed')} would decide it"
    if verdict.more_seeds_on_both_sides is not None:
        return f"candidate seeds alone do not help, {verdict.more_seeds_on_both_sides} more on each side would"
    return f"{MOST_SEEDS} more seeds on each side would not help"
