"""What Keras asks of a GAN: an optimizer for each network, and evaluation by metrics of its own."""

import functools

import keras
import tensorflow as tf

from unsupervised_learning.bases import input_checks


@keras.saving.register_keras_serializable(package="unsupervised_learning")
class Newest(keras.metrics.Metric):
    """Metric that reports the latest value. A mean would be empty over iterations without a discriminator update."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.value = self.add_variable((), "zeros", name="value")

    def update_state(self, value):
        """Store the value."""
        self.value.assign(value)

    def result(self):
        """Return the latest value."""
        return self.value

    def reset_state(self):
        """Do nothing: the value stays until the next one arrives."""


class Evaluation:
    """Means of the losses over the images of an evaluation. Inside this context, the model reports these means.

    The metrics are not attributes of the model, so that checkpoints without them can still be restored.
    """

    def __init__(self, *names: str):
        self.metrics, self.running = [keras.metrics.Mean(name=name) for name in names], False

    def __enter__(self):
        self.running = True

    def __exit__(self, *error):
        self.running = False

    @property
    def images_seen(self) -> tf.Tensor:
        """Number of images since the start of this evaluation."""
        return self.metrics[0].count

    def report(self, losses: dict[str, tf.Tensor], images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add the losses of a batch of images, scalars by name; return the means."""
        for metric in self.metrics:
            metric.update_state(losses[metric.name], sample_weight=tf.cast(tf.shape(images)[0], tf.float32))
        return {metric.name: metric.result() for metric in self.metrics}


class AdversarialModel(keras.Model):
    """Base class, beside `ImageModel`, of the GAN: two networks, two optimizers, images from z ~ U(−1, 1)."""

    z_dim: int
    side: int
    channels: int
    generator: keras.Model
    discriminator: keras.Model
    iterations: tf.Variable

    @property
    def inputs_taken(self) -> input_checks.Accepted:
        """The latents that calling the model takes."""
        return input_checks.Accepted("latents", ((self.z_dim,),))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of what calling the model returns."""
        return (None, self.side, self.side, self.channels)

    def prior(self, n, random):
        """Draw n latents, [n, z_dim], from U(−1, 1)."""
        return random.uniform(-1, 1, (n, self.z_dim))

    def endpoints(self):
        """Return both networks: z → images in the generator's range, and images in this range → logits."""
        networks = {"generator": (self.generator, (self.z_dim,)), "discriminator": (self.discriminator, self.output_shape[1:])}
        return {name: (functools.partial(network, training=False), shape) for name, (network, shape) in networks.items()}

    def track(self, *names: str) -> None:
        """Create the metrics of the named losses, for training and evaluation. Call this at the end of the constructor."""
        self.trackers, self.evaluation = [Newest(name=name) for name in names], Evaluation(*names)
        self.built = True

    @property
    def metrics(self):
        """Metrics that `fit` reports, or in an evaluation those that `evaluate` resets and reports."""
        return self.evaluation.metrics if self.evaluation.running else super().metrics

    def evaluate(self, *args, **kwargs):
        """Return the losses of `test_step` as Keras does."""
        with self.evaluation:
            return super().evaluate(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """Return the losses of `test_step` for one batch as Keras does."""
        with self.evaluation:
            return super().test_on_batch(*args, **kwargs)

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        """Set one optimizer for each network: an optimizer, or its name or config.

        Raises:
            ValueError: one of them is not an optimizer, both are the same object, or a loss or metrics are passed.
        """
        self.refuse(metrics=kwargs.get("metrics"), weighted_metrics=kwargs.get("weighted_metrics"))
        generator_optimizer = input_checks.optimizer("generator_optimizer", generator_optimizer)
        discriminator_optimizer = input_checks.optimizer("discriminator_optimizer", discriminator_optimizer)
        if generator_optimizer is discriminator_optimizer:
            raise ValueError(f"each network must have its own optimizer. Received: one for both, {generator_optimizer.name}")
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator_variables)
        super().compile(generator_optimizer, **kwargs)
        self.generator_optimizer, self.discriminator_optimizer = generator_optimizer, discriminator_optimizer

    def get_compile_config(self):
        """Return both optimizers for a saved model; None if the model is not compiled."""
        if not self.compiled:
            return None
        optimizers = {"generator_optimizer": self.generator_optimizer, "discriminator_optimizer": self.discriminator_optimizer}
        return {name: keras.optimizers.serialize(optimizer) for name, optimizer in optimizers.items()}

    def compile_from_config(self, config):
        """Compile a loaded model."""
        self.compile(**{name: keras.optimizers.deserialize(optimizer) for name, optimizer in config.items()})

    def save_own_variables(self, store):
        """Save the number of iterations, which decides the next z."""
        store["iterations"] = self.iterations.numpy()

    def load_own_variables(self, store):
        """Restore the number of iterations; older files have none."""
        if "iterations" in store.keys():  # noqa: SIM118 (Keras's store has no `in`)
            self.iterations.assign(int(store["iterations"][()]))
