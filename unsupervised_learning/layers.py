"""Building blocks of the models: layers and optimizer as in 2016, activations by name, sampling, reproducible noise."""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "elu": tf.nn.elu,
    "lrelu": lambda x: tf.nn.leaky_relu(x, alpha=0.2),  # 2016: max(0.2 x, x)
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
    "linear": tf.identity,  # not in 2016: a linear autoencoder can match PCA
}

INITIALIZERS = ("truncated_normal", "xavier")

# Streams of random numbers. A draw is a pure function of (seed, stream, position), so that a resumed run repeats nothing and
# skips nothing. Stream 0 belongs to the initializers; their positions are small counters.
TRAINING_NOISE = 1
EVALUATION_NOISE = 2
SUMMARY_NOISE = 3


def activation_named(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the activation function with this name; the names are those of the 2016 flags.

    Raises:
        ValueError: for a name that is not in `ACTIVATIONS`.
    """
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ValueError(f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: activation={name!r}")
    return ACTIVATIONS[name]


def start_values(seed: int, stddev: float = 0.1, bias: float = 0.1) -> dict[str, keras.initializers.Initializer]:
    """Return the 2016 initializers: a normal truncated at two stddevs for weights, a constant for biases.

    The graphs of every published autoencoder and VAE contain these defaults. The newest commit of the 2016 code has 0.02 and
    0, which were used only for its GANs.

    Args:
        seed: seed of the weights. Layers that share the returned initializers draw from one stream, one after the other.
        stddev: stddev of the weights before truncation.
        bias: value of every bias.

    Returns:
        Arguments of `keras.layers.Dense`: `kernel_initializer` and `bias_initializer`.
    """
    return {
        "kernel_initializer": keras.initializers.TruncatedNormal(stddev=stddev, seed=keras.random.SeedGenerator(seed)),
        "bias_initializer": keras.initializers.Constant(bias),
    }


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class Dense(keras.layers.Dense):
    """Keras's fully connected layer, except that it adds the bias with `+`, as 2016 did, instead of `bias_add`.

    `+` and `bias_add` sum the gradient of the bias over the batch in different orders. With `+`, training with the author's
    graph and with our model agrees bit for bit (`original/follow.py`). Under XLA there is no difference.
    """

    def call(self, inputs, training=None):
        """Map [batch, n] to [batch, units]; float32 even under a mixed-precision policy, because losses need it."""
        outputs = tf.cast(tf.matmul(inputs, self.kernel) + self.bias, self.variable_dtype)
        return outputs if self.activation is None else self.activation(outputs)


def dense(units: int, activation: Callable[[tf.Tensor], tf.Tensor] | None, start: dict, name: str) -> Dense:
    """Return a fully connected layer, [batch, n] → [batch, units]; `start` comes from `start_values`."""
    return Dense(units, activation, name=name, **start)


def conv_stddev(initializer: str, stddev: float, channels_in: int, channels_out: int) -> float:
    """Return the initial stddev of a convolution: `stddev`, or for `xavier` the 2016 formula √(2 / (channels in + out)).

    The first attempt asked for Xavier but did not get it: `weight_variable` in its commit (3f7f8b9) ignored its stddev and
    used 0.1. The 2016 formula (`utils.weight_variable_xavier_initialized`) omits the 5×5 kernel size, so its weights would be
    √25 times as large as those of Glorot & Bengio (2010).

    Raises:
        ValueError: for an initializer that is not in `INITIALIZERS`.
    """
    if initializer not in INITIALIZERS:
        raise ValueError(f"`initializer` must be one of {', '.join(INITIALIZERS)}. Received: initializer={initializer!r}")
    return stddev if initializer == "truncated_normal" else math.sqrt(2 / (channels_in + channels_out))


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization as in 2016: momentum 0.9, epsilon 1e-5; images [batch, height, width, channels].

    Unlike Keras's layer, it can be told not to update the moving statistics (used only in inference): set `update_statistics`
    to False. TensorFlow's fused operation is no faster here and follows the 2016 trajectory less closely.

    Departs from 2016: the moving variance starts at 1 instead of 0, because that is Keras's default; after a hundred batches
    it makes no difference.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
        self.update_statistics = True

    def call(self, inputs, training=None, mask=None):
        """Normalize with the batch statistics in training, with the moving statistics otherwise."""
        if not training:
            return super().call(inputs, training=False)
        inputs = tf.cast(inputs, tf.float32)
        mean, variance = self.moments(inputs)  # each [channels]
        if self.update_statistics:
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        normalized = tf.nn.batch_normalization(inputs, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(normalized, self.compute_dtype)

    def moments(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return mean and variance, each [channels], of inputs [batch, height, width, channels]."""
        return tf.nn.moments(inputs, axes=(0, 1, 2))


def adam(learning_rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> keras.optimizers.Adam:
    """Return the 2016 optimizer. Epsilon is 1e-8, the default of TensorFlow 0.x; Keras's default is 1e-7.

    The betas are rounded to float32 because TensorFlow's `ApplyAdam` subtracts them from 1 in float32: 1 − 0.999 is
    0.00099998713 there, but 0.001 in Keras, which subtracts in float64. Without the rounding, training diverges from the 2016
    graph a thousand times as fast.
    """
    beta1, beta2 = (float(np.float32(beta)) for beta in (beta1, beta2))
    return keras.optimizers.Adam(learning_rate, beta1, beta2, epsilon)


def sample_latent(mu: tf.Tensor, log_var: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Return z = mu + exp(log_var / 2) · noise, the reparameterization trick (Kingma & Welling 2013, eq. 10).

    Args:
        mu: [batch, z_dim].
        log_var: [batch, z_dim], log of the variance.
        noise: [batch, z_dim], standard normal.

    Returns:
        [batch, z_dim].
    """
    return mu + tf.exp(0.5 * log_var) * noise


def named_noise(shape: tuple, seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    """Return standard normal noise that depends only on (seed, stream, position).

    Departs from 2016: stateless instead of one running, unseeded stream, because a resumed run must be exact.

    Args:
        shape: shape of the result; entries may be tensors.
        seed: seed of the run.
        stream: `TRAINING_NOISE`, `EVALUATION_NOISE` or `SUMMARY_NOISE`.
        position: scalar integer below 2³², for example the iteration.

    Returns:
        float32 tensor of the given shape.
    """
    return tf.random.stateless_normal(shape, _stateless_seed(seed, stream, position))


def named_uniform(shape: tuple, seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    """Return noise uniform on [−1, 1), for the GAN's z; otherwise like `named_noise`."""
    return tf.random.stateless_uniform(shape, _stateless_seed(seed, stream, position), -1.0, 1.0)


def _stateless_seed(seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(seed, tf.int64), tf.cast(position, tf.int64) + (stream << 32)])
