"""What is named of a profile: the planted cause, first and of its size; nothing of equal builds; nothing unbelieved."""

from dataclasses import replace

import pytest

from ssdbench.analysis.profiles.differences import Difference
from ssdbench.analysis.profiles.explaining import explain
from ssdbench.analysis.profiles.rows import arms_of
from ssdbench.schema.explanation import Cause, Explanation
from ssdbench.schema.profile import CaseProfile
from ssdbench.schema.record import Arm
from tests.profiles import Part, World, a_rank

SORT = ("loss", "aten::sort")
CLONE = ("forward", "aten::clone")
ADD = ("optimizer", "aten::add_")


def first(found: Explanation) -> Cause:
    assert not found.refusal
    return found.causes[0]


def is_near(cause: Cause, milliseconds: float) -> bool:
    """Of this size and sign, within 20 %, and within its interval."""
    change = cause.change
    return 1e3 * change.seconds == pytest.approx(milliseconds, rel=0.2) and change.low <= change.seconds <= change.high


def test_equal_builds_name_nothing_and_say_what_could_have_been_found() -> None:
    found = explain(World().profile(), None)
    assert found.causes == ()
    assert not found.refusal
    typical, most = found.detectable_seconds
    assert 0 < typical <= most < 0.02


def test_equal_builds_name_something_no_more_often_than_stated() -> None:
    named = sum(bool(explain(World(seed, noise=0.03).profile(3), None).causes) for seed in range(400))
    assert named <= 8  # 1 % of 400, and twice that


def test_an_operator_that_is_called_more_often_is_named_first_with_its_size() -> None:
    found = explain(World().profile(operators={SORT: 2.0}, calls={SORT: 1}), None)
    cause = first(found)
    assert cause.what == "loss: aten::sort called 2 times a step instead of 1"
    assert is_near(cause, 2.0)
    assert cause.rows[0].calls == (1, 2)
    assert len(found.causes) == 1


def test_an_operator_that_appears_or_vanishes_is_named() -> None:
    more = explain(World().profile(operators={CLONE: 1.5}, calls={CLONE: 1}), None)
    assert first(more).what == "forward: aten::clone appeared, 1 time a step"
    assert is_near(first(more), 1.5)
    swapped = explain(_swapped(World().profile(operators={CLONE: 1.5}, calls={CLONE: 1})), None)
    assert first(swapped).what == "forward: aten::clone vanished, it was called 1 time a step"
    assert is_near(first(swapped), -1.5)


def test_an_operator_that_takes_longer_needs_the_test_and_so_does_a_faster_one() -> None:
    slower = explain(World().profile(operators={ADD: 4.0}), None)
    assert first(slower).what == "optimizer: aten::add_ is slower"
    assert is_near(first(slower), 4.0)
    faster = explain(World().profile(operators={ADD: -2.0}), None)
    assert first(faster).what == "optimizer: aten::add_ is faster"
    assert is_near(first(faster), -2.0)
    assert explain(World(noise=0.2).profile(operators={ADD: 0.5}), None).causes == ()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (("input", ""), "waiting for input is longer"),
        (("host", "backward"), "backward: the host, between operators, is slower"),
        (("communication", ""), "communication that nothing hides is longer"),
    ],
)
def test_a_wait_in_which_no_operator_runs_is_named_as_such(part: Part, words: str) -> None:
    cause = first(explain(World().profile(parts={part: 20.0}), None))
    assert cause.what == words
    assert is_near(cause, 20.0)


def test_the_larger_cause_is_named_first() -> None:
    profile = World().profile(operators={SORT: 2.0}, calls={SORT: 1}, parts={("input", ""): 9.0})
    assert [cause.what.split(" ")[0] for cause in explain(profile, None).causes] == ["waiting", "loss:"]


def test_a_lost_layout_is_one_cause_over_all_operators_that_read_it() -> None:
    profile = World().profile(
        operators={("forward", "aten::conv2d"): 20.0, ("backward", "aten::convolution_backward"): 30.0},
        layouts={"baseline": "channels_last", "candidate": "contiguous"},
    )
    cause = first(explain(profile, None))
    assert cause.kind == "layout"
    assert cause.what == "memory layout: convolutions read contiguous tensors, in the baseline channels_last ones"
    assert is_near(cause, 50.0)
    assert [row.operator for row in cause.rows] == ["aten::convolution_backward", "aten::conv2d"]


def test_convolutions_whose_layout_is_the_same_are_slower_and_no_more() -> None:
    profile = World().profile(
        operators={("forward", "aten::conv2d"): 20.0},
        layouts={"baseline": "channels_last", "candidate": "channels_last"},
    )
    assert first(explain(profile, None)).what == "forward: aten::conv2d is slower"


def test_a_kernel_that_became_another_is_the_same_convolution() -> None:
    profile = World().profile(operators={("forward", "aten::conv2d"): 20.0})
    conv = profile.operators[0]
    assert conv.operator == "aten::conv2d"
    conv = replace(conv, kernels={"baseline": ("sm90_xmma",), "candidate": ("implicit_gemm",)})
    cause = first(explain(replace(profile, operators=(conv, *profile.operators[1:])), None))
    assert len(cause.rows) == 1
    assert cause.rows[0].kernels == (("sm90_xmma",), ("implicit_gemm",))


def test_the_parts_of_both_arms_add_up_to_their_steps_exactly() -> None:
    found = explain(World().profile(parts={("input", ""): 3.0}), None)
    for arm in ("baseline", "candidate"):
        parts = sum(getattr(part.change, arm) for part in found.parts)
        assert parts == pytest.approx(getattr(found.profiled, arm), rel=1e-12)


def test_nothing_is_blamed_where_the_profiled_steps_do_not_show_the_difference() -> None:
    profile = World().profile(parts={("host", "forward"): 20.0})
    plain = profile.launches[0].plain_seconds
    unlike = replace(profile, launches=tuple(replace(launch, plain_seconds=plain) for launch in profile.launches))
    found = explain(unlike, None)
    assert found.causes == ()
    assert "the profiler itself changes what is compared" in found.refusal
    assert found.parts  # what was seen is shown all the same


def test_nothing_is_blamed_where_the_change_of_the_run_is_not_here_now() -> None:
    same = World().profile()
    assert "what changed then is not here now" in explain(same, _run(50.0)).refusal
    assert not explain(same, _run(0.0)).refusal
    assert not explain(same, _run(50.0, noise=200.0)).refusal
    assert not explain(World().profile(parts={("input", ""): 20.0}), _run(19.0)).refusal


def _run(milliseconds: float, noise: float = 0.1) -> Difference:
    """The steps of the launches that were judged."""
    base = [1e-3 * (100 + noise * place) for place in (-1, 0, 1)]
    return Difference(baseline=tuple(base), candidate=tuple(value + 1e-3 * milliseconds for value in base))


def _with_ranks(profile: CaseProfile, slow: dict[Part, float]) -> CaseProfile:
    """The same on four ranks, of which the third one works longer in the candidate, and the others wait for it."""
    launches = []
    for launch in profile.launches:
        (alone,) = launch.ranks
        parts: dict[Part, float] = {(part.kind, part.phase): 1e3 * part.seconds for part in alone.parts}
        more: dict[Part, float] = slow if launch.arm == "candidate" else {}
        waits: dict[Part, float] = {("communication", ""): sum(more.values())}
        ranks = [a_rank(rank, _sum(parts, more if rank == 2 else waits)) for rank in range(4)]
        launches.append(replace(launch, ranks=tuple(ranks), critical_rank=2, plain_seconds=0.9 * ranks[2].step_seconds))
    return replace(profile, launches=tuple(launches))


def _sum(first: dict[Part, float], second: dict[Part, float]) -> dict[Part, float]:
    return {part: first.get(part, 0.0) + second.get(part, 0.0) for part in {**first, **second}}


def test_one_slow_rank_is_named_before_what_it_does_and_the_others_are_not_blamed_for_waiting() -> None:
    found = explain(_with_ranks(World().profile(), {("host", "forward"): 12.0}), None)
    rank, work = found.causes
    assert rank.what == "rank 2 works longer than the median rank in forward (the host, between operators)"
    assert is_near(rank, 12.0)
    assert work.what == "forward: the host, between operators, is slower"
    assert {(excess.kind, excess.phase): excess.rank for excess in found.ranks}["host", "forward"] == 2


def test_ranks_that_are_slow_together_are_none_that_is_slow() -> None:
    together = _with_ranks(World().profile(parts={("host", "forward"): 12.0}), {})
    assert [cause.kind for cause in explain(together, None).causes] == ["step"]


def test_a_row_that_hardly_takes_time_is_no_cause_and_makes_no_test_weaker() -> None:
    tiny = ("loss", "aten::arange")
    profile = World().profile(operators={tiny: 0.05}, calls={tiny: 1})
    found = explain(profile, None)
    assert found.causes == ()
    assert found.rows_tested == explain(World().profile(), None).rows_tested


def test_a_single_launch_of_each_names_no_difference_of_time() -> None:
    assert explain(World().profile(1, parts={("input", ""): 20.0}), None).causes == ()


def _swapped(profile: CaseProfile) -> CaseProfile:
    other: dict[Arm, Arm] = {"baseline": "candidate", "candidate": "baseline"}
    launches = tuple(replace(launch, arm=other[launch.arm]) for launch in profile.launches)
    return replace(profile, launches=launches)


def test_rows_have_a_figure_for_each_launch() -> None:
    profile = World().profile(3)
    assert arms_of(profile) == ("baseline", "candidate") * 3
    assert all(len(row.seconds) == len(row.calls) == 6 for row in profile.operators)
