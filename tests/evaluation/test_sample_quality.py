"""The measures of generated images, checked on points or Gaussians with known answers."""

import math

import numpy as np
import pytest

from unsupervised_learning.evaluation import sample_quality
from unsupervised_learning.evaluation.sample_quality import frechet, kernel_distance, nearest, neighbourhoods


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def normal(count: int, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width))


# Fréchet distance


def test_frechet_of_known_gaussians():
    random = np.random.default_rng(0)
    codes = random.standard_normal((500, 8))
    whitened = (codes - codes.mean(0)) @ np.linalg.inv(
        np.linalg.cholesky(np.cov(codes, rowvar=False)).T
    )  # covariance exactly 1
    shift, stretch = random.standard_normal(8), random.uniform(0, 3, 8)
    assert frechet(whitened, whitened[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet(whitened, whitened + shift) == pytest.approx(shift @ shift)
    # for diagonal covariances: the sum of (σa − σb)²
    assert frechet(whitened, whitened * stretch) == pytest.approx(np.sum((1 - stretch) ** 2))
    assert frechet(whitened * stretch, whitened + shift) == pytest.approx(np.sum((1 - stretch) ** 2) + shift @ shift)


def test_frechet_of_singular_covariances_that_do_not_commute():
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((400, 3)) @ random.standard_normal((3, 5)) for _ in range(2))  # rank 3 of 5
    covariances = [np.cov(codes, rowvar=False) for codes in (a, b)]
    roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1] + 0j))
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1]) - 2 * np.sum(np.real(roots))
    assert frechet(a, b) == pytest.approx(expected, rel=1e-5)


# Kernel distance


def test_kernel_distance_by_hand():
    # (xy + 1)³: within {0, 1} 1, within {2, 3} 343, between them 1, 1, 27 and 64
    found = kernel_distance(column(0, 1), column(2, 3))
    assert found == (pytest.approx(1 + 343 - 2 * 93 / 4), None, 1, 2)


def test_kernel_distance_divides_by_the_width():
    # x·y / 2 + 1 within {(1, 1), (1, 1)}: 2³ = 8; within {0, 0} and between 1
    assert kernel_distance(np.ones((2, 2)), np.zeros((2, 2))).mean == pytest.approx(8 + 1 - 2)


def test_kernel_distance_is_unbiased():
    """For equal distributions its mean is 0, even in blocks so small that the biased estimate is far from it."""
    found = kernel_distance(normal(40_000), normal(40_000, seed=1), block_size=10)
    assert (found.blocks, found.block_size) == (4_000, 10)
    assert found.sd is not None
    standard_error = found.sd / math.sqrt(found.blocks)
    assert abs(found.mean) < 3 * standard_error
    bias = (np.mean(((normal(10_000) ** 2).sum(1) / 4 + 1) ** 3) - 1) / 10  # from pairs of a point with itself
    assert bias > 20 * standard_error


def test_kernel_distance_is_the_mean_over_blocks():
    a, b = normal(7), normal(9, seed=1)
    halves = [kernel_distance(a[rows], b[rows]).mean for rows in (slice(0, 3), slice(3, 6))]
    found = kernel_distance(a, b, block_size=3)
    assert found == (pytest.approx(np.mean(halves)), pytest.approx(abs(halves[0] - halves[1]) / math.sqrt(2)), 2, 3)
    assert kernel_distance(a, a[::-1] + 5).mean > 1


# Precision, recall, density, coverage


def test_neighbourhoods_of_equal_sets():
    points = np.random.default_rng(0).integers(-(10**6), 10**6, (300, 4))  # integers: distances are exact
    # A ball contains its own point and the five nearest: (5 + 1) / 5
    assert neighbourhoods(points, points) == pytest.approx({"precision": 1, "recall": 1, "density": 1.2, "coverage": 1})


def test_neighbourhoods_of_equal_distributions():
    found = neighbourhoods(normal(2_500), normal(2_500, seed=1))
    assert found["density"] == pytest.approx(1, abs=0.03)  # standard deviation over seeds .008
    assert found["coverage"] == pytest.approx(1 - 2**-5, abs=0.02)  # .003
    assert 0.8 < found["precision"] < 1
    assert 0.8 < found["recall"] < 1


def test_neighbourhoods_of_disjoint_sets():
    assert set(neighbourhoods(normal(50), normal(50, seed=1) + 100).values()) == {0}


def test_neighbourhoods_of_a_mode_dropping_generator():
    modes = np.repeat(np.arange(10), 100)[:, None] * np.array([[1000.0, 0, 0, 0]])
    real, generated = normal(1_000) + modes, normal(1_000, seed=1)  # all samples in the first of ten modes
    found, in_mode = neighbourhoods(real, generated), neighbourhoods(real[:100], generated)
    assert (found["precision"], found["density"]) == pytest.approx((in_mode["precision"], in_mode["density"]))
    assert (found["recall"], found["coverage"]) == pytest.approx((in_mode["recall"] / 10, in_mode["coverage"] / 10))
    assert found["precision"] > 0.8
    assert found["coverage"] > 0.09


def test_neighbourhoods_by_hand():
    real = column(0, 1, 2, 3, 4, 5, 100)  # third-neighbour distances 3, 2, 2, 2, 2, 3, 97; fifth 5, 4, 3, 3, 4, 5, 99
    generated = column(-4, -4, -4, -4, 7, 1_000)  # third-neighbour distances 0, 0, 0, 0, 11, 1,004
    found = neighbourhoods(real, generated)
    assert found["precision"] == pytest.approx(1 / 6)  # only 7, in the balls of 5 and 100; −4 is 4 from 0
    assert found["recall"] == 1  # all within 1,004 of 1,000
    assert found["density"] == pytest.approx((4 * 1 + 3) / (5 * 6))  # −4: ball of 0; 7: balls of 4, 5, 100; 1,000: none
    assert found["coverage"] == pytest.approx(4 / 7)  # the balls of 0, 4, 5, 100


def test_neighbourhoods_in_chunks(monkeypatch):
    real, generated = normal(50), normal(40, seed=1) + 0.5
    whole = neighbourhoods(real, generated)
    monkeypatch.setattr(sample_quality, "CHUNK", 7)
    assert neighbourhoods(real, generated) == whole


def test_neighbourhoods_need_six_points():
    with pytest.raises(ValueError, match=r"at least 6 points of each\. Received: 6 and 5"):
        neighbourhoods(normal(6), normal(5))


# Labels


def test_label_measures_of_a_collapsed_and_a_uniform_generator():
    uniform = np.full(10, 0.1)
    collapsed, even = sample_quality.label_shares(np.full(50, 3)), sample_quality.label_shares(np.arange(50) % 10)
    assert collapsed.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert sample_quality.total_variation(collapsed, uniform) == pytest.approx(0.9)
    assert sample_quality.divergence_from_uniform(collapsed) == pytest.approx(math.log(10))
    assert sample_quality.total_variation(even, uniform) == pytest.approx(0, abs=1e-15)
    assert sample_quality.divergence_from_uniform(even) == pytest.approx(0, abs=1e-15)
    halved = sample_quality.label_shares(np.array([0, 1, 2, 3, 4]))
    assert sample_quality.total_variation(halved, uniform) == pytest.approx(0.5)
    assert sample_quality.divergence_from_uniform(halved) == pytest.approx(math.log(2))


def test_classifier_score():
    certain = np.eye(10)
    assert sample_quality.classifier_score(np.repeat(certain, 3, axis=0)) == pytest.approx(10)
    assert sample_quality.classifier_score(np.repeat(certain[:2], 3, axis=0)) == pytest.approx(2)
    assert sample_quality.classifier_score(certain[[4, 4]]) == pytest.approx(1)
    assert sample_quality.classifier_score(np.full((5, 10), 0.1)) == pytest.approx(1)  # undecided, so variety is invisible
    # p(y|x) is (.8, .2) and (.2, .8), p(y) is (½, ½): E KL = ln 2 + .8 ln .8 + .2 ln .2
    expected = 2 * 0.8**0.8 * 0.2**0.2
    assert sample_quality.classifier_score(np.array([[0.8, 0.2], [0.2, 0.8]])) == pytest.approx(expected)


# Neighbours, pairs


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_nearest_by_hand(chunk, monkeypatch):
    monkeypatch.setattr(sample_quality, "CHUNK", chunk)
    candidates = np.array([[0, 0], [3, 4], [10, 0]], np.float32)
    index, distance = nearest(np.array([[0, 1], [10, 0], [6, 8]], np.float32), candidates)
    assert index.tolist() == [0, 2, 1]
    assert distance.tolist() == [1, 0, 5]
    index, distance = nearest(candidates, candidates, itself=np.arange(3))
    assert index.tolist() == [1, 0, 1]
    assert distance == pytest.approx([5, 5, math.sqrt(65)])
    index, _ = nearest(candidates, candidates, itself=np.array([2, 0, 1]))
    assert index.tolist() == [0, 1, 2]


def test_nearest_to_a_copy_is_exactly_0():
    images = np.random.default_rng(0).integers(0, 256, (300, 12_288), np.uint8)

    def read(some: np.ndarray) -> np.ndarray:
        return some.astype(np.float32) / 255

    index, distance = nearest(images[[7, 299, 123]], images, read)
    assert index.tolist() == [7, 299, 123]
    assert distance.tolist() == [0, 0, 0]


def test_nearest_reports_progress(monkeypatch):
    monkeypatch.setattr(sample_quality, "CHUNK", 4)
    told = []
    nearest(normal(3), normal(10), progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_pair_distance():
    assert sample_quality.pair_distance(np.ones((9, 5), np.float32)) == 0
    assert sample_quality.pair_distance(np.array([[0, 0], [0, 0], [3, 4], [0, 1], [9, 9]], np.float32)) == 3  # 5 and 1


def test_spread():
    found = sample_quality.spread(np.arange(101.0) ** 2)
    assert found["mean"] == pytest.approx(np.mean(np.arange(101) ** 2))
    assert found["quantiles"] == {"0.05": 25, "0.25": 625, "0.5": 2500, "0.75": 5625, "0.95": 9025}
