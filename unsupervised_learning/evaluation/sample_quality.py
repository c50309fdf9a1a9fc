"""Distances between a set of generated images and a set of real ones: arrays of features or pixels in, numbers out.

Independent of any model or feature extractor. All measures but `label_shares` depend on the features and on the number of
images. Compare each with its value for real images against the same number of other real images.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

BLOCK = 1_000  # our choice: images per set in a block of the kernel distance
PRECISION_NEIGHBOURS = 3  # Kynkäänniemi et al. 2019, section 3
DENSITY_NEIGHBOURS = 5  # Naeem et al. 2020
FEWEST = DENSITY_NEIGHBOURS + 1  # minimum number of images for `neighbourhoods`
CHUNK = 1_000  # our choice: rows of a distance matrix in memory at once


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to codes [n, d] and [m, d], n, m > 1.

    |μa − μb|² + tr(A + B − 2(AB)^½), in squared units of the codes (Heusel et al. 2017, arXiv:1706.08500, equation 6). Only the
    codes of an Inception network give the published FID.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    # AB and A^½ B A^½ have the same eigenvalues. The latter is symmetric, which avoids complex numbers.
    mixed = np.linalg.eigvalsh(root @ cov_b @ root).clip(0)
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return float(means + np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(mixed).sum())


class KernelDistance(NamedTuple):
    """Mean and standard deviation over blocks (None for one block), number of blocks, and images per set in a block."""

    mean: float
    sd: float | None
    blocks: int
    block_size: int


def kernel_distance(a: np.ndarray, b: np.ndarray, block_size: int = BLOCK) -> KernelDistance:
    """Return the KID: the unbiased squared maximum mean discrepancy with the kernel (x·y / d + 1)³.

    Bińkowski et al. 2018 (arXiv:1801.01401), section 4. Averaged over disjoint blocks, so that the standard error is the
    standard deviation divided by √blocks. The estimate is unbiased and therefore often negative for equal distributions.

    Args:
        a: codes [n, d], in random order.
        b: codes [m, d], in random order. Only the first min(n, m) rows of either set are used.
        block_size: rows per set in a block; with fewer rows there is one block of all of them.
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

    def of_pairs(x: np.ndarray) -> float:  # without the pairs of a point with itself, which would bias the estimate
        values = kernel(x, x)
        return (values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))

    return float(of_pairs(a) + of_pairs(b) - 2 * kernel(a, b).mean())


def neighbourhoods(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """Measure the overlap of the generated and the real set by balls around each point.

    The radius of a point's ball is the distance to its k-th nearest neighbour in its own set: k is 3 for precision and recall,
    and 5 for density and coverage, as in their papers.

    Precision and density alone can mislead: noise may lie in the middle of a space, inside the large balls of a few real
    outliers. The samples of two failed runs of `gan_notes` are noise; in the classifier's space their precision is 1, but
    their recall is 0.

    Args:
        real: codes [n, d], n at least 6.
        generated: codes [m, d], m at least 6.

    Returns:
        - `precision`: share of generated points in some real ball; `recall`: share of real points in some generated ball
          (Kynkäänniemi et al. 2019, arXiv:1904.06991, section 3)
        - `density`: mean number of real balls that contain a generated point, over k; can exceed 1. `coverage`: share of real
          balls that contain a generated point (Naeem et al. 2020, arXiv:2002.09797, section 3)

        For two large sets from one distribution, density is 1 and coverage 1 − 2⁻⁵ = .97; precision and recall are below 1.

    Raises:
        ValueError: if there are fewer points.
    """
    if min(len(real), len(generated)) < FEWEST:
        raise ValueError(f"there must be at least {FEWEST} points of each. Received: {len(real)} and {len(generated)}")
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
    """Return the share of each label among integer labels [n]: float64 [kinds]."""
    return np.bincount(labels, minlength=kinds) / len(labels)


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Return the total variation ½ Σ|p − q| of distributions [kinds], 0 to 1. A single one of ten kinds is .9 from uniform."""
    return float(np.abs(p - q).sum() / 2)


def divergence_from_uniform(p: np.ndarray) -> float:
    """Return KL(p ‖ uniform) = ln kinds − entropy of p [kinds], in nats: 0 to ln 10 for ten kinds."""
    return float(np.sum(p * np.log(np.where(p > 0, p, 1.0) * len(p))))


def classifier_score(probabilities: np.ndarray) -> float:
    """Return exp E KL(p(y|x) ‖ p(y)) from class probabilities [n, kinds] (Salimans et al. 2016, arXiv:1606.03498, section 4).

    It ranges from 1 to the number of kinds, reached if every image is classified with certainty and all kinds are equally
    frequent. Only the probabilities of an Inception network give the published Inception Score.
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
    """Find the candidate nearest to each query, and its Euclidean distance: exactly 0 for a copy.

    Args:
        queries: [n, …]; must fit in memory.
        candidates: [m, …]; may be a memory map, which is read in chunks.
        read: converts stored rows of either to float32 [rows, d].
        itself: [n] index of each query among the candidates, excluded from its search; None if queries are not candidates.
        progress: called with the number of candidates done, and m.

    Returns:
        Indices of candidates, int64 [n], and distances, float64 [n].
    """
    points = read(queries)
    best, index = np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    for start in range(0, len(candidates), CHUNK):
        rows = read(candidates[start : start + CHUNK])
        squares = np.sum(rows**2, axis=1) - 2 * points @ rows.T  # without |query|², the same for all candidates
        if itself is not None:
            (own,) = np.nonzero((itself >= start) & (itself < start + len(rows)))
            squares[own, itself[own] - start] = np.inf
        place = squares.argmin(axis=1)
        found = squares[np.arange(len(points)), place]
        nearer = found < best
        best[nearer], index[nearer] = found[nearer], start + place[nearer]
        if progress:
            progress(min(start + CHUNK, len(candidates)), len(candidates))
    distances = [np.zeros(0)]  # recomputed, because the squares above have rounding errors
    for start in range(0, len(points), CHUNK):
        rows = slice(start, start + CHUNK)
        distances.append(np.linalg.norm(points[rows].astype(np.float64) - read(candidates[index[rows]]), axis=1))
    return index, np.concatenate(distances)


def pair_distance(points: np.ndarray) -> float:
    """Return the mean Euclidean distance within n // 2 pairs of points [n, d], in random order, n at least 2."""
    half = len(points) // 2
    return float(np.linalg.norm(points[:half].astype(np.float64) - points[half : 2 * half], axis=1).mean())


def spread(values: np.ndarray) -> dict[str, Any]:
    """Return the mean and quantiles of numbers [n], n at least 1."""
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    return {"mean": float(np.mean(values)), "quantiles": {f"{share}": float(np.quantile(values, share)) for share in shares}}
