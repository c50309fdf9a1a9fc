"""Faster versions of three TensorFlow functions, with the same results, so that `losses.py` keeps its textbook form.

On a CPU, XLA vectorises matrix products but not row sums, and computes log1p with two logarithms. If TensorFlow's versions
replace all three, an iteration of the autoencoder or the VAE takes 7 to 11 % longer. If one does, it is 4 to 8 % for
`sum_rows`, 2 to 5 % for `l2_loss`, and 9 % for the cross-entropy, which only the VAE has. These are medians of CPU time on
one core of a busy machine: batches of 256, at least 40 rounds of 100 iterations, all versions alternating in one process.
"""

import tensorflow as tf


def sum_rows(values: tf.Tensor) -> tf.Tensor:
    """Return `tf.reduce_sum(values, axis=-1)`, [n, columns] → [n], computed as a product with ones."""
    return tf.linalg.matvec(values, tf.ones(tf.shape(values)[1:], values.dtype))


def l2_loss(values: tf.Tensor) -> tf.Tensor:
    """Return `tf.nn.l2_loss`, half the sum of squares, as a scalar, for values of rank 1 or 2."""
    squares = tf.square(values)
    return 0.5 * tf.reduce_sum(sum_rows(squares) if values.shape.rank == 2 else squares)


def sigmoid_cross_entropy_with_logits(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return `tf.nn.sigmoid_cross_entropy_with_logits`, with log(1 + x) for log1p(x): same gradient, error at most 6e-8.

    Labels are in [0, 1]; the result is in nats, in the shape of `logits`. For a label x and a logit l, it is
    −x log σ(l) − (1 − x) log(1 − σ(l)) = max(l, 0) − l·x + log(1 + exp(−|l|)). The last form cannot overflow.
    """
    positive = logits >= 0  # tf.maximum and tf.abs would have gradient 0 at logit 0, the output of a dead network
    larger, minus_size = tf.where(positive, logits, 0.0), tf.where(positive, -logits, logits)
    return larger - logits * labels + tf.math.log(1.0 + tf.exp(minus_size))
