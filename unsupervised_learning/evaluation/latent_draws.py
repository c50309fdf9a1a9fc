"""Latents drawn by NumPy, from a generator that the caller names."""

from typing import Any

import numpy as np


def of_posterior(mu: np.ndarray, log_var: np.ndarray, random: np.random.Generator, dtype: Any = np.float64) -> np.ndarray:
    """Draw one z ~ N(mu, exp(log_var)) for each image: [n, z_dim], with noise of this dtype."""
    return mu + np.exp(log_var / 2) * random.standard_normal(mu.shape, dtype)


def of_gan(count: int, z_dim: int, random: np.random.Generator) -> np.ndarray:
    """Draw z for a GAN's generator, evenly from (−1, 1): float32 [count, z_dim]."""
    return random.uniform(-1, 1, (count, z_dim)).astype(np.float32)
