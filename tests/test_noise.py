"""The training noise is standard normal, and independent across rows, dimensions, iterations and seeds.

The final bound of a VAE varies by half a nat by chance alone, so a few runs would not reveal poor noise.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from unsupervised_learning import layers

ITERATIONS, BATCH, Z_DIM = 8_000, 256, 3
SIGMAS = 5  # the mean of correct noise exceeds this once in two million cases


def drawn(seed: int, jit: bool) -> np.ndarray:
    """Return noise float32 [iterations, batch, z_dim], drawn per iteration as in training."""

    @tf.function(jit_compile=jit, autograph=False)
    def thousand(start):
        numbers = start + tf.range(1_000, dtype=tf.int64)
        return tf.map_fn(
            lambda number: layers.named_noise((BATCH, Z_DIM), seed, layers.TRAINING_NOISE, number),
            numbers,
            fn_output_signature=tf.float32,
        )

    return np.concatenate([thousand(tf.constant(start, tf.int64)).numpy() for start in range(0, ITERATIONS, 1_000)])


def faults(noise: np.ndarray) -> list[str]:
    """Return how noise [iterations, batch, z_dim] differs from independent draws of N(0, 1)."""
    values, found = noise.astype(np.float64), []

    def check(name: str, mean: float, expected: float, deviation: float, count: int) -> None:
        if abs(mean - expected) > SIGMAS * deviation / np.sqrt(count):
            found.append(f"{name}: {mean:.6f}, expected {expected}")

    # for a standard normal: the moment, and the standard deviation of the averaged values
    for power, expected, deviation in ((1, 0, 1), (2, 1, np.sqrt(2)), (3, 0, np.sqrt(15)), (4, 3, np.sqrt(96))):
        check(f"moment {power}", float(np.mean(values**power)), expected, deviation, values.size)
    for bound in (1.0, 2.0, 3.0, 4.0):
        share = 2 * stats.norm.sf(bound)
        check(f"share beyond {bound}", float(np.mean(np.abs(values) > bound)), share, np.sqrt(share * (1 - share)), values.size)
    pairs = {
        "next iteration": (values[:-1], values[1:]),
        "ten iterations on": (values[:-10], values[10:]),
        "an epoch on": (values[:-214], values[214:]),
        "next row": (values[:, :-1], values[:, 1:]),
        "half a batch on": (values[:, : BATCH // 2], values[:, BATCH // 2 :]),
        "next dimension": (values[:, :, :-1], values[:, :, 1:]),
    }
    for name, (one, other) in pairs.items():
        check(f"correlation with the {name}", float(np.mean(one * other)), 0, 1, one.size)
        check(f"correlation of squares with the {name}", float(np.mean((one**2 - 1) * (other**2 - 1))), 0, 2, one.size)
    sums = values.sum(axis=(1, 2)) / np.sqrt(BATCH * Z_DIM)  # one per iteration, also standard normal
    if stats.kstest(sums, "norm").pvalue < 1e-6:
        found.append("the iterations' sums are not normal")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False], ids=["XLA", "graph"])
def test_training_noise_is_independent_and_standard_normal(jit):
    noise = drawn(seed=0, jit=jit)
    assert faults(noise) == []
    other = drawn(seed=1, jit=jit)
    correlation = float(np.mean(noise.astype(np.float64) * other))
    assert abs(correlation) < SIGMAS / np.sqrt(noise.size), "seeds share their noise"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda noise: noise * 1.002, "moment 2"),
        (lambda noise: np.clip(noise, -4, 4), "share beyond 4"),
        (lambda noise: np.repeat(noise[::2], 2, axis=0), "next iteration"),
        (lambda noise: np.concatenate([noise[:, :128], noise[:, :128]], axis=1), "half a batch on"),
        (lambda noise: np.where(noise[:, :, :1] > 1, np.abs(noise), noise), "moment 1"),
    ],
    ids=["scaled", "cut", "each twice", "rows twice", "one-sided"],
)
def test_the_check_detects_bad_noise(spoil, fault):
    noise = np.random.default_rng(0).standard_normal((ITERATIONS, BATCH, Z_DIM), dtype=np.float32)
    assert faults(noise) == []
    assert any(fault in found for found in faults(spoil(noise)))
