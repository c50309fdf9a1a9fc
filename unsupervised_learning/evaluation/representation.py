"""Measures of how well codes separate digits, all by scikit-learn, with fixed random seeds.

Codes are [n, d] finite floats, labels [n] integers and images [n, pixels] floats; any other array raises a ValueError. The
results are numbers, or None where a measure is undefined.

The codes come from images unseen in training. Compare each measure with that of PCA codes of the same size (`fitted_pca`);
`report` gives both. Labels are used for evaluation only.
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

FOLDS, NEIGHBOURS = 5, 10  # as in the quoted numbers of the 2016 runs
STARTS = 10  # our choice: k-means keeps the best of these starts
QUADRATIC = 3000  # measures with quadratic cost use only the first 3,000 codes
# With so few numbers, threads mostly wait for each other: up to a hundred times slower on a busy machine. One thread also gives
# the same sums on any number of cores.
one_thread = threadpool_limits.wrap(limits=1)


def fitted_pca(train_images: np.ndarray, components: int) -> PCA:
    """Fit PCA to images [n, pixels]; its `transform` returns codes [n, components].

    The solver is exact, uses no random numbers, and is the fastest one for many images with few pixels.
    """
    return PCA(components, svd_solver="covariance_eigh").fit(train_images)


def knn_accuracy(codes: np.ndarray, labels: np.ndarray) -> float:
    """Measure the 5-fold cross-validated accuracy of a classifier by ten nearest neighbours.

    The folds are scikit-learn's stratified ones, in the order of the data. The 2016 autoencoder's test codes give 0.809 (run 3)
    and 0.819 (run 5); chance is 0.1.

    With little data, the neighbours are limited to the training codes of a fold, and the folds to the number of codes, which
    must be at least 2. Folds are shuffled instead of stratified if some label has fewer codes than there are folds.
    """
    codes, labels = _checked_codes(codes, labels)
    folds = _folds(codes, labels)
    smallest_training_set = min(len(train) for train, _ in folds)
    classifier = KNeighborsClassifier(min(NEIGHBOURS, smallest_training_set))
    return float(cross_val_score(classifier, codes, labels, cv=folds).mean())


def accuracy_if_labelled(codes: np.ndarray, labels: np.ndarray) -> float | None:
    """Return `knn_accuracy`, or None if there is only one label, as in data that have none."""
    return knn_accuracy(codes, labels) if len(np.unique(labels)) > 1 else None


@one_thread
def linear_probe_accuracy(codes: np.ndarray, labels: np.ndarray) -> float | None:
    """Measure the 5-fold cross-validated accuracy of a linear classifier of the codes (Alain & Bengio 2016).

    It is multinomial logistic regression with scikit-learn's L2 penalty, C = 1, on codes standardised by the training folds.
    The folds are those of `knn_accuracy`. None if the training part of a fold has only one label.
    """
    codes, labels = _checked_codes(codes, labels)
    folds = _folds(codes, labels)
    if min(len(np.unique(labels[train])) for train, _ in folds) < 2:
        return None
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    return float(cross_val_score(classifier, codes.astype(np.float64), labels, cv=folds).mean())


@one_thread
def clustering(codes: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Measure how well k-means recovers the labels, with one cluster per label and the best of 10 starts.

    Returns:
        `purity`: see `purity`; at least the share of the most common label. `nmi`: the mutual information of clusters and
        labels, divided by the mean of their entropies, 0 … 1. `ari`: the adjusted Rand index (Hubert & Arabie 1985), 0 for
        chance, 1 if the clusters equal the labels. All None if there is only one label.
    """
    codes, labels = _checked_codes(codes, labels)
    clusters = len(np.unique(labels))
    if clusters < 2:
        return dict.fromkeys(("purity", "nmi", "ari"))
    k_means = KMeans(clusters, n_init=STARTS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct codes than labels give fewer clusters
        found = k_means.fit_predict(codes.astype(np.float64))
    return {
        "purity": purity(found, labels),
        "nmi": float(normalized_mutual_info_score(labels, found)),
        "ari": float(adjusted_rand_score(labels, found)),
    }


def purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of codes with the most common label of their cluster, from clusters [n] and labels [n]."""
    return float(contingency_matrix(labels, clusters).max(axis=0).sum() / len(labels))  # [labels, clusters]


def trustworthiness(codes: np.ndarray, images: np.ndarray) -> float | None:
    """Measure whether nearest neighbours of codes are also nearest neighbours of images (Venna & Kaski 2001).

    Each of the 10 nearest codes that is not among the 10 nearest images is penalized by its excess rank. The range is 0 … 1: 1
    if no code has a false neighbour, about ½ for uninformative codes. Only the first 3,000 are used, because the cost is
    quadratic. With fewer than 21 codes there are fewer neighbours; None for fewer than 3.
    """
    codes, images = np.asarray(codes)[:QUADRATIC], np.asarray(images)[:QUADRATIC]
    if len(codes) != len(images):
        raise ValueError(f"There must be as many codes as images. Received: {len(codes)} and {len(images)}")
    neighbours = min(NEIGHBOURS, (len(codes) - 1) // 2)  # defined for fewer than half of the codes
    if neighbours < 1:
        return None
    return float(trustworthiness_score(images, codes, n_neighbors=neighbours))


def silhouette(codes: np.ndarray, labels: np.ndarray) -> float | None:
    """Measure how much closer codes lie to their own digit than to the nearest other: mean silhouette (Rousseeuw 1987).

    It lies in [−1, 1]; None for only one label, or as many labels as codes. Only the first 3,000 codes are used, because the
    cost is quadratic. The 2016 autoencoder's test codes give 0.096 (run 3) and 0.117 (run 5).
    """
    codes, labels = _checked_codes(codes, labels)
    codes, labels = codes[:QUADRATIC], labels[:QUADRATIC]
    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(codes, labels))


def code_sparsity(codes: np.ndarray) -> float | None:
    """Return the mean sparsity of the codes, (√d − |c|₁ / |c|₂) / (√d − 1) (Hoyer 2004, section 3.1).

    The sparsity of a code is 0 if all its numbers have the same magnitude, 1 if only one is nonzero. None if d = 1 or all codes
    are zero.
    """
    codes = np.asarray(codes, np.float64)
    norms = np.linalg.norm(codes, axis=1)
    if codes.shape[1] < 2 or not norms.any():
        return None
    root = np.sqrt(codes.shape[1])
    ratio = np.abs(codes[norms > 0]).sum(axis=1) / norms[norms > 0]
    return float(np.mean((root - ratio) / (root - 1)))


def measures(codes: np.ndarray, labels: np.ndarray, images: np.ndarray) -> dict[str, Any]:
    """Compute every measure of this module, by name."""
    return {
        "dimensions": codes.shape[1],
        "knn_accuracy": accuracy_if_labelled(codes, labels),
        "linear_probe_accuracy": linear_probe_accuracy(codes, labels),
        **clustering(codes, labels),
        "silhouette": silhouette(codes, labels),
        "trustworthiness": trustworthiness(codes, images),
        "code_sparsity": code_sparsity(codes),
    }


def report(codes: np.ndarray, labels: np.ndarray, images: np.ndarray, pca_codes: np.ndarray | None = None) -> dict[str, Any]:
    """Measure codes, and PCA codes of the same size for comparison, for evaluation.json.

    The codes are an autoencoder's, or a VAE's mu. The PCA is fitted to the training images; None if it cannot
    have d components.

    Returns:
        `codes` and `pca` (may be None): see `measures`; and the parameters of the measures.
    """
    codes = np.asarray(codes)
    if pca_codes is not None and pca_codes.shape != codes.shape:
        raise ValueError(f"pca_codes must have the shape of codes, {codes.shape}. Received: {pca_codes.shape}")
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
    """Return up to five folds of row indices, each a training and a held-out part; see `knn_accuracy`."""
    if len(codes) < 2:
        raise ValueError(f"Cross-validation needs at least 2 codes. Received: codes.shape={codes.shape}")
    folds = min(FOLDS, len(codes))
    if np.unique(labels, return_counts=True)[1].min() >= folds:
        split = StratifiedKFold(folds)
    else:
        split = KFold(folds, shuffle=True, random_state=0)
    return list(split.split(codes, labels))


def _checked_codes(codes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and labels as arrays, or raise a ValueError if they are invalid."""
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.size == 0 or labels.shape != codes.shape[:1]:
        raise ValueError(
            f"codes must be [n, d], not empty, and labels [n]. Received: codes.shape={codes.shape}, labels.shape={labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers. Received: labels.dtype={labels.dtype}")
    finite = np.isfinite(codes).all(axis=1)
    if not finite.all():
        raise ValueError(f"codes must be finite. Received: {np.sum(~finite)} of {len(codes)} rows that are not finite")
    return codes, labels
