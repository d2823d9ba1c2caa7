"""AP from stored matches, and its bootstrap: known answers, pycocotools, and a small simulation."""

import numpy as np
import pytest

from ssdbench.analysis.detections.average_precision import Matches, average_precisions
from ssdbench.analysis.detections.bootstrap import ap_difference, resampled_changes
from ssdbench.ssd.evaluate import evaluate
from ssdbench.ssd.matches import match
from tests.analysis.detections.made import CATEGORIES, IMAGES, detections_of, truth_of


def once(matches: Matches) -> float:
    return float(average_precisions(matches, np.ones((1, len(matches.objects)), dtype=int))[0])


def matches_of(truth, rows, protocol="every-image") -> Matches:
    return Matches(**match(truth, rows, protocol=protocol))


def by_hand(states, objects) -> Matches:
    """One category, one threshold, an image for each detection, best first."""
    return Matches(
        images=np.arange(len(states)),
        bounds=np.array([0, len(states)]),
        states=np.array([states], dtype=np.int8),
        objects=np.array(objects)[:, None],
    )


def test_ap_computed_by_hand():
    # Right, wrong, right of two objects: recall .5 at precision 1, recall 1 at 2/3.
    assert once(by_hand([1, 0, 1], [1, 0, 1])) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert once(by_hand([0, 0, 0], [1, 1, 1])) == 0
    # What does not count is neither right nor wrong.
    assert once(by_hand([1, 2, 1], [1, 0, 1])) == 1


def test_an_image_that_is_drawn_twice_counts_twice_and_one_that_is_not_drawn_does_not_count():
    # Drawn are image 0 twice and image 1: two right ones of two objects, then a wrong one.
    found = average_precisions(by_hand([1, 0, 1], [1, 0, 1]), np.array([[2, 1, 0], [0, 1, 2], [0, 3, 0]]))
    assert found[0] == 1
    assert found[1] == pytest.approx(2 / 3)
    assert np.isnan(found[2])  # no object in what was drawn


@pytest.mark.parametrize("protocol", ["every-image", "published"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ap_of_all_images_is_that_of_pycocotools(tmp_path, protocol, seed):
    truth = truth_of(tmp_path, seed=seed)
    rows = detections_of(truth, seed=seed)
    expected = evaluate(truth, rows, protocol=protocol).ap
    assert 0.05 < expected < 0.95
    assert once(matches_of(truth, rows, protocol)) == pytest.approx(expected, abs=1e-12)


def test_ap_of_drawn_images_is_that_of_pycocotools_over_copies_of_them(tmp_path):
    truth = truth_of(tmp_path, seed=4)
    rows = detections_of(truth, seed=4)
    draws = np.random.default_rng(4).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES))
    assert (draws == 0).any()
    assert (draws > 1).any()
    copied = truth_of(tmp_path, seed=4, draws=draws)
    places = np.repeat(np.arange(IMAGES), draws)
    again = [np.column_stack([np.full(n, at), mine[:, 1:]]) for at, image in enumerate(places)
             if (n := len(mine := rows[rows[:, 0] == image]))]  # fmt: skip
    expected = evaluate(copied, np.concatenate(again)).ap
    assert float(average_precisions(matches_of(truth, rows), draws[None])[0]) == pytest.approx(expected, abs=1e-12)


def test_no_detections_have_ap_0(tmp_path):
    truth = truth_of(tmp_path, seed=1)
    assert once(matches_of(truth, np.empty((0, 7)))) == 0


def test_equal_sets_differ_by_exactly_nothing(tmp_path):
    truth = truth_of(tmp_path, seed=1)
    matches = matches_of(truth, detections_of(truth, seed=1))
    found = ap_difference(matches, matches, confidence=0.99, resamples=200, seed=1)
    assert (found.change, found.low, found.high) == (0, 0, 0)


def test_exchanged_labels_cost_what_they_cost_and_the_interval_says_so(tmp_path):
    truth = truth_of(tmp_path, seed=1)
    rows = detections_of(truth, seed=1)
    moved = rows.copy()
    moved[:, 6] = moved[:, 6] % CATEGORIES + 1
    there, here = matches_of(truth, rows), matches_of(truth, moved)
    found = ap_difference(there, here, confidence=0.99, resamples=400, seed=1)
    assert found.candidate < 0.1 * found.baseline
    assert found.high < 0
    assert found.low < found.change < found.high


def test_the_order_of_resamples_in_parts_does_not_matter(tmp_path, monkeypatch):
    truth = truth_of(tmp_path, seed=1)
    one, two = (matches_of(truth, detections_of(truth, seed=seed)) for seed in (1, 2))
    whole = resampled_changes(one, two, resamples=50, seed=3)
    monkeypatch.setattr("ssdbench.analysis.detections.bootstrap._MOST_CELLS", 1)
    np.testing.assert_allclose(resampled_changes(one, two, resamples=50, seed=3), whole, rtol=0, atol=1e-14)


def two_builds(random, images, loss):
    """Matches of two builds that see the same images; the second misses a share `loss` of what the first finds."""
    objects = random.poisson(1.5, (images, 2))
    image, category = np.repeat(np.arange(images), 6), np.tile([0, 0, 0, 1, 1, 1], images)
    rank = np.tile([0, 1, 2], 2 * images)
    quality = random.normal(size=len(image)) + random.normal(size=images)[image]
    found = (random.random(len(image)) < 1 / (1 + np.exp(-quality))) & (rank < objects[image, category])
    sides = []
    for kept in (found, found & (random.random(len(image)) > loss)):
        order = np.lexsort((-(quality + 0.3 * random.normal(size=len(image))), category))
        bounds = np.searchsorted(category[order], [0, 1, 2])
        sides.append(Matches(images=image[order], bounds=bounds, states=kept[None, order].astype(int), objects=objects))
    return sides


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    random, images, studies, loss = np.random.default_rng(8), 80, 150, 0.15
    true = np.mean([once(two) - once(one) for one, two in (two_builds(random, images, loss) for _ in range(600))])
    covered = 0
    for study in range(studies):
        changes = resampled_changes(*two_builds(random, images, loss), resamples=200, seed=study)
        low, high = np.quantile(changes, (0.05, 0.95))
        covered += low <= true <= high
    # Of 150 intervals of 90 %, 135 are expected: between 123 and 147 in all but 1 of 1,000 cases.
    assert 123 <= covered <= 147
    assert true < -0.01
