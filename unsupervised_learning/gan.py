"""The post's generative adversarial network: the DCGAN that worked, and the first attempt that failed.

2016: `FlowersGAN.py` and `CelebAGAN.py` (64×64), `MNIST_GAN.py` (28×28, the first attempt).

Two networks compete (Goodfellow et al. 2014, arXiv:1406.2661): the generator maps z ~ U(−1, 1) to images; the discriminator
classifies images as real or fake. Both are convolutional with batch normalization (DCGAN, Radford et al. 2015,
arXiv:1511.06434). The discriminator minimises

    loss_real + loss_fake = −log D(x) − log(1 − D(G(z)))

and the generator −log D(G(z)), to which 2016 adds feature matching: 0.1 times the distance between the discriminator's
features of real and fake images. At equilibrium D = ½ everywhere and the discriminator's loss is 2 ln 2 = 1.386.
"""

import math
from collections.abc import Callable
from contextlib import contextmanager

import keras
import tensorflow as tf

from unsupervised_learning import gan_networks, layers, losses
from unsupervised_learning.bases.adversarial_model import AdversarialModel
from unsupervised_learning.bases.image_model import ImageModel
from unsupervised_learning.bases.input_checks import Accepted, one_of
from unsupervised_learning.gan_networks import CHANNELS, RECIPES

REAL_BATCHES = ("shared", "fresh")
ONLY_FEATURES = "only"
FEATURE_WEIGHT = 0.1  # 2016
EVALUATION_BATCH = 64  # 2016's, for what is summed over the batch
LOSSES = ("discriminator_loss_real", "discriminator_loss_fake", "discriminator_loss", "generator_loss")


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class DCGAN(AdversarialModel, ImageModel):  # pyright: ignore[reportIncompatibleMethodOverride] (two optimizers)
    """Generator and discriminator, trained in turns. 5,135,363 and 4,316,545 parameters for 64×64 colour images.

    Training takes real images [batch, side, side, channels], as bytes or scaled by `scale`. Calling the model maps z
    [batch, z_dim] in (−1, 1) to images [batch, side, side, channels] in the generator's range, using the moving statistics.
    Pass the two optimizers to `compile`; the losses are built in. The 2016 optimizers are `layers.adam(2e-4, beta1=0.5)`.

    Args:
        side: height and width of the images: 64 or 28.
        channels: channels of the images: 3 or 1.
        recipe: `dcgan`, or `first_attempt` (28×28 grey only); `gan_networks.RECIPES` lists the structural differences. The
            numbers that also differ are the arguments below; their defaults are those of `dcgan`.
        z_dim: number of latent dimensions.
        feature_matching: weight of feature matching in the generator's loss, a number as a string; or `only` to drop the
            adversarial loss.
        generator_steps: updates of the generator per iteration.
        discriminator_every: number of iterations from one update of the discriminator to the next.
        discriminator_width: multiplies the discriminator's numbers of channels; 0.7 about halves its weights. 2016 used 1.
        initializer: initializer of the convolutions: `truncated_normal` or `xavier`, see `layers.conv_stddev`.
        init_stddev: initial stddev of the weights.
        init_bias: initial value of the biases.
        gamma_stddev: initial stddev of batch normalization's gamma around 1; 0 for exactly 1.
        shared_normalization: use the same batch normalization for real and fake images in the discriminator. If False, as in
            the first attempt, fake images have their own beta, gamma and moving statistics (`disc_bn0_1`, …), and the
            discriminator's updates train both sets. Runs that do not record this argument are read as True.
        bn_decay: decay of the moving statistics, which are used only in inference.
        real_batches: `shared`: all updates of an iteration use the same real images. `fresh`: each update gets its own batch,
            as with the flowers of 2016, so that an iteration takes 1 + generator_steps batches; see `separate`.
        divide_twice: in the first attempt, divide the images by 255 a second time, as 2016 did by mistake.
        seed: seed of the initial weights and of z.

    Raises:
        ValueError: for an unsupported value, or an unknown argument.
    """

    def __init__(
        self,
        side: int = 28,
        channels: int = 1,
        recipe: str = "dcgan",
        z_dim: int = 100,
        feature_matching: str = "0.1",
        generator_steps: int = 2,
        discriminator_every: int = 1,
        discriminator_width: float = 1.0,
        initializer: str = "truncated_normal",
        init_stddev: float = 0.02,
        init_bias: float = 0.0,
        gamma_stddev: float = 0.02,
        shared_normalization: bool = True,
        bn_decay: float = 0.9,
        real_batches: str = "shared",
        divide_twice: bool = False,
        seed: int = 0,
        **kwargs,
    ):
        one_of("side", side, tuple(CHANNELS))
        one_of("channels", channels, (1, 3))
        one_of("recipe", recipe, tuple(RECIPES))
        one_of("real_batches", real_batches, REAL_BATCHES)
        if recipe == "first_attempt" and (side, channels) != (28, 1):
            raise ValueError(f"first_attempt is for 28×28 grey images. Received: side={side}, channels={channels}")
        super().__init__(kwargs, locals())
        self.adversarial_weight, self.feature_weight = weights_of(feature_matching)
        # Departs from 2016: the first attempt's images are divided by 255 once, because the second division was a mistake.
        self.form, self.image_factor = RECIPES[recipe], 255.0 if divide_twice and recipe == "first_attempt" else 1.0
        start = gan_networks.Start(initializer, self.init_stddev, self.init_bias, self.gamma_stddev, self.bn_decay)
        of_images = (side, channels, self.form, start)
        self.generator = gan_networks.generator(self.z_dim, *of_images, self.seed)
        self.discriminator = gan_networks.discriminator(*of_images, self.seed + 1, self.discriminator_width)
        self.discriminator_of_fake = self.discriminator  # applied to fake images
        if not shared_normalization:
            self.discriminator_of_fake = gan_networks.discriminator(
                *of_images, self.seed + 2, self.discriminator_width, beside=self.discriminator
            )
        self.iterations = tf.Variable(tf.zeros((), tf.int64), trainable=False, name="iterations")
        self.track(*LOSSES)

    # Conversion between bytes, the networks' range and [0, 1]

    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """Scale bytes [batch, side, side] or [batch, side, side, channels] to the generator's range, with a channel axis.

        The range is [−1, 1], that of tanh; [0, 1] for the first attempt, or [0, 1/255] with `divide_twice`.
        """
        images = tf.reshape(tf.cast(images, tf.float32), (-1, self.side, self.side, self.channels))
        return (images / (255.0 / (self.form.highest - self.form.lowest)) + self.form.lowest) / self.image_factor

    def as_pictures(self, images: tf.Tensor) -> tf.Tensor:
        """Scale images [n, side, side, channels] from the generator's range to [0, 1]."""
        images = (images * self.image_factor - self.form.lowest) / (self.form.highest - self.form.lowest)
        return tf.clip_by_value(images, 0.0, 1.0)

    @property
    def images_taken(self) -> Accepted:
        """The images that training and evaluation take."""
        shapes = ((self.side, self.side, self.channels), *(((self.side, self.side),) if self.channels == 1 else ()))
        low, high = self.form.lowest / self.image_factor, self.form.highest / self.image_factor
        return Accepted("images", shapes, low, high, self.scale)

    def call(self, latent):
        """Return images [batch, side, side, channels] in the generator's range for z [batch, z_dim], in inference mode."""
        return self.generator(latent, training=False)

    def decode(self, latent):
        """Return images [batch, side, side, channels] in [0, 1] for z [batch, z_dim] in (−1, 1)."""
        return self.as_pictures(self(latent))

    # Training

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """Variables that the discriminator's updates train; a second set for batch normalization comes last."""
        first = self.discriminator.trainable_variables
        known = {id(variable) for variable in first}
        return [*first, *(one for one in self.discriminator_of_fake.trainable_variables if id(one) not in known)]

    @property
    def batches_each_iteration(self) -> int:
        """Number of batches of real images per iteration."""
        return 1 + self.generator_steps if self.real_batches == "fresh" else 1

    def separate(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Split an iteration's images [batch · k, …] into its k batches [batch, …], with k = `batches_each_iteration`.

        The images are interleaved: the first of each batch, then the second of each, and so on. So a contiguous share of
        them, as a replica takes, is an equal share of every batch.
        """
        k = self.batches_each_iteration
        if k == 1:
            return [images]
        return tf.unstack(tf.reshape(images, (-1, k, self.side, self.side, self.channels)), axis=1)

    def training_latent(self, batch_size, iteration: tf.Tensor | None = None) -> tf.Tensor:
        """Return z [batch_size, z_dim] in [−1, 1) for an iteration, by default the next.

        It depends only on seed and iteration, so that resume is exact.
        """
        position = self.iterations if iteration is None else iteration
        return layers.named_uniform((batch_size, self.z_dim), self.seed, layers.TRAINING_NOISE, position)

    def training_noise(self, images: tf.Tensor) -> tf.Tensor:
        """Return z [batch, z_dim] for the next iteration, given all of its images."""
        return self.training_latent(tf.shape(images)[0] // self.batches_each_iteration)

    def train_step(self, data):
        """Run one iteration for Keras's `fit`: draw z, update both networks."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.update(images, self.training_noise(images))
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def test_step(self, data):
        """Return both networks' losses in inference mode, with the moving statistics, averaged over all images.

        Every evaluation uses the same z. Feature matching is scaled to a batch of 64, 2016's, so that the losses do not depend
        on the batch size. They are not those of training, where batches are normalized by their own statistics.
        """
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        z = layers.named_uniform(
            (tf.shape(images)[0], self.z_dim), self.seed, layers.EVALUATION_NOISE, self.evaluation.images_seen
        )
        logit_real, feature_real = self.discriminator(images, training=False)
        logit_fake, feature_fake = self.discriminator_of_fake(self.generator(z, training=False), training=False)
        found = self.discriminator_losses(logit_real, logit_fake)
        found["generator_loss"] = self.generator_loss(
            logit_fake,
            feature_fake,
            feature_real if self.feature_weight else None,
            lambda values: EVALUATION_BATCH * tf.reduce_mean(values),
        )
        return self.evaluation.report(found, images)

    def plain_update(self, images: tf.Tensor, latent: tf.Tensor) -> None:
        """Run one iteration in its textbook form, as 2016 did: each update on its own, with the same z.

        Training uses `update`, which has the same result in less time.

        Args:
            images: [batch, side, side, channels], in the generator's range. With fresh real batches: [batch · k, …], where
                `separate` gives the discriminator's batch first and then one for each update of the generator.
            latent: [batch, z_dim], in (−1, 1).
        """
        images, *of_generator = self.separate(images)

        def discriminator_turn() -> None:
            self.update_discriminator(images, self.generator(latent, training=True))

        if self.form.discriminator_first:
            self.when_due(discriminator_turn)
        for real in of_generator or [images] * self.generator_steps:
            with tf.GradientTape() as tape:
                fake = self.generator(latent, training=True)
                logit_fake, feature_fake = self.discriminator_of_fake(fake, training=True)
                loss = self.generator_loss(logit_fake, feature_fake, self.feature_of_real(real))
            variables = self.generator.trainable_variables
            self.generator_optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            self.trackers[3].update_state(loss)
        if not self.form.discriminator_first:
            self.when_due(discriminator_turn)
        self.iterations.assign_add(1)

    def update(self, images: tf.Tensor, latent: tf.Tensor) -> None:
        """Run `plain_update` without computing anything twice.

        The discriminator's update and the generator's first update share one batch of fake images, because the generator does
        not change between them. If the generator's updates share real images, they also share the features of these images.

        Departs from 2016: the first batch of fakes enters the generator's moving statistics once per iteration instead of
        twice, because it is generated once.
        """
        images, *of_generator = self.separate(images)
        fake, tape = self.generate(latent)
        if self.form.discriminator_first:
            self.when_due(lambda: self.update_discriminator(images, fake))
        feature_real = self.feature_of_real(images) if not of_generator else None
        for step in range(self.generator_steps):
            if step:
                fake, tape = self.generate(latent)
            if of_generator:
                feature_real = self.feature_of_real(of_generator[step])
            self.update_generator(feature_real, fake, tape)
        if not self.form.discriminator_first:
            self.when_due(lambda: self.update_discriminator(images, self.generator(latent, training=True)))
        self.iterations.assign_add(1)

    def generate(self, latent: tf.Tensor) -> tuple[tf.Tensor, tf.GradientTape]:
        """Return fake images, and the tape for their gradients with respect to the generator's variables."""
        with tf.GradientTape() as tape:
            fake = self.generator(latent, training=True)
        return fake, tape

    def feature_of_real(self, images: tf.Tensor) -> tf.Tensor | None:
        """Return the features of real images for feature matching; None if its weight is 0."""
        return self.discriminator(images, training=True)[1] if self.feature_weight else None

    def when_due(self, update: Callable[[], None]) -> None:
        """Call `update` if the discriminator is due for an update in this iteration."""

        def do() -> bool:
            update()
            return True

        due = self.due()
        if not isinstance(due, bool):
            tf.cond(due, do, lambda: False)
        elif due:
            update()

    def due(self) -> bool | tf.Tensor:
        """Return whether this iteration updates the discriminator: every `discriminator_every`-th does, from the first on."""
        return self.discriminator_every == 1 or tf.math.floormod(self.iterations, self.discriminator_every) == 0

    def update_discriminator(self, images: tf.Tensor, fake: tf.Tensor) -> None:
        """Update the discriminator. Real and fake images form separate batches, each with its own batch statistics."""
        with tf.GradientTape() as tape:
            logit_real, _ = self.discriminator(images, training=True)
            logit_fake, _ = self.discriminator_of_fake(fake, training=True)
            found = self.discriminator_losses(logit_real, logit_fake)
        variables = self.discriminator_variables
        gradients = tape.gradient(found["objective"], variables)
        self.discriminator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for tracker in self.trackers[:3]:
            tracker.update_state(found[tracker.name])

    def update_generator(self, feature_real: tf.Tensor | None, fake: tf.Tensor, tape: tf.GradientTape) -> None:
        """Update the generator, given fake images and the tape that recorded their generation."""
        with tf.GradientTape(watch_accessed_variables=False) as loss_tape:
            loss_tape.watch(fake)
            logit_fake, feature_fake = self.discriminator_of_fake(fake, training=True)
            loss = self.generator_loss(logit_fake, feature_fake, feature_real)
        variables = self.generator.trainable_variables
        gradients = tape.gradient(fake, variables, output_gradients=[tf.convert_to_tensor(loss_tape.gradient(loss, fake))])
        self.generator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.trackers[3].update_state(loss)

    # The losses

    def discriminator_losses(self, logit_real: tf.Tensor, logit_fake: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the discriminator's losses for logits [batch, 1], and its objective: their sum, halved in the first attempt.

        All are scalars in nats.
        """
        loss_real = tf.reduce_mean(losses.adversarial_cross_entropy(logit_real, real=True))
        loss_fake = tf.reduce_mean(losses.adversarial_cross_entropy(logit_fake, real=False))
        loss = loss_real + loss_fake
        return {
            "discriminator_loss_real": loss_real,
            "discriminator_loss_fake": loss_fake,
            "discriminator_loss": loss,
            "objective": self.form.objective * loss,
        }

    def generator_loss(
        self,
        logit_fake: tf.Tensor,
        feature_fake: tf.Tensor,
        feature_real: tf.Tensor | None,
        sum_over_batch: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Return the generator's loss, a scalar: adversarial, feature matching, or the weighted sum of both as in 2016.

        As in 2016, the adversarial loss, in nats, is averaged over the batch, and feature matching, without a unit, is summed.
        Logits are [batch, 1], features [batch, height, width, channels].
        """
        loss = self.adversarial_weight * tf.reduce_mean(losses.adversarial_cross_entropy(logit_fake, real=True))
        if feature_real is not None:
            distances = losses.feature_matching(feature_real, feature_fake, self.side**2)  # [batch]
            loss += self.feature_weight * (sum_over_batch or self.sum_over_batch)(distances)
        return loss

    def sum_over_batch(self, values: tf.Tensor) -> tf.Tensor:
        """Return the sum of values [batch] as a scalar."""
        return tf.reduce_sum(values)

    @contextmanager
    def statistics_left_alone(self):
        """Context in which running or tracing the networks in training mode does not update the moving statistics."""
        normalizations = [
            layer
            for network in (self.generator, self.discriminator, self.discriminator_of_fake)
            for layer in network.layers
            if isinstance(layer, layers.BatchNormalization)
        ]
        for layer in normalizations:
            layer.update_statistics = False
        try:
            yield
        finally:
            for layer in normalizations:
                layer.update_statistics = True

    def variables_of_2016(self) -> dict[str, tf.Variable]:
        """Return the trainable variables by 2016 name, in 2016 order: generator/W_0 … discriminator/b_4.

        A second set for batch normalization, discriminator/disc_bn0_1/beta …, comes last.
        """
        names = {}
        for network in (self.generator, self.discriminator, self.discriminator_of_fake):
            scope = self.generator.name if network is self.generator else self.discriminator.name
            for layer in network.layers:
                if isinstance(layer, layers.BatchNormalization):
                    names |= {f"{scope}/{layer.name}/beta": layer.beta, f"{scope}/{layer.name}/gamma": layer.gamma}
                elif layer.trainable_variables:
                    number = layer.name.split("_")[-1]
                    names |= {f"{scope}/W_{number}": layer.kernel, f"{scope}/b_{number}": layer.bias}
        return names


def weights_of(feature_matching: str) -> tuple[float, float]:
    """Return the weights of the adversarial loss and of feature matching for a value of `feature_matching`.

    Raises:
        ValueError: for anything but a finite number of at least 0 or `only`.
    """
    if feature_matching == ONLY_FEATURES:
        return 0.0, FEATURE_WEIGHT
    try:
        weight = math.nan if isinstance(feature_matching, bool) else float(feature_matching)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"`feature_matching` must be a number not below 0, or {ONLY_FEATURES}. Received: {feature_matching!r}")
    return 1.0, weight
