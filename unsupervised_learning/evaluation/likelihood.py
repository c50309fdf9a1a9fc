"""Evaluation of a VAE: bounds on log p(x), the KL of each latent dimension, and the aggregate posterior versus the prior.

All results are in nats per image, for images unseen in training, [n, pixels] floats in [0, 1]. mu and log_var are [n, z_dim].
Noise depends only on a seed and the index of an image, so results are reproducible and do not depend on the batches.

A Bernoulli decoder is a probability model only for pixels that are 0 or 1. For grey pixels its "likelihood" is 2016's loss. It
can compare models of the same images, but cannot be compared with published numbers, which are for binarised MNIST (see
`binarization.py`).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.evaluation.test_set import batches, checked_images, posteriors
from unsupervised_learning.losses import bernoulli_cross_entropy

LogLikelihood = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Json = dict[str, Any]
ACTIVE = 0.01  # threshold on a variance (Burda et al. 2015, section 5.2)
PAIRED = 10_000  # our choice: images for the mutual information, which compares all pairs


def bernoulli_log_likelihood(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return log p(x|z) of a Bernoulli decoder, in nats: images [n, pixels] in [0, 1] and logits [n, pixels] → [n]."""
    return -bernoulli_cross_entropy(images, logits)


def image_bounds(
    model: Any,
    images: np.ndarray,
    k: Sequence[int] = (1, 50, 1000),
    seed: int = 0,
    log_likelihood: LogLikelihood = bernoulli_log_likelihood,
    batch_size: int = 500,
    chunk_size: int = 20,
    jit_compile: bool = True,
    advance: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Return k-sample lower bounds on log p(x) of each image (Burda, Grosse & Salakhutdinov 2015, arXiv:1509.00519, eq. 8).

    L_k(x) = log 1/k Σ p(x|z_i) p(z_i) / q(z_i|x) for z_1 … z_k ~ q(z|x) and p(z) = N(0, 1). Its expectation rises with k
    towards log p(x); L_1 estimates the ELBO. The draws are nested: the first 50 of 1,000 give L_50, so one pass yields all
    bounds. Only running sums are kept, so memory grows with batch_size · chunk_size, not with k. MNIST's 10,000 test images
    with 1,000 draws take 24 s of CPU time: a minute on two busy cores.

    Args:
        model: has `encoder`, [batch, pixels] to mu and log_var, [batch, z_dim] each, and `decoder`, z to the second argument of
            `log_likelihood`.
        images: the images.
        k: increasing numbers of draws.
        seed: seed of the noise. Image i's is `numpy.random.default_rng([seed, i]).standard_normal([draws, z_dim])`.
        log_likelihood: images [m, pixels] and the decoder's output [m, …] → log p(x|z) [m].
        batch_size: images per decoder call; affects memory and speed, and the result only by rounding.
        chunk_size: draws per image and decoder call; affects the same.
        jit_compile: compile with XLA, which halves the time.
        advance: called with the number of decodings just done, for a progress bar; in total n · the largest k.

    Returns:
        [len(k), n], in nats.

    Raises:
        ValueError: if an argument does not match its description, or bounds are not finite.
    """
    images, k = checked_images(images, "images"), _checked_draws(k)
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1. Received: chunk_size={chunk_size}")
    mu, log_var = posteriors(model, images, batch_size)  # [n, z_dim] each

    @tf.function(jit_compile=jit_compile, reduce_retracing=True)
    def log_weights(images, mu, log_var, noise):
        latent = layers.sample_latent(mu, log_var, noise)  # [draws, batch, z_dim]
        repeated = tf.broadcast_to(images, tf.concat([tf.shape(noise)[:1], tf.shape(images)], axis=0))
        decoded = model.decoder(tf.reshape(latent, (-1, mu.shape[1])))  # [draws · batch, …]
        log_p_image = tf.reshape(log_likelihood(tf.reshape(repeated, (-1, images.shape[1])), decoded), tf.shape(noise)[:2])
        # log p(z) − log q(z|x); the terms in 2π cancel
        return log_p_image + 0.5 * tf.reduce_sum(tf.square(noise) + log_var - tf.square(latent), axis=-1)

    def bounds_of(rows: slice) -> np.ndarray:
        numbers = range(len(images))[rows]
        generators = [np.random.default_rng([seed, number]) for number in numbers]
        chunk = min(chunk_size, k[-1])
        total, found = np.full(len(numbers), -np.inf), []
        for start in range(0, k[-1], chunk):
            shape = (chunk, mu.shape[1])  # also for the last, partial chunk: a new shape would be compiled again
            noise = np.stack([one.standard_normal(shape, dtype=np.float32) for one in generators], axis=1)
            weights = np.asarray(log_weights(images[rows], mu[rows], log_var[rows], noise), np.float64)  # [chunk, batch]
            if not np.isfinite(weights).all():
                raise ValueError(f"The bounds are not finite. Received: log weights {weights[~np.isfinite(weights)][:3]}")
            for drawn, weight in enumerate(weights[: k[-1] - start], start + 1):
                total = np.logaddexp(total, weight)
                if drawn in k:
                    found.append(total - np.log(drawn))
            if advance:
                advance(min(chunk, k[-1] - start) * len(numbers))
        return np.stack(found)

    return np.concatenate([bounds_of(rows) for rows in batches(len(images), batch_size)], axis=1)


def summary(bounds: np.ndarray, k: Sequence[int]) -> list[Json]:
    """Average the result of `image_bounds`, [len(k), n], over images.

    On MNIST's test images with k = 50, 2016's checkpoints give 160.3 (first form) and 130.6 (fixed form).

    Returns:
        For each k: `k`; `negative_bound`, minus the mean of L_k; its `standard_error` over images (None for one image), which
        includes the variation from the draws; `images`, the number of images.
    """
    rows = []
    for draws, row in zip(k, bounds, strict=True):
        error = float(np.std(row, ddof=1) / np.sqrt(len(row))) if len(row) > 1 else None
        rows.append({"k": draws, "negative_bound": -float(row.mean()), "standard_error": error, "images": len(row)})
    return rows


def kl_per_dimension(mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """Return KL(q(z_d|x) || N(0, 1)) for each latent dimension d, averaged over images (Kingma & Welling 2013, appendix B).

    The result, [z_dim], is in nats, at least 0, and adds up to the KL of the ELBO.
    """
    mu, log_var = np.asarray(mu, np.float64), np.asarray(log_var, np.float64)
    return 0.5 * np.mean(np.square(mu) + (np.expm1(log_var) - log_var), axis=0)


def active_units(mu: np.ndarray) -> Json:
    """Count the active latent dimensions, those with Var_x(E[z_d|x]) > 0.01 (Burda et al. 2015, section 5.2).

    Returns `count`; `variance_of_mu`, the variance over images for each dimension; `threshold`.
    """
    variance = np.var(np.asarray(mu, np.float64), axis=0)
    return {"count": int(np.sum(variance > ACTIVE)), "variance_of_mu": variance.tolist(), "threshold": ACTIVE}


def aggregate_posterior(mu: np.ndarray, log_var: np.ndarray, seed: int = 0) -> Json:
    """Compare the aggregate posterior, q(z) = 1/n Σ q(z|x_i), with the prior N(0, 1).

    The KL of the ELBO is the sum of two parts (Hoffman & Johnson 2016, "ELBO surgery"). The mutual information I(i; z) measures
    how well z identifies its image i. The marginal KL, KL(q(z) || p(z)), measures how far the codes as a whole are from the
    prior. I cannot exceed log n; if it comes close, more images would give a larger value. The marginal KL is at least
    `kl_of_gaussian_fit`, apart from sampling noise, because a Gaussian has the largest entropy for given moments.

    The mutual information is estimated with one z per image, drawn with the seed.

    Returns:
        - `mean` and `variance` of q(z) for each dimension; `largest_correlation` of two dimensions, 0 if there is only one
        - `kl_of_gaussian_fit`: KL(N(mean, covariance of q(z)) || N(0, 1))
        - for the first `images` ≤ 10,000: `kl` = `mutual_information` + `marginal_kl`; the `standard_error` of the mutual
          information over images; `log_images`, the log of their number
    """
    mu, log_var = np.asarray(mu, np.float64), np.asarray(log_var, np.float64)
    mean = mu.mean(axis=0)
    centred = mu - mean
    # Law of total variance: the covariance of the means plus the mean of the variances.
    covariance = centred.T @ centred / len(mu) + np.diag(np.exp(log_var).mean(axis=0))
    variance = np.diag(covariance)
    correlation = covariance / np.sqrt(np.outer(variance, variance)) - np.eye(len(mean))
    fit = 0.5 * (variance.sum() + mean @ mean - len(mean) - np.linalg.slogdet(covariance)[1])
    mu, log_var = mu[:PAIRED], log_var[:PAIRED]
    information = informations(mu, log_var, seed)
    kl = float(kl_per_dimension(mu, log_var).sum())
    return {
        "mean": mean.tolist(),
        "variance": variance.tolist(),
        "largest_correlation": float(np.abs(correlation).max()),
        "kl_of_gaussian_fit": float(fit),
        "kl": kl,
        "mutual_information": float(information.mean()),
        "standard_error": float(np.std(information, ddof=1) / np.sqrt(len(mu))) if len(mu) > 1 else None,
        "marginal_kl": kl - float(information.mean()),
        "log_images": float(np.log(len(mu))),
        "images": len(mu),
    }


def informations(mu: np.ndarray, log_var: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return log q(z_i|x_i) − log q(z_i), [n] at most log n, with one z_i ~ q(z|x_i) per image. The mean estimates I(i; z)."""
    mu, log_var = mu.astype(np.float32), log_var.astype(np.float32)
    latent = latent_draws.of_posterior(mu, log_var, np.random.default_rng(seed), np.float32)

    def log_density(latent, mu, log_var):  # without the term in 2π, which cancels out
        return -0.5 * tf.reduce_sum(tf.square(latent - mu) * tf.exp(-log_var) + log_var, axis=-1)

    @tf.function(jit_compile=True)  # XLA does not materialize the differences [rows, n, z_dim]
    def information(latent, own_mu, own_log_var, mu, log_var):
        of_all = tf.reduce_logsumexp(log_density(latent[:, None], mu, log_var), axis=1)  # log Σ q(z_i|x_j)
        return log_density(latent, own_mu, own_log_var) - of_all

    found = [information(latent[rows], mu[rows], log_var[rows], mu, log_var) for rows in batches(len(mu), 500)]
    return np.concatenate(found).astype(np.float64) + np.log(len(mu))


def rate_distortion(runs: Mapping[str, tuple[Json, Json]], like: str | None = None) -> list[Json]:
    """Return the rate and distortion of finished VAEs (Alemi et al. 2018, arXiv:1711.00464).

    The rate is the KL and the distortion is the reconstruction; their sum is the negative ELBO. kl_weight trades one for the
    other.

    Args:
        runs: name → contents of config.json and results.json. For a model without a run: `{"model": …, "settings":
            its get_config()}` and the result of `test_set.vae_report`. Models other than VAEs are skipped.
        like: name of a reference run. Runs with another data checksum are skipped, as are runs that differ in a setting,
            other than kl_weight and seed, that both record.

    Returns:
        By kl_weight, then by rate: `name`, `kl_weight`, `seed`, `iterations` (None if unknown), and `rate`, `distortion` and
        `negative_elbo` in nats per image.
    """
    points = []
    for name, (config, results) in runs.items():
        if config["model"] != "VariationalAutoEncoder" or (like is not None and not _comparable(config, runs[like][0])):
            continue
        points.append(
            {
                "name": name,
                "kl_weight": config["settings"]["kl_weight"],
                "seed": config["settings"].get("seed"),
                "iterations": results.get("iterations"),
                "rate": results["kl"],
                "distortion": results["reconstruction"],
                "negative_elbo": results["kl"] + results["reconstruction"],
            }
        )
    return sorted(points, key=lambda point: (point["kl_weight"], point["rate"]))


def report(
    model: Any,
    images: np.ndarray,
    labels: np.ndarray,
    k: Sequence[int] = (1, 50, 1000),
    seed: int = 0,
    **how: Any,
) -> Json:
    """Compute all measures of this module for one model, for evaluation.json.

    The labels are [n] integers; all other arguments are those of `image_bounds`.

    Returns:
        - `images`; `binary`: whether all pixels are 0 or 1. Otherwise the bounds cannot be compared with published ones
        - `bounds`: see `summary`; `bounds_by_label`: label → the same for the largest k
        - `kl`; `kl_per_dimension`, `active_units`, `aggregate_posterior`: see the functions of these names
    """
    images, labels = checked_images(images, "images"), np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels must be [n], one per image. Received: labels.shape={labels.shape} of {len(images)} images")
    bounds = image_bounds(model, images, k, seed, **how)
    mu, log_var = posteriors(model, images)
    kl = kl_per_dimension(mu, log_var)
    return {
        "images": len(images),
        "binary": bool(np.isin(images, (0, 1)).all()),
        "bounds": summary(bounds, k),
        "bounds_by_label": {str(label): summary(bounds[-1:, labels == label], k[-1:])[0] for label in np.unique(labels)},
        "kl": float(kl.sum()),
        "kl_per_dimension": kl.tolist(),
        "active_units": active_units(mu),
        "aggregate_posterior": aggregate_posterior(mu, log_var, seed),
    }


def _comparable(config: Json, like: Json) -> bool:
    """Whether two runs have the same data, and the same settings except kl_weight and seed, as far as both record them."""
    if config.get("data", {}).get("checksum") != like.get("data", {}).get("checksum"):
        return False
    both = (config["settings"].keys() & like["settings"].keys()) - {"kl_weight", "seed", "name"}
    return all(config["settings"][name] == like["settings"][name] for name in both)


def _checked_draws(k: Sequence[int]) -> list[int]:
    """Return numbers of draws as a list, or raise a ValueError if they are invalid."""
    draws = list(k)
    if not draws or draws[0] < 1 or any(after <= before for before, after in itertools.pairwise(draws)):
        raise ValueError(f"k must be increasing numbers of at least 1. Received: k={k}")
    return draws
