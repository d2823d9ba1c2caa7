"""Alerts as text for people: one message about a run for chat and mail, and the issue of one alert.

Text of records is data. In messages it cannot mention anybody, link or format: what services act on is replaced, since
each has its own rules for escaping; in Markdown it is a code span besides. Only mentions from the file of owners act.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ssdbench.report.tables import status_word
from ssdbench.schema.alert import Alert, Event, Findings, Message
from ssdbench.schema.plain_text import shorten
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import Difference, Status

MOST_LETTERS = 1900
"""Of the text of a message: chats take 2,000 and more, with the title."""

_CASES, _DIFFERENCES, _LETTERS, _SENTENCE = 10, 5, 120, 200
_REPLACED = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "'"})
_HEADINGS: Mapping[Event, str] = {
    Event.OPENED: "New",
    Event.REOPENED: "Bad again",
    Event.CHANGED: "Still bad, in another way",
    Event.CLOSED: "Recovered",
}
_AGREED = (Status.WAIVED, Status.DOES_NOT_FIT)
"""What closes an alert by agreement: the case is no better."""

_CLOSED_BAD = "Closed, not recovered"

Mentions = Mapping[str, str]
"""By case key, what to write so that the owner is told."""


@dataclass(frozen=True, slots=True)
class _Style:
    foreign: Callable[[str, int], str]
    bold: Callable[[str], str]


def foreign(text: str, letters: int) -> str:
    """Text of a record that no service takes for a mention, a link or a tag."""
    return shorten(text, letters).translate(_REPLACED)


_PLAIN = _Style(foreign, str)
_MARKDOWN = _Style(lambda text, letters: f"`{foreign(text, letters) or ' '}`", lambda text: f"**{text}**")


def compose(
    target: str, findings: Findings, told: Sequence[Alert], others: Sequence[Alert], mentions: Mapping[str, str]
) -> Message:
    """The message about what a run did to alerts, for one target; `others` are the open ones that are no news."""
    return Message(
        target=target,
        run_id=findings.run_id,
        title=_title(findings, told),
        text=_body(findings, told, others, mentions, _PLAIN),
        markdown=_body(findings, told, others, mentions, _MARKDOWN),
    )


def _title(findings: Findings, told: Sequence[Alert]) -> str:
    bad = [alert.found.status for alert in told if not _has_recovered(alert)]
    counts = [f"{bad.count(status)} {status_word(status)}" for status in dict.fromkeys(bad)]
    counts += [f"{len(told) - len(bad)} recovered"] if len(told) > len(bad) else []
    return f"ssdbench: {', '.join(counts)} on {foreign(findings.hardware_key, _LETTERS)}"


def _body(
    findings: Findings, told: Sequence[Alert], others: Sequence[Alert], mentions: Mapping[str, str], style: _Style
) -> str:
    blocks = [f"Run {style.foreign(findings.run_id, _LETTERS)}, compared with {style.foreign(findings.baseline, 60)}."]
    for heading in (*_HEADINGS.values(), _CLOSED_BAD):
        chosen = [alert for alert in told if _heading(alert) == heading]
        if chosen:
            lines = [_line(alert, mentions.get(alert.found.case_key, ""), style) for alert in chosen[:_CASES]]
            blocks += [style.bold(heading), "\n".join([*lines, *_more(len(chosen) - _CASES)])]
    if any(alert.is_open for alert in told) and findings.differences:
        blocks.append(f"What else changed: {_changes(findings.differences, style)}.")
    still_bad = sum(alert.last_run_id == findings.run_id for alert in others)
    if still_bad:
        blocks.append(f"{pluralize(still_bad, 'more case')} still bad, as told before.")
    if len(others) > still_bad:
        open_too = pluralize(len(others) - still_bad, "more alert")
        blocks.append(f"{open_too} open, of cases on which this run has no verdict.")
    run = style.foreign(f"ssdbench report {findings.run_id}", _LETTERS)
    return _cut("\n\n".join(blocks), f"Details: {run}")


def _has_recovered(alert: Alert) -> bool:
    return not alert.is_open and alert.found.status not in _AGREED


def _heading(alert: Alert) -> str:
    return _CLOSED_BAD if alert.found.status in _AGREED else _HEADINGS[alert.last_event]


def _line(alert: Alert, mention: str, style: _Style) -> str:
    found = alert.found
    parts = [f"- {style.foreign(found.title, _LETTERS)}: {status_word(found.status)}"]
    if found.sentence:
        parts.append(f", {style.foreign(found.sentence, _SENTENCE)}")
    if alert.last_event in (Event.CHANGED, Event.CLOSED):
        since = style.foreign(alert.first_run_id, _LETTERS)
        parts.append(f"; bad in {pluralize(alert.bad_runs, 'run')}, first in {since} ({alert.first_measured_at[:10]})")
    if mention:
        parts.append(f" {mention}")
    return "".join(parts)


def _changes(differences: Sequence[Difference], style: _Style) -> str:
    listed = [
        style.foreign(f"{item.name}: {item.baseline} → {item.candidate}", _LETTERS)
        for item in differences[:_DIFFERENCES]
    ]
    more = len(differences) - _DIFFERENCES
    return ", ".join(listed) + (f" and {more} more" if more > 0 else "")


def _more(count: int) -> list[str]:
    return [f"- and {pluralize(count, 'more case')}"] if count > 0 else []


def _cut(text: str, last: str) -> str:
    """The text and a last line, in at most `MOST_LETTERS`; whole lines are omitted."""
    room = MOST_LETTERS - len(last) - len("\n\n(shortened)\n\n")
    if len(text) <= room:
        return f"{text}\n\n{last}"
    kept = text[:room].rpartition("\n")[0].rstrip()
    return f"{kept}\n\n(shortened)\n\n{last}"


def issue_marker(hardware_key: str, case_key: str) -> str:
    """A comment in the body of an issue, invisible to readers, by which its alert is found again."""
    return f"<!-- ssdbench alert {_attribute(hardware_key)} {_attribute(case_key)} -->"


def _attribute(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._=+," else f"%{ord(letter):x}" for letter in text)


def issue_title(alert: Alert, hardware_key: str) -> str:
    """The title of an alert's issue: the same for as long as the alert is known."""
    return f"{foreign(alert.found.title, _LETTERS)} regressed on {foreign(hardware_key, _LETTERS)}"


def issue_body(alert: Alert, hardware_key: str, mention: str) -> str:
    """The state of an alert, which replaces the body of its issue at each run, without telling anybody."""
    style, found = _MARKDOWN, alert.found
    state = "bad" if alert.is_open else "recovered" if _has_recovered(alert) else "closed, not recovered"
    rows = [
        ("State", f"{state}: {status_word(found.status)}"),
        ("Verdict", style.foreign(found.sentence, 400) if found.sentence else "-"),
        ("Case", style.foreign(found.case_key, 200)),
        ("Hardware", style.foreign(hardware_key, 200)),
        ("Bad since", f"run {style.foreign(alert.first_run_id, 200)} of {alert.first_measured_at[:10]}"),
        ("Build of that run", style.foreign(alert.build, 200)),
        ("Bad runs", str(alert.bad_runs)),
        ("Newest run", f"{style.foreign(alert.last_run_id, 200)} of {alert.last_measured_at[:10]}"),
        ("Times opened", str(alert.openings)),
        *([("Owner", mention)] if mention else []),
    ]
    lines = [issue_marker(hardware_key, found.case_key), "", *(f"- **{name}:** {value}" for name, value in rows)]
    if alert.differences:
        lines += ["", "What else had changed in the first bad run:", ""]
        lines += [
            f"- {style.foreign(f'{item.name}: {item.baseline} → {item.candidate}', 200)}" for item in alert.differences
        ]
    lines += ["", "ssdbench keeps this text up to date and closes the issue when the case has recovered or is waived."]
    return "\n".join(lines)


def issue_comment(alert: Alert) -> str:
    """What is written under an issue when its alert was closed, opened again, or is bad in another way."""
    what = "Still bad, in another way" if alert.last_event is Event.OPENED else _heading(alert)
    found = alert.found
    sentence = f", {_MARKDOWN.foreign(found.sentence, 400)}" if found.sentence else ""
    run = f"in run {_MARKDOWN.foreign(alert.last_run_id, 200)}"
    return f"{what} {run}: {status_word(found.status)}{sentence}. Bad in {pluralize(alert.bad_runs, 'run')}."
