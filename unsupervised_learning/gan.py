"""The post's generative adversarial network: the DCGAN that worked and the first attempt that did not.

2016: `FlowersGAN.py` and `CelebAGAN.py` (64×64), `MNIST_GAN.py` (28×28, the first attempt).

Two networks play against each other (Goodfellow et al. 2014, arXiv:1406.2661): the generator makes images from z ~ U(−1, 1),
the discriminator tells them from real ones. Both are convolutional with batch normalization (DCGAN, Radford et al. 2015,
arXiv:1511.06434). The discriminator minimises

    loss_real + loss_fake = −log D(x) − log(1 − D(G(z)))

and the generator −log D(G(z)), to which 2016 adds 0.1 times the distance between the discriminator's features of real and
fake images. Where neither wins D is ½ everywhere, and the discriminator's loss 2 ln 2 = 1.386.
"""

import math
from collections.abc import Callable
from contextlib import contextmanager

import keras
import tensorflow as tf

from unsupervised_learning import gan_networks, layers, losses
from unsupervised_learning.gan_networks import CHANNELS, RECIPES

REAL_BATCHES = ("shared", "fresh")
ONLY_FEATURES = "only"
FEATURE_WEIGHT = 0.1  # 2016
LOSSES = ("discriminator_loss_real", "discriminator_loss_fake", "discriminator_loss", "generator_loss")


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class DCGAN(keras.Model):
    """Generator and discriminator, trained in turns. 5,135,363 and 4,316,545 parameters for 64×64 colour images.

    Real images go in as [batch, side, side, channels], scaled by `scale`; calling the model takes z [batch, z_dim] in (−1, 1)
    and gives images [batch, side, side, channels] in the generator's range, made with the moving statistics. `compile` takes
    the two optimizers; the losses are the model's own. 2016's optimizers are `layers.adam(2e-4, beta1=0.5)`.

    Args:
        side: 64 or 28, the images' height and width.
        channels: of the images: 3 or 1.
        recipe: `dcgan`, or `first_attempt` (28×28 grey only); `gan_networks.RECIPES` says how they differ. The numbers that
            belong to a recipe are the arguments below; their defaults are `dcgan`'s.
        z_dim: number of latent dimensions.
        feature_matching: weight of feature matching in the generator's loss, a number as a string; or `only`: that loss
            without the adversarial one.
        generator_steps: updates of the generator in each iteration.
        discriminator_every: iterations between two updates of the discriminator.
        discriminator_width: factor of the discriminator's numbers of channels; 0.7 about halves its weights. 1 is 2016's.
        initializer: of the convolutions: `truncated_normal` or `xavier`, see `layers.conv_stddev`.
        init_stddev: of the weights' start.
        init_bias: the biases' start.
        gamma_stddev: of the start of batch normalization's gamma, which is drawn around 1; 0 for exactly 1.
        shared_normalization: real and fake images go through the same batch normalization in the discriminator. If not, fake
            ones have a beta, a gamma and moving statistics of their own (`disc_bn0_1`, …); the discriminator's updates train
            both sets. So it was in the first attempt. Runs from before this argument shared, and are read so.
        bn_decay: of the moving statistics, which only inference uses.
        real_batches: `shared`: all of an iteration's updates see the same real images. `fresh`: each sees others, as with
            2016's flowers: 1 + generator_steps batches in an iteration, see `separate`.
        divide_twice: in the first attempt, divide the images by 255 once more, as 2016 did by mistake.
        seed: of the weights' start and of z.

    Raises:
        ValueError: for a value that is none of these.
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
        super().__init__(**kwargs)
        if side not in CHANNELS:
            raise ValueError(f"`side` must be one of {', '.join(map(str, CHANNELS))}. Received: side={side}")
        if recipe not in RECIPES:
            raise ValueError(f"`recipe` must be one of {', '.join(RECIPES)}. Received: recipe={recipe!r}")
        if recipe == "first_attempt" and (side, channels) != (28, 1):
            raise ValueError(f"first_attempt is for 28×28 grey images. Received: side={side}, channels={channels}")
        if real_batches not in REAL_BATCHES:
            raise ValueError(
                f"`real_batches` must be one of {', '.join(REAL_BATCHES)}. Received: real_batches={real_batches!r}"
            )
        self.side, self.channels, self.recipe, self.z_dim = side, channels, recipe, z_dim
        self.feature_matching, self.adversarial_weight, self.feature_weight = feature_matching, *weights_of(feature_matching)
        self.generator_steps, self.discriminator_every = generator_steps, discriminator_every
        self.discriminator_width = discriminator_width
        self.initializer, self.init_stddev, self.init_bias = initializer, init_stddev, init_bias
        self.gamma_stddev, self.shared_normalization, self.bn_decay = gamma_stddev, shared_normalization, bn_decay
        self.real_batches, self.divide_twice, self.seed = real_batches, divide_twice, seed
        self.form, self.image_factor = RECIPES[recipe], 255.0 if divide_twice and recipe == "first_attempt" else 1.0
        start = gan_networks.Start(initializer, init_stddev, init_bias, gamma_stddev, bn_decay)
        of_images = (side, channels, self.form, start)
        self.generator = gan_networks.generator(z_dim, *of_images, seed)
        self.discriminator = gan_networks.discriminator(*of_images, seed + 1, discriminator_width)
        self.discriminator_of_fake = self.discriminator  # the same network as it sees fake images
        if not shared_normalization:
            self.discriminator_of_fake = gan_networks.discriminator(
                *of_images, seed + 2, discriminator_width, beside=self.discriminator
            )
        self.iterations = tf.Variable(tf.zeros((), tf.int64), trainable=False, name="iterations")
        self.trackers = [layers.Newest(name=name) for name in LOSSES]
        self.built = True

    # Images, in bytes and as the networks take and give them

    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """Bytes [batch, side, side] or [batch, side, side, channels] → [batch, side, side, channels] in the generator's range.

        That is [−1, 1], the range of tanh; [0, 1] for the first attempt, or [0, 1/255] with its mistake.
        """
        images = tf.reshape(tf.cast(images, tf.float32), (-1, self.side, self.side, self.channels))
        return (images / (255.0 / (self.form.highest - self.form.lowest)) + self.form.lowest) / self.image_factor

    def as_pictures(self, images: tf.Tensor) -> tf.Tensor:
        """Images in the generator's range → [0, 1]."""
        images = (images * self.image_factor - self.form.lowest) / (self.form.highest - self.form.lowest)
        return tf.clip_by_value(images, 0.0, 1.0)

    def call(self, latent):
        """Z [batch, z_dim] in (−1, 1) → images [batch, side, side, channels] in the generator's range, by moving statistics."""
        return self.generator(latent, training=False)

    def decode(self, latent):
        """Z [batch, z_dim] in (−1, 1) → pictures [batch, side, side, channels] in [0, 1]."""
        return self.as_pictures(self(latent))

    # Training

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        """Take an optimizer for each network."""
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator_variables)

    def get_compile_config(self):
        """Both optimizers, for a saved model; nothing for one that is not compiled."""
        if not self.compiled:
            return None
        optimizers = {"generator_optimizer": self.generator_optimizer, "discriminator_optimizer": self.discriminator_optimizer}
        return {name: keras.optimizers.serialize(optimizer) for name, optimizer in optimizers.items()}

    def compile_from_config(self, config):
        """Compile a loaded model."""
        self.compile(**{name: keras.optimizers.deserialize(optimizer) for name, optimizer in config.items()})

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """What the discriminator's updates train, a second set of batch normalization's last."""
        first = self.discriminator.trainable_variables
        known = {id(variable) for variable in first}
        return [*first, *(one for one in self.discriminator_of_fake.trainable_variables if id(one) not in known)]

    @property
    def batches_each_iteration(self) -> int:
        """Batches of real images that an iteration takes."""
        return 1 + self.generator_steps if self.real_batches == "fresh" else 1

    def separate(self, images: tf.Tensor) -> list[tf.Tensor]:
        """An iteration's images [batch · k, …] → its k batches [batch, …], k being `batches_each_iteration`.

        The k pictures at the same place in their batches stand side by side, so that a contiguous share of the images, which a
        replica takes, is a share of every batch.
        """
        k = self.batches_each_iteration
        if k == 1:
            return [images]
        return tf.unstack(tf.reshape(images, (-1, k, self.side, self.side, self.channels)), axis=1)

    def training_latent(self, batch_size, iteration: tf.Tensor | None = None) -> tf.Tensor:
        """The z of an iteration, by default the coming one: a function of the seed and its number, so that resume is exact."""
        position = self.iterations if iteration is None else iteration
        return layers.named_uniform((batch_size, self.z_dim), self.seed, layers.TRAINING_NOISE, position)

    def training_noise(self, images: tf.Tensor) -> tf.Tensor:
        """The z of the coming iteration, for all of its images."""
        return self.training_latent(tf.shape(images)[0] // self.batches_each_iteration)

    def train_step(self, data):
        """One iteration, for Keras's `fit`: draw z, update both networks."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.update(images, self.training_noise(images))
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def plain_update(self, images: tf.Tensor, latent: tf.Tensor) -> None:
        """One iteration as one would write it on a board, and as 2016 ran it: each update by itself, with the same z.

        `update` gives the same in less time, and is what trains.

        Args:
            images: [batch, side, side, channels], in the generator's range. With fresh real batches the first is the
                discriminator's and the others are those of the generator's updates, in the order of `separate`.
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
        """`plain_update`, computing nothing twice.

        The discriminator is updated on the fake images of the generator's first update, because between these two only the
        discriminator changes. The generator's updates share the features of the real images, if they share these.

        Departs from 2016: the generator's moving statistics take in the first batch of fakes once and not twice in an
        iteration, because it is made once.
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
        """Fake images, and the tape that leads from them back to the generator's variables."""
        with tf.GradientTape() as tape:
            fake = self.generator(latent, training=True)
        return fake, tape

    def feature_of_real(self, images: tf.Tensor) -> tf.Tensor | None:
        """What the generator's features are matched with; None if they are not."""
        return self.discriminator(images, training=True)[1] if self.feature_weight else None

    def when_due(self, update: Callable[[], None]) -> None:
        """Call `update` if the coming iteration updates the discriminator."""

        def do() -> bool:
            update()
            return True

        due = self.due()
        if not isinstance(due, bool):
            tf.cond(due, do, lambda: False)
        elif due:
            update()

    def due(self) -> bool | tf.Tensor:
        """Whether the coming iteration updates the discriminator: every `discriminator_every`-th, the first included."""
        return self.discriminator_every == 1 or tf.math.floormod(self.iterations, self.discriminator_every) == 0

    def update_discriminator(self, images: tf.Tensor, fake: tf.Tensor) -> None:
        """One update from real and fake images, which go through separately, each batch with its own statistics."""
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
        """One update from fake images and the tape that they were made under."""
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
        """The discriminator's losses, scalars in nats, and its objective: their sum, in the first attempt half of it."""
        loss_real = tf.reduce_mean(losses.adversarial_cross_entropy(logit_real, real=True))
        loss_fake = tf.reduce_mean(losses.adversarial_cross_entropy(logit_fake, real=False))
        loss = loss_real + loss_fake
        return {
            "discriminator_loss_real": loss_real,
            "discriminator_loss_fake": loss_fake,
            "discriminator_loss": loss,
            "objective": self.form.objective * loss,
        }

    def generator_loss(self, logit_fake: tf.Tensor, feature_fake: tf.Tensor, feature_real: tf.Tensor | None) -> tf.Tensor:
        """The generator's loss, a scalar: adversarial, feature matching, or 2016's sum of the two.

        2016 averaged the adversarial loss over the batch, and summed feature matching.
        """
        loss = self.adversarial_weight * tf.reduce_mean(losses.adversarial_cross_entropy(logit_fake, real=True))
        if feature_real is not None:
            distances = losses.feature_matching(feature_real, feature_fake, self.side**2)  # [batch]
            loss += self.feature_weight * self.sum_over_batch(distances)
        return loss

    def sum_over_batch(self, values: tf.Tensor) -> tf.Tensor:
        """[batch] → scalar."""
        return tf.reduce_sum(values)

    @contextmanager
    def statistics_left_alone(self):
        """In here, what runs (or is traced) in training mode does not move the moving statistics."""
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

    @property
    def metrics(self):
        """What `fit` reports."""
        return self.trackers

    def variables_of_2016(self) -> dict[str, tf.Variable]:
        """The trainable variables under their 2016 names, in 2016's order: generator/W_0 … discriminator/b_4.

        A second set of batch normalization's, discriminator/disc_bn0_1/beta …, comes last.
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

    def get_config(self):
        """The arguments that make this model again."""
        return {**super().get_config(), **{name: getattr(self, name) for name in ARGUMENTS}}


ARGUMENTS = layers.arguments_of(DCGAN)


def weights_of(feature_matching: str) -> tuple[float, float]:
    """The weights of the adversarial loss and of feature matching that `feature_matching` means.

    Raises:
        ValueError: if it means none.
    """
    if feature_matching == ONLY_FEATURES:
        return 0.0, FEATURE_WEIGHT
    try:
        weight = float(feature_matching)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"`feature_matching` must be a number not below 0, or {ONLY_FEATURES}. Received: {feature_matching!r}")
    return 1.0, weight
