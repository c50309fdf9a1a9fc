"""Blocks that the models share: layers as 2016 started them, its optimizer, activations by name, sampling, named noise."""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning import replicas

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "elu": tf.nn.elu,
    "lrelu": lambda x: tf.nn.leaky_relu(x, alpha=0.2),  # 2016: max(0.2 x, x)
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
    "linear": tf.identity,  # ours, not 2016's: an autoencoder of linear layers can do what PCA does
}

INITIALIZERS = ("truncated_normal", "xavier")

# Randomness has a name: a draw is a pure function of (seed, stream, position), so that a resumed run repeats nothing and
# skips nothing. Stream 0 is the initialisers' (their positions are small counters).
TRAINING_NOISE = 1
EVALUATION_NOISE = 2
SUMMARY_NOISE = 3


def activation_named(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The activation function that 2016's flags call `name`.

    Raises:
        ValueError: for a name that is not in `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: activation={name!r}")
    return ACTIVATIONS[name]


def start_values(seed: int, stddev: float = 0.1, bias: float = 0.1) -> dict[str, keras.initializers.Initializer]:
    """2016's start: weights from a normal of mean 0 truncated at two stddevs, and a constant for the biases.

    The defaults are those of every published autoencoder and VAE, by their own graphs. The newest commit of the 2016 code has
    0.02 and 0, with which only its GANs were trained.

    Args:
        seed: of the weights. Each layer that takes the returned values draws on from where the one before it stopped.
        stddev: of the weights.
        bias: of every bias.

    Returns:
        What `keras.layers.Dense` takes: `kernel_initializer` and `bias_initializer`.
    """
    return {
        "kernel_initializer": keras.initializers.TruncatedNormal(stddev=stddev, seed=keras.random.SeedGenerator(seed)),
        "bias_initializer": keras.initializers.Constant(bias),
    }


def set_precision(mixed: bool) -> None:
    """Have the models built from here on compute in float32, or in bfloat16.

    Departs from 2016 if mixed: weights, their updates, losses and what the networks give stay float32, but all between is
    rounded to 8 binary digits, because some machines multiply such numbers faster.
    """
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if mixed else "float32")


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class Dense(keras.layers.Dense):
    """Keras's own, but that the bias is added by `+`, as in 2016, and not by `bias_add`.

    The two add the bias's gradient up over the batch in another order. With `+`, training by the author's graph and by our
    model agree bit for bit (`original/follow.py`); compiled by XLA the two are the same.
    """

    def call(self, inputs, training=None):
        """[batch, n] → [batch, units]."""
        outputs = tf.matmul(inputs, self.kernel) + self.bias
        return outputs if self.activation is None else self.activation(outputs)


def dense(
    units: int, activation: Callable[[tf.Tensor], tf.Tensor] | None, start: dict, name: str, dtype: str | None = None
) -> Dense:
    """A fully connected layer [batch, n] → [batch, units] that starts from `start_values`.

    `dtype` is float32 where it is a network's last, whatever `set_precision` says.
    """
    return Dense(units, activation, name=name, dtype=dtype, **start)


def conv_stddev(initializer: str, stddev: float, channels_in: int, channels_out: int) -> float:
    """The stddev of a convolution's start: the given one, or "Xavier" as 2016 had it, √(2 / (channels in + out)).

    "Xavier" is what the first attempt's code asks for and did not get: the `weight_variable` of its commit (3f7f8b9) ignored
    the stddev it was given and drew with 0.1. The formula (`utils.weight_variable_xavier_initialized`) leaves out the 5×5 of
    the kernel, so that its weights would start √25 times as large as those of Glorot & Bengio (2010).

    Raises:
        ValueError: for an initializer that is not in `INITIALIZERS`.
    """
    if initializer not in INITIALIZERS:
        raise ValueError(f"`initializer` must be one of {', '.join(INITIALIZERS)}. Received: initializer={initializer!r}")
    return stddev if initializer == "truncated_normal" else math.sqrt(2 / (channels_in + channels_out))


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class BatchNormalization(keras.layers.BatchNormalization):
    """2016's batch normalization: epsilon 1e-5; images [batch, height, width, channels].

    Keras's own, but that the moving statistics, which only inference uses, can be left alone: while `update_statistics` is
    False. (TensorFlow's fused operation made no measurable difference in speed, and follows 2016's trajectory less closely.)

    Departs from 2016: the moving variance starts at 1 and not at 0, which after a hundred batches makes no difference.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
        self.update_statistics = True

    def call(self, inputs, training=None, mask=None):
        """Normalize by the batch's own mean and variance in training, by the moving ones otherwise."""
        if not training:
            return super().call(inputs, training=False)
        inputs = tf.cast(inputs, tf.float32)
        mean, variance = tf.nn.moments(inputs, axes=(0, 1, 2))
        if replicas.count() > 1:
            mean, variance = moments_of_whole(mean, variance)
        if self.update_statistics:
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        normalized = tf.nn.batch_normalization(inputs, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(normalized, self.compute_dtype)


def moments_of_whole(mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The whole batch's mean and variance from those of a replica's share, each [channels]; with their gradients.

    One exchange between the replicas, and no difference of squares, which would round: the whole's variance is the shares'
    mean variance plus the variance of their means (Chan, Golub & LeVeque 1979, for shares of one size).
    """
    of_shares = replicas.whole(tf.stack([mean, variance])[None])  # [replicas, 2, channels]
    means, variances = of_shares[:, 0], of_shares[:, 1]
    mean = tf.reduce_mean(means, axis=0)
    return mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0)


def adam(learning_rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> keras.optimizers.Adam:
    """2016's optimizer. Its epsilon is TensorFlow 0.x's default, 1e-8; Keras's is 1e-7.

    The betas are rounded to float32 because TensorFlow's `ApplyAdam` subtracts them from 1 in float32: 1 − 0.999 is
    0.00099998713 there, and 0.001 in Keras, which subtracts in float64. With Keras's numbers training parts from 2016's graph
    a thousand times as fast.
    """
    beta1, beta2 = (float(np.float32(beta)) for beta in (beta1, beta2))
    return keras.optimizers.Adam(learning_rate, beta1, beta2, epsilon)


def sample_latent(mu: tf.Tensor, log_var: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """z = mu + exp(log_var / 2) · noise, the reparameterization trick (Kingma & Welling 2013, eq. 10).

    Args:
        mu: [batch, z_dim].
        log_var: [batch, z_dim], log of the variance.
        noise: [batch, z_dim], standard normal.

    Returns:
        [batch, z_dim].
    """
    return mu + tf.exp(0.5 * log_var) * noise


def named_noise(shape: tuple, seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    """Standard normal noise that depends on (seed, stream, position) and nothing else.

    Departs from 2016: it drew from one running, unseeded stream; this is stateless because a resumed run must be exact.

    Args:
        shape: of the result; entries may be tensors. In a replica the first counts the replica's rows, and the result is
            those of the whole batch's noise that are the replica's.
        seed: the run's seed.
        stream: what the noise is for: `TRAINING_NOISE`, `EVALUATION_NOISE` or `SUMMARY_NOISE`.
        position: scalar integer below 2³², for example the iteration.

    Returns:
        float32 of the given shape.
    """
    return replicas.share(tf.random.stateless_normal(_of_whole(shape), _name(seed, stream, position)))


def named_uniform(shape: tuple, seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    """As `named_noise`, but spread evenly over [−1, 1): the GAN's z."""
    return replicas.share(tf.random.stateless_uniform(_of_whole(shape), _name(seed, stream, position), -1.0, 1.0))


def _of_whole(shape: tuple) -> tuple:
    return shape if replicas.count() == 1 else (shape[0] * replicas.count(), *shape[1:])


def _name(seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(seed, tf.int64), tf.cast(position, tf.int64) + (stream << 32)])
