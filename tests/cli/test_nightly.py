"""`ssdbench nightly`, whole, on a suite whose launches cost nothing: what it measures again, and what it ends with."""

import json
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.nights import Nights

SUITE = """
name = "paced"
device = "cpu"
foreign_cpu_limit_cores = 64.0

[protocol]
warmup_steps = 2
steps = 10
launches = 1

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
"""


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path, SUITE, cache=tmp_path / "cache")


@pytest.mark.slow
def test_a_slowdown_is_told_by_pairs_and_so_is_its_end(nights: Nights) -> None:
    python = ("--python", nights.use_scripted_python())
    code, verdicts, said = nights.night(*python, "--id-file", "id.txt")
    assert (code, verdicts) == (ExitCode.NOT_COVERED, ["no_baseline"]), said
    assert "next: `ssdbench baseline accept " in said
    first = (nights.folder / "id.txt").read_text().strip()
    assert nights.ssdbench("baseline", "accept", first, "--reason", "first figures").returncode == 0

    nights.slow_down(1.03)
    code, verdicts, said = nights.night(*python, "--id-file", "id.txt")
    assert (code, verdicts) == (ExitCode.REGRESSED, ["regressed"]), said
    assert "main can be measured again: a copy of its commit" in said
    assert "stage 1 of 2: the whole suite, compared with main" in said
    assert "stage 2 of 2: pairs with the build of main: 1 case (1 may have changed)" in said
    store = FileStore(nights.folder / "results")
    whole, pairs = [store.load(header.run_id) for header in store.headers()[-2:]]
    assert (nights.folder / "id.txt").read_text().strip() == whole.header.run_id
    assert len(whole.records) == 1
    assert pairs.header.nightly is not None
    assert pairs.header.nightly.follows == whole.header.run_id
    assert pairs.header.baseline_arm is not None
    assert Path(pairs.header.baseline_arm.source).parent == nights.folder / "cache" / "builds"
    found = nights.latest()
    assert nights.compared(whole.header.run_id) == found
    assert (found["run_id"], found["baseline"], found["baseline_run_id"]) == (pairs.header.run_id, "main", first)
    assert found["cases"][0]["verdict"]["mode"] == "interleaved"
    assert found["cases"][0]["verdict"]["change"] == pytest.approx(1 / 1.03 - 1, abs=2e-3)

    nights.slow_down(1)
    done = nights.ssdbench("nightly", "paced.toml", *python, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    assert json.loads(done.stdout) == nights.latest()
    assert nights.verdicts() == ["unchanged"]
    kept = [(result["exit_code"], result["cases"][0]["confirmed_in_pairs"]) for result in nights.results()]
    assert kept == [(6, False), (3, True), (0, True)]


def accepted(nights: Nights) -> tuple[str, str]:
    """The options of a night whose baseline is accepted."""
    python = ("--python", nights.use_scripted_python())
    assert nights.night(*python)[0] == ExitCode.NOT_COVERED
    assert nights.ssdbench("baseline", "accept", "latest", "--reason", "first figures").returncode == 0
    return python


@pytest.mark.slow
def test_a_build_against_itself_gives_no_alarm_and_is_nothing_to_accept(nights: Nights) -> None:
    python = accepted(nights)
    before = nights.latest()["run_id"]
    nights.slow_down(1.5)  # what is here now is not what is measured
    done = nights.ssdbench("nightly", "paced.toml", *python, "--a-a")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    result = nights.results()[-1]
    assert (result["against_itself"], result["cases"][0]["status"]) == (True, "unchanged")
    assert result["cases"][0]["confirmed_in_pairs"]
    assert nights.latest()["run_id"] == before
    refused = nights.ssdbench("baseline", "accept", result["run_id"], "--reason", "x")
    assert refused.returncode == ExitCode.USAGE
    assert "it measured the build of baseline main against itself" in refused.stderr
    run = FileStore(nights.folder / "results").load(result["run_id"])
    assert run.header.baseline_arm is not None
    assert run.header.options.source == run.header.baseline_arm.source


@pytest.mark.slow
@pytest.mark.long
def test_without_a_build_that_can_be_measured_stored_figures_judge_and_inconclusive_is_a_warning_that_expires(
    nights: Nights,
) -> None:
    with (nights.checkout / "ssdbench" / "errors.py").open("a") as file:
        file.write("# not committed: nobody can have this build again\n")
    python = accepted(nights)
    codes = []
    for _ in range(3):  # the call before had no baseline to reach a verdict with, and counts
        code, verdicts, said = nights.night(*python, "--red-after", "3")
        assert verdicts == ["inconclusive"]
        assert "main cannot be measured again here: it was measured at " in said
        assert "or name the build with --baseline-checkout" in said
        assert "stage 2" not in said
        codes.append(code)
    assert codes == [ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.INCONCLUSIVE]
    assert "warning: inconclusive for 4 results in a row: pace" in said
    assert [result["exit_code"] for result in nights.results()][1:] == codes

    code, verdicts, said = nights.night(*python, "--baseline-checkout", str(nights.checkout))
    assert (code, verdicts) == (ExitCode.OK, ["unchanged"]), said


@pytest.mark.slow
@pytest.mark.long
def test_a_night_that_was_killed_goes_on_in_either_stage(nights: Nights) -> None:
    python = accepted(nights)
    for stage in (1, 2):
        nights.kill_in_stage(stage, *python)
        kept = len(nights.results())
        done = nights.ssdbench("nightly", "--resume")
        assert done.returncode == ExitCode.OK, done.stdout + done.stderr
        assert "measured before" in done.stdout if stage == 2 else "stage 1 of 2" in done.stdout
        assert len(nights.results()) == kept + 1
        assert nights.verdicts() == ["unchanged"]
        again = nights.ssdbench("nightly", "--resume")
        assert again.returncode == ExitCode.USAGE
        assert "is finished and judged: start another without --resume" in again.stderr
    headers = FileStore(nights.folder / "results").headers()
    assert [header.nightly is not None and header.nightly.follows is not None for header in headers] == [
        *(False, False, True, False, True)
    ]


@pytest.mark.slow
def test_pairs_that_were_begun_go_on_also_by_the_id_of_the_suite_s_run(nights: Nights) -> None:
    python = accepted(nights)
    nights.kill_in_stage(2, *python, "--id-file", "id.txt")
    whole = (nights.folder / "id.txt").read_text().strip()
    before = FileStore(nights.folder / "results").headers()
    done = nights.ssdbench("nightly", "--resume", "--run", whole, "--budget", "1s")
    assert done.returncode in (ExitCode.OK, ExitCode.NOT_COVERED), done.stdout + done.stderr
    assert "measured before" in done.stdout
    assert FileStore(nights.folder / "results").headers() == before
    done = nights.ssdbench("nightly", "paced.toml", "--resume", "--dry-run")
    assert "Suite paced on" in done.stdout or "is finished and judged" in done.stderr, done.stderr
    assert nights.results()[-1]["pairs_run_id"] == before[-1].run_id


@pytest.mark.slow
def test_latest_is_the_run_before_and_not_the_one_that_begins(nights: Nights) -> None:
    python = ("--python", nights.use_scripted_python())
    nights.night(*python)
    first = nights.latest()["run_id"]
    code, verdicts, said = nights.night(*python, "--baseline", "latest")
    assert (code, verdicts) == (ExitCode.OK, ["unchanged"]), said
    assert nights.latest()["baseline_run_id"] == first
    assert nights.results()[-1]["baseline"] == first
    compared = nights.ssdbench("run", "paced.toml", *python, "--compare", "--baseline", "latest")
    assert "which is this run itself" not in compared.stdout
    assert compared.returncode == ExitCode.INCONCLUSIVE, compared.stdout + compared.stderr


@pytest.mark.slow
def test_a_change_between_equal_builds_is_a_false_alarm_whatever_is_waived(nights: Nights) -> None:
    python = accepted(nights)
    waiver = ("--ceiling", "10%", "--expires", "2099-12-31", "--issue", "https://example.org/7", "--reason", "known")
    assert nights.ssdbench("waive", "pace", *waiver).returncode == 0
    for factor, status, headline in (("1.03", "regressed", "REGRESSED: 1 of 1"), ("0.97", "improved", "FALSE ALARM: ")):
        nights.environment["SCRIPTED_CANDIDATE"] = factor
        done = nights.ssdbench("nightly", "paced.toml", *python, "--a-a")
        assert done.returncode == ExitCode.REGRESSED, done.stdout + done.stderr
        assert headline in done.stdout
        assert f"is {status}, and both arms were the same build" in done.stdout
        assert nights.results()[-1]["cases"][0]["status"] == status


@pytest.mark.slow
def test_a_night_without_a_verdict_is_never_called_free_of_regressions(nights: Nights) -> None:
    python = accepted(nights)
    nights.environment["SCRIPTED_FAILURE"] = "-measure-baseline-"
    code, verdicts, said = nights.night(*python)
    assert (code, verdicts) == (ExitCode.OK, ["inconclusive"])
    assert "INCONCLUSIVE: 1 of 1 case has no clear result; no case could be judged" in said
    assert "warning: inconclusive for 2 results in a row: pace" in said
    assert "no usable launch of the baseline's build: the first one failed with crash" in " ".join(said.split())
    done = nights.ssdbench("nightly", "paced.toml", *python, "--json", "--output", "line=line.txt", "--red-after", "9")
    assert json.loads(done.stdout)["cases"][0]["verdict"]["status"] == "inconclusive"
    assert "ssdbench: warning: inconclusive for 3 results in a row: pace" in done.stderr
    assert (nights.folder / "line.txt").read_text().startswith("ssdbench: Inconclusive: 1 of 1 case")


@pytest.mark.slow
def test_a_plan_can_be_read_as_json(nights: Nights) -> None:
    done = nights.ssdbench("nightly", "paced.toml", "--python", nights.use_scripted_python(), "--dry-run", "--json")
    assert json.loads(done.stdout)["launches"] == 1, done.stderr


def test_what_could_not_be_written_in_the_end_is_told_before_anything_is_measured(nights: Nights) -> None:
    python = ("--python", nights.use_scripted_python())
    (nights.folder / "file").touch()
    for words, name in (
        (("--output", "junit=file/verdicts.xml"), "file/verdicts.xml"),
        (("--output", "json=."), "."),
        (("--id-file", "file/id.txt"), "file/id.txt"),
    ):
        refused = nights.ssdbench("nightly", "paced.toml", *python, *words)
        assert refused.returncode == ExitCode.USAGE, refused.stdout + refused.stderr
        assert f"ssdbench: {name}: cannot be written" in refused.stderr
    (nights.folder / "results").mkdir(exist_ok=True)
    (nights.folder / "results" / "waivers.toml").write_text("[[waiver]]\ncase = 1\n")
    refused = nights.ssdbench("nightly", "paced.toml", *python)
    assert refused.returncode == ExitCode.USAGE
    assert "waivers.toml" in refused.stderr
    assert FileStore(nights.folder / "results").headers() == []


def test_what_does_not_go_together_is_refused_in_one_sentence(nights: Nights) -> None:
    for words, sentence in (
        (("--a-a",), "--a-a measures the build of the baseline against itself: there is no baseline main"),
        (("--baseline", "mian"), "no baseline 'mian' in results"),
        (("--every", "0"), "--every"),
        (("--run", "2026"), "--run names the run that --resume continues: give --resume as well"),
        (("--resume", "--a-a"), "--resume continues the call as it was begun: omit --a-a"),
        (("--resume", "--baseline", "main"), "--resume continues the call as it was begun: omit --baseline"),
        (("--resume",), "holds no run of `ssdbench nightly` of suite paced: start one without --resume"),
    ):
        refused = nights.ssdbench("nightly", "paced.toml", *words)
        assert refused.returncode == ExitCode.USAGE, refused.stdout + refused.stderr
        assert sentence in refused.stderr
