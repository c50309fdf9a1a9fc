"""The VAE: its loss in NumPy, its evaluation, its first form."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support import IMAGES, compiled
from unsupervised_learning.vae import VariationalAutoEncoder


def test_vae_loss_matches_numpy():
    model = VariationalAutoEncoder(kl_weight=3.0, regularization=0.01, seed=1)
    for variable in model.trainable_variables:  # scale up, as initial values are near zero
        variable.assign(variable * 4)
    noise = np.random.default_rng(5).standard_normal((300, 3)).astype(np.float32)
    mu, log_var = (np.asarray(head, np.float64) for head in model.encoder(IMAGES))
    logits = np.asarray(model.decoder((mu + np.exp(log_var / 2) * noise).astype(np.float32)), np.float64)
    reconstruction = (np.logaddexp(0, logits) - IMAGES * logits).sum(axis=1)
    kl = -0.5 * (1 + log_var - mu**2 - np.exp(log_var)).sum(axis=1)
    regularization = sum((np.asarray(v, np.float64) ** 2).sum() / 2 for v in model.trainable_variables)
    objective = model.objective(tf.constant(IMAGES), tf.constant(noise))
    np.testing.assert_allclose(objective["reconstruction"], reconstruction, rtol=1e-4)
    np.testing.assert_allclose(objective["kl"], kl, rtol=1e-3, atol=1e-5)
    expected = (reconstruction + 3.0 * kl).mean() + 0.01 * regularization
    assert float(objective["loss"]) == pytest.approx(expected, rel=1e-5)


def test_vae_evaluation_averages_over_images_not_batches():
    model = compiled(VariationalAutoEncoder(seed=1))
    uneven = model.evaluate(IMAGES[:100], batch_size=99, verbose=0, return_dict=True)
    whole = model.evaluate(IMAGES[:100], batch_size=100, verbose=0, return_dict=True)
    assert uneven["kl"] == pytest.approx(whole["kl"], rel=1e-4)  # noise-free; would differ with equal weights per batch


def test_relu_heads_are_never_negative():
    heads = VariationalAutoEncoder(relu_heads=True).encoder(IMAGES)
    assert min(float(tf.reduce_min(head)) for head in heads) == 0.0
    heads = VariationalAutoEncoder().encoder(IMAGES)
    assert min(float(tf.reduce_min(head)) for head in heads) < 0.0
