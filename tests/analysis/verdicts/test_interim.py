from dataclasses import replace

from ssdbench.analysis.verdicts.interim import InterimState, interim_state, undecided_pairs
from ssdbench.analysis.verdicts.interleaved import judge, next_pairs
from ssdbench.schema.launch_values import Arms, LaunchesByCase, Stage
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status
from tests.analysis.verdicts.launch_values import some_launches

SETTINGS = Settings()
WHOLE = some_launches(cases=4, noise=5e-4, changes={0: 0.02, 1: 0.05})


def first(run: LaunchesByCase, measured: int, fresh: dict[str, int] | None = None) -> LaunchesByCase:
    return {
        name: replace(
            case, measure=case.measure.first(measured), confirm=case.confirm.first((fresh or {}).get(name, 0))
        )
        for name, case in run.items()
    }


def left(found: InterimState) -> tuple[int, int, int]:
    """How many cases are open, and the fewest and the most pairs that they take."""
    return len(found.open), found.least_pairs, found.most_pairs


def test_at_the_beginning_nothing_is_said_and_every_case_may_take_both_stages():
    found = interim_state(
        {name: replace(case, measure=Arms(), confirm=Arms()) for name, case in WHOLE.items()}, SETTINGS
    )
    assert (found.said, left(found)) == ({}, (4, 4 * 3, 4 * (15 + 18)))


def test_after_the_pilot_the_quiet_cases_are_decided_and_the_flagged_cases_wait():
    run = first(WHOLE, 3)
    found = interim_state(run, SETTINGS)
    verdicts = judge(run, SETTINGS)
    assert found.said["2"] == f"decided, unchanged ({verdicts['2'].sentence})"
    assert found.said["0"] == found.said["1"] == "flagged, to be measured again in fresh pairs"
    fresh = sum(verdicts[name].launches_needed or 0 for name in ("0", "1"))
    assert left(found) == (2, fresh, 36)
    assert 2 * 3 <= fresh < 36


def test_while_others_are_in_their_first_stage_a_flagged_case_waits():
    run = {**first(WHOLE, 3), "3": replace(WHOLE["3"], measure=WHOLE["3"].measure.first(1), confirm=Arms())}
    found = interim_state(run, SETTINGS)
    assert set(found.said) == {"0", "1", "2"}
    fresh = [found.open[name].least for name in ("0", "1")]
    assert [found.open[name].asked for name in ("0", "1", "3")] == [0, 0, 2]
    assert left(found) == (3, sum(fresh) + 2, 36 + 14 + 18)


def test_no_flagged_case_is_judged_before_all_are_measured_again():
    run = first(WHOLE, 3, {"0": 9})
    assert {name: more.stage for name, more in next_pairs(run, SETTINGS).items()} == {"1": Stage.CONFIRM}
    found = interim_state(run, SETTINGS)
    assert found.said["0"] == "measured again, to be judged together with the other flagged cases"
    assert found.said["1"].startswith("flagged")
    assert left(found) == (1, found.open["1"].asked, 18)


def test_at_the_end_everything_is_decided():
    found = interim_state(WHOLE, SETTINGS)
    assert [text.split(" (")[0] for text in found.said.values()] == ["decided, regressed"] * 2 + [
        "decided, unchanged"
    ] * 2
    assert left(found) == (0, 0, 0)
    assert undecided_pairs(WHOLE, SETTINGS) == {}


def test_a_case_that_was_given_up_is_not_left():
    run = {
        **first(WHOLE, 3),
        "0": replace(first(WHOLE, 3)["0"], abandoned="candidate launch 2 failed: it fell"),
    }
    found = interim_state(run, SETTINGS)
    assert found.said["0"] == "decided, inconclusive (candidate launch 2 failed: it fell)"
    assert set(found.open) == {"1"}


def test_a_run_that_was_stopped_lacks_the_pairs_of_cases_without_a_clear_result():
    noisy = some_launches(cases=4, noise=3e-3, changes={0: 0.2})
    run = first(noisy, 4)
    wanted, verdicts = next_pairs(run, SETTINGS), judge(run, SETTINGS)
    clear = {name for name in wanted if verdicts[name].status is not Status.INCONCLUSIVE}
    assert clear  # the plan would go on with them
    assert set(undecided_pairs(run, SETTINGS)) == set(wanted) - clear
    found = interim_state(run, SETTINGS)
    assert {name for name, case in found.open.items() if case.is_decided} == clear
    assert not any(found.said.get(name, "").startswith("decided") for name in found.open)
