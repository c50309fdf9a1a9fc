import math

import numpy as np
import pytest
import tensorflow as tf

from unsupervised_learning import layers, losses
from unsupervised_learning.vae import VariationalAutoEncoder


def test_squared_error_matches_2016():
    random = np.random.default_rng(0)
    images, outputs = random.random((2, 5, 784), np.float32)
    expected = float(tf.nn.l2_loss(outputs - images)) / 784
    assert float(tf.reduce_sum(losses.squared_error(images, outputs))) == pytest.approx(expected, rel=1e-6)
    # By hand: two pixels, differences 1 and 3: (1 + 9) / 2 / 2.
    np.testing.assert_allclose(losses.squared_error(tf.constant([[0.0, 0.0]]), tf.constant([[1.0, -3.0]])), [2.5])


def test_bernoulli_cross_entropy_by_hand():
    images = tf.constant([[0.0, 1.0], [1.0, 1.0], [0.25, 0.5]])
    logits = tf.constant([[0.0, 0.0], [100.0, -2.0], [math.log(3), 1.0]])
    expected = [
        2 * math.log(2),  # undecided: ln 2 per pixel
        math.log1p(math.exp(2)),  # certain and correct: 0; the other label 1 has probability 1 / (1 + e²)
        -0.25 * math.log(0.75) - 0.75 * math.log(0.25) + 0.5 * (math.log1p(math.exp(-1)) + math.log1p(math.e)),
    ]
    np.testing.assert_allclose(losses.bernoulli_cross_entropy(images, logits), expected, rtol=1e-6)


def plain_kl(mu, log_var):
    """Return the KL as written in the paper (Kingma & Welling 2013, appendix B) and in the 2016 code."""
    return -0.5 * tf.reduce_sum(1.0 + log_var - tf.square(mu) - tf.exp(log_var), axis=-1)


def plain_kl_reordered(mu, log_var):
    """Return the KL with its terms in another common order."""
    return 0.5 * tf.reduce_sum(tf.square(mu) + tf.exp(log_var) - log_var - 1.0, axis=-1)


KL_FORMS = [losses.gaussian_kl, plain_kl, plain_kl_reordered]


@pytest.mark.parametrize("kl", KL_FORMS)
def test_kl_by_hand(kl):
    mu = tf.constant([[0.0, 0.0], [1.0, -2.0], [0.0, 0.0]])
    log_var = tf.constant([[0.0, 0.0], [0.0, 0.0], [math.log(4.0), math.log(0.25)]])
    expected = [0.0, 2.5, 0.5 * (3 - math.log(4)) + 0.5 * (-0.75 + math.log(4))]
    np.testing.assert_allclose(kl(mu, log_var), expected, rtol=1e-6)


def with_xla(kl):
    return tf.function(kl, jit_compile=True)


@pytest.mark.parametrize("compiled", [lambda kl: kl, with_xla], ids=["eager", "xla"])
def test_the_reordered_kl_rounds_below_zero_but_ours_does_not(compiled):
    """The 2016 order of terms never does with TensorFlow 2.21, where exp(v) is never rounded below 1 + v.

    Not tested as a graph without XLA, where TensorFlow's optimizer replaces exp(v) − 1 by expm1(v).
    """
    magnitudes = np.concatenate([np.logspace(-12, -1, 1_000_000), np.linspace(0.1, 80, 10_000)]).astype(np.float32)
    log_var = np.concatenate([magnitudes, -magnitudes])[:, None]
    mu = np.zeros_like(log_var)
    ours, plain, reordered = (compiled(kl)(mu, log_var).numpy() for kl in KL_FORMS)
    assert reordered.min() < 0
    assert ours.min() >= 0
    np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours, reordered, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("plain", [plain_kl, plain_kl_reordered])
def test_training_with_the_plain_kl_gives_the_same_losses(plain, monkeypatch):
    images = (np.random.default_rng(0).random((40, 32, 784)) ** 4).astype(np.float32)
    courses = []
    for kl in (losses.gaussian_kl, plain):
        monkeypatch.setattr(losses, "gaussian_kl", kl)
        model = VariationalAutoEncoder(seed=3)
        model.compile(optimizer=layers.adam())
        model.optimizer.build(model.trainable_variables)
        step = tf.function(model.train_step)
        course = {}
        for batch in images:
            course = step(batch)
        courses.append({name: float(value) for name, value in course.items()})
    assert courses[0]["loss"] == pytest.approx(courses[1]["loss"], rel=1e-6)
    assert courses[0]["kl"] == pytest.approx(courses[1]["kl"], rel=1e-3, abs=1e-6)


def test_l2_regularization_is_half_the_sum_of_squares():
    variables = [tf.Variable(tf.constant([1.0, 2.0])), tf.Variable(tf.constant([[3.0]]))]
    assert float(losses.l2_regularization(variables)) == 7.0
