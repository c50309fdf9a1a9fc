"""The faster versions match TensorFlow's functions: values up to rounding, gradients to the last bit."""

import numpy as np
import pytest
import tensorflow as tf

from unsupervised_learning import kernels

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.random((8, 784), np.float32)
LOGITS = RANDOM.normal(0, 5, (8, 784)).astype(np.float32)
LOGITS[0, :4] = 0.0, -0.0, 100.0, -100.0
PAIRS = {  # our function and TensorFlow's, both of the logits
    "sum_rows": (kernels.sum_rows, lambda x: tf.reduce_sum(x, axis=-1)),
    "l2_loss": (kernels.l2_loss, tf.nn.l2_loss),
    "l2_loss of a vector": (lambda x: kernels.l2_loss(x[0]), lambda x: tf.nn.l2_loss(x[0])),
    "sigmoid_cross_entropy_with_logits": (
        lambda x: kernels.sigmoid_cross_entropy_with_logits(labels=tf.constant(LABELS), logits=x),
        lambda x: tf.nn.sigmoid_cross_entropy_with_logits(labels=LABELS, logits=x),
    ),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients_match_tensorflow(name, compiled):
    def with_gradient(function):
        def of(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                values = function(x)
                mean = tf.reduce_mean(values)
            return values, tape.gradient(mean, x)

        return tf.function(of, jit_compile=compiled)(tf.constant(LOGITS))

    (values, gradient), (expected, expected_gradient) = map(with_gradient, PAIRS[name])
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=2e-4 if name == "sum_rows" else 1e-7)
    np.testing.assert_array_equal(gradient, expected_gradient)
