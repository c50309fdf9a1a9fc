"""Latents drawn with NumPy from the caller's random generator."""

import numpy as np


def of_posterior(mu: np.ndarray, log_var: np.ndarray, random: np.random.Generator, dtype: type = np.float64) -> np.ndarray:
    """Draw one z ~ N(mu, exp(log_var)) per image: [n, z_dim]. The noise has the given dtype."""
    return mu + np.exp(log_var / 2) * random.standard_normal(mu.shape, dtype)


def of_gan(count: int, z_dim: int, random: np.random.Generator) -> np.ndarray:
    """Draw z ~ U(−1, 1) for a GAN's generator: float32 [count, z_dim]."""
    return random.uniform(-1, 1, (count, z_dim)).astype(np.float32)
