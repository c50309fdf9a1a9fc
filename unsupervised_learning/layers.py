"""What the models share: layers as 2016 started them, its optimizer, activations by name, sampling, named noise."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

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


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class Dense(keras.layers.Dense):
    """Keras's fully connected layer, but it adds the bias with `+`, as 2016 did, instead of `bias_add`.

    The two sum the bias's gradient over the batch in different orders. With `+`, training by the author's graph and by our
    model agree bit for bit (`original/follow.py`). Under XLA the two are the same.
    """

    def call(self, inputs, training=None):
        """[batch, n] → [batch, units], float32 even under a Keras policy of mixed precision, because losses need it."""
        outputs = tf.cast(tf.matmul(inputs, self.kernel) + self.bias, self.variable_dtype)
        return outputs if self.activation is None else self.activation(outputs)


def dense(units: int, activation: Callable[[tf.Tensor], tf.Tensor] | None, start: dict, name: str) -> Dense:
    """A fully connected layer [batch, n] → [batch, units] that starts from `start_values`."""
    return Dense(units, activation, name=name, **start)


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
    """2016's batch normalization: momentum 0.9, epsilon 1e-5; images [batch, height, width, channels].

    Unlike Keras's own layer it can leave its moving statistics alone, which only inference uses: set `update_statistics` to
    False. (TensorFlow's fused operation is no faster here, and follows 2016's trajectory less closely.)

    Departs from 2016: the moving variance starts at 1 instead of 0, because that is Keras's start; after a hundred batches it
    makes no difference.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
        self.update_statistics = True

    def call(self, inputs, training=None, mask=None):
        """Normalize by the batch's own mean and variance in training, by the moving ones otherwise."""
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
        """Mean and variance of the batch [batch, height, width, channels], each [channels]."""
        return tf.nn.moments(inputs, axes=(0, 1, 2))


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
        shape: of the result; entries may be tensors.
        seed: the run's seed.
        stream: what the noise is for: `TRAINING_NOISE`, `EVALUATION_NOISE` or `SUMMARY_NOISE`.
        position: scalar integer below 2³², for example the iteration.

    Returns:
        float32 of the given shape.
    """
    return tf.random.stateless_normal(shape, _name(seed, stream, position))


def named_uniform(shape: tuple, seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    """The same, but uniform on [−1, 1): the GAN's z."""
    return tf.random.stateless_uniform(shape, _name(seed, stream, position), -1.0, 1.0)


def _name(seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(seed, tf.int64), tf.cast(position, tf.int64) + (stream << 32)])


def arguments_of(model_class: type[keras.Model]) -> tuple[str, ...]:
    """Names of the constructor's arguments, in its order, without Keras's own."""
    return tuple(name for name in inspect.signature(model_class).parameters if name != "kwargs")


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class Newest(keras.metrics.Metric):
    """The newest value. A mean would be empty where the discriminator has no turn in a stretch of iterations."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.value = self.add_variable((), "zeros", name="value")

    def update_state(self, value):
        """Take the value."""
        self.value.assign(value)

    def result(self):
        """Give it."""
        return self.value

    def reset_state(self):
        """Keep it: it stands until there is a newer one."""


class DenseModel(keras.Model):
    """What Keras needs of the autoencoder and the VAE, and what no paper says: tracked losses, their configuration."""

    def track(self, *names: str) -> None:
        """Track the losses of these names; the constructor's last call."""
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.built = True

    def report(self, losses: dict[str, tf.Tensor], images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add a batch's losses to their means over all images since the last reset; returns these means.

        Args:
            losses: by tracker's name, scalars or [batch].
            images: [batch, 784].
        """
        count = tf.cast(tf.shape(images)[0], tf.float32)
        for tracker in self.trackers:
            tracker.update_state(tf.reduce_mean(losses[tracker.name]), sample_weight=count)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    @property
    def iterations(self) -> tf.Variable:
        """Number of completed updates."""
        return self.optimizer.iterations

    @property
    def metrics(self):
        """What `fit` and `evaluate` reset and report."""
        return self.trackers

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in arguments_of(type(self))}}
