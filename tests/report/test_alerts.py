"""Messages and issues about alerts: hostile text stays text, and the size is bounded."""

import re
from dataclasses import replace

import pytest

from ssdbench.analysis.alerting import advance
from ssdbench.report.alerts import MOST_LETTERS, compose, issue_body, issue_comment, issue_marker, issue_title
from ssdbench.schema.alert import Findings
from ssdbench.schema.verdict import Difference, Status
from tests.analysis.test_alerting import a_run_of, found
from tests.hostile import TEXT, invisible_in

PING = "@channel <!channel> <@U1> [x](http://evil) `code` *b* fixes #1 /close @everyone"


def hostile(count: int = 1) -> Findings:
    cases = [
        replace(found(Status.FAILED, key=f"case-{n:03}"), title=f"{PING} {TEXT}", sentence=f"{TEXT} {PING}")
        for n in range(count)
    ]
    return a_run_of(1, *cases, differences=(Difference(name=PING, baseline=TEXT, candidate=PING),) * 30)


def without_code(markdown: str) -> str:
    return re.sub(r"`[^`\n]+`", "", markdown)


def test_text_of_records_mentions_links_and_marks_nothing() -> None:
    findings = hostile()
    told = advance((), findings).told
    message = compose("team", findings, told, (), {"case-000": "<@OWNER>"})
    issue = issue_body(told[0], PING, "@owner").partition("-->")[2]
    for text in (
        message.title,
        message.text,
        message.markdown,
        issue,
        issue_comment(told[0]),
        issue_title(told[0], PING),
    ):
        ours = text.replace("<@OWNER>", "").replace("@owner", "")
        assert not set("<>@") & set(ours), text
        assert invisible_in(text) == set()
    assert "<@OWNER>" in message.text
    for markdown in (message.markdown, issue, issue_comment(told[0])):
        assert not re.search(r"evil|channel|fixes|everyone", without_code(markdown))
        assert not [line for line in markdown.splitlines() if line.startswith("/")]


def test_a_message_about_many_cases_is_short_and_says_what_it_omits() -> None:
    findings = hostile(60)
    message = compose("team", findings, advance((), findings).told, (), {})
    for text in (message.text, message.markdown):
        assert len(text) <= MOST_LETTERS
        assert "(shortened)" in text
        assert text.endswith(("ssdbench report run-1", "`ssdbench report run-1`"))
    few = a_run_of(1, *(found(Status.REGRESSED, -0.1, key=f"case-{n:03}") for n in range(13)))
    assert "- and 3 more cases" in compose("team", few, advance((), few).told, (), {}).text


@pytest.mark.parametrize(
    ("status", "title", "heading"),
    [
        (Status.UNCHANGED, "1 recovered", "Recovered"),
        (Status.FITS_NOW, "1 recovered", "Recovered"),
        (Status.WAIVED, "1 waived", "Closed, not recovered"),
        (Status.DOES_NOT_FIT, "1 does not fit", "Closed, not recovered"),
    ],
)
def test_what_is_waived_or_accepted_is_not_called_recovered(status: Status, title: str, heading: str) -> None:
    bad, then = a_run_of(1, found(Status.REGRESSED, -0.1)), a_run_of(2, found(status, -0.1))
    told = advance(advance((), bad).alerts, then).told
    message = compose("team", then, told, (), {})
    assert message.title == f"ssdbench: {title} on cpu"
    assert [line for line in message.text.splitlines() if line.endswith("ecovered")] == [heading]
    assert issue_comment(told[0]).startswith(f"{heading} in run `run-2`: ")
    assert f"**State:** {heading.lower()}: " in issue_body(told[0], "cpu", "")


def test_of_other_open_alerts_a_message_says_which_this_run_found_bad_again() -> None:
    before = a_run_of(1, *(found(Status.REGRESSED, -0.1, key=key) for key in "abc"))
    run = a_run_of(2, found(Status.REGRESSED, -0.1, key="b"), found(Status.FAILED, key="d"))
    after = advance(advance((), before).alerts, run)
    others = [alert for alert in after.alerts if alert not in after.told]
    text = compose("team", run, after.told, others, {}).text
    assert "1 more case still bad, as told before." in text
    assert "2 more alerts open, of cases on which this run has no verdict." in text


def test_the_marker_of_an_issue_is_its_own_and_cannot_be_left() -> None:
    assert issue_marker("cpu", "a") != issue_marker("cpu", "a ")
    assert issue_marker("--> @x", "a--><b>").count("-->") == 1
    assert issue_marker("a", "b c") != issue_marker("a b", "c")
