"""Stored runs in which every free text is hostile: what a GPU, a driver, an option or a failure may be called."""

from dataclasses import replace

from ssdbench.schema.case import PlannedCase
from ssdbench.schema.record import Run
from tests.builders import HOST, SOFTWARE, a_case, a_failure, a_run

TEXT = (
    "[/b] [red]x[/red] [link=file:///etc] :smile: \x1b]0;owned\x07\x1b[2J\x1b[31m \x9b31m \u202egnp \u2066 \u200b "
    "\U000e0041 \r\n::add-mask::ok\n  ::error title=x::y\r::stop-commands::t\n##[error]x ##vso[task.complete] \n"
    "=cmd|' /C calc'!A0 <script>alert(1)</script> \\input{/etc/passwd} $x^2$ `a` | ${{7*7}} %0A"
)
"""Markup of rich, sequences of a terminal, the other reading direction, workflow commands, a formula, HTML, LaTeX."""
INVISIBLE = (
    *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029",
    *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\ufeff", "\U000e0041",
)  # fmt: skip
"""What no output may hold, apart from line feeds and tabs."""


def invisible_in(text: str) -> set[str]:
    return set(text) & set(INVISIBLE) - {"\n", "\t"}


def commands_in(text: str) -> list[str]:
    """The lines that GitHub's or Azure's runner would obey, by their own rules.

    actions/runner, ActionCommand.cs: `::` after leading blanks, a name, and another `::`; `##[` anywhere in a line.
    """
    return [line for line in text.replace("\r", "\n").split("\n") if _is_command(line)]


def _is_command(line: str) -> bool:
    name, end, _ = line.lstrip().removeprefix("::").partition("::")
    is_workflow_command = line.lstrip().startswith("::") and bool(end) and bool(name.strip())
    return is_workflow_command or "##[" in line or "##vso[" in line


def hostile_run(run_id: str = "run-1", *, text: str = TEXT, fails: bool = True) -> Run:
    """A case that is measured, one that fails, one that is skipped; machine and worker say `text` where they can."""
    case, broken, unfit = (a_case(precision=precision) for precision in ("fp32", "bf16", "amp"))
    host = replace(HOST, hostname=text, kernel=text, driver=f"{text}{run_id}")
    run = a_run(
        (case, (0.1, 0.1, 0.1)),
        *([(broken, (a_failure(message=text),))] if fails else []),
        (PlannedCase(case=unfit, skip_reason=text), ()),
        run_id=run_id,
        host=host,
    )
    software = replace(SOFTWARE, container_release=f"{text}{run_id}", torch=f"{text}{run_id}")
    records = [
        replace(record, measurement=replace(record.measurement, software=software)) if record.measurement else record
        for record in run.records
    ]
    return replace(run, records=tuple(records))
