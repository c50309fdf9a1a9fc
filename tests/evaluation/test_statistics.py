"""Intervals, tests and verdicts over seeds, against hand-worked values and simulated runs."""

import numpy as np
import pytest

from unsupervised_learning.evaluation import statistics
from unsupervised_learning.evaluation.statistics import DIFFERS, EQUAL, OPEN


def test_prediction_intervals():
    found = statistics.predicted([1.0, 2.0, 3.0], 5.0)
    assert found.high == pytest.approx(2 + 4.302653 * np.sqrt(4 / 3))  # Student's t, two degrees of freedom, 97.5 %
    assert found.inside
    assert not statistics.predicted([1.0, 2.0, 3.0], 8.0).inside
    assert statistics.predicted([1.0, 2.0, 3.0], 8.0, tests=12).inside  # wider, as one of twelve tests


def test_a_difference_has_welchs_interval():
    found = statistics.difference([1.0, 2.0, 3.0], [6.0, 8.0, 10.0], margin=0.1)
    # Variances 1 and 4, so that the standard error is √(5/3), with 2 · 25 / 17 degrees of freedom (Welch–Satterthwaite).
    assert (found.mean, found.verdict) == (-6.0, DIFFERS)
    assert found.low == pytest.approx(-6 - 3.218759 * np.sqrt(5 / 3))
    assert found.p == pytest.approx(0.1)  # Mann–Whitney: 2 of the 20 orders are as extreme
    assert statistics.difference([1.0, 2.0, 3.0], [6.0, 8.0, 10.0], margin=0.1, tests=20).verdict == OPEN


@pytest.mark.parametrize(
    ("shift", "margin", "verdict", "said"),
    [
        (0.0, 0.3, EQUAL, "+0.000, −0.141 … +0.141: equal within ±0.3"),
        (0.15, 0.3, EQUAL, "+0.150, +0.009 … +0.291: equal within ±0.3"),  # not 0, but too small to matter
        (0.15, 0.2, DIFFERS, "+0.150, +0.009 … +0.291: differs, perhaps by less than 0.2"),
        (-1.0, 0.3, DIFFERS, "−1.000, −1.141 … −0.859: differs"),
        (0.1, 0.2, OPEN, "+0.100, −0.041 … +0.241: open"),
    ],
)
def test_the_verdict_follows_from_the_interval(shift, margin, verdict, said):
    theirs = [133.9, 134.0, 134.1, 134.0]
    found = statistics.difference([value + shift for value in theirs], theirs, margin)
    assert found.verdict == verdict
    assert str(found) == said


def test_pairing_removes_shared_variation():
    theirs = [130.0, 134.0, 138.0]
    ours = [130.1, 134.2, 138.3]
    assert statistics.difference(ours, theirs, 0.6).verdict == OPEN
    paired = statistics.paired_difference(ours, theirs, 0.6)
    assert (paired.mean, paired.verdict) == (pytest.approx(0.2), EQUAL)
    assert paired.high == pytest.approx(0.2 + 4.302653 * 0.1 / np.sqrt(3))


@pytest.mark.slow
def test_intervals_have_their_nominal_coverage():
    random = np.random.default_rng(0)
    held = inside = 0
    for _ in range(1_000):
        ours, theirs, one = random.normal(5, 1, 6), random.normal(5, 2, 8), random.normal(5, 1)
        difference = statistics.difference(ours, theirs, margin=0.1)
        held += difference.low <= 0 <= difference.high
        inside += statistics.predicted(ours, one).inside
    assert held == pytest.approx(950, abs=21)  # three standard deviations of a count of 1,000 at 95 %
    assert inside == pytest.approx(950, abs=21)


def test_outcomes_are_compared_by_fishers_test():
    assert statistics.same_frequencies([3, 0], [0, 3]) == pytest.approx(0.1)  # 2 of the 20 tables
    assert statistics.same_frequencies([10, 0, 0], [0, 5, 5]) < 0.001
    assert statistics.same_frequencies([4, 3, 3, 0], [4, 2, 4, 0]) > 0.5
    assert statistics.same_frequencies([5, 0], [7, 0]) == 1.0


def test_fewer_than_three_runs_are_refused():
    for compare in (
        lambda: statistics.predicted([1.0, 2.0], 1.0),
        lambda: statistics.difference([1.0, 2.0], [1.0, 2.0, 3.0], 1.0),
        lambda: statistics.paired_difference([1.0, 2.0], [1.0, 2.0], 1.0),
    ):
        with pytest.raises(ValueError, match=r"at least 3 runs\. Received: 2"):
            compare()


def test_mean_sd():
    assert statistics.mean_sd([1.0, 2.0, 3.0], ".1f") == "2.0 ± 1.0 (n = 3)"
    assert statistics.mean_sd([1.0], ".1f") == "1.0 (n = 1)"
    assert statistics.mean_sd([]) == "–"
