"""How well codes tell digits apart: codes [n, d] and labels [n] in, numbers out, all by scikit-learn.

Each measure is one of the codes alone, of images that training never saw, and means most beside that of PCA codes of equal
size (`fitted_pca`): `report` gives both. Labels are used only to judge. Whatever chance there is has a fixed seed.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness as trustworthiness_score
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

FOLDS, NEIGHBOURS = 5, 10  # of the 2016 runs' measured numbers
STARTS = 10  # of k-means, the best of which counts; our choice
QUADRATIC = 3000  # the first so many codes, where the cost is quadratic in their number
# Fits of so few numbers pass the time waiting for each other's threads, a hundred times as long on a busy machine; and sums in
# one thread are the same with any number of cores.
one_thread = threadpool_limits.wrap(limits=1)


def fitted_pca(train_images: np.ndarray, components: int) -> PCA:
    """Fit principal component analysis to images [n, pixels]; `transform` gives codes [n, components].

    Of the exact solvers the one that is quick for many images of few pixels; no random numbers.
    """
    return PCA(components, svd_solver="covariance_eigh").fit(train_images)


def knn_accuracy(codes: np.ndarray, labels: np.ndarray) -> float:
    """Measure how often a code's ten nearest neighbours, by majority, have its label, 5-fold cross-validated.

    The folds are scikit-learn's stratified ones, in the order of the data. The 2016 autoencoder's test codes give 0.809
    (run 3) and 0.819 (run 5); chance is 0.1.

    Few data: no more neighbours than a fold trains on, no more folds than codes, and plain shuffled folds if some label
    has fewer codes than there are folds.

    Args:
        codes: [n, d] finite floats, n at least 2.
        labels: [n] integers.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: shapes that do not fit, non-finite codes, labels that are not integers, n below 2.
    """
    codes, labels = _checked_codes(codes, labels)
    folds = _folds(codes, labels)
    smallest_training_set = min(len(train) for train, _ in folds)
    classifier = KNeighborsClassifier(min(NEIGHBOURS, smallest_training_set))
    return float(cross_val_score(classifier, codes, labels, cv=folds).mean())


@one_thread
def linear_probe_accuracy(codes: np.ndarray, labels: np.ndarray) -> float | None:
    """Measure how often a linear classifier of the codes is right, 5-fold cross-validated (Alain & Bengio 2016).

    Multinomial logistic regression, with scikit-learn's L2 penalty of C = 1, on codes that are standardised by the folds it is
    fitted to; the folds are those of `knn_accuracy`.

    Args:
        codes: [n, d] finite floats, n at least 2.
        labels: [n] integers.

    Returns:
        A fraction in [0, 1]; None where there is nothing to tell apart: one label only, or in what a fold trains on.

    Raises:
        ValueError: as `knn_accuracy`.
    """
    codes, labels = _checked_codes(codes, labels)
    folds = _folds(codes, labels)
    if min(len(np.unique(labels[train])) for train, _ in folds) < 2:
        return None
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    return float(cross_val_score(classifier, codes.astype(np.float64), labels, cv=folds).mean())


@one_thread
def clustering(codes: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Measure how well k-means, with as many clusters as labels, finds the labels without having seen any.

    The best of 10 starts (k-means++, seed 0).

    Args:
        codes: [n, d] finite floats.
        labels: [n] integers.

    Returns:
        `purity`, the share of codes whose label is their cluster's commonest, at least that of the commonest label; `nmi`, the
        mutual information of clusters and labels over the mean of their entropies, 0 … 1; `ari`, the adjusted Rand index
        (Hubert & Arabie 1985), 0 for chance and 1 for the labels' own clusters. All None for one label only.

    Raises:
        ValueError: shapes that do not fit, non-finite codes, labels that are not integers.
    """
    codes, labels = _checked_codes(codes, labels)
    clusters = len(np.unique(labels))
    if clusters < 2:
        return dict.fromkeys(("purity", "nmi", "ari"))
    k_means = KMeans(clusters, n_init=STARTS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct codes than labels are as many clusters
        found = k_means.fit_predict(codes.astype(np.float64))
    return {
        "purity": purity(found, labels),
        "nmi": float(normalized_mutual_info_score(labels, found)),
        "ari": float(adjusted_rand_score(labels, found)),
    }


def purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Share of the members [n] of clusters whose label [n] is their cluster's commonest."""
    return float(contingency_matrix(labels, clusters).max(axis=0).sum() / len(labels))  # [labels, clusters]


def trustworthiness(codes: np.ndarray, images: np.ndarray) -> float | None:
    """Measure whether neighbours among the codes are neighbours among the images (Venna & Kaski 2001).

    Each of a code's 10 nearest that is not among its image's 10 nearest costs by how much farther it lies, in rank. Over the
    first 3,000, as the cost is quadratic; fewer neighbours for fewer than 21 codes.

    Args:
        codes: [n, d] finite floats.
        images: [n, pixels] floats.

    Returns:
        A number in [0, 1], 1 if no code has a false neighbour, about ½ for codes that say nothing; None for n below 3.

    Raises:
        ValueError: codes and images that are not equally many.
    """
    codes, images = np.asarray(codes)[:QUADRATIC], np.asarray(images)[:QUADRATIC]
    if len(codes) != len(images):
        raise ValueError(f"There must be as many codes as images. Received: {len(codes)} and {len(images)}")
    neighbours = min(NEIGHBOURS, (len(codes) - 1) // 2)  # it is defined for fewer than half
    if neighbours < 1:
        return None
    return float(trustworthiness_score(images, codes, n_neighbors=neighbours))


def silhouette(codes: np.ndarray, labels: np.ndarray) -> float | None:
    """Measure how much nearer codes lie to their own digit than to the next: mean silhouette (Rousseeuw 1987).

    Over the first 3,000 codes, as its cost is quadratic. The 2016 autoencoder's test codes give 0.096 (run 3) and 0.117
    (run 5).

    Args:
        codes: [n, d] finite floats.
        labels: [n] integers.

    Returns:
        A number in [-1, 1]; None where it is not defined: one label only, or as many labels as codes.

    Raises:
        ValueError: shapes that do not fit, non-finite codes, labels that are not integers.
    """
    codes, labels = _checked_codes(codes, labels)
    codes, labels = codes[:QUADRATIC], labels[:QUADRATIC]
    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(codes, labels))


def code_sparsity(codes: np.ndarray) -> float | None:
    """Measure how few of a code's numbers carry it: (√d − |c|₁ / |c|₂) / (√d − 1), mean over codes (Hoyer 2004, section 3.1).

    Args:
        codes: [n, d] finite floats.

    Returns:
        0 if all numbers of a code are equally large, 1 if one alone is not zero; None for d = 1 or codes that are all zero.
    """
    codes = np.asarray(codes, np.float64)
    norms = np.linalg.norm(codes, axis=1)
    if codes.shape[1] < 2 or not norms.any():
        return None
    root = np.sqrt(codes.shape[1])
    ratio = np.abs(codes[norms > 0]).sum(axis=1) / norms[norms > 0]
    return float(np.mean((root - ratio) / (root - 1)))


def measures(codes: np.ndarray, labels: np.ndarray, images: np.ndarray) -> dict[str, Any]:
    """Take every measure of this module.

    Args:
        codes: [n, d] finite floats, n at least 2.
        labels: [n] integers.
        images: [n, pixels] floats.

    Returns:
        `dimensions`, `knn_accuracy`, `linear_probe_accuracy`, `purity`, `nmi`, `ari`, `silhouette`, `trustworthiness`,
        `code_sparsity`; None where one is not defined.
    """
    return {
        "dimensions": codes.shape[1],
        "knn_accuracy": knn_accuracy(codes, labels),
        "linear_probe_accuracy": linear_probe_accuracy(codes, labels),
        **clustering(codes, labels),
        "silhouette": silhouette(codes, labels),
        "trustworthiness": trustworthiness(codes, images),
        "code_sparsity": code_sparsity(codes),
    }


def report(codes: np.ndarray, labels: np.ndarray, images: np.ndarray, pca_codes: np.ndarray | None = None) -> dict[str, Any]:
    """Measure codes, and PCA codes of equal size beside them, for evaluation.json.

    Args:
        codes: [n, d] finite floats, n at least 2: an autoencoder's codes, a VAE's mu.
        labels: [n] integers.
        images: [n, pixels] floats.
        pca_codes: [n, d], of `fitted_pca` to the training images; None where PCA has no so many.

    Returns:
        `codes` and `pca` (may be None): see `measures`; and how they were taken: `images`, `folds`, `neighbours`,
        `k_means_starts`, `silhouette_and_trustworthiness_images`.

    Raises:
        ValueError: arrays that are not such.
    """
    codes = np.asarray(codes)
    if pca_codes is not None and pca_codes.shape != codes.shape:
        raise ValueError(f"pca_codes must be of the codes' shape, {codes.shape}. Received: {pca_codes.shape}")
    return {
        "codes": measures(codes, labels, images),
        "pca": None if pca_codes is None else measures(pca_codes, labels, images),
        "images": len(codes),
        "folds": FOLDS,
        "neighbours": NEIGHBOURS,
        "k_means_starts": STARTS,
        "silhouette_and_trustworthiness_images": min(QUADRATIC, len(codes)),
    }


def _folds(codes: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows into what is trained on and what is held out, five times or as often as there are codes.

    Stratified by label, in the order of the data; shuffled and plain if some label has fewer codes than there are folds.
    """
    if len(codes) < 2:
        raise ValueError(f"Cross-validation needs at least 2 codes. Received: codes.shape={codes.shape}")
    folds = min(FOLDS, len(codes))
    if np.unique(labels, return_counts=True)[1].min() >= folds:
        split = StratifiedKFold(folds)
    else:
        split = KFold(folds, shuffle=True, random_state=0)
    return list(split.split(codes, labels))


def _checked_codes(codes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and labels as arrays, or say what is wrong with them."""
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.size == 0 or labels.shape != codes.shape[:1]:
        raise ValueError(
            f"codes must be [n, d], not empty, and labels [n]. Received: codes.shape={codes.shape}, labels.shape={labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers. Received: labels.dtype={labels.dtype}")
    finite = np.isfinite(codes).all(axis=1)
    if not finite.all():
        raise ValueError(f"codes must be finite. Received: {np.sum(~finite)} of {len(codes)} rows that are not")
    return codes, labels
