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
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from unsupervised_learning import layers, losses, replicas

RECIPES = ("dcgan", "first_attempt")
REAL_BATCHES = ("shared", "fresh")
# Channels at 4×4, then after each doubling. 64×64 is 2016's. For 28×28, our choice: the same less the widest scale, which
# are also the sizes of the first attempt, so that the two 28×28 recipes differ in nothing but the recipe.
CHANNELS = {64: (512, 256, 128, 64), 28: (256, 128, 64)}
SIDES = {64: (4, 8, 16, 32, 64), 28: (4, 7, 14, 28)}
ONLY_FEATURES = "only"
FEATURE_WEIGHT = 0.1  # 2016
LOSSES = ("discriminator_loss_real", "discriminator_loss_fake", "discriminator_loss", "generator_loss")
ARGUMENTS = (
    *("side", "channels", "recipe", "z_dim", "feature_matching", "generator_steps", "discriminator_every"),
    *("discriminator_width", "initializer", "init_stddev", "init_bias", "gamma_stddev", "shared_normalization"),
    *("bn_decay", "real_batches", "divide_twice", "seed"),
)


class Trace(NamedTuple):
    """What the networks make of a batch of real images and of z.

    Attributes:
        losses: scalars by the names in `LOSSES`, nats.
        gradients: of each network's objective, by 2016's variable names.
        generated: the generator's activations by layer: h_0 …, and the fake images, `image`.
        on_real, on_fake: the discriminator's: h_0 …, the last of which is also `feature`, and the logit [batch, 1], `logit`.
    """

    losses: dict[str, tf.Tensor]
    gradients: dict[str, tf.Tensor]
    generated: dict[str, tf.Tensor]
    on_real: dict[str, tf.Tensor]
    on_fake: dict[str, tf.Tensor]


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class DCGAN(keras.Model):
    """Generator and discriminator, trained in turns. 5,135,363 and 4,316,545 parameters for 64×64 colour images.

    Real images go in as [batch, side, side, channels], scaled by `scale`; calling the model takes z [batch, z_dim] in (−1, 1)
    and gives images [batch, side, side, channels] in the generator's range, made with the moving statistics. `compile` takes
    the two optimizers; the losses are the model's own. 2016's optimizers are `layers.adam(2e-4, beta1=0.5)`.

    Args:
        side: 64 or 28, the images' height and width.
        channels: of the images: 3 or 1.
        recipe: `dcgan`: tanh, batch normalization in the generator, the discriminator's turn first. `first_attempt` (28×28
            grey only): sigmoid, no batch normalization in the generator but in the discriminator's first layer too, the
            generator's turn first, half the discriminator's loss. The numbers that belong to a recipe are the arguments below;
            their defaults are `dcgan`'s.
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
        divide_twice: divide the images by 255 once more, as the first attempt did by mistake.
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
        self.first_attempt = recipe == "first_attempt"
        self.generator = self.build_generator()
        self.discriminator = self.build_discriminator()
        # The same network as it sees fake images
        self.discriminator_of_fake = (
            self.discriminator if shared_normalization else self.build_discriminator(beside=self.discriminator)
        )
        self.iterations = tf.Variable(tf.zeros((), tf.int64), trainable=False, name="iterations")
        self.turn: bool | None = None  # the discriminator's, where it is decided outside: `by_turns`
        self.trackers = [Newest(name=name) for name in LOSSES]
        self.built = True

    # The networks. A layer's name ends in the number that its variables have in 2016's names.

    def build_generator(self) -> keras.Model:
        """Z [batch, z_dim] → images [batch, side, side, channels]: dense, then 5×5 transposed convolutions of stride 2."""
        random, sides, widths = keras.random.SeedGenerator(self.seed), SIDES[self.side], CHANNELS[self.side]
        normalized = not self.first_attempt
        first = 2 if normalized else 1  # 2016's number of the first convolution

        latent = keras.Input((self.z_dim,))
        dense = keras.layers.Dense(sides[0] ** 2 * widths[0], name="fc_0", **self.start(random))
        x = keras.layers.Reshape((sides[0], sides[0], widths[0]))(dense(latent))
        x = self.activated(x, "gen_bn0" if normalized else None, "relu", "h_0", random)
        for number, (side, width) in enumerate(zip(sides[1:], (*widths[1:], self.channels), strict=True), start=first):
            convolution = keras.layers.Conv2DTranspose(
                width,
                kernel_size=5,
                strides=2,
                padding="same",
                output_padding=0 if side == 7 else None,  # 4 → 7: Keras would double
                name=f"deconv_{number}",
                **self.start(random, x.shape[-1], width),
            )
            x = convolution(x)  # [batch, side, side, width]
            if side < self.side:
                x = self.activated(x, f"gen_bn{number}" if normalized else None, "relu", f"h_{number}", random)
        images = keras.layers.Activation("sigmoid" if self.first_attempt else "tanh", name="image", dtype="float32")(x)
        return keras.Model(latent, images, name="generator")

    def build_discriminator(self, beside: keras.Model | None = None) -> keras.Model:
        """Images [batch, side, side, channels] → logit [batch, 1] and feature, the last convolution [batch, 4, 4, width].

        Args:
            beside: a discriminator with which this one shares all weights but batch normalization's.
        """
        random = keras.random.SeedGenerator(self.seed + (2 if beside else 1))
        use = "_1" if beside else ""  # 2016's ending for what a second use of the network makes anew
        images = x = keras.Input((self.side, self.side, self.channels))
        for number, full_width in enumerate(reversed(CHANNELS[self.side])):
            width = max(1, round(full_width * self.discriminator_width))
            name = f"conv{number}"
            start = self.start(random, x.shape[-1], width)
            convolution = beside.get_layer(name) if beside else keras.layers.Conv2D(width, 5, 2, "same", name=name, **start)
            x = convolution(x)
            normalized = number > 0 or self.first_attempt
            last = number == len(CHANNELS[self.side]) - 1
            dtype = "float32" if last else None
            x = self.activated(x, f"disc_bn{number}{use}" if normalized else None, "lrelu", f"h_{number}", random, dtype)
        flat = keras.layers.Flatten(dtype="float32")(x)
        name = f"fc_{len(CHANNELS[self.side])}"
        dense = beside.get_layer(name) if beside else keras.layers.Dense(1, name=name, dtype="float32", **self.start(random))
        return keras.Model(images, [dense(flat), x], name=f"discriminator{use}")

    def start(self, random: keras.random.SeedGenerator, *channels: int) -> dict[str, keras.initializers.Initializer]:
        """The start of a layer's weights and biases; of a convolution's, if its channels in and out are given."""
        stddev = layers.conv_stddev(self.initializer, self.init_stddev, *channels) if channels else self.init_stddev
        return {
            "kernel_initializer": keras.initializers.TruncatedNormal(stddev=stddev, seed=random),
            "bias_initializer": keras.initializers.Constant(self.init_bias),
        }

    def activated(self, x, normalization: str | None, activation: str, name: str, random, dtype: str | None = None):
        """The batch normalization of that name, if there is to be one, and the activation."""
        if normalization:
            gamma = keras.initializers.RandomNormal(1.0, self.gamma_stddev, seed=random)
            x = layers.BatchNormalization(self.bn_decay, gamma_initializer=gamma, name=normalization)(x)
        return keras.layers.Activation(layers.activation_named(activation), name=name, dtype=dtype)(x)

    # Images, in bytes and as the networks take and give them

    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """Bytes [batch, side, side] or [batch, side, side, channels] → [batch, side, side, channels] in the generator's range.

        That is [−1, 1], the range of tanh; [0, 1] for the first attempt, or [0, 1/255] with its mistake.
        """
        images = tf.reshape(tf.cast(images, tf.float32), (-1, self.side, self.side, self.channels))
        if not self.first_attempt:
            return images / 127.5 - 1.0
        return images / 255.0 / (255.0 if self.divide_twice else 1.0)

    def as_pictures(self, images: tf.Tensor) -> tf.Tensor:
        """Images in the generator's range → [0, 1]."""
        if not self.first_attempt:
            return (images + 1.0) / 2.0
        return tf.clip_by_value(images * (255.0 if self.divide_twice else 1.0), 0.0, 1.0)

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

    def train_step(self, data):
        """One iteration: draw z, update both networks."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.update(images, self.training_latent(tf.shape(images)[0] // self.batches_each_iteration))
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def update(self, images: tf.Tensor, latent: tf.Tensor) -> None:
        """The discriminator's update, then the generator's, all with the same z; the first attempt began with the generator.

        Nothing is computed twice. The fake images on which the discriminator is updated are those of the generator's first
        update, which changes only the discriminator before it; and the features of the real images are the same in all of
        the generator's updates, if these share them.

        Departs from 2016: there each update ran on its own, so that the generator's moving statistics took in the first
        batch of fakes twice in an iteration.

        Args:
            images: [batch, side, side, channels], in the generator's range. With fresh real batches the first is the
                discriminator's and the others are those of the generator's updates, in the order of `separate`.
            latent: [batch, z_dim], in (−1, 1).
        """
        images, *of_generator = self.separate(images)
        fake, tape = self.generate(latent)
        if not self.first_attempt:
            self.when_due(lambda: self.update_discriminator(images, fake))
        feature_real = self.feature_of_real(images) if not of_generator else None
        for step in range(self.generator_steps):
            if step:
                fake, tape = self.generate(latent)
            if of_generator:
                feature_real = self.feature_of_real(of_generator[step])
            self.update_generator(feature_real, fake, tape)
        if self.first_attempt:
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
        """Call `update` in every `discriminator_every`-th iteration, the first included."""

        def do() -> bool:
            update()
            return True

        if self.discriminator_every == 1 or self.turn:
            do()
        elif self.turn is None:
            tf.cond(self.due(), do, lambda: False)

    def due(self) -> tf.Tensor:
        """Whether the coming iteration updates the discriminator."""
        return tf.math.floormod(self.iterations, self.discriminator_every) == 0

    def by_turns(self, step: Callable[[], None]) -> None:
        """Call `step`, which calls `train_step` in the replicas of a strategy, with the discriminator's turn decided out here.

        In there it cannot be: replicas do not exchange anything from within a `tf.cond`.
        """

        def with_turn(turn: bool) -> bool:
            self.turn = turn
            step()
            self.turn = None
            return turn

        if self.discriminator_every == 1:
            step()
        else:
            tf.cond(self.due(), lambda: with_turn(True), lambda: with_turn(False))

    def update_discriminator(self, images: tf.Tensor, fake: tf.Tensor) -> None:
        """One update from real and fake images, which go through separately, each batch with its own statistics."""
        with tf.GradientTape() as tape:
            logit_real, _ = self.discriminator(images, training=True)
            logit_fake, _ = self.discriminator_of_fake(fake, training=True)
            found = self.discriminator_losses(logit_real, logit_fake)
        variables = self.discriminator_variables
        gradients = tape.gradient(found["objective"], variables)
        self.discriminator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        found = replicas.whole(found)
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
        self.trackers[3].update_state(replicas.whole(loss))

    # The losses

    def discriminator_losses(self, logit_real: tf.Tensor, logit_fake: tf.Tensor) -> dict[str, tf.Tensor]:
        """The discriminator's losses, in nats, and what it minimises: their sum, in the first attempt half of it."""
        loss_real = losses.adversarial_cross_entropy(logit_real, real=True)
        loss_fake = losses.adversarial_cross_entropy(logit_fake, real=False)
        loss = loss_real + loss_fake
        return {
            "discriminator_loss_real": loss_real,
            "discriminator_loss_fake": loss_fake,
            "discriminator_loss": loss,
            "objective": loss / 2 if self.first_attempt else loss,
        }

    def generator_loss(self, logit_fake: tf.Tensor, feature_fake: tf.Tensor, feature_real: tf.Tensor | None) -> tf.Tensor:
        """The generator's loss: adversarial, feature matching, or 2016's sum of the two."""
        loss = self.adversarial_weight * losses.adversarial_cross_entropy(logit_fake, real=True)
        if feature_real is not None:
            loss += self.feature_weight * losses.feature_matching(feature_real, feature_fake, self.side**2)
        return loss

    def trace(self, images: tf.Tensor, latent: tf.Tensor) -> "Trace":
        """Losses, gradients and activations for a batch; changes nothing, the moving statistics included.

        Args:
            images: one batch [batch, side, side, channels], in the generator's range.
            latent: [batch, z_dim], in (−1, 1).
        """
        with self.statistics_left_alone(), tf.GradientTape(persistent=True) as tape:
            with tf.GradientTape() as generator_tape:
                generated = hidden_layers(self.generator)(latent, training=True)
            fake = generated["image"]
            tape.watch(fake)
            on_real = hidden_layers(self.discriminator)(images, training=True)
            on_fake = hidden_layers(self.discriminator_of_fake)(fake, training=True)
            found = self.discriminator_losses(on_real["logit"], on_fake["logit"])
            feature_real = on_real["feature"] if self.feature_weight else None
            found["generator_loss"] = self.generator_loss(on_fake["logit"], on_fake["feature"], feature_real)
        of_discriminator = tape.gradient(found["objective"], self.discriminator_variables)
        of_fake = tape.gradient(found["generator_loss"], fake)
        of_generator = generator_tape.gradient(fake, self.generator.trainable_variables, output_gradients=of_fake)
        gradient_of: dict[int, Any] = {
            id(variable): gradient
            for variables, gradients in (
                (self.discriminator_variables, of_discriminator),
                (self.generator.trainable_variables, of_generator),
            )
            for variable, gradient in zip(variables, gradients, strict=True)
        }
        return Trace(
            losses={name: found[name] for name in LOSSES},
            gradients={name: gradient_of[id(variable)] for name, variable in self.variables_of_2016().items()},
            generated=generated,
            on_real=on_real,
            on_fake=on_fake,
        )

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


def hidden_layers(network: keras.Model) -> keras.Model:
    """The network with all its activations as outputs, by name."""
    outputs = {layer.name: layer.output for layer in network.layers if isinstance(layer, keras.layers.Activation)}
    if len(network.outputs) == 2:
        outputs |= {"logit": network.outputs[0], "feature": network.outputs[1]}
    return keras.Model(network.inputs, outputs)


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
