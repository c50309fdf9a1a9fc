"""What the autoencoder and the VAE share: their images, losses tracked by mean, metrics of the output."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning.bases.input_checks import Accepted


class DenseModel(keras.Model):
    """Base class, beside `ImageModel`, of the autoencoder and the VAE: 28×28 grey images as vectors, encoder and decoder."""

    takes_weights = True

    # Bytes are multiplied by 1/255, as in 2016, not divided by 255: the two differ in the last bit.
    images_taken = inputs_taken = Accepted(
        "images", ((784,), (28, 28), (28, 28, 1)), 0.0, 1.0, from_bytes=lambda values: values * np.float32(1 / 255)
    )
    output_shape = (None, 784)

    def track(self, *names: str) -> None:
        """Create a metric for each named loss. Call this at the end of the constructor."""
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.latents = Accepted("latents", ((self.z_dim,),))
        self.built = True

    def endpoints(self) -> dict[str, tuple[Callable, tuple[int, ...]]]:
        """Return the encoder and the decoder."""
        return {"encoder": (self.encoder, (784,)), "decoder": (self.decode, (self.z_dim,))}

    def encode(self, images: Any) -> Any:
        """Return the code [n, z_dim], or for a VAE mu and log_var, each [n, z_dim], for images as `fit` takes them."""
        return self.compiled_encoder(self.images_taken.checked(images))

    @tf.function(autograph=False)
    def compiled_encoder(self, images: tf.Tensor) -> Any:
        """Return the encoder's output for images [batch, 784] in [0, 1]."""
        return self.encoder(images)

    def reconstruct(self, images: Any) -> np.ndarray:
        """Return reconstructions in the shape of the images, as floats: a VAE's in [0, 1], an autoencoder's unbounded."""
        return np.reshape(self(images), np.shape(images))

    def report(self, losses: dict[str, tf.Tensor], images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add a batch's losses to the running means over all images since the last reset; return these means.

        Args:
            losses: scalars or [batch], by metric name.
            images: [batch, 784].
        """
        count = tf.cast(tf.shape(images)[0], tf.float32)
        for tracker in self.trackers:
            tracker.update_state(tf.reduce_mean(losses[tracker.name]), sample_weight=count)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def measured(self, images: tf.Tensor, weights: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Update the metrics given to `compile`, if any, by the model's output for images [batch, 784]; return them."""
        if self._compile_metrics is None:
            return {}
        self.compute_metrics(images, images, self(images), weights)
        return self._compile_metrics.result()

    @property
    def iterations(self) -> tf.Variable:
        """Number of completed updates."""
        return self.optimizer.iterations
