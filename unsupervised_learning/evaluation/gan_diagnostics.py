"""Diagnostics of a GAN in training: losses, gradients and activations for one batch, and the author's sign of failure."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from unsupervised_learning.gan import DCGAN, LOSSES

# The author judged a GAN's health by its networks' first layers, and by whether the discriminator's loss stays near zero.
FIRST_LAYERS = {"generator": "generator/W_0", "discriminator": "discriminator/W_conv0"}
# Our choice. Below this loss the discriminator recognizes every fake image; at equilibrium it is 1.386.
NEAR_ZERO = 0.1  # nats
NEAR_ZERO_PATIENCE = 100  # consecutive iterations that count as a failure


class Trace(NamedTuple):
    """Losses, gradients and activations for a batch of real images and of z.

    Attributes:
        losses: scalars in nats, by the names in `gan.LOSSES`.
        gradients: gradients of each network's objective, by 2016's variable names.
        generated: the generator's activations by layer, h_0 …, and the fake images, `image`.
        on_real, on_fake: the discriminator's activations, h_0 …, with the last also as `feature`, and `logit` [batch, 1].
    """

    losses: dict[str, tf.Tensor]
    gradients: dict[str, tf.Tensor]
    generated: dict[str, tf.Tensor]
    on_real: dict[str, tf.Tensor]
    on_fake: dict[str, tf.Tensor]


def trace(model: DCGAN, images: tf.Tensor, latent: tf.Tensor) -> Trace:
    """Compute losses, gradients and activations for a batch, without changing the weights or the moving statistics.

    Args:
        model: compiled or not.
        images: one batch [batch, side, side, channels], in the generator's range.
        latent: [batch, z_dim], in (−1, 1).
    """
    with model.statistics_left_alone(), tf.GradientTape(persistent=True) as tape:
        with tf.GradientTape() as generator_tape:
            generated = hidden_layers(model.generator)(latent, training=True)
        fake = generated["image"]
        tape.watch(fake)
        on_real = hidden_layers(model.discriminator)(images, training=True)
        on_fake = hidden_layers(model.discriminator_of_fake)(fake, training=True)
        found = model.discriminator_losses(on_real["logit"], on_fake["logit"])
        feature_real = on_real["feature"] if model.feature_weight else None
        found["generator_loss"] = model.generator_loss(on_fake["logit"], on_fake["feature"], feature_real)
    of_discriminator = tape.gradient(found["objective"], model.discriminator_variables)
    of_fake = tape.gradient(found["generator_loss"], fake)
    of_generator = generator_tape.gradient(fake, model.generator.trainable_variables, output_gradients=of_fake)
    variables = [*model.discriminator_variables, *model.generator.trainable_variables]
    gradient_of: dict[int, Any] = dict(zip(map(id, variables), [*of_discriminator, *of_generator], strict=True))
    return Trace(
        losses={name: found[name] for name in LOSSES},
        gradients={name: gradient_of[id(variable)] for name, variable in model.variables_of_2016().items()},
        generated=generated,
        on_real=on_real,
        on_fake=on_fake,
    )


def hidden_layers(network: keras.Model) -> keras.Model:
    """Return a model with all activations of the network as outputs, by name."""
    outputs = {layer.name: layer.output for layer in network.layers if isinstance(layer, keras.layers.Activation)}
    if len(network.outputs) == 2:
        outputs |= {"logit": network.outputs[0], "feature": network.outputs[1]}
    return keras.Model(network.inputs, outputs)
