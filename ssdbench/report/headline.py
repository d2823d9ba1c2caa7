"""The result of a comparison or of trainings in one sentence: what regressed, by how much, and how certain that is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ssdbench.errors import ExitCode
from ssdbench.report.creep import creep_texts
from ssdbench.report.numbers import change_text, interval_words
from ssdbench.report.tables import Tone, status_word, tone_of
from ssdbench.schema.image_evaluation import ImageComparison
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.report import AccuracyReport, SeedRow
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.verdict import Comparison, Mode, Status, Verdict

_TRAINED = {Status.UNCHANGED: "No regression", Status.NOT_RUN: "Not covered", Status.INCOMPARABLE: "Not covered"}

_OPEN = "Anything that was not judged may have changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """`word` is the result, `sentence` says where and how much, `certainty` how certain that is."""

    tone: Tone
    word: str
    sentence: str
    certainty: str

    @property
    def short(self) -> str:
        """Word and sentence, for a title."""
        return f"{self.word}: {self.sentence}"

    @property
    def text(self) -> str:
        """Everything on one line."""
        return f"{self.short}. {self.certainty}"


def headline(comparison: Comparison, code: ExitCode) -> Headline:
    """The result; `code`, the exit code of the comparison, decides what is mentioned first.

    `ssdbench nightly` may end with another code than that of the verdicts: 0 for *inconclusive*, of which it only
    warns, and 3 for any change between equal builds. Neither is called what it is not.
    """
    settings = comparison.settings
    counts = Counter(case.verdict.status for case in comparison.cases)
    if code is ExitCode.OK and counts[Status.INCONCLUSIVE]:
        code = ExitCode.INCONCLUSIVE
    of_all = f"of {pluralize(len(comparison.cases), 'case')}"
    sure, margin = f"{100 * (1 - settings.alpha):g}%", f"{100 * settings.margin:g}%"
    if code is ExitCode.REGRESSED:
        return _regressed(comparison, counts)
    passed = counts[Status.UNCHANGED] + counts[Status.IMPROVED]
    if code is ExitCode.OK:
        better = f" ({counts[Status.IMPROVED]} improved)" if counts[Status.IMPROVED] else ""
        within = f"{passed} {of_all} stayed within {margin} or improved{better}" if passed else ""
        known = _waived(comparison)
        unchanged = f"The whole {sure} interval of every unchanged case is within the margin of {margin}."
        bounded = "Each waived case stays within the ceiling of its waiver."
        left_out = f"{counts[Status.LEFT_OUT]} left out by --case" if counts[Status.LEFT_OUT] else ""
        found = [*([unchanged] if passed else []), *([bounded] if known else [])]
        return Headline(
            tone="good",
            word="No new regression" if known else "No regression",
            sentence="; ".join(filter(None, [within, known, _screened(counts, margin), *_of_memory(counts), left_out])),
            certainty=" ".join(found) or "No values were compared.",
        )
    if code is ExitCode.CREPT:
        return _crept(comparison)
    waived = counts[Status.WAIVED]
    seen = f"no regression in the {passed} judged" if passed else "no case could be judged"
    seen = f"no new regression in the {passed + waived} judged, {waived} of them waived" if waived else seen
    if code is ExitCode.CASE_FAILED:
        where = f"{counts[Status.FAILED]} {of_all} did not finish, first {comparison.cases[0].title}; {seen}"
        return Headline(tone="bad", word="Failed", sentence=where, certainty=_OPEN)
    if code is ExitCode.INCONCLUSIVE:
        count = counts[Status.INCONCLUSIVE]
        where = f"{count} {of_all} {'has' if count == 1 else 'have'} no clear result; {seen}"
        intervals = f"The {sure} interval is" if count == 1 else f"Their {sure} intervals are"
        certainty = f"{intervals} neither inside the margin of {margin} nor clearly outside it."
        reason = no_interval_reason([case.verdict for case in comparison.cases], settings)
        return Headline(tone="open", word="Inconclusive", sentence=where, certainty=reason or certainty)
    gaps = {
        status: count
        for status, count in counts.items()
        if tone_of(status) in ("gap", "quiet") and status is not Status.SCREENED
    }
    listed = ", ".join(f"{count} {status_word(status)}" for status, count in gaps.items())
    count = sum(gaps.values())
    where = f"{count} {of_all} {'was' if count == 1 else 'were'} not judged ({listed}); {seen}"
    return Headline(tone="gap", word="Not covered", sentence=where, certainty=_OPEN)


def no_interval_reason(verdicts: Iterable[Verdict], settings: Settings) -> str:
    """Why changes of these verdicts have no interval, as a sentence; empty where all have one."""
    if all(v.mode is not Mode.STORED or v.change is None or v.low is not None for v in verdicts):
        return ""
    return (
        f"No interval is given: it takes {settings.minimum_sessions} stored sessions to show how far one build drifts "
        "between sessions."
    )


def evaluation_headline(found: ImageComparison) -> Headline:
    """The result of one model in two images, in the words of its answer."""
    question = found.question
    return Headline(
        tone=tone_of(found.status),
        word=status_word(found.status).capitalize(),
        sentence=found.sentence,
        certainty=f"{question.candidate.reference} against {question.baseline.reference}, with the same weights.",
    )


def _regressed(comparison: Comparison, counts: Mapping[Status, int]) -> Headline:
    settings, worst = comparison.settings, comparison.cases[0]
    of_all = f"of {pluralize(len(comparison.cases), 'case')}"
    slower, unfit = counts[Status.REGRESSED], counts[Status.NO_LONGER_FITS]
    if not slower and not unfit:
        return _false_alarm(comparison, of_all)
    if not slower:
        where = (
            f"{unfit} {of_all} no longer {'fits' if unfit == 1 else 'fit'} into the GPU's memory, first {worst.title}"
        )
        return Headline(tone="bad", word="Regressed", sentence=where, certainty="Every launch ran out of memory.")
    many = slower > 1
    where = f"{slower} {of_all} got worse{'; worst: ' if many else ', '}{worst.title}"
    much = f"{METRICS[worst.verdict.metric].title} {change_text(worst.verdict)}"
    between = interval_words(worst.verdict)
    sure = f"{100 * (1 - settings.alpha):g}%"
    of_worst = " of the largest change" if many else ""
    unknown = no_interval_reason([worst.verdict], settings)
    interval = f"The {sure} interval{of_worst} is {between}. " if between else f"{unknown} " if unknown else ""
    alarm = f"The chance of any false alarm in this run is at most {100 * settings.alpha:g}%."
    waived = [f"{counts[Status.WAIVED]} more waived"] if counts[Status.WAIVED] else []
    sentence = "; ".join([f"{where}: {much}", *waived, *_of_memory(counts)])
    return Headline(tone="bad", word="Regressed", sentence=sentence, certainty=f"{interval}{alarm}")


def _false_alarm(comparison: Comparison, of_all: str) -> Headline:
    """A build that was found better than itself."""
    better = [case for case in comparison.cases if case.verdict.status is Status.IMPROVED]
    most = better[0]
    much = f"{METRICS[most.verdict.metric].title} {change_text(most.verdict)}"
    where = f"{len(better)} {of_all} improved, {'first ' if len(better) > 1 else ''}{most.title}: {much}"
    return Headline(tone="bad", word="False alarm", sentence=where, certainty="Both arms were the same build.")


def _waived(comparison: Comparison) -> str:
    """How many cases are waived, and the worst of them; empty where none is."""
    waived = [case for case in comparison.cases if case.verdict.status is Status.WAIVED]
    if not waived:
        return ""
    metric, change = METRICS[waived[0].verdict.metric].title, change_text(waived[0].verdict)
    worst = f"{'worst: ' if len(waived) > 1 else ''}{waived[0].title}, {metric} {change}"
    return f"{pluralize(len(waived), 'known regression')} waived ({worst})"


def _screened(counts: Mapping[Status, int], margin: str) -> str:
    """How many cases were left alone, and why; empty where none was."""
    number = counts[Status.SCREENED]
    return f"{number} screened: no sign of a slowdown of {margin}, so no pairs this time" if number else ""


def _crept(comparison: Comparison) -> Headline:
    texts = [text.partition(": ")[2] for text in creep_texts(comparison) if text.startswith("creep: ")]
    return Headline(
        tone="bad",
        word="Creep",
        sentence="; ".join(texts),
        certainty="Each step was too small to be called; together they exceed the margin.",
    )


def _of_memory(counts: Mapping[Status, int]) -> list[str]:
    """One clause for each kind of case that does not fit into the GPU's memory, now or before."""
    words = {
        Status.NO_LONGER_FITS: ("no longer fits", "no longer fit", ""),
        Status.FITS_NOW: ("fits", "fit", " now"),
        Status.DOES_NOT_FIT: ("does not fit", "do not fit", ", as before"),
    }
    return [
        f"{counts[status]} {one if counts[status] == 1 else many} into the GPU's memory{end}"
        for status, (one, many, end) in words.items()
        if counts[status]
    ]


def accuracy_headline(report: AccuracyReport) -> Headline:
    """The result of trainings in the words of their verdict; without one, what was trained and how it ended."""
    verdict = report.verdict
    if verdict is None:
        return _not_judged(report)
    word = _TRAINED.get(verdict.status, status_word(verdict.status).capitalize())
    certainty = _OPEN
    if verdict.change is not None:
        certainty = f"Each bound holds with {100 * verdict.settings.confidence:g}% confidence."
    if verdict.smallest_detectable_drop is not None and verdict.detection_power is not None:
        drop = percent(verdict.smallest_detectable_drop, 2)
        certainty += f" A drop of {drop} would be found in {100 * verdict.detection_power:.0f} of 100 such runs."
    return Headline(tone=tone_of(verdict.status), word=word, sentence=verdict.sentence, certainty=certainty)


def _not_judged(report: AccuracyReport) -> Headline:
    sound = [seed for seed in report.seeds if seed.is_sound]
    broken = [seed for seed in report.seeds if not seed.is_sound]
    what, _, _ = report.title.partition(" · ")
    trained = f"{pluralize(len(sound), 'seed')} of {what} trained{_final(sound)}"
    why = f"Nothing was judged: there is {report.reference}."
    if broken:
        first = f"{len(broken)} of {pluralize(len(report.seeds), 'seed')} failed, first {broken[0].name}"
        others = f"; {trained}" if sound else ""
        return Headline(tone="bad", word="Failed", sentence=f"{first}: {broken[0].outcome}{others}", certainty=why)
    return Headline(tone="gap", word="Not judged", sentence=trained, certainty=why)


def _final(seeds: Sequence[SeedRow]) -> str:
    finals = [seed.ap for seed in seeds if seed.ap is not None]
    if len(finals) < 2:
        return f", final AP {finals[0]:.4f}" if finals else ", never evaluated"
    return f", final AP {fmean(finals):.4f} on average ({min(finals):.4f} to {max(finals):.4f})"
