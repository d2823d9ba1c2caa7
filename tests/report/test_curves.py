import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest

from ssdbench.report.curves import draw_curves, page_charts, seed_style
from tests.trainings import a_distribution, a_training, some_seeds


def test_equal_trainings_are_an_equal_picture_without_a_date():
    first, second = (draw_curves(some_seeds(3), a_distribution()) for _ in range(2))
    assert first == second
    assert b"<dc:date" not in first
    assert first != draw_curves(some_seeds(3, ap=0.2), a_distribution())


def test_the_picture_says_what_it_shows():
    text = draw_curves([a_training(7), a_training(8, epochs_done=4)], a_distribution()).decode()
    for words in ("epochs trained", "mean loss", "COCO AP", "seed 7", "seed 8 (not finished)", "lowest to highest"):
        assert words in text, words


@pytest.mark.parametrize("form", ["svg", "png"])
def test_broken_and_empty_curves_are_drawn_as_far_as_they_go(form: Any):
    sound = a_training(1, curve={3: 0.0, 5: 0.1})
    broken = replace(sound, seed=2, results=(replace(sound.results[0], losses=(math.nan,)), *sound.results[1:]))
    zero = a_distribution([a_training(seed, curve={3: 0.0, 9: 0.2 + seed / 1000}) for seed in range(5)])
    picture = draw_curves([sound, broken, replace(sound, seed=3, results=())], zero, form=form)
    assert len(picture) > 1000
    assert len(draw_curves([], None, form=form)) > 1000


def test_many_seeds_are_counted_in_the_legend():
    text = draw_curves(some_seeds(20)).decode()
    assert "and 13 more seeds" in text
    assert "seed 8<" not in text


def test_the_charts_of_a_page_take_their_colours_from_it_and_are_the_same_each_time():
    charts = page_charts(some_seeds(2), a_distribution())
    assert charts == page_charts(some_seeds(2), a_distribution())
    assert [ElementTree.fromstring(chart).get("aria-label") for chart in charts] == [
        "Validation AP of 2 seeds, compared with 10 seeds of main",
        "Training loss of 2 seeds, compared with 10 seeds of main",
    ]
    for chart, label in zip(charts, ("COCO AP@[.50:.95] (share)", "mean loss of the epoch (log scale)"), strict=True):
        assert set(re.findall(r"#[0-9a-f]{6}", chart)) <= {"#000000"}
        for name in ("seed-1", "seed-2", "band", "band-wide", "soft"):
            assert f"var(--{name})" in chart, name
        texts = {element.text for element in ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}text")}
        assert {"epochs trained", label} <= texts


def test_every_seed_has_a_line_of_its_own_while_there_are_styles():
    assert seed_style(0) == "seed-1 dash-0"
    assert len({seed_style(number) for number in range(21)}) == 21
