"""The post's autoencoder: six fully connected layers, a 3-D code, L2 loss (2016: `AutoEncoder_MNIST.py`)."""

from collections.abc import Callable

import keras
import tensorflow as tf

from unsupervised_learning import layers, losses

PIXELS = 28 * 28
Sum = Callable[[tf.Tensor], tf.Tensor]
EVALUATION_BATCH = 256  # 2016 reported the test L2 as a sum over a batch of 256; ours does not depend on --batch_size


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class AutoEncoder(layers.DenseModel):
    """784-50-50-z-50-50-784 with tanh after every layer except the last, which is linear. 84,687 parameters for a 3-D code.

    The input is images [batch, 784] in [0, 1]; the output is [batch, 784], unbounded. Pass only an optimizer to `compile`;
    the loss is built in. The 2016 optimizer is `layers.adam()`.

    Args:
        z_dim: size of the code.
        activation: activation of the hidden layers and of the code: relu, elu, lrelu, tanh, sigmoid, or linear.
        regularization: weight of the L2 term over all weights and biases.
        sparsity: weight in the loss of the codes' absolute values, summed over the batch. 2016 used 0. A positive weight
            gives a sparse autoencoder, which the post mentions but does not try.
        init_stddev, init_bias: initial stddev of the weights and initial value of the biases; see `layers.start_values`.
        seed: seed of the initial weights.
        width: units per hidden layer; 2016 used 50.
        mean_loss: average the reconstruction loss over the batch, as run 1 of 2016 did; the other runs sum it.

    Raises:
        ValueError: for an unknown activation.
    """

    def __init__(
        self,
        z_dim: int = 3,
        activation: str = "tanh",
        regularization: float = 1e-4,
        sparsity: float = 0.0,
        init_stddev: float = 0.1,
        init_bias: float = 0.1,
        seed: int = 0,
        width: int = 50,
        mean_loss: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.z_dim, self.activation, self.regularization, self.sparsity = z_dim, activation, regularization, sparsity
        self.init_stddev, self.init_bias, self.seed, self.width = init_stddev, init_bias, seed, width
        self.mean_loss = mean_loss
        function, start = layers.activation_named(activation), layers.start_values(seed, init_stddev, init_bias)
        self.encoder = keras.Sequential(
            [
                keras.Input((PIXELS,)),
                layers.dense(width, function, start, name="fc1"),
                layers.dense(width, function, start, name="fc2"),
                layers.dense(z_dim, function, start, name="fc3"),  # the code, in (-1, 1) with tanh
            ],
            name="encoder",
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((z_dim,)),
                layers.dense(width, function, start, name="fc4"),
                layers.dense(width, function, start, name="fc5"),
                layers.dense(PIXELS, None, start, name="fc6"),
            ],
            name="decoder",
        )
        self.track("loss", "reconstruction", "regularization")

    def call(self, images):
        """Return reconstructions [batch, 784] of images [batch, 784] in [0, 1]."""
        return self.decoder(self.encoder(images))

    @tf.function(autograph=False)
    def encode(self, images):
        """Return codes [batch, z_dim] for images [batch, 784] in [0, 1]."""
        return self.encoder(images)

    def decode(self, code):
        """Return images [batch, 784] for codes [batch, z_dim]."""
        return self.decoder(code)

    def objective(self, images: tf.Tensor, sum_over_batch: Sum | None = None) -> dict[str, tf.Tensor]:
        """Return the 2016 loss and its terms.

        Args:
            images: [batch, 784], in [0, 1].
            sum_over_batch: function [batch] → scalar to use instead of `self.sum_over_batch`.

        Returns:
            Scalars. `reconstruction`: l2_loss(output − input) / 784, summed over the batch, or averaged with `mean_loss`;
            `regularization`: l2_loss of all weights and biases; `loss`: reconstruction plus the weighted regularization,
            and for a sparse autoencoder plus sparsity · Σ|code|, summed over the batch.
        """
        sum_over_batch = sum_over_batch or self.sum_over_batch
        code = self.encoder(images)  # [batch, z_dim]
        errors = losses.squared_error(images, self.decoder(code))  # [batch]
        reconstruction = tf.reduce_mean(errors) if self.mean_loss else sum_over_batch(errors)
        regularization = losses.l2_regularization(self.trainable_variables)
        loss = reconstruction + self.regularization * regularization
        if self.sparsity:
            loss += self.sparsity * sum_over_batch(tf.reduce_sum(tf.abs(code), axis=-1))
        return {"loss": loss, "reconstruction": reconstruction, "regularization": regularization}

    def sum_over_batch(self, values: tf.Tensor) -> tf.Tensor:
        """Return the sum of values [batch] as a scalar."""
        return tf.reduce_sum(values)

    def update(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Take one optimizer step; return the losses before the step, averaged over all images since the last reset."""
        with tf.GradientTape() as tape:
            objective = self.objective(images)
        gradients = tape.gradient(objective["loss"], self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.report(objective, images)

    def train_step(self, data):
        """Run one iteration for Keras's `fit`."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.update(images)

    def test_step(self, data):
        """Return the losses scaled to a batch of 256, averaged over all images: 4.447 for run 5 of 2016 on the test set."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.report(self.objective(images, lambda values: EVALUATION_BATCH * tf.reduce_mean(values)), images)

    def variables_of_2016(self) -> dict[str, tf.Variable]:
        """Return the trainable variables by 2016 name, in 2016 order: W_fc1, b_fc1, … b_fc6."""
        names = {}
        for layer in self.encoder.layers + self.decoder.layers:
            names |= {f"W_{layer.name}": layer.kernel, f"b_{layer.name}": layer.bias}
        return names
