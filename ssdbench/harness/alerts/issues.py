"""Issues on GitHub and GitLab through the command lines of both, which know host and token from their own settings.

Nothing secret is on a command line, and no text either: bodies go to standard input.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ssdbench.errors import SsdbenchError
from ssdbench.harness.process import run_command

LABEL = "ssdbench"
"""Marks the issues that may be one of ours, so that they can be listed at once and without a search that lags."""


_STATUS = re.compile(r"\bHTTP (\d{3})\b")
_OF_ONE_ISSUE = frozenset({404, 410, 422})


class TrackerError(SsdbenchError):
    """The tracker did not do what it was asked to do."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class IssueError(TrackerError):
    """The tracker answers and refuses to change this issue: `is_gone` if people deleted it."""

    @property
    def is_gone(self) -> bool:
        """Whether there is no such issue, for all that this account can see."""
        return self.status in (404, 410)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    program: str
    issues: str
    here: str
    body: str
    number: str
    comments: str
    edit: str
    states: Mapping[bool, Mapping[str, str]]
    every: str


_FORMS = {
    "github": _Form(
        program="gh",
        issues="repos/{project}/issues",
        here="{owner}/{repo}",
        body="body",
        number="number",
        comments="comments",
        edit="PATCH",
        states={True: {"state": "open"}, False: {"state": "closed"}},
        every="state=all",
    ),
    "gitlab": _Form(
        program="glab",
        issues="projects/{project}/issues",
        here=":fullpath",
        body="description",
        number="iid",
        comments="notes",
        edit="PUT",
        states={True: {"state_event": "reopen"}, False: {"state_event": "close"}},
        every="scope=all&state=all",
    ),
}
TRACKERS = tuple(_FORMS)
_NO_ISSUES = "the answer of the tracker has no issues in it; is its address right?"


class Tracker:
    """The issues of one project; `project` is OWNER/NAME, empty for the one of the working directory.

    Every method raises TrackerError where the tracker refuses, and EnvironmentLacksError where the program is missing;
    `edit` and `comment` raise IssueError where what they ask is refused for this issue.
    """

    def __init__(self, name: str, project: str = "") -> None:
        self.name, self.project = name, project
        self._form = _FORMS[name]
        place = (project if name == "github" else quote(project, safe="")) if project else self._form.here
        self._issues = self._form.issues.format(project=place)

    def find(self, marker: str) -> int | None:
        """The oldest issue with this text in its body, open or closed."""
        listing = f"{self._issues}?labels={LABEL}&per_page=100&{self._form.every}"
        pages = _pages(self._call([listing, "--method", "GET", "--paginate"]))
        try:
            found = [item for page in pages for item in page if marker in (item.get(self._form.body) or "")]
            return min((int(item[self._form.number]) for item in found), default=None)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise TrackerError(_NO_ISSUES) from None

    def create(self, title: str, body: str) -> int:
        """Open an issue; returns its number."""
        labels: Any = [LABEL] if self.name == "github" else LABEL
        made = self._send("POST", "", {"title": title, self._form.body: body, "labels": labels})
        try:
            return int(made[self._form.number])
        except (KeyError, TypeError, ValueError):
            raise TrackerError(_NO_ISSUES) from None

    def edit(self, number: int, body: str, is_open: bool | None) -> None:
        """Replace the body; open or close the issue, or leave that as it is (None)."""
        state = {} if is_open is None else self._form.states[is_open]
        self._change(self._form.edit, f"/{number}", {self._form.body: body, **state})

    def comment(self, number: int, text: str) -> None:
        """Write a comment."""
        self._change("POST", f"/{number}/{self._form.comments}", {"body": text})

    def _change(self, method: str, path: str, content: Mapping[str, Any]) -> None:
        try:
            self._send(method, path, content)
        except TrackerError as error:
            if error.status in _OF_ONE_ISSUE:
                raise IssueError(str(error), error.status) from None
            raise

    def _send(self, method: str, path: str, content: Mapping[str, Any]) -> Any:
        arguments = [f"{self._issues}{path}", "--method", method, "--input", "-"]
        arguments += ["--header", "Content-Type: application/json"]
        return next(_pages(self._call(arguments, json.dumps(content))), {})

    def _call(self, arguments: Sequence[str], text: str = "") -> str:
        done = run_command([self._form.program, "api", *arguments], timeout_seconds=60, text=text)
        if done.exit_code != 0:
            reason = (done.error.strip() or "no reason given").splitlines()[0]
            status = _STATUS.search(reason)
            raise TrackerError(
                f"{self._form.program} failed: {reason:.200}; see `{self._form.program} auth status`",
                int(status[1]) if status else None,
            )
        return done.out


def _pages(text: str) -> Iterator[Any]:
    """The JSON texts in the output: with several pages gh prints one after the other."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        try:
            found, end = decoder.raw_decode(rest)
        except ValueError:
            raise TrackerError("the answer of the tracker is not JSON; is its address right?") from None
        yield found
        rest = rest[end:].strip()
