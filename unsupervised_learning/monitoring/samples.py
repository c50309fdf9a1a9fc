"""Images decoded from fixed latents, so that pictures can be compared across iterations and runs."""

import numpy as np

from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.vae import VariationalAutoEncoder

GRID = 64  # images in a grid


def decoded_samples(model: AutoEncoder | VariationalAutoEncoder | DCGAN, count: int = GRID, seed: int = 0) -> np.ndarray:
    """Return images [count, …] decoded from latents drawn with this seed.

    The VAE's latents come from its prior N(0, 1), the GAN's from U(−1, 1). An autoencoder has no prior: its codes come from
    U(−1, 1), the range of tanh.
    """
    random = np.random.default_rng(seed)
    if isinstance(model, VariationalAutoEncoder):
        return np.asarray(model.decode(latent_draws.of_prior(count, model.z_dim, random)))
    return np.asarray(model.decode(latent_draws.of_gan(count, model.z_dim, random)))


def tile(images: np.ndarray) -> np.ndarray:
    """Tile images [n, height, width, channels], n a multiple of 8, into one picture [1, …] of 8 columns, clipped to [0, 1]."""
    count, height, width, channels = images.shape
    rows = images.reshape(count // 8, 8, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.clip(rows.reshape(1, -1, 8 * width, channels), 0.0, 1.0)
