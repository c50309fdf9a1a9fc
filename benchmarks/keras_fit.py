"""Plain Keras: models with a `train_step`, and `fit` with one step per call, from a `tf.data` pipeline or an array."""

import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.shapes import BATCH_SIZE, CODE, DENSE, REGULARIZATION, SIDES, WIDTHS, Z_DIM, training_images


class Dense(keras.Model):
    """The autoencoder or the VAE."""

    def __init__(self, model: str):
        super().__init__()
        self.variational, self.weight = model == "vae", REGULARIZATION[model]
        activation, start = DENSE[model], {"kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.02)}
        self.encoder = keras.Sequential(
            [
                keras.Input((784,)),
                keras.layers.Dense(50, activation, **start),
                keras.layers.Dense(50, activation, **start),
                keras.layers.Dense(CODE[model], None if self.variational else activation, **start),
            ]
        )
        self.decoder = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(50, activation, **start),
                keras.layers.Dense(50, activation, **start),
                keras.layers.Dense(784, **start),
            ]
        )
        self.loss_tracker = keras.metrics.Mean("loss")
        self.built = True

    @property
    def metrics(self):
        return [self.loss_tracker]

    def train_step(self, images):
        with tf.GradientTape() as tape:
            code = self.encoder(images, training=True)
            if self.variational:
                mu, log_var = tf.split(code, 2, axis=1)
                outputs = self.decoder(mu + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mu)), training=True)
                entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=outputs)
                kl = -0.5 * tf.reduce_sum(1 + log_var - tf.square(mu) - tf.exp(log_var), axis=1)
                loss = tf.reduce_mean(tf.reduce_sum(entropy, axis=1) + kl)
            else:
                loss = tf.nn.l2_loss(self.decoder(code, training=True) - images) / 784
            loss += self.weight * tf.add_n([tf.nn.l2_loss(tf.convert_to_tensor(v)) for v in self.trainable_variables])
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


class DCGAN(keras.Model):
    """The GAN, with separate forward passes for each update."""

    def __init__(self, side: int, channels: int):
        super().__init__()
        self.pixels = side**2
        widths, sides, layers = WIDTHS[side], SIDES[side], keras.layers
        start = {"kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.02)}
        self.generator = keras.Sequential([keras.Input((Z_DIM,)), layers.Dense(16 * widths[0], **start)])
        self.generator.add(layers.Reshape((4, 4, widths[0])))
        for after, width in zip(sides[1:], (*widths[1:], channels), strict=True):
            self.generator.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
            self.generator.add(layers.ReLU())
            padding = 0 if after == 7 else None
            self.generator.add(layers.Conv2DTranspose(width, 5, 2, "same", output_padding=padding, **start))
        self.generator.add(layers.Activation("tanh"))
        x = images = keras.Input((side, side, channels))
        for number, width in enumerate(reversed(widths)):
            x = layers.Conv2D(width, 5, 2, "same", **start)(x)
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x) if number else x
            x = layers.LeakyReLU(0.2)(x)
        logit = layers.Dense(1, **start)(layers.Flatten()(x))
        self.discriminator = keras.Model(images, [logit, x])
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.loss_tracker = keras.metrics.Mean("generator_loss")
        self.built = True

    @property
    def metrics(self):
        return [self.loss_tracker]

    def compile(self, of_generator, of_discriminator):
        super().compile(optimizer=of_generator)
        self.of_generator, self.of_discriminator = of_generator, of_discriminator
        of_generator.build(self.generator.trainable_variables)
        of_discriminator.build(self.discriminator.trainable_variables)

    def train_step(self, images):
        z = tf.random.uniform((tf.shape(images)[0], Z_DIM), -1, 1)
        fake = self.generator(z, training=True)
        with tf.GradientTape() as tape:
            logit_real, logit_fake = (self.discriminator(x, training=True)[0] for x in (images, fake))
            loss = self.cross_entropy(tf.ones_like(logit_real), logit_real)
            loss += self.cross_entropy(tf.zeros_like(logit_fake), logit_fake)
        variables = self.discriminator.trainable_variables
        self.of_discriminator.apply(tape.gradient(loss, variables), variables)
        for _ in range(2):
            feature_real = self.discriminator(images, training=True)[1]
            with tf.GradientTape() as tape:
                logit, feature = self.discriminator(self.generator(z, training=True), training=True)
                loss = self.cross_entropy(tf.ones_like(logit), logit)
                loss += 0.1 * tf.nn.l2_loss(feature_real - feature) / self.pixels
            variables = self.generator.trainable_variables
            self.of_generator.apply(tape.gradient(loss, variables), variables)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


def train(model: str, variant: str, turns, folder: Path) -> None:
    class Turning(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert np.isfinite(logs["loss"]), f"the loss is {logs['loss']}"
            turns.done(1)

    images = training_images(model, folder)
    if model.startswith("gan"):
        side, channels = images.shape[2:]
        network = DCGAN(side, channels)
        network.compile(*(keras.optimizers.Adam(2e-4, 0.5, epsilon=1e-8) for _ in range(2)))
        scaled = images.astype(np.float32) / 127.5 - 1
    else:
        network = Dense(model)
        network.compile(keras.optimizers.Adam(1e-3, epsilon=1e-8))
        scaled = images.reshape(-1, 784).astype(np.float32) / 255
    turns.parameters = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    if variant == "arrays":
        network.fit(scaled, batch_size=BATCH_SIZE[model], epochs=10**6, verbose=0, callbacks=[Turning()])
    dataset = tf.data.Dataset.from_tensor_slices(scaled).shuffle(10_000).repeat()
    dataset = dataset.batch(BATCH_SIZE[model], drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    network.fit(dataset, epochs=10**6, steps_per_epoch=1000, verbose=0, callbacks=[Turning()])
