"""Faster forms of three TensorFlow functions, with their names and results; `losses.py` reads as if they were TensorFlow's.

On a CPU, XLA adds up a row number by number, but multiplies matrices in vectors; and its log1p costs two logarithms. With
TensorFlow's own functions an iteration takes 11 to 15 % longer in the VAE, and 7 to 11 % in the autoencoder (batches of 256,
one core, both forms in turns within one process, 25 rounds of 100 iterations).
"""

import tensorflow as tf


def sum_rows(values: tf.Tensor) -> tf.Tensor:
    """`tf.reduce_sum(values, axis=-1)` of [n, columns], as a product with ones: [n]."""
    return tf.linalg.matvec(values, tf.ones(tf.shape(values)[1:], values.dtype))


def l2_loss(values: tf.Tensor) -> tf.Tensor:
    """`tf.nn.l2_loss`, half the sum of squares, of values of rank 1 or 2: a scalar."""
    squares = tf.square(values)
    return 0.5 * tf.reduce_sum(sum_rows(squares) if values.shape.rank == 2 else squares)


def sigmoid_cross_entropy_with_logits(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """TensorFlow's function of this name, but with log(1 + x) for log1p(x): the same gradient, and off by 6e-8 at most.

    For a label x and a logit l it is −x log σ(l) − (1 − x) log(1 − σ(l)) = max(l, 0) − l·x + log(1 + exp(−|l|)), where
    nothing can overflow.
    """
    positive = logits >= 0  # not tf.maximum and tf.abs: their gradients are 0 at logits of 0, as a dead network gives
    larger, minus_size = tf.where(positive, logits, 0.0), tf.where(positive, -logits, logits)
    return larger - logits * labels + tf.math.log(1.0 + tf.exp(minus_size))
