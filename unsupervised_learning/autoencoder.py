"""The post's autoencoder: six fully connected layers, a 3-D code, L2 loss (2016: `AutoEncoder_MNIST.py`)."""

from collections.abc import Callable

import keras
import tensorflow as tf

from unsupervised_learning import layers, losses
from unsupervised_learning.bases.dense_model import DenseModel
from unsupervised_learning.bases.image_model import ImageModel

PIXELS = 28 * 28
Sum = Callable[[tf.Tensor], tf.Tensor]
EVALUATION_BATCH = 256  # 2016 reported the test L2 as a sum over a batch of 256; ours does not depend on --batch_size


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class AutoEncoder(DenseModel, ImageModel):
    """784-50-50-z-50-50-784 with tanh after every layer except the last, which is linear. 84,687 parameters for a 3-D code.

    The input is images [batch, 784] in [0, 1]; the output is [batch, 784], unbounded. Pass an optimizer to `compile`, and
    metrics of the output if you like; the loss is built in. The 2016 optimizer is `layers.adam()`.

    Args:
        z_dim: size of the code.
        activation: activation of the hidden layers and of the code: relu, elu, lrelu, tanh, sigmoid, or linear.
        regularization: weight of the L2 term over all weights and biases.
        sparsity: weight, in the loss, of Σ|code|, summed over the batch. 2016 used 0. A positive weight gives a sparse
            autoencoder, which the post mentions but does not try.
        init_stddev, init_bias: initial stddev of the weights and initial value of the biases; see `layers.start_values`.
        seed: seed of the initial weights.
        width: units per hidden layer; 2016 used 50.
        mean_loss: average the reconstruction loss over the batch, as run 1 of 2016 did; the other runs sum it.

    Raises:
        ValueError: for an argument out of its range, an unknown activation, or an unknown argument.
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
        super().__init__(kwargs, locals())
        function, start = layers.activation_named(activation), layers.start_values(self.seed, self.init_stddev, self.init_bias)
        self.encoder = keras.Sequential(
            [
                keras.Input((PIXELS,)),
                layers.dense(self.width, function, start, name="fc1"),
                layers.dense(self.width, function, start, name="fc2"),
                layers.dense(self.z_dim, function, start, name="fc3"),  # the code, in (-1, 1) with tanh
            ],
            name="encoder",
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((self.z_dim,)),
                layers.dense(self.width, function, start, name="fc4"),
                layers.dense(self.width, function, start, name="fc5"),
                layers.dense(PIXELS, None, start, name="fc6"),
            ],
            name="decoder",
        )
        self.track("loss", "reconstruction", "regularization")

    def call(self, images):
        """Return reconstructions [batch, 784] of images [batch, 784] in [0, 1]."""
        return self.decoder(self.encoder(images))

    def decode(self, latent):
        """Return images [batch, 784], unbounded, for codes [batch, z_dim]."""
        return self.decoder(self.latents.checked(latent))

    def prior(self, n, random):
        """Draw n codes, [n, z_dim], from U(−1, 1), tanh's range. An autoencoder has no prior, so few give good images."""
        return random.uniform(-1, 1, (n, self.z_dim))

    def objective(
        self, images: tf.Tensor, weights: tf.Tensor | None = None, sum_over_batch: Sum | None = None
    ) -> dict[str, tf.Tensor]:
        """Return the 2016 loss and its terms.

        Args:
            images: [batch, 784], in [0, 1].
            weights: [batch], `sample_weight` of `fit`; they multiply what is summed over the batch.
            sum_over_batch: function [batch] → scalar to use instead of `self.sum_over_batch`.

        Returns:
            Scalars. `reconstruction`: l2_loss(output − input) / 784, summed over the batch, or averaged with `mean_loss`;
            `regularization`: l2_loss of all weights and biases; `loss`: reconstruction plus the weighted regularization,
            and for a sparse autoencoder plus sparsity · Σ|code|, summed over the batch.
        """
        sum_over_batch = sum_over_batch or self.sum_over_batch
        code = self.encoder(images)  # [batch, z_dim]
        errors = losses.squared_error(images, self.decoder(code))  # [batch]
        sizes = tf.reduce_sum(tf.abs(code), axis=-1)  # [batch]
        if weights is not None:
            errors, sizes = weights * errors, weights * sizes
        reconstruction = tf.reduce_mean(errors) if self.mean_loss else sum_over_batch(errors)
        regularization = losses.l2_regularization(self.trainable_variables)
        loss = reconstruction + self.regularization * regularization
        if self.sparsity:
            loss += self.sparsity * sum_over_batch(sizes)
        return {"loss": loss, "reconstruction": reconstruction, "regularization": regularization}

    def sum_over_batch(self, values: tf.Tensor) -> tf.Tensor:
        """Return the sum of values [batch] as a scalar."""
        return tf.reduce_sum(values)

    def update(self, images: tf.Tensor, weights: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Take one optimizer step; return the losses before the step, averaged over all images since the last reset."""
        with tf.GradientTape() as tape:
            objective = self.objective(images, weights)
        gradients = tape.gradient(objective["loss"], self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.report(objective, images)

    def train_step(self, data):
        """Run one iteration for Keras's `fit`."""
        images, _, weights = keras.utils.unpack_x_y_sample_weight(data)
        metrics = self.measured(images, weights)
        return {**self.update(images, weights), **metrics}

    def test_step(self, data):
        """Return the losses scaled to a batch of 256, averaged over all images: 4.447 for run 5 of 2016 on the test set.

        With `mean_loss` the reconstruction loss is the mean per image.
        """
        images, _, weights = keras.utils.unpack_x_y_sample_weight(data)
        losses_of_256 = self.objective(images, weights, lambda values: EVALUATION_BATCH * tf.reduce_mean(values))
        return {**self.report(losses_of_256, images), **self.measured(images, weights)}

    def variables_of_2016(self) -> dict[str, tf.Variable]:
        """Return the trainable variables by 2016 name, in 2016 order: W_fc1, b_fc1, … b_fc6."""
        names = {}
        for layer in self.encoder.layers + self.decoder.layers:
            names |= {f"W_{layer.name}": layer.kernel, f"b_{layer.name}": layer.bias}
        return names
