"""A report as Markdown for an issue or a pull request, in at most `MOST_LINES` lines.

Every text of a record is escaped and shortened, so that no name can make a table cell, a tag or a mention.
"""

from collections import Counter
from collections.abc import Sequence

from ssdbench.report import explanations
from ssdbench.report.contents import contents_markdown
from ssdbench.report.creep import capital, creep_text
from ssdbench.report.escape import markdown
from ssdbench.report.figures import values
from ssdbench.report.glossary import GLOSSARY, unclear_meanings
from ssdbench.report.headline import Headline, accuracy_headline, headline
from ssdbench.report.numbers import change_text, interval_words
from ssdbench.report.seeds import SEED_COLUMNS, seed_cells
from ssdbench.report.suite_change import suite_text
from ssdbench.report.tables import status_word
from ssdbench.report.waivers import cases_with_waiver, waiver_notes
from ssdbench.schema.plain_text import shorten
from ssdbench.schema.report import AccuracyReport, CaseReport, Gap, Report, SeedRow
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import CaseVerdict, Comparison, Difference, OrderEffect, Status

MOST_LINES = 60
_CASES, _SEEDS, _DIFFERENCES, _GAPS, _FINDINGS, _EXPLAINED, _WAIVERS, _LETTERS = 10, 15, 6, 7, 6, 3, 4, 160
_LINKED = 2
_CONTENTS = 3
_QUIET = (Status.UNCHANGED, Status.SKIPPED, Status.LEFT_OUT, Status.DOES_NOT_FIT)


def render_markdown(report: Report) -> str:
    """The result, the cases that are not unchanged, what else changed, and what was not measured."""
    comparison = report.comparison
    # What changed inside of images takes the room of other things that may not matter.
    most_differences, most_gaps = (3, 3) if comparison.contents else (_DIFFERENCES, _GAPS)
    lines = [
        *_answer(headline(comparison, report.code)),
        f"Run {_safe(comparison.run_id)} of suite {_safe(report.header.plan.suite)}, compared with "
        f"{_safe(report.reference, 300)}, on {_safe(comparison.hardware_key)}.",
        "",
        *_builds(report.builds),
    ]
    lines += [
        *([f"Suite: {_safe(suite_text(comparison.suite), 400)}.", ""] if comparison.suite else []),
        *_cases(comparison.cases),
        *_waivers(comparison),
        *_creep(comparison),
        *_explained(report.cases),
        *_order(comparison.order_effect),
        *_differences(comparison.differences, most_differences),
        *contents_markdown(comparison.contents, _CONTENTS),
        *_gaps(report.gaps, most_gaps),
    ]
    return "\n".join(lines).rstrip() + "\n"


def render_accuracy_markdown(report: AccuracyReport) -> str:
    """The same for trainings: the result, the seeds, what else changed, and what did not finish."""
    header = report.header
    findings = report.verdict.findings[:_FINDINGS] if report.verdict else ()
    lines = [
        *_answer(accuracy_headline(report)),
        f"Run {_safe(header.run_id)} of suite {_safe(header.plan.suite)}: {_safe(report.title)}, compared with "
        f"{_safe(report.reference, 300)}, on {_safe(header.hardware.key)}.",
        "",
        *[f"- {_safe(finding, 300)}" for finding in findings],
        *([""] if findings else []),
        *_builds(report.builds),
        *_seeds((*((report.baseline,) if report.baseline else ()), *report.seeds), report.baseline),
        *_differences(report.differences, _DIFFERENCES),
        *_gaps(report.gaps, _GAPS),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _answer(answer: Headline) -> list[str]:
    return [f"**{answer.word}:** {_safe(answer.sentence, 400)}. {_safe(answer.certainty, 400)}", ""]


def _builds(builds: Sequence[tuple[str, str]]) -> list[str]:
    return [*(f"- {name}: {_safe(build, 300)}" for name, build in builds), *([""] if builds else [])]


def _seeds(seeds: Sequence[SeedRow], baseline: SeedRow | None) -> list[str]:
    # Failed seeds come first, so that none of them is cut for lack of room.
    ordered = sorted(seeds, key=lambda seed: seed.is_sound)
    lines = [f"| seed | {' | '.join(SEED_COLUMNS)} | outcome |", f"|---|{'--:|' * len(SEED_COLUMNS)}---|"]
    for seed in ordered[:_SEEDS]:
        cells = seed_cells(seed, None if seed is baseline else baseline)
        lines.append(f"| {' | '.join((_safe(seed.name), *map(_safe, cells), _safe(seed.outcome)))} |")
    more = _more(len(seeds) - _SEEDS, "seed")
    return [*lines, "", *([*more, ""] if more else [])]


def _cases(cases: Sequence[CaseVerdict]) -> list[str]:
    notable = [case for case in cases if case.verdict.status not in _QUIET]
    counts = Counter(case.verdict.status for case in cases)
    total = ", ".join(f"{count} {status_word(status)}" for status, count in counts.items())
    lines = [f"{pluralize(len(cases), 'case')}: {total}.", ""]
    if not notable:
        return lines
    lines += ["| case | verdict | change | 99% interval | baseline | candidate |", "|---|---|--:|--:|--:|--:|"]
    lines[-2] = lines[-2].replace("99%", f"{100 * (1 - notable[0].verdict.settings.alpha):g}%")
    lines += [_row(case) for case in notable[:_CASES]]
    more = _more(len(notable) - _CASES, "case")
    return [*lines, "", *([*more, ""] if more else []), *_meanings(notable)]


def _meanings(cases: Sequence[CaseVerdict]) -> list[str]:
    meanings = unclear_meanings(case.verdict.status for case in cases)
    listed = "; ".join(f"{status_word(status)}: {meaning}" for status, meaning in meanings)
    return [f"{listed}. All terms: {GLOSSARY}.", ""] if listed else []


def _row(case: CaseVerdict) -> str:
    verdict = case.verdict
    cells = [
        _safe(case.title),
        status_word(verdict.status),
        change_text(verdict),
        interval_words(verdict).replace("more than ", ">"),
        *values(case),
    ]
    return f"| {' | '.join(cells)} |"


def _waivers(comparison: Comparison) -> list[str]:
    """What waivers did to cases, then what is to be put right in their file."""
    said = [f"- {_safe(case.title)}: {_safe(sentence, 300)}" for case, sentence in cases_with_waiver(comparison)]
    said += [f"- {_safe(note, 300)}" for note in waiver_notes(comparison)]
    return ["Waivers:", "", *said[:_WAIVERS], *_more(len(said) - _WAIVERS, "sentence"), ""] if said else []


def _creep(comparison: Comparison) -> list[str]:
    lines = []
    for creep in comparison.creep:
        text = f"{_safe(capital(creep_text(creep, comparison.settings)), 400)}."
        lines += [f"**{text}**" if creep.worse else text, ""]
    return lines


def _explained(cases: Sequence[CaseReport]) -> list[str]:
    """Which phases of a step account for the worst changes."""
    explained = [case for case in cases if case.judged.explanation and case.judged.verdict.status is Status.REGRESSED]
    listed = [f"- {_safe(case.judged.title)}: {_safe(case.judged.explanation, 250)}" for case in explained[:_EXPLAINED]]
    listed += _profiled(cases)
    return ["Where the time goes:", "", *listed, ""] if listed else []


def _profiled(cases: Sequence[CaseReport]) -> list[str]:
    """What the profiles of cases explain."""
    found = [(case.judged.title, case.why) for case in cases if case.why is not None]
    lines = []
    for title, why in found[:_EXPLAINED]:
        lines.append(f"- {_safe(title)}, profiled: {_safe(explanations.answer(why), 300)}")
        if linked := explanations.linked(why):
            told = "; ".join(linked[:_LINKED])
            lines.append(f"  - May be behind it, which is not shown: {_safe(told, 300)}")
    return lines


def _order(effect: OrderEffect | None) -> list[str]:
    return [f"Order within pairs: {_safe(effect.sentence, 500)}.", ""] if effect and effect.sentence else []


def _differences(differences: Sequence[Difference], most: int) -> list[str]:
    if not differences:
        return []
    listed = [f"- {_safe(item.name)}: {_safe(item.baseline)} → {_safe(item.candidate)}" for item in differences[:most]]
    return ["What else changed:", "", *listed, *_more(len(differences) - most, "difference"), ""]


def _gaps(gaps: Sequence[Gap], most: int) -> list[str]:
    if not gaps:
        return []
    listed = [f"- {_safe(gap.title)}: {_safe(_reason(gap))}" for gap in gaps[:most]]
    return ["Not measured or not judged:", "", *listed, *_more(len(gaps) - most, "entry", "entries")]


def _reason(gap: Gap) -> str:
    # "does not fit: does not fit into the GPU's memory" would say it twice.
    return gap.why if gap.why.startswith(gap.what) else f"{gap.what}: {gap.why}"


def _more(count: int, noun: str, plural: str = "") -> list[str]:
    return [f"- and {pluralize(count, f'more {noun}', plural and f'more {plural}')}"] if count > 0 else []


def _safe(text: str, letters: int = _LETTERS) -> str:
    return markdown(shorten(text, letters))
