"""Layers: activations by name, and noise as a function of its name."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support import IMAGES
from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.vae import VariationalAutoEncoder

MODELS = [AutoEncoder, VariationalAutoEncoder]


@pytest.mark.parametrize("model_class", MODELS)
def test_unknown_activation_is_refused(model_class):
    with pytest.raises(ValueError, match=r"relu, elu, lrelu, tanh, sigmoid, linear. Received: activation='swish'"):
        model_class(activation="swish")


@pytest.mark.parametrize("name", list(layers.ACTIVATIONS))
def test_activations(name):
    x = np.array([-3.0, -0.5, 0.0, 2.0], np.float32)
    expected = {
        "relu": np.maximum(x, 0),
        "elu": np.where(x > 0, x, np.expm1(x)),
        "lrelu": np.maximum(0.2 * x, x),
        "tanh": np.tanh(x),
        "sigmoid": 1 / (1 + np.exp(-x)),
        "linear": x,
    }
    np.testing.assert_allclose(layers.activation_named(name)(tf.constant(x)), expected[name], rtol=1e-6)
    assert VariationalAutoEncoder(activation=name)(IMAGES[:2]).shape == (2, 784)


def test_noise_depends_on_seed_stream_and_position():
    def noise(seed, stream, position):
        return layers.named_noise((20_000, 3), seed, stream, tf.constant(position)).numpy()

    base = noise(0, layers.TRAINING_NOISE, 7)
    np.testing.assert_array_equal(base, noise(0, layers.TRAINING_NOISE, 7))
    for other in (noise(1, 1, 7), noise(0, layers.EVALUATION_NOISE, 7), noise(0, layers.TRAINING_NOISE, 8)):
        assert abs(np.corrcoef(base.ravel(), other.ravel())[0, 1]) < 0.05
    assert abs(base.mean()) < 0.02
    assert base.std() == pytest.approx(1, abs=0.02)
