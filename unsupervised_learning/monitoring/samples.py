"""Images decoded from latents that are the same at every call, so that pictures compare across time and runs."""

import numpy as np

from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.vae import VariationalAutoEncoder

GRID = 64  # images in a grid


def decoded_samples(model: AutoEncoder | VariationalAutoEncoder | DCGAN, count: int = GRID, seed: int = 0) -> np.ndarray:
    """Images [count, …] decoded from latents that are the same at every call.

    From the prior: N(0, 1) for the VAE, even over (−1, 1) for the GAN. An autoencoder has no prior: its codes are drawn evenly
    from (−1, 1), where tanh puts them. With the default seed the grids of different runs show the same latents.
    """
    random = np.random.default_rng(seed)
    if isinstance(model, VariationalAutoEncoder):
        return np.asarray(model.decode(random.standard_normal((count, model.z_dim)).astype(np.float32)))
    latents = random.uniform(-1, 1, (count, model.z_dim)).astype(np.float32)
    return np.asarray(model.decode(latents))


def tile(images: np.ndarray) -> np.ndarray:
    """A multiple of 8 images [n, height, width, channels] → one picture [1, …] of 8 columns in [0, 1], row by row."""
    count, height, width, channels = images.shape
    rows = images.reshape(count // 8, 8, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.clip(rows.reshape(1, -1, 8 * width, channels), 0.0, 1.0)
