"""Generators and discriminators of the two GANs of 2016, as convolutional Keras models.

2016: `FlowersGAN.py` and `CelebAGAN.py` (64×64, the DCGAN that worked), `MNIST_GAN.py` at 3f7f8b9 (28×28, the first attempt,
which failed). Each layer's name ends in the number that its variables had in 2016.
"""

from typing import NamedTuple

import keras

from unsupervised_learning import layers

# Channels at 4×4 and after each doubling of the side. 64×64: as in 2016. 28×28, our choice: the same without the widest scale.
# The first attempt has these sizes too, so that the two 28×28 recipes differ in nothing but the recipe.
CHANNELS = {64: (512, 256, 128, 64), 28: (256, 128, 64)}
SIDES = {64: (4, 8, 16, 32, 64), 28: (4, 7, 14, 28)}


class Recipe(NamedTuple):
    """Structural differences between the two GANs of 2016. Numerical differences are arguments of `DCGAN`.

    Attributes:
        output: activation of the generator's last layer.
        lowest, highest: range of that activation, and so of the images.
        normalized_generator: whether all layers of the generator but the last have batch normalization.
        normalized_first: whether the discriminator's first layer has batch normalization like the others.
        discriminator_first: whether an iteration updates the discriminator before the generator.
        objective: factor applied to the discriminator's loss.
    """

    output: str
    lowest: float
    highest: float
    normalized_generator: bool
    normalized_first: bool
    discriminator_first: bool
    objective: float


RECIPES = {
    "dcgan": Recipe("tanh", -1.0, 1.0, True, False, True, 1.0),  # FlowersGAN.py, CelebAGAN.py
    "first_attempt": Recipe("sigmoid", 0.0, 1.0, False, True, False, 0.5),  # MNIST_GAN.py at 3f7f8b9
}


class Start(NamedTuple):
    """Initialization of the networks, and the decay of batch normalization; see the arguments of `gan.DCGAN`."""

    initializer: str
    init_stddev: float
    init_bias: float
    gamma_stddev: float
    bn_decay: float

    def of_layer(self, random: keras.random.SeedGenerator, *channels: int) -> dict[str, keras.initializers.Initializer]:
        """Return a layer's initializers. For a convolution, `channels` are its input and output channels."""
        stddev = layers.conv_stddev(self.initializer, self.init_stddev, *channels) if channels else self.init_stddev
        return {
            "kernel_initializer": keras.initializers.TruncatedNormal(stddev=stddev, seed=random),
            "bias_initializer": keras.initializers.Constant(self.init_bias),
        }

    def activated(self, x, normalization: str | None, activation: str, name: str, random: keras.random.SeedGenerator):
        """Apply batch normalization named `normalization`, unless that is None, and then the activation."""
        if normalization:
            gamma = keras.initializers.RandomNormal(1.0, self.gamma_stddev, seed=random)
            x = layers.BatchNormalization(self.bn_decay, gamma_initializer=gamma, name=normalization)(x)
        return keras.layers.Activation(layers.activation_named(activation), name=name)(x)


def generator(z_dim: int, side: int, channels: int, recipe: Recipe, start: Start, seed: int) -> keras.Model:
    """Return the network z [batch, z_dim] → images: a dense layer, then 5×5 transposed convolutions of stride 2."""
    random, sides, widths = keras.random.SeedGenerator(seed), SIDES[side], CHANNELS[side]
    normalized = recipe.normalized_generator
    first = 2 if normalized else 1  # number of the first convolution in 2016

    latent = keras.Input((z_dim,))
    dense = keras.layers.Dense(sides[0] ** 2 * widths[0], name="fc_0", **start.of_layer(random))
    x = keras.layers.Reshape((sides[0], sides[0], widths[0]))(dense(latent))
    x = start.activated(x, "gen_bn0" if normalized else None, "relu", "h_0", random)
    for number, (wide, width) in enumerate(zip(sides[1:], (*widths[1:], channels), strict=True), start=first):
        convolution = keras.layers.Conv2DTranspose(
            width,
            kernel_size=5,
            strides=2,
            padding="same",
            output_padding=0 if wide == 7 else None,  # 4 → 7, where Keras would otherwise give 8
            name=f"deconv_{number}",
            **start.of_layer(random, x.shape[-1], width),
        )
        x = convolution(x)  # [batch, wide, wide, width]
        if wide < side:
            x = start.activated(x, f"gen_bn{number}" if normalized else None, "relu", f"h_{number}", random)
    return keras.Model(latent, keras.layers.Activation(recipe.output, name="image")(x), name="generator")


def discriminator(
    side: int, channels: int, recipe: Recipe, start: Start, seed: int, width: float = 1.0, beside: keras.Model | None = None
) -> keras.Model:
    """Return the network images → logit [batch, 1] and feature [batch, 4, 4, channels], the last convolution's output.

    Args:
        side: height and width of the images.
        channels: channels of the images.
        recipe: one of the two GANs.
        start: initialization.
        seed: seed of the initial weights.
        width: multiplies the numbers of channels.
        beside: another discriminator; this one shares all its weights except batch normalization's.
    """
    random = keras.random.SeedGenerator(seed)
    use = "_1" if beside else ""  # 2016's suffix for variables created by a second use of the network
    images = x = keras.Input((side, side, channels))
    for number, full in enumerate(reversed(CHANNELS[side])):
        filters = max(1, round(full * width))
        name, of_layer = f"conv{number}", start.of_layer(random, x.shape[-1], filters)
        x = (beside.get_layer(name) if beside else keras.layers.Conv2D(filters, 5, 2, "same", name=name, **of_layer))(x)
        normalized = number > 0 or recipe.normalized_first
        x = start.activated(x, f"disc_bn{number}{use}" if normalized else None, "lrelu", f"h_{number}", random)
    name = f"fc_{len(CHANNELS[side])}"
    dense = beside.get_layer(name) if beside else keras.layers.Dense(1, name=name, **start.of_layer(random))
    return keras.Model(images, [dense(keras.layers.Flatten()(x)), x], name=f"discriminator{use}")
