"""How near a set of generated images is to a set of real ones: arrays of features or pixels in, numbers out.

Knows no model and no features. A number of these means little alone, because all but `label_shares` depend on the features
and on how many images there are: the value of real images against as many other real ones belongs beside it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

BLOCK = 1_000  # our choice: images of each set in a block of the kernel distance
PRECISION_NEIGHBOURS = 3  # Kynkäänniemi et al. 2019, section 3
DENSITY_NEIGHBOURS = 5  # Naeem et al. 2020
FEWEST = DENSITY_NEIGHBOURS + 1  # images that the measures of neighbours need
CHUNK = 1_000  # our choice: rows of a matrix of distances in memory at once


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Fréchet distance |μa − μb|² + tr(A + B − 2(AB)^½) between Gaussians fitted to codes [n, d] and [m, d], n, m > 1.

    Heusel et al. 2017 (arXiv:1706.08500), equation 6. In squared units of the codes: it is the published FID only where these
    are an Inception network's.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    # AB and A^½ B A^½ have the same eigenvalues; the latter is symmetric, so that they are found without complex numbers.
    mixed = np.linalg.eigvalsh(root @ cov_b @ root).clip(0)
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return float(means + np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(mixed).sum())


class KernelDistance(NamedTuple):
    """Mean and standard deviation over blocks (None for one), how many blocks, and how many images of each set in one."""

    mean: float
    sd: float | None
    blocks: int
    block_size: int


def kernel_distance(a: np.ndarray, b: np.ndarray, block_size: int = BLOCK) -> KernelDistance:
    """KID: squared maximum mean discrepancy with the kernel (x·y / d + 1)³, without bias.

    Bińkowski et al. 2018 (arXiv:1801.01401), section 4. The mean over blocks that share no image, so that the
    standard deviation over √blocks is the mean's standard error. The rows are to be in random order. As it has no bias it is
    below zero about as often as above where the two distributions are the same.

    Args:
        a: codes [n, d].
        b: codes [m, d]; of the larger set the first rows are used.
        block_size: rows of each set in a block; one block of all rows where there are fewer.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    count = min(len(a), len(b))
    blocks = max(1, count // block_size)
    size = min(count, block_size)
    found = [_discrepancy(a[i * size : (i + 1) * size], b[i * size : (i + 1) * size]) for i in range(blocks)]
    return KernelDistance(float(np.mean(found)), float(np.std(found, ddof=1)) if blocks > 1 else None, blocks, size)


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def of_pairs(x: np.ndarray) -> float:  # a point is no pair with itself: that is what makes it unbiased
        values = kernel(x, x)
        return (values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))

    return float(of_pairs(a) + of_pairs(b) - 2 * kernel(a, b).mean())


def neighbourhoods(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """How much of the generated set is among the real one and the other way round, by balls around each point.

    A point's ball reaches to its k-th nearest neighbour in its own set, that one included. k is 3 for the first two measures
    and 5 for the others, as in their papers.

    Precision and density alone can mislead: an image like nothing at all may lie in the middle of a space, in the large balls
    of a few real outliers. Two of the failed runs of `gan_notes`, whose samples are noise, have a precision of 1 in the
    classifier's space, but a recall of 0.

    Args:
        real: codes [n, d], n at least 6.
        generated: codes [m, d], m at least 6.

    Returns:
        `precision`, the share of generated points in some real point's ball, and `recall`, the share of real points in some
        generated point's ball (Kynkäänniemi et al. 2019, arXiv:1904.06991, section 3); `density`, in how many real
        points' balls a generated one lies, over k, and `coverage`, the share of real points with a generated one in their
        balls (Naeem et al. 2020, arXiv:2002.09797, section 3). Of two large sets from one distribution density is 1, coverage
        1 − 2⁻⁵ = .97, precision and recall below 1, by how much depending on it. Density can be above 1.

    Raises:
        ValueError: for fewer points.
    """
    if min(len(real), len(generated)) < FEWEST:
        raise ValueError(f"neighbours need at least {FEWEST} points of each. Received: {len(real)} and {len(generated)}")
    real, generated = real.astype(np.float64), generated.astype(np.float64)
    reach = NearestNeighbors(n_neighbors=DENSITY_NEIGHBOURS, algorithm="brute").fit(real).kneighbors()[0]  # [n, 5]
    reach_of_generated = NearestNeighbors(n_neighbors=PRECISION_NEIGHBOURS, algorithm="brute").fit(generated).kneighbors()[0]
    precise, recalled, covered, pairs = np.zeros(len(generated), bool), 0, 0, 0
    for start in range(0, len(real), CHUNK):
        rows = slice(start, start + CHUNK)
        distances = euclidean_distances(real[rows], generated)  # [chunk, m]
        precise |= (distances <= reach[rows, PRECISION_NEIGHBOURS - 1 : PRECISION_NEIGHBOURS]).any(axis=0)
        recalled += int((distances <= reach_of_generated[:, -1]).any(axis=1).sum())
        inside = distances <= reach[rows, -1:]
        covered += int(inside.any(axis=1).sum())
        pairs += int(inside.sum())
    return {
        "precision": float(precise.mean()),
        "recall": recalled / len(real),
        "density": pairs / (DENSITY_NEIGHBOURS * len(generated)),
        "coverage": covered / len(real),
    }


def label_shares(labels: np.ndarray, kinds: int = 10) -> np.ndarray:
    """The share of each label among integers [n], float64 [kinds]."""
    return np.bincount(labels, minlength=kinds) / len(labels)


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """½ Σ|p − q| of two distributions [kinds]: 0 to 1. From uniform over ten kinds a single kind is at .9."""
    return float(np.abs(p - q).sum() / 2)


def divergence_from_uniform(p: np.ndarray) -> float:
    """KL(p ‖ uniform) = ln kinds − entropy of p [kinds], nats: 0 to ln 10 for ten kinds."""
    return float(np.sum(p * np.log(np.where(p > 0, p, 1.0) * len(p))))


def classifier_score(probabilities: np.ndarray) -> float:
    """exp E KL(p(y|x) ‖ p(y)) from a classifier's probabilities [n, kinds]: Salimans et al. 2016 (arXiv:1606.03498), section 4.

    From 1 to the number of kinds, which it is where every image is told for certain and all kinds are equally frequent. It is
    the published Inception Score only with an Inception network's probabilities.
    """
    p = probabilities.astype(np.float64)
    entropies = -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)
    overall = p.mean(axis=0)
    return float(np.exp(-np.sum(overall * np.log(np.where(overall > 0, overall, 1.0))) - entropies.mean()))


def nearest(
    queries: np.ndarray,
    candidates: np.ndarray,
    read: Callable[[np.ndarray], np.ndarray] = np.asarray,
    itself: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The candidate nearest to each query, and its Euclidean distance, which is exactly 0 for a copy.

    Args:
        queries: [n, …], fewer than fill memory.
        candidates: [m, …]; may be a memory map, of which some hundred rows are read at once.
        read: rows of either as they are stored → float32 [rows, d].
        itself: [n], the number of the candidate that a query is itself and that does not count; None if it is none of them.
        progress: called with how many candidates are done, and m.

    Returns:
        Numbers of candidates, int64 [n], and distances, float64 [n].
    """
    points = read(queries)
    best, index = np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    for start in range(0, len(candidates), CHUNK):
        rows = read(candidates[start : start + CHUNK])
        squares = np.sum(rows**2, axis=1) - 2 * points @ rows.T  # less |query|², which is the same for all candidates
        if itself is not None:
            (own,) = np.nonzero((itself >= start) & (itself < start + len(rows)))
            squares[own, itself[own] - start] = np.inf
        place = squares.argmin(axis=1)
        found = squares[np.arange(len(points)), place]
        nearer = found < best
        best[nearer], index[nearer] = found[nearer], start + place[nearer]
        if progress:
            progress(min(start + CHUNK, len(candidates)), len(candidates))
    distances = [np.zeros(0)]  # anew, as the squares above are rounded
    for start in range(0, len(points), CHUNK):
        rows = slice(start, start + CHUNK)
        distances.append(np.linalg.norm(points[rows].astype(np.float64) - read(candidates[index[rows]]), axis=1))
    return index, np.concatenate(distances)


def pair_distance(points: np.ndarray) -> float:
    """Mean Euclidean distance within n // 2 pairs of points [n, d], n at least 2, in random order: 0 if all are the same."""
    half = len(points) // 2
    return float(np.linalg.norm(points[:half].astype(np.float64) - points[half : 2 * half], axis=1).mean())


def spread(values: np.ndarray) -> dict[str, Any]:
    """Mean and quantiles of numbers [n], n at least 1."""
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    return {"mean": float(np.mean(values)), "quantiles": {f"{share}": float(np.quantile(values, share)) for share in shares}}
