"""JAX: the images stay on the device, `lax.scan` runs many steps in one compiled call, and Adam is from Optax."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks.shapes import BATCH_SIZE, CODE, DENSE, REGULARIZATION, SIDES, WIDTHS, Z_DIM, training_images

STEPS = {"autoencoder": 500, "vae": 500, "gan28": 10, "gan64": 2}  # per scan; at most the length of a round
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def normal(key, *shape):
    return 0.02 * jax.random.truncated_normal(key, -2, 2, shape)


# Autoencoder and VAE


def start_dense(key, model: str) -> dict:
    def network(key, *sizes):
        keys = jax.random.split(key, len(sizes))
        return [(normal(key, *shape), jnp.zeros(shape[1])) for key, shape in zip(keys, pairwise(sizes), strict=False)]

    of_encoder, of_decoder = jax.random.split(key)
    return {"encoder": network(of_encoder, 784, 50, 50, CODE[model]), "decoder": network(of_decoder, 3, 50, 50, 784)}


def dense(network, x, activation, activate_last: bool):
    for number, (weights, biases) in enumerate(network, start=1):
        x = x @ weights + biases
        x = activation(x) if activate_last or number < len(network) else x
    return x


def dense_loss(parameters, images, key, model: str):
    activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[DENSE[model]]
    code = dense(parameters["encoder"], images, activation, activate_last=model == "autoencoder")
    if model == "vae":
        mu, log_var = jnp.split(code, 2, axis=1)
        latent = mu + jnp.exp(0.5 * log_var) * jax.random.normal(key, mu.shape)
        logits = dense(parameters["decoder"], latent, activation, activate_last=False)
        entropy = optax.sigmoid_binary_cross_entropy(logits, images).sum(axis=1)
        kl = -0.5 * (1 + log_var - mu**2 - jnp.exp(log_var)).sum(axis=1)
        loss = (entropy + kl).mean()
    else:
        outputs = dense(parameters["decoder"], code, activation, activate_last=False)
        loss = 0.5 * ((outputs - images) ** 2).sum() / 784
    return loss + REGULARIZATION[model] * sum(0.5 * (leaf**2).sum() for leaf in jax.tree.leaves(parameters))


def dense_step(state, batch, images, model: str, optimizer):
    parameters, moments, key = state
    key, own = jax.random.split(key)
    pixels = images[batch].astype(jnp.float32).reshape(-1, 784) / 255
    loss, gradients = jax.value_and_grad(dense_loss)(parameters, pixels, own, model)
    updates, moments = optimizer.update(gradients, moments)
    return (optax.apply_updates(parameters, updates), moments, key), loss


# GAN


def start_gan(key, side: int, channels: int) -> dict:
    widths = WIDTHS[side]
    keys = iter(jax.random.split(key, 4 * len(widths) + 4))

    def normalization(width):
        return 1 + 0.02 * jax.random.normal(next(keys), (width,)), jnp.zeros(width)

    generator = [(normal(next(keys), Z_DIM, 16 * widths[0]), jnp.zeros(16 * widths[0]))]
    for width, after in pairwise((*widths, channels)):
        generator.append((normalization(width), normal(next(keys), 5, 5, width, after), jnp.zeros(after)))
    discriminator = []
    for number, (before, width) in enumerate(pairwise((channels, *reversed(widths)))):
        own = normalization(width) if number else None
        discriminator.append((normal(next(keys), 5, 5, before, width), jnp.zeros(width), own))
    discriminator.append((normal(next(keys), 16 * widths[0], 1), jnp.zeros(1)))
    return {"generator": generator, "discriminator": discriminator}


def normalized(x, parameters):
    gamma, beta = parameters
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * lax.rsqrt(variance + 1e-5) * gamma + beta


def generate(network, z, side: int):
    (weights, biases), *convolutions = network
    x = (z @ weights + biases).reshape(len(z), 4, 4, -1)
    for (normalization, kernel, bias), before, after in zip(convolutions, SIDES[side], SIDES[side][1:], strict=False):
        x = jax.nn.relu(normalized(x, normalization))
        padding = [(2, 2), (2, 2)] if after < 2 * before else [(2, 3), (2, 3)]  # 4 → 7, otherwise doubled
        x = lax.conv_transpose(x, kernel, (2, 2), padding, dimension_numbers=DIMENSIONS) + bias
    return jnp.tanh(x)


def discriminate(network, x):
    *convolutions, (weights, bias_of_logit) = network
    for kernel, bias, normalization in convolutions:
        x = lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=DIMENSIONS) + bias
        x = jax.nn.leaky_relu(normalized(x, normalization) if normalization else x, 0.2)
    return x.reshape(len(x), -1) @ weights + bias_of_logit, x


def cross_entropy(logit, label: float):
    return optax.sigmoid_binary_cross_entropy(logit, jnp.full_like(logit, label)).mean()


def gan_step(state, batch, images, side: int, optimizer):
    parameters, moments, key = state
    generator, discriminator = parameters["generator"], parameters["discriminator"]
    key, own = jax.random.split(key)
    real = images[batch].astype(jnp.float32) / 127.5 - 1
    z = jax.random.uniform(own, (len(batch), Z_DIM), minval=-1, maxval=1)
    fake = generate(generator, z, side)

    def discriminator_loss(network):
        return cross_entropy(discriminate(network, real)[0], 1.0) + cross_entropy(discriminate(network, fake)[0], 0.0)

    updates, of_discriminator = optimizer.update(jax.grad(discriminator_loss)(discriminator), moments["discriminator"])
    discriminator = optax.apply_updates(discriminator, updates)
    feature_real = discriminate(discriminator, real)[1]

    def generator_loss(network):
        logit, feature = discriminate(discriminator, generate(network, z, side))
        return cross_entropy(logit, 1.0) + 0.1 * 0.5 * ((feature_real - feature) ** 2).sum() / side**2

    of_generator, loss = moments["generator"], 0.0
    for _ in range(2):
        loss, gradients = jax.value_and_grad(generator_loss)(generator)
        updates, of_generator = optimizer.update(gradients, of_generator)
        generator = optax.apply_updates(generator, updates)
    parameters = {"generator": generator, "discriminator": discriminator}
    return (parameters, {"generator": of_generator, "discriminator": of_discriminator}, key), loss


def train(model: str, variant: str, turns, folder: Path) -> None:
    images, key = training_images(model, folder), jax.random.key(0)
    if model.startswith("gan"):
        side, channels = images.shape[2:]
        optimizer, parameters = optax.adam(2e-4, 0.5, eps=1e-8), start_gan(key, side, channels)
        moments = {name: optimizer.init(network) for name, network in parameters.items()}
        step = partial(gan_step, side=side, optimizer=optimizer)
    else:
        optimizer, parameters = optax.adam(1e-3, eps=1e-8), start_dense(key, model)
        moments = optimizer.init(parameters)
        step = partial(dense_step, model=model, optimizer=optimizer)
    turns.parameters = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    count = min(STEPS[model], turns.iterations)
    images, random = jnp.asarray(images), np.random.default_rng(0)

    @partial(jax.jit, donate_argnums=0)
    def steps(state, batches, images):
        return lax.scan(partial(step, images=images), state, batches)

    state = (parameters, moments, key)
    while True:
        state, losses = steps(state, random.integers(0, len(images), (count, BATCH_SIZE[model]), np.int32), images)
        assert np.isfinite(losses[-1]), f"the loss is {losses[-1]}"
        turns.done(count)
