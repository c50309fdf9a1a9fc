"""Measures of a trained model on the test set: NumPy arrays and Keras models in, floats out.

Images are [n, pixels] floats in [0, 1] and labels [n] integers; any other array raises a ValueError. All images are unseen in
training, and all noise depends only on a seed, so that repeated evaluations of the same weights agree. The 2016 values quoted
below were measured on the 2016 artefacts.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from unsupervised_learning.evaluation.representation import accuracy_if_labelled, code_sparsity, fitted_pca, silhouette
from unsupervised_learning.losses import bernoulli_cross_entropy, gaussian_kl


def pca_subspace_cosine(decoder: Any, train_images: np.ndarray, components: int) -> float:
    """Measure how closely a linear decoder spans the subspace of the first principal components (Baldi & Hornik 1989).

    The decoder is affine, codes [batch, components] to [batch, pixels]. Returns the cosine of the largest angle between the two
    subspaces: 1 if they are equal, 0 if a direction of one is perpendicular to the other.
    """
    pca = fitted_pca(train_images, components)
    corners = np.concatenate([np.zeros((1, components)), np.eye(components)]).astype(np.float32)
    origin, *ends = np.asarray(decoder(corners), np.float64)
    own = np.linalg.qr(np.transpose(ends - origin))[0]  # [pixels, components], orthonormal
    return float(np.linalg.svd(pca.components_ @ own, compute_uv=False)[-1])


def mean_squared_error(images: np.ndarray, reconstructions: np.ndarray) -> float:
    """Return the mean squared difference of images and reconstructions [n, pixels], in squared pixel units."""
    images, reconstructions = np.asarray(images), np.asarray(reconstructions)
    if images.shape != reconstructions.shape or images.size == 0:
        raise ValueError(
            "images and reconstructions must have the same non-empty shape. "
            f"Received: images.shape={images.shape}, reconstructions.shape={reconstructions.shape}"
        )
    # float64, because a uint8 difference would wrap around and a float32 sum of millions of terms loses digits.
    difference = np.subtract(reconstructions, images, dtype=np.float64)
    return float(np.mean(np.square(difference)))


def l2_per_batch(mse: float, batch_size: int = 256) -> float:
    """Convert a mean squared error to 2016's autoencoder loss of a batch, `l2_loss(output - input) / 784`.

    `l2_loss` is half the sum of squares over the batch and its pixels, so the loss is mse · batch_size · 784 / 2 / 784
    = mse · batch_size / 2. In run 5 of 2016, an MSE of 0.03474 corresponds to a loss of 4.447.
    """
    return mse * batch_size / 2


def pca_baseline(train_images: np.ndarray, test_images: np.ndarray, test_labels: np.ndarray, components: int) -> dict[str, Any]:
    """Measure PCA, the best linear autoencoder of the same code size.

    With 3 components fitted on all 60,000 MNIST training images, test_l2 is 6.606, test_mse 0.05161 and knn_accuracy 0.508.
    Fitted on the 55,000 images that the 2016 models train on, the errors are the same and knn_accuracy is 0.503.

    Args:
        train_images: the images to which the components are fitted.
        test_images: the images that are reconstructed.
        test_labels: their labels.
        components: from 1 to the smaller of the numbers of training images and of pixels.

    Returns:
        `components`, `test_l2` (see `l2_per_batch`), `test_mse`, `knn_accuracy`.
    """
    train_images = checked_images(train_images, "train_images")
    test_images = checked_images(test_images, "test_images")
    if train_images.shape[1] != test_images.shape[1]:
        raise ValueError(
            "train_images and test_images must have the same number of pixels. "
            f"Received: {train_images.shape[1]} and {test_images.shape[1]}"
        )
    if not 1 <= components <= min(train_images.shape):
        raise ValueError(f"components must lie in 1 … {min(train_images.shape)}. Received: components={components}")
    pca = fitted_pca(train_images, components)
    codes = pca.transform(test_images)
    test_mse = mean_squared_error(test_images, pca.inverse_transform(codes))
    return {
        "components": components,
        "test_l2": l2_per_batch(test_mse),
        "test_mse": test_mse,
        "knn_accuracy": accuracy_if_labelled(codes, test_labels),
    }


def autoencoder_report(
    model: Any, images: np.ndarray, labels: np.ndarray, batch_size: int = 1000
) -> tuple[dict[str, Any], np.ndarray]:
    """Measure an autoencoder's reconstructions, and how well its codes separate digits.

    Args:
        model: has `encoder`, [batch, pixels] to codes [batch, d], and `decoder`, codes to [batch, pixels].
        images: the test images, at least 2.
        labels: their labels.
        batch_size: images per model call; affects memory, and the result only by rounding.

    Returns:
        The numbers `test_l2` (see `l2_per_batch`), `test_mse`, `knn_accuracy`, `silhouette` and `code_sparsity` (the last
        three may be None), and the codes [n, d].
    """
    images = checked_images(images, "images")
    codes, squared_errors = [], []
    for batch in batches(len(images), batch_size):
        code = model.encoder(images[batch])
        reconstruction = np.asarray(model.decoder(code))
        squared_errors.append(mean_squared_error(images[batch], reconstruction) * len(reconstruction))
        codes.append(np.asarray(code))
    test_mse = sum(squared_errors) / len(images)
    codes = np.concatenate(codes)
    numbers = {
        "test_l2": l2_per_batch(test_mse),
        "test_mse": test_mse,
        "knn_accuracy": accuracy_if_labelled(codes, labels),
        "silhouette": silhouette(codes, labels),
        "code_sparsity": code_sparsity(codes),
    }
    return numbers, codes


def vae_report(
    model: Any, images: np.ndarray, labels: np.ndarray, draws: int = 20, seed: int = 0, batch_size: int = 1000
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Measure a VAE: its negative ELBO (Kingma & Welling 2013, equation 10) and its codes.

    The KL is exact. The reconstruction is an expectation over z ~ N(mu, exp(log_var)), estimated with `draws` draws per image.
    The noise of draw i is `numpy.random.default_rng([seed, i]).standard_normal([n, z_dim])`. The weight of the KL is 1, even if
    the model was trained with another.

    Args:
        model: has `encoder`, [batch, pixels] to mu and log_var, [batch, z_dim] each, and `decoder`, z to logits [batch,
            pixels].
        images: the test images, at least 2.
        labels: their labels.
        draws: at least 1.
        seed: seed of the noise.
        batch_size: images per model call; affects memory, and the result only by rounding.

    Returns:
        The numbers below (losses in nats per image, summed over pixels or dimensions), mu [n, z_dim] and log_var [n, z_dim].
        - `reconstruction`: −log p(x|z), mean over images and draws; `kl`: mean over images; `negative_elbo`: their sum
        - `negative_elbo_standard_error`: standard error of the mean over draws, None for one draw. It covers the noise, not the
          variation between test images
        - `draws`
        - `knn_accuracy` and `silhouette` of mu; both may be None
        - `log_var_mean`: mean over images for each latent dimension
        - `mu_alive`, `log_var_alive`: number of latent dimensions where mu (log_var) is nonzero for some image
        - `mu_zero_fraction`, `log_var_zero_fraction`: fraction of exact zeros, 2016's `sparsity`; above 0 if a relu clips the
          heads

    Raises:
        ValueError: if draws is below 1, or mu, log_var or logits are not finite.
    """
    numbers, mu, log_var = bound(model, images, draws, seed, batch_size)
    numbers |= {
        "knn_accuracy": accuracy_if_labelled(mu, labels),
        "silhouette": silhouette(mu, labels),
        "log_var_mean": log_var.mean(axis=0, dtype=np.float64).tolist(),
        "mu_alive": int(np.any(mu != 0, axis=0).sum()),
        "log_var_alive": int(np.any(log_var != 0, axis=0).sum()),
        "log_var_zero_fraction": float(np.mean(log_var == 0)),
        "mu_zero_fraction": float(np.mean(mu == 0)),
    }
    return numbers, mu, log_var


def bound(
    model: Any, images: np.ndarray, draws: int = 20, seed: int = 0, batch_size: int = 1000
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Measure the ELBO only: return the first five numbers of `vae_report`, mu and log_var."""
    images = checked_images(images, "images")
    if draws < 1:
        raise ValueError(f"draws must be at least 1. Received: draws={draws}")

    mu, log_var = posteriors(model, images, batch_size)  # [n, z_dim]
    kl = float(np.asarray(gaussian_kl(tf.constant(mu), tf.constant(log_var))).mean(dtype=np.float64))
    if not np.isfinite(kl):
        raise ValueError(f"The KL is not finite. Received: kl={kl}")

    @tf.function(reduce_retracing=True)  # for 20 draws, more than twice as fast as eager ops
    def cross_entropy(batch_images, batch_z):
        return bernoulli_cross_entropy(batch_images, model.decoder(batch_z))  # [batch]

    standard_deviation = np.exp(log_var / 2)
    reconstructions = []  # for each draw, the mean over images in nats
    for draw in range(draws):
        noise = np.random.default_rng([seed, draw]).standard_normal(mu.shape, dtype=np.float32)
        z = mu + standard_deviation * noise
        total = 0.0
        for batch in batches(len(images), batch_size):
            total += float(np.sum(cross_entropy(images[batch], z[batch]), dtype=np.float64))
        reconstructions.append(total / len(images))
    reconstruction = float(np.mean(reconstructions))
    if not np.isfinite(reconstruction + kl):
        raise ValueError(f"The bound is not finite. Received: reconstruction={reconstruction}, kl={kl}")

    numbers = {
        "reconstruction": reconstruction,
        "kl": kl,
        "negative_elbo": reconstruction + kl,
        "negative_elbo_standard_error": float(np.std(reconstructions, ddof=1) / np.sqrt(draws)) if draws > 1 else None,
        "draws": draws,
    }
    return numbers, mu, log_var


def posteriors(model: Any, images: np.ndarray, batch_size: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Encode images [n, pixels] in batches: return mu [n, z_dim] and log_var [n, z_dim] of q(z|x)."""
    encoded = [[np.asarray(head) for head in model.encoder(images[batch])] for batch in batches(len(images), batch_size)]
    mu, log_var = (np.concatenate(heads) for heads in zip(*encoded, strict=True))
    return mu, log_var


def batches(n: int, batch_size: int) -> Iterator[slice]:
    """Yield slices that split n rows into batches; the last may be smaller."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: batch_size={batch_size}")
    for start in range(0, n, batch_size):
        yield slice(start, start + batch_size)


def checked_images(images: np.ndarray, name: str) -> np.ndarray:
    """Return images as float32 [n, pixels] in [0, 1], or raise a ValueError if they are invalid."""
    images = np.asarray(images)
    if images.ndim != 2 or images.size == 0:
        raise ValueError(f"{name} must be [n, pixels], not empty. Received: {name}.shape={images.shape}")
    low, high = images.min(), images.max()
    if not (np.issubdtype(images.dtype, np.floating) and low >= 0 and high <= 1):  # also false for NaN
        raise ValueError(f"{name} must be floats in [0, 1]. Received: {images.dtype} from {low} to {high}")
    return images.astype(np.float32, copy=False)
