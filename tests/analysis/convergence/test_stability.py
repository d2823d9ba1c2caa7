import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.analysis.convergence.published import printed_stability, published_trainings
from ssdbench.analysis.convergence.stability import impossibilities, stability, summarised
from ssdbench.errors import UsageError
from ssdbench.harness.readers.published import load_published
from ssdbench.schema.convergence import Printed, PrintedStability, Stability
from tests.trainings import a_training

RESULTS = Path(__file__).parents[3] / "results"
PUBLISHED = published_trainings(load_published(RESULTS))


def of(container: str, precision: str):
    return next(
        item
        for item in PUBLISHED
        if (item.container, item.precision) == (container, precision) and len(item.figures) == 5
    )


def test_the_table_is_that_of_final_ap():
    # 1, 2, 6 hundredths: mean 3, SD sqrt((4 + 1 + 9) / 2) = sqrt(7), median 2.
    row = stability([a_training(seed, ap) for seed, ap in enumerate((0.01, 0.06, 0.02))])
    assert (row.seeds, row.minimum, row.maximum, row.median) == (3, 0.01, 0.06, 0.02)
    assert row.mean == pytest.approx(0.03)
    assert row.sd == pytest.approx(math.sqrt(7) / 100)
    assert stability([a_training()]).sd is None


def test_the_table_takes_no_training_that_did_not_end_well():
    with pytest.raises(UsageError, match="seed 2: 4 of 10 epochs"):
        stability([a_training(1), a_training(2, epochs_done=4)])
    with pytest.raises(UsageError, match="there is none"):
        stability([])
    with pytest.raises(UsageError, match="never evaluated"):
        stability([a_training(curve={}, validation_epochs=())])


@pytest.mark.parametrize(
    ("precision", "words"),
    [
        ("amp", ("mean and median lie 0.00266 apart", "minimum lies 4.36 standard", "deviation of 0.00148 at least")),
        ("tf32", ("mean and median lie 0.00214 apart", "deviation of 0.00199 at least")),
    ],
)
def test_nvidias_published_seed_table_is_refused_with_the_reasons(precision: str, words: tuple[str, ...]):
    faults = of("22.10", precision).faults
    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))


def test_a_published_table_that_is_possible_is_not_refused():
    assert of("20.06", "amp").faults == of("20.06", "tf32").faults == ()


def test_a_table_copied_from_an_earlier_container_is_marked():
    assert of("21.05", "tf32").faults == ("5 of its 5 figures repeat those of container 20.06, A100-40GB",)
    assert any("4 of its 5 figures repeat" in fault for fault in of("21.05", "amp").faults)


def test_single_published_accuracies_are_all_there():
    single = [item for item in PUBLISHED if len(item.figures) == 1]
    figures = [figure for figure in load_published(RESULTS) if figure.metric == "map"]
    assert len(single) == len(figures) > 50
    assert printed_stability(figures) is None


def printed(values: list[float], decimals: int, divisor: int) -> PrintedStability:
    values, mean = sorted(values), math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - divisor))
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    shown = [Printed.of(round(value, decimals), decimals) for value in (mean, sd, values[0], values[-1], middle)]
    names = ("mean", "sd", "minimum", "maximum", "median")
    return PrintedStability(seeds=len(values), **dict(zip(names, shown, strict=True)))


@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20),
    st.integers(1, 9),
    st.integers(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_no_real_sample_is_refused_however_it_is_rounded(values: list[float], decimals: int, divisor: int):
    slack = printed(values, decimals, divisor)
    assert impossibilities(slack) == ()
    # The square of what is far smaller is 0 in float arithmetic.
    assert impossibilities(summarised([round(value, 12) for value in values])) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": 0.20}, "minimum is above the mean"),
        ({"median": 0.30}, "maximum is below the median"),
        ({"minimum": 0.28, "maximum": 0.22}, "minimum is above the maximum"),
        ({"sd": 0.05}, "more than minimum, mean and maximum allow"),
        ({"sd": 0.001}, "0.00892 at least"),
    ],
)
def test_each_inequality_is_named(changes: dict[str, float], words: str):
    sound = {"mean": 0.25, "sd": 0.015, "minimum": 0.23, "maximum": 0.27, "median": 0.25}
    shown = {name: Printed.of(value, 4) for name, value in (sound | changes).items()}
    faults = impossibilities(PrintedStability(seeds=10, **shown))
    assert any(words in fault for fault in faults), faults
    assert impossibilities(PrintedStability(seeds=10, **{n: Printed.of(v, 4) for n, v in sound.items()})) == ()


def test_the_bounds_are_met_by_the_samples_that_reach_them():
    # One value apart from n - 1 equal ones reaches the extreme; two equal groups reach mean and median.
    for values in ([0.2] * 14 + [0.3], [0.2, 0.2, 0.3], [0.25, 0.25], [0.1, 0.3], [0.2]):
        assert impossibilities(summarised(values)) == (), values


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"median": 0.2}, "minimum is above the median"),
        ({"sd": -1.0}, "deviation is negative"),
        ({"mean": math.nan}, "not finite"),
        ({"seeds": 1}, "fewer than two seeds"),
        ({"mean": 0.25, "median": 0.2585, "sd": 0.001}, "mean and median lie 0.00850 apart"),
        ({"sd": 0.002}, "0.00365 at least"),
    ],
)
def test_computed_figures_that_no_sample_has_are_found(changes: dict[str, float], words: str):
    possible = Stability(seeds=15, mean=0.25, sd=0.005, minimum=0.24, maximum=0.26, median=0.25)
    assert impossibilities(possible) == ()
    faults = impossibilities(replace(possible, **changes))  # type: ignore[arg-type]
    assert any(words in fault for fault in faults), faults
