"""The autoencoder: its loss in NumPy, its sparsity, its evaluation."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support import IMAGES, compiled
from unsupervised_learning.autoencoder import AutoEncoder


def test_mean_loss_divides_the_sum_by_the_batch_size():
    summed, averaged = (AutoEncoder(seed=1, mean_loss=mean).objective(tf.constant(IMAGES)) for mean in (False, True))
    assert float(averaged["reconstruction"]) == pytest.approx(float(summed["reconstruction"]) / len(IMAGES), rel=1e-6)
    assert float(averaged["regularization"]) == float(summed["regularization"])


def test_autoencoder_loss_matches_numpy():
    model = AutoEncoder(regularization=0.5, seed=1)
    output = np.asarray(model(IMAGES), np.float64)
    reconstruction = ((output - IMAGES) ** 2).sum() / 2 / 784
    regularization = sum((np.asarray(v, np.float64) ** 2).sum() / 2 for v in model.trainable_variables)
    objective = {name: float(value) for name, value in model.objective(tf.constant(IMAGES)).items()}
    assert objective["reconstruction"] == pytest.approx(reconstruction, rel=1e-5)
    assert objective["regularization"] == pytest.approx(regularization, rel=1e-5)
    assert objective["loss"] == pytest.approx(reconstruction + 0.5 * regularization, rel=1e-5)


def test_sparsity_adds_the_absolute_codes_to_the_loss():
    model, plain = AutoEncoder(sparsity=0.5, seed=1), AutoEncoder(seed=1)
    images = tf.constant(IMAGES)
    codes = np.abs(np.asarray(model.encoder(images), np.float64)).sum()
    difference = float(model.objective(images)["loss"]) - float(plain.objective(images)["loss"])
    assert difference == pytest.approx(0.5 * codes, rel=1e-4)


def test_autoencoder_evaluation_is_scaled_to_256_for_any_batch_size():
    model = compiled(AutoEncoder(seed=1))
    mse = np.mean((np.asarray(model(IMAGES), np.float64) - IMAGES) ** 2)
    for batch_size in (7, 300):  # 7: a last batch of 6
        values = model.evaluate(IMAGES, batch_size=batch_size, verbose=0, return_dict=True)
        assert values["reconstruction"] == pytest.approx(128 * mse, rel=1e-5)
        assert values["loss"] == pytest.approx(values["reconstruction"] + 1e-4 * values["regularization"], rel=1e-6)
