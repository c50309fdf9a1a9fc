"""Helper process for test_distribution.py with two devices, or as one of two workers.

`python tests/training/two_devices.py OUT` trains the golden files' models and others on both devices, and writes to the
npz file OUT:
`<golden file>/<2016's tag>`: losses step by step; `<golden file>/gradient/<name>`: gradients of the first
attempts before the first step;
`<case>/one/<variable>` and `<case>/two/<variable>`: variables after the same iterations on one device and on both.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf

from tests.golden import gan_trajectories, trajectories
from unsupervised_learning import layers
from unsupervised_learning.evaluation.gan_diagnostics import trace
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.training import distribution
from unsupervised_learning.vae import VariationalAutoEncoder


def two_devices() -> tf.distribute.Strategy:
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    parts = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    return tf.distribute.MirroredStrategy()


def follow_golden(path: Path, strategy: tf.distribute.Strategy, found: dict) -> None:
    """Store in `found` the losses of the autoencoder or VAE, step by step."""
    golden = trajectories.read(path)
    model = trajectories.build_model(golden)
    trajectories.start(golden, model)
    batch = int(golden["options"].get("batch", 32))
    noise_now = tf.Variable(tf.zeros((batch, model.z_dim)))
    if golden["case"] == "vae":
        model.training_noise = lambda images: tf.convert_to_tensor(noise_now)
    replicated = distribution.Replicated(model, strategy)
    replicated.spread()
    step = tf.function(replicated.train_step)
    trajectory = {tag: [] for tag in trajectories.LOSSES[golden["case"]]}
    for images, noise in trajectories.inputs(golden, model.z_dim):
        model.reset_metrics()
        if noise is not None:
            noise_now.assign(noise)
        step(tf.constant(images))
        for tag, name in trajectories.LOSSES[golden["case"]].items():
            trajectory[tag].append(next(float(metric.result()) for metric in model.metrics if metric.name == name))
    found |= {f"{path.stem}/{tag}": np.array(values) for tag, values in trajectory.items()}


def golden_gradients(path: Path, strategy: tf.distribute.Strategy, found: dict) -> None:
    """Store in `found` a GAN's losses and gradients before its first step, averaged over the replicas."""
    golden = json.loads(path.read_text())
    seed, batch = int(golden["options"].get("seed", golden["seed"])), int(golden["options"].get("batch", 8))
    model = gan_trajectories.build_model(golden)
    gan_trajectories.start(golden, seed, model)
    replicated = distribution.Replicated(model, strategy)
    replicated.spread()
    random = np.random.RandomState(seed * 10000 + 7)
    shape = (batch, model.side, model.side, model.channels)
    images = random.uniform(-1, 1, shape) if golden["case"] == "flowers_gan" else random.uniform(size=shape)
    latent = random.uniform(-1, 1, (batch, 100))

    def in_replica(images, latent):
        traced = trace(replicated.twin, distribution.share(images), distribution.share(latent))
        mean = partial(tf.distribute.get_replica_context().all_reduce, "MEAN")
        return {name: mean(loss) for name, loss in traced.losses.items()}, list(map(mean, traced.gradients.values()))

    @tf.function
    def traced(images, latent):
        losses, gradients = strategy.run(in_replica, args=(images, latent))
        return {name: replicated.in_first(loss) for name, loss in losses.items()}, list(map(replicated.in_first, gradients))

    losses, gradients = traced(tf.constant(images, tf.float32), tf.constant(latent, tf.float32))
    found |= {f"{path.stem}/{tag}": losses[name].numpy() for tag, name in gan_trajectories.LOSSES.items()}
    names = model.variables_of_2016()
    found |= {f"{path.stem}/gradient/{name}": g.numpy() for name, g in zip(names, gradients, strict=True)}


def train_both(case: str, build, images: np.ndarray, iterations: int, strategy, found: dict) -> None:
    """Train two models with equal initial weights on the same batches: one on one device, one on both."""
    one, two = build(), build()
    replicated = distribution.Replicated(two, strategy)
    replicated.spread()
    steps = {"one": tf.function(one.train_step), "two": tf.function(replicated.train_step)}
    for _ in range(iterations):
        for step in steps.values():
            step(tf.constant(images))
    for name, model in (("one", one), ("two", two)):
        pairs = zip(distribution.state_of(one), distribution.state_of(model), strict=True)
        found |= {f"{case}/{name}/{getattr(v, 'path', v.name)}": tf.convert_to_tensor(value).numpy() for v, value in pairs}
        found |= {f"{case}/{name}/loss {metric.name}": float(metric.result()) for metric in model.metrics}


def small_gan(**settings) -> DCGAN:
    model = DCGAN(**{"z_dim": 8, "seed": 5, **settings})
    # Not Adam, which turns gradients that are only rounding errors into full steps. A bias before batch normalization has
    # such a gradient.
    model.compile(keras.optimizers.SGD(1e-3), keras.optimizers.SGD(1e-3))
    return model


def small_vae() -> VariationalAutoEncoder:
    model = VariationalAutoEncoder(seed=5)
    model.compile(layers.adam())
    return model


def main(out: str) -> None:
    strategy = two_devices()
    found: dict = {}
    workers = "TF_CONFIG" in os.environ
    for path in trajectories.FILES:
        if not workers or path.stem == "vae":  # the other files show nothing new between processes
            follow_golden(path, strategy, found)
    images = np.random.RandomState(1).uniform(size=(8, 28, 28, 1)).astype(np.float32)
    train_both("vae", small_vae, images.reshape(8, 784), 60, strategy, found)
    # Few iterations for the GANs: a rounding error that flips one relu grows a thousandfold in the third iteration.
    three = np.random.RandomState(2).uniform(-1, 1, (24, 28, 28, 1)).astype(np.float32)
    train_both("fresh", lambda: small_gan(real_batches="fresh"), three, 2, strategy, found)
    if not workers:
        for path in gan_trajectories.FIRST_ATTEMPTS:  # the 64×64 GAN costs too much: see test_golden_gan.py
            golden_gradients(path, strategy, found)
        # Not seed 5: there a value before the leaky relu is 5e-8 from zero, so that rounding flips its sign.
        first = {"recipe": "first_attempt", "seed": 6, **gan_trajectories.first_attempt_settings(), "discriminator_every": 3}
        train_both("first_attempt", lambda: small_gan(**first), images, 4, strategy, found)
    if getattr(strategy.extended, "_id_in_cluster", 0) == 0:
        np.savez(out, **found)


if __name__ == "__main__":
    main(sys.argv[1])
