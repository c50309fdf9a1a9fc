"""The post's variational autoencoder, in its first form and its fixed form (2016: `VariationalAutoEncoder_MNIST.py`).

The encoder maps each image to a Gaussian q(z|x) = N(mu, exp(log_var)); the decoder maps z to a Bernoulli p(x|z) per pixel.
Training maximises the evidence lower bound (Kingma & Welling 2013, arXiv:1312.6114, eq. 3):

    ELBO(x) = E_q(z|x)[log p(x|z)] − KL(q(z|x) || N(0, 1))  ≤  log p(x)

The loss is therefore reconstruction + KL, estimated with one sample of z per image.
"""

import keras
import tensorflow as tf

from unsupervised_learning import layers, losses
from unsupervised_learning.bases.dense_model import DenseModel
from unsupervised_learning.bases.image_model import ImageModel

PIXELS = 28 * 28


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class VariationalAutoEncoder(DenseModel, ImageModel):
    """784-50-50 → (mu, log_var) → z → 50-50-784 logits. 84,840 parameters for z_dim 3.

    The input is images [batch, 784] in [0, 1]; the output is pixel probabilities [batch, 784], decoded from mu without noise.
    Pass an optimizer to `compile`, and metrics of the output if you like; the loss is built in. The 2016 optimizer is
    `layers.adam()`.

    Args:
        z_dim: number of latent dimensions.
        activation: activation of the hidden layers: relu, elu, lrelu, tanh, sigmoid, or linear.
        relu_heads: apply a relu to mu and log_var, as the first published run of 2016 did by mistake. A relu that is zero
            for every image has no gradient: log_var dies at 0 (variance 1), and dimensions of mu may die too.
        kl_weight: weight of the KL in the loss; 1 gives the ELBO, other values the post's weighted sum.
        regularization: weight of the L2 term over all weights and biases.
        init_stddev, init_bias: initial stddev of the weights and initial value of the biases; see `layers.start_values`.
        seed: seed of the initial weights and of the noise.
        width: units per hidden layer; 2016 used 50.

    Raises:
        ValueError: for an argument out of its range, an unknown activation, or an unknown argument.
    """

    def __init__(
        self,
        z_dim: int = 3,
        activation: str = "relu",
        relu_heads: bool = False,
        kl_weight: float = 1.0,
        regularization: float = 1e-5,
        init_stddev: float = 0.1,
        init_bias: float = 0.1,
        seed: int = 0,
        width: int = 50,
        **kwargs,
    ):
        super().__init__(kwargs, locals())
        function, start = layers.activation_named(activation), layers.start_values(self.seed, self.init_stddev, self.init_bias)
        head = tf.nn.relu if relu_heads else None

        images = keras.Input((PIXELS,))
        hidden = layers.dense(self.width, function, start, name="hfc_1")(images)
        hidden = layers.dense(self.width, function, start, name="hfc_2")(hidden)
        mu = layers.dense(self.z_dim, head, start, name="mu")(hidden)
        log_var = layers.dense(self.z_dim, head, start, name="log_var")(hidden)
        self.encoder = keras.Model(images, [mu, log_var], name="encoder")

        self.decoder = keras.Sequential(
            [
                keras.Input((self.z_dim,)),
                layers.dense(self.width, function, start, name="hdfc_1"),
                layers.dense(self.width, function, start, name="hdfc_2"),
                layers.dense(PIXELS, None, start, name="logits"),
            ],
            name="decoder",
        )
        self.track("loss", "reconstruction", "kl", "regularization")

    def call(self, images):
        """Return pixel probabilities [batch, 784], decoded from mu, for images [batch, 784] in [0, 1]."""
        mu, _ = self.encoder(images)
        return self.decode(mu)

    def decode(self, latent):
        """Return pixel probabilities [batch, 784] for latents [batch, z_dim]. Latents from N(0, 1) give new digits."""
        return tf.sigmoid(self.decoder(self.latents.checked(latent)))

    def prior(self, n, random):
        """Draw n latents, [n, z_dim], from N(0, 1)."""
        return random.standard_normal((n, self.z_dim))

    def objective(self, images: tf.Tensor, noise: tf.Tensor, weights: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Return the negative ELBO, its two terms, and the 2016 regularization.

        Args:
            images: [batch, 784], in [0, 1].
            noise: [batch, z_dim], standard normal.
            weights: [batch], `sample_weight` of `fit`; they multiply reconstruction and KL. The mean still divides by the
                number of images, as Keras's does.

        Returns:
            `reconstruction` and `kl`: [batch], nats; `regularization`: scalar, l2_loss of all weights and biases; `loss`:
            scalar, the batch mean of reconstruction + kl_weight · kl, plus the weighted regularization.
        """
        mu, log_var = self.encoder(images)  # each [batch, z_dim]
        latent = layers.sample_latent(mu, log_var, noise)  # [batch, z_dim]
        reconstruction = losses.bernoulli_cross_entropy(images, self.decoder(latent))
        kl = losses.gaussian_kl(mu, log_var)
        if weights is not None:
            reconstruction, kl = weights * reconstruction, weights * kl
        regularization = losses.l2_regularization(self.trainable_variables)
        loss = tf.reduce_mean(reconstruction + self.kl_weight * kl) + self.regularization * regularization
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "regularization": regularization}

    def gradients(
        self, images: tf.Tensor, noise: tf.Tensor, weights: tf.Tensor | None = None
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Return the losses, and the gradient of `loss` with respect to each trainable variable."""
        with tf.GradientTape() as tape:
            objective = self.objective(images, noise, weights)
        return objective, tape.gradient(objective["loss"], self.trainable_variables)

    def update(self, images: tf.Tensor, noise: tf.Tensor, weights: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Take one optimizer step; return the losses before the step, averaged over all images since the last reset."""
        objective, gradients = self.gradients(images, noise, weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.report(objective, images)

    def train_step(self, data):
        """Run one iteration for Keras's `fit`: draw the noise, then update."""
        images, _, weights = keras.utils.unpack_x_y_sample_weight(data)
        metrics = self.measured(images, weights)
        return {**self.update(images, self.training_noise(images), weights), **metrics}

    def test_step(self, data):
        """Return the losses averaged over all images. Every evaluation uses the same noise."""
        images, _, weights = keras.utils.unpack_x_y_sample_weight(data)
        images_seen = self.trackers[0].count  # since the start of this evaluation
        noise = self.noise_named(layers.EVALUATION_NOISE, images, images_seen)
        return {**self.report(self.objective(images, noise, weights), images), **self.measured(images, weights)}

    def training_noise(self, images: tf.Tensor) -> tf.Tensor:
        """Return the noise for the next update. It depends only on the seed and the iteration, so that resume is exact."""
        return self.noise_named(layers.TRAINING_NOISE, images, self.iterations)

    def summary_noise(self, images: tf.Tensor) -> tf.Tensor:
        """Return the noise for this iteration's summary. It differs from the update's: 2016 drew new noise for summaries."""
        return self.noise_named(layers.SUMMARY_NOISE, images, self.iterations)

    def noise_named(self, stream: int, images: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        """Return standard normal noise [batch, z_dim] for images [batch, 784], at `position` in the stream."""
        return layers.named_noise((tf.shape(images)[0], self.z_dim), self.seed, stream, position)

    def variables_of_2016(self) -> dict[str, tf.Variable]:
        """Return the trainable variables by 2016 name, in 2016 order: encoder/W_fc1 … b_fc4, decoder/Wd_fc1 … bd_fc3."""
        names = {}
        for number, name in enumerate(("hfc_1", "hfc_2", "mu", "log_var"), start=1):
            layer = self.encoder.get_layer(name)
            names |= {f"encoder/W_fc{number}": layer.kernel, f"encoder/b_fc{number}": layer.bias}
        for number, layer in enumerate(self.decoder.layers, start=1):
            names |= {f"decoder/Wd_fc{number}": layer.kernel, f"decoder/bd_fc{number}": layer.bias}
        return names
