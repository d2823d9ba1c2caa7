"""A search that goes on from its log, where points cannot be installed."""

import json
from pathlib import Path

from ssdbench.analysis.bisection import Question
from ssdbench.errors import ExitCode
from ssdbench.harness.bisections import BisectionLog
from ssdbench.harness.requirement_lists import CannotInstallError
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.files import FileStore
from ssdbench.workflows.bisecting import Search
from ssdbench.workflows.display import Quiet

POINTS = tuple(f"{letter}.txt" for letter in "abcdef")


class Watching(Quiet):
    """Keeps each message, with the number of decisions that were on disk when it was shown."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.shown = path, list[tuple[int, str]]()

    def message(self, text: str) -> None:
        self.shown.append((len(self.path.read_text().splitlines()) - 1, text))


def a_log(path: Path) -> BisectionLog:
    return BisectionLog(path, suite="paced", case_key="pace", images=POINTS, kind="requirements")


def test_a_search_killed_between_two_probes_goes_on_and_what_is_skipped_leaves_a_range(tmp_path: Path) -> None:
    path = tmp_path / "bisections" / "log.jsonl"
    earlier = a_log(path)
    earlier.add("regressed: by 30 %", image="f.txt", finding="bad")
    earlier.add("unchanged", image="b.txt", finding="good")
    asked: list[str] = []

    def setup_of(point: str) -> RunSetup:
        asked.append(point)
        raise CannotInstallError(f"{point} cannot be installed: no wheel")

    display = Watching(path)
    search = Search(
        question=Question(points=POINTS, kind="requirements"),
        setup_of=setup_of,
        store=FileStore(tmp_path),
        log=a_log(path),
        attempts=2,
        display=display,
    )
    assert search.run(skipped=("e.txt",)) is ExitCode.INCONCLUSIVE
    assert asked == ["d.txt", "c.txt"], "neither those judged before nor the one to be skipped"
    answer = "one of c.txt, d.txt, e.txt, f.txt is the first bad list: those before f.txt support no verdict"
    assert display.shown == [
        (3, "e.txt is omitted: skipped as asked (--skip)"),
        (3, "d.txt: halfway between b.txt (good) and f.txt (bad)"),
        (4, "d.txt is omitted: d.txt cannot be installed: no wheel"),
        (4, "c.txt: the untested list nearest to halfway between b.txt (good) and f.txt (bad)"),
        (5, "c.txt is omitted: c.txt cannot be installed: no wheel"),
        (6, "0 probes, 0 launches"),
        (6, answer),
    ]
    assert json.loads(path.read_text().splitlines()[-1])["because"] == answer
