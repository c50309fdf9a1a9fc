"""What TensorBoard shows: the 2016 tags at 2016's cadence, and beside them our own, all under `ours/`.

A *record* is what the 2016 code logged at one iteration, computed from that iteration's batch: the autoencoder's before the
iteration's update; the VAE's after it, with new noise; the GAN's after it, with the same z. Protocol buffers are built with
TensorBoard's own NumPy functions, not with `tf.summary`'s ops, because one write for all the histograms of an iteration costs
less than an eager op for each.

Departs from 2016: histograms have 30 equal bins and the images of a tag are one value (`Input`, not `Input/image/0`), because
that is TensorBoard's format today; images are clipped to [0, 1], where TensorFlow 0.x rescaled each to its own largest value.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins import projector
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from unsupervised_learning import errors, layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.evaluation import gan_diagnostics, likelihood
from unsupervised_learning.figures import plots
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring.writer_thread import Background
from unsupervised_learning.vae import VariationalAutoEncoder

if TYPE_CHECKING:
    from unsupervised_learning.training.loop import Experiment

GRID = 64  # images in a grid
BUCKETS = 30  # of a histogram, TensorBoard's own number
FIXED_GRID = "ours/fixed_z"
KL_OF_DIMENSION = "ours/kl_of_dimension"  # followed by /<number of the dimension, from 1>
TRUE_KL = "ours/kl_of_image"  # a histogram, of a run that logs as the first published one did
MOST_DIMENSIONS = 20  # our choice: of more than that the KL is not logged one by one
GAN_LOSSES = {  # the model's names → 2016's tags
    "discriminator_loss_real": "Discriminator_loss_real",
    "discriminator_loss_fake": "Discrimintator_loss_fake",  # spelt so in 2016
    "discriminator_loss": "Discriminator_loss",
    "generator_loss": "Generator_loss",
}
# The author judged a GAN's health by its networks' first layers.
FIRST_LAYERS = {"generator": "generator/W_0", "discriminator": "discriminator/W_conv0"}
GRADIENT_NORM = "ours/first_layer_gradient_norm"


class Record(NamedTuple):
    """What the 2016 code logged at one iteration: tag → scalar, tensor of any shape, images [n, height, width, c] in [0, 1]."""

    scalars: dict[str, Any]
    histograms: dict[str, Any]
    images: dict[str, Any]


class Extras(NamedTuple):
    """What we log beside it: tag → number, pictures [n, height, width, channels] in [0, 1] or 0 … 255, what draws a figure."""

    scalars: dict[str, float]
    images: dict[str, np.ndarray | Callable[[], Figure]]


def autoencoder_record(model: AutoEncoder, images: tf.Tensor) -> Record:
    """The tags of 2016's autoencoder, for a batch [batch, 784]."""
    objective = model.objective(images)
    tags = {"Loss": "loss", "Encoder_loss": "reconstruction", "Reg_loss": "regularization"}
    return Record(
        scalars={tag: objective[name] for tag, name in tags.items()},
        histograms={name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()},
        images={"Input": as_pictures(images[:1]), "Output": as_pictures(model(images[:1]))},
    )


def vae_record(model: VariationalAutoEncoder, images: tf.Tensor, kl_constant: float | None = None) -> Record:
    """The tags of 2016's VAE, for a batch [batch, 784] after the update from it, with new noise.

    Args:
        model: compiled.
        images: [batch, 784] in [0, 1].
        kl_constant: log as the graph of the first published run did: `Entropy_loss` and `KL_Divergence` are means over the
            batch, and the KL is −½ Σ(kl_constant + log_var − mu² − exp(log_var)), where 1 would be right. With its 3 the KL
            is too small by 1 nat a dimension. The true values stand under `ours/`.
    """
    noise = model.summary_noise(images)
    objective, gradients = model.gradients(images, noise)
    activations = vae_activations(model, images, noise)
    output = tf.sigmoid(model.decoder.get_layer("logits")(activations["decoder/hdfc_2"][:2]))  # from the sampled z
    if kl_constant is None:
        losses = {}
        per_image = {"Entropy_loss": objective["reconstruction"], "KL_Divergence": objective["kl"]}
    else:
        kl, loss = tf.reduce_mean(objective["kl"]), objective["loss"]
        missing = 0.5 * (kl_constant - 1.0) * model.z_dim  # nats
        losses = {
            "Entropy_loss": tf.reduce_mean(objective["reconstruction"]),
            "KL_Divergence": kl - missing,
            "total_loss": loss - model.kl_weight * missing,
            "ours/KL_Divergence": kl,
            "ours/total_loss": loss,
        }
        per_image = {TRUE_KL: objective["kl"]}
    variables = model.variables_of_2016()
    gradient_of = {id(variable): gradient for variable, gradient in zip(model.trainable_variables, gradients, strict=True)}
    return Record(
        scalars={
            "total_loss": objective["loss"],
            "Reg_loss": objective["regularization"],
            **losses,
            **{f"{name}/sparsity": tf.nn.zero_fraction(value) for name, value in activations.items()},
        },
        histograms={
            **per_image,
            **{f"{name}/activation": value for name, value in activations.items()},
            **{name: tf.convert_to_tensor(variable) for name, variable in variables.items()},
            **{f"{name}/gradient": gradient_of[id(variable)] for name, variable in variables.items()},
        },
        images={"Input": as_pictures(images[:2]), "Output": as_pictures(output)},
    )


def vae_activations(model: VariationalAutoEncoder, images: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
    """Each layer's output under its 2016 name, the logits left out as in 2016."""
    outputs = {}
    hidden = images
    for name in ("hfc_1", "hfc_2"):
        hidden = outputs[f"encoder/{name}"] = model.encoder.get_layer(name)(hidden)
    for name in ("mu", "log_var"):
        outputs[f"encoder/{name}"] = model.encoder.get_layer(name)(hidden)
    hidden = layers.sample_latent(outputs["encoder/mu"], outputs["encoder/log_var"], noise)
    for name in ("hdfc_1", "hdfc_2"):
        hidden = outputs[f"decoder/{name}"] = model.decoder.get_layer(name)(hidden)
    return outputs


def as_pictures(images: tf.Tensor) -> tf.Tensor:
    """[n, 784] → [n, 28, 28, 1], clipped to [0, 1], as the autoencoder's output is not bounded."""
    return tf.reshape(tf.clip_by_value(images, 0.0, 1.0), (-1, 28, 28, 1))


def gan_record(model: DCGAN, images: tf.Tensor) -> Record:
    """The tags of 2016's GANs, for a batch after the update from it, with the same z.

    As TensorFlow 0.x names them: the discriminator's activations for real images under `discriminator/`, those of its second
    use, for fake ones, under `discriminator_1/`; the two probabilities both under `discriminator/`, as in 2016. The layers'
    own names (`h_0`, …) are our choice, as 2016's are not recorded.

    Departs from 2016: where each update takes fresh real images, its summary took a further batch from the queue. This one
    shows the iteration's first, because the batches of an iteration are then the same whether or not there is a summary.
    """
    images = model.separate(images)[0]
    latent = model.training_latent(tf.shape(images)[0], model.iterations - 1)
    trace = gan_diagnostics.trace(model, images, latent)
    activations = {f"generator/{name}": value for name, value in trace.generated.items() if name != "image"}
    for network, values in (("discriminator", trace.on_real), ("discriminator_1", trace.on_fake)):
        activations |= {f"{network}/{name}": value for name, value in values.items() if name.startswith("h_")}
    activations["discriminator/disc_real_prob"] = tf.sigmoid(trace.on_real["logit"])
    activations["discriminator/disc_fake_prob"] = tf.sigmoid(trace.on_fake["logit"])
    return Record(
        scalars={
            **{tag: trace.losses[name] for name, tag in GAN_LOSSES.items()},
            **{f"{name}/sparsity": tf.nn.zero_fraction(value) for name, value in activations.items()},
            **{f"{GRADIENT_NORM}/{network}": tf.norm(trace.gradients[name]) for network, name in FIRST_LAYERS.items()},
        },
        histograms={
            "z": latent,
            **{f"{name}/activation": value for name, value in activations.items()},
            **{name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()},
            **{f"{name}/gradient": gradient for name, gradient in trace.gradients.items()},
        },
        images={
            "image_real": model.as_pictures(images[:2]),
            "image_generated": model.as_pictures(trace.generated["image"][:2]),
        },
    )


def latent_extras(
    model: AutoEncoder | VariationalAutoEncoder, dataset: mnist.Dataset, iteration: int, scatter_every: int
) -> Extras:
    """Validation losses, a VAE's KL by dimension; reconstructions and samples; every `scatter_every` iterations the codes."""
    images = dataset.validation.vectors
    model.reset_metrics()
    losses = model.test_on_batch(images, return_dict=True)  # in one batch: `evaluate` would build a data pipeline each time
    shown = images.numpy()[np.arange(GRID // 2) % len(images)]  # repeats where there are fewer
    pairs = np.stack([shown.reshape(8, -1), model.predict_on_batch(shown).reshape(8, -1)], axis=1)
    pictures: dict[str, np.ndarray | Callable[[], Figure]] = {
        "ours/reconstructions": tile(pairs.reshape(-1, 28, 28, 1)),
        "ours/samples": tile(decoded_samples(model).reshape(-1, 28, 28, 1)),
    }
    found = codes(model, images) if iteration % scatter_every == 0 else None
    if found is not None and np.isfinite(found).all():  # else the losses are not either, and end the run
        title = f"iteration {iteration:,}"
        pictures["ours/latent_scatter"] = partial(plots.latent_scatter, found, dataset.validation.labels, title)
    scalars = {f"ours/validation/{name}": float(value) for name, value in losses.items()}
    if isinstance(model, VariationalAutoEncoder) and model.z_dim <= MOST_DIMENSIONS:
        mu, log_var = (head.numpy() for head in model.encode(images))
        of_dimensions = likelihood.kl_per_dimension(mu, log_var)  # [z_dim], nats
        scalars |= {f"{KL_OF_DIMENSION}/{number}": float(kl) for number, kl in enumerate(of_dimensions, start=1)}
    return Extras(scalars, pictures)


def gan_extras(model: DCGAN, dataset: mnist.Dataset, iteration: int) -> Extras:
    """Images from z that never changes, made with the moving statistics."""
    return Extras({}, {FIXED_GRID: tile(decoded_samples(model))})


class Summaries(keras.callbacks.Callback):
    """Computes a run's records and extras where they are due, and has them written in the background.

    Args:
        logs_dir: where the event file goes.
        model: the model in training; its counter tells the iteration.
        dataset: its training images make up the batches.
        experiment: the model's record and extras, and how often they are due.
        order: training's.
        background: what writes.
    """

    def __init__(
        self,
        logs_dir: Path,
        model: Any,
        dataset: mnist.Dataset,
        experiment: "Experiment",
        order: BatchOrder,
        background: Background,
    ):
        super().__init__()
        self.trained, self.dataset, self.experiment, self.background = model, dataset, experiment, background
        self.order = order
        self.record = tf.function(self.recorded)
        self.events = EventFile(logs_dir)

    def recorded(self, batch: tf.Tensor) -> Record:
        """The record of a batch of bytes, each image already a PNG."""
        record = self.experiment.record(self.trained, self.experiment.scale(batch))
        return record._replace(
            histograms={tag: tf.cast(values, tf.float32) for tag, values in record.histograms.items()},
            images={tag: encoded(images) for tag, images in record.images.items()},
        )

    def hyperparameters(self, settings: dict[str, Any]) -> None:
        """Write what the HParams tab shows; a run that is resumed after its first summary has written it already."""
        if self.experiment.iteration_of(int(self.trained.iterations)) <= 0:
            self.background.do(self.write, 0, [hparams_pb(settings)])

    def on_epoch_begin(self, epoch, logs=None):
        """Compute what is due, and let the background begin, because the compiled loop comes next.

        Not in `on_train_batch_begin`: Keras would take an OutOfRangeError, a file that may not grow, for the end of the data.
        """
        self.compute_due()
        self.background.begin()

    def on_epoch_end(self, epoch, logs=None):
        """Compute what is due after the last update; where the summary comes before the update none is."""
        if self.experiment.update_first and epoch + 1 == self.params["epochs"]:
            self.compute_due()

    def compute_due(self) -> None:
        """Compute the record and the extras, if they are due after the updates done so far."""
        updates, experiment = int(self.trained.iterations), self.experiment
        iteration = experiment.iteration_of(updates)
        if experiment.due(experiment.record_every, updates):
            batch = self.dataset.train.images[self.order.indices(iteration, 1)[0]]
            self.background.do(self.write_record, iteration, self.record(batch))
        if experiment.due(experiment.extras_every, updates):
            self.background.do(self.write_extras, iteration, experiment.extras(self.trained, self.dataset, iteration))

    def write_record(self, iteration: int, record: Record) -> None:
        """Write what `recorded` gave."""
        summaries = [scalar_pb(tag, value.numpy()) for tag, value in record.scalars.items()]
        summaries += [histogram_pb(tag, value.numpy()) for tag, value in record.histograms.items()]
        summaries += [image_pb(tag, value.numpy()) for tag, value in record.images.items()]
        self.write(iteration, summaries)

    def write_extras(self, iteration: int, extras: Extras) -> None:
        """Draw the figures, and write."""
        summaries = [scalar_pb(tag, value) for tag, value in extras.scalars.items()]
        for tag, picture in extras.images.items():
            pixels = plots.figure_to_rgb(picture())[None] if callable(picture) else picture
            summaries.append(image_pb(tag, encoded(pixels).numpy()))
        self.write(iteration, summaries)

    def write(self, iteration: int, summaries: Iterable[Summary]) -> None:
        """Write one iteration's summaries, and see that they reach the disk."""
        merged = Summary()
        for summary in summaries:
            merged.MergeFrom(summary)
        self.events.write(Event(wall_time=time.time(), step=iteration, summary=merged))

    def on_train_end(self, logs=None):
        """Close the event file."""
        self.background.finish()
        self.events.close()


class EventFile:
    """One process's event file in a folder, begun with its first event.

    Not `tf.summary`'s writer, which on a full disk loses events without a word: here that is an error.
    """

    def __init__(self, logs_dir: Path):
        self.logs_dir, self.count, self.path, self.writer = logs_dir, 0, logs_dir, None

    def write(self, event: Event) -> None:
        """Write an event, and see that it reaches the disk; begin another file if somebody has deleted this one.

        Raises:
            tf.errors.OpError: if it does not.
        """
        if self.writer and not self.path.exists():
            errors.warn(f"{self.path} was deleted, and with it the events before iteration {event.step:,}; going on in another")
            self.close()
        if not self.writer:
            # TensorBoard takes the files in alphabetical order, and `discard_from` those with this ending.
            name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{self.count}.v2"
            self.path, self.count = self.logs_dir / name, self.count + 1
            self.writer = tf.io.TFRecordWriter(str(self.path))
            self.writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        self.writer.write(event.SerializeToString())
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self.writer:
            self.writer.close()
            self.writer = None


def encoded(images: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Images [n, height, width, channels] in [0, 1] or 0 … 255 as TensorBoard stores them: width, height, and n PNGs.

    As `tf.summary.image`, which calls a dozen operations one by one for every tag.
    """
    pixels = tf.image.convert_image_dtype(images, tf.uint8, saturate=True)
    height, width = pixels.shape[1:3]
    return tf.concat([[str(width), str(height)], tf.io.encode_png(pixels)], axis=0)


def histogram_pb(tag: str, values: np.ndarray) -> Summary:
    """A histogram as TensorBoard stores it: [30, 3], each bucket's left edge, right edge and count.

    Values all equal are in the last, and values that are not all finite, whose run is about to end, are counted nowhere. As
    TensorBoard's own `histogram_pb`, which counts by a one-hot matrix and takes many times as long.
    """
    values = np.asarray(values, np.float64)  # in float32 there may be no 30 numbers between the smallest and the largest
    low, high = np.min(values), np.max(values)
    if np.isfinite([low, high]).all() and low < high:
        counts, edges = np.histogram(values, BUCKETS)
    else:
        counts, edges = np.zeros(BUCKETS), np.full(BUCKETS + 1, low)
        counts[-1] = np.size(values) if low == high else 0
    return tensor_pb(tag, np.column_stack([edges[:-1], edges[1:], counts]), histogram_metadata)


def image_pb(tag: str, strings: np.ndarray) -> Summary:
    """Images as TensorBoard stores them, from what `encoded` gave."""
    return tensor_pb(tag, strings, image_metadata)


def tensor_pb(tag: str, values: np.ndarray, plugin: Any) -> Summary:
    """What a plugin of TensorBoard shows under a tag."""
    summary = Summary()
    metadata = plugin.create_summary_metadata(display_name=None, description=None)
    summary.value.add(tag=tag, tensor=tensor_util.make_tensor_proto(values), metadata=metadata)
    return summary


def tile(images: np.ndarray) -> np.ndarray:
    """A multiple of 8 images [n, height, width, channels] → one picture [1, …] of 8 columns in [0, 1], row by row."""
    count, height, width, channels = images.shape
    rows = images.reshape(count // 8, 8, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.clip(rows.reshape(1, -1, 8 * width, channels), 0.0, 1.0)


def codes(model: AutoEncoder | VariationalAutoEncoder, images: np.ndarray | tf.Tensor) -> np.ndarray:
    """[n, 784] → [n, z_dim]: the autoencoder's code, the VAE's mu."""
    encoded = model.encode(images)
    return np.asarray(encoded[0] if isinstance(model, VariationalAutoEncoder) else encoded)


def decoded_samples(model: AutoEncoder | VariationalAutoEncoder | DCGAN, count: int = GRID, seed: int = 0) -> np.ndarray:
    """Images [count, …] decoded from latents that are the same at every call.

    From the prior: N(0, 1) for the VAE, even over (−1, 1) for the GAN. An autoencoder has no prior: its codes are drawn evenly
    from (−1, 1), where tanh puts them. With the default seed the grids of different runs show the same latents.
    """
    random = np.random.default_rng(seed)
    if isinstance(model, VariationalAutoEncoder):
        return np.asarray(model.decode(random.standard_normal((count, model.z_dim)).astype(np.float32)))
    latents = random.uniform(-1, 1, (count, model.z_dim)).astype(np.float32)
    return np.asarray(model.decode(latents))


def write_projector(logs_dir: Path, latents: np.ndarray, split: mnist.Split) -> None:
    """The test set's latents for TensorBoard's projector, with labels and the images themselves as a sprite."""
    folder = logs_dir / "projector"
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / "latents.tsv", latents, fmt="%.6g", delimiter="\t")
    np.savetxt(folder / "labels.tsv", split.labels, fmt="%d")
    sprite = plots.sprite(split.images)
    (folder / "sprite.png").write_bytes(tf.io.encode_png(sprite[..., None]).numpy())
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(tensor_name="test set", tensor_path="projector/latents.tsv")
    embedding.metadata_path = "projector/labels.tsv"
    embedding.sprite.image_path = "projector/sprite.png"
    embedding.sprite.single_image_dim.extend(split.images.shape[1:])
    projector.visualize_embeddings(str(logs_dir), config)


def discard_from(logs_dir: Path, iteration: int) -> None:
    """Remove from the event files what iterations from `iteration` on have written, so that a resumed run writes it once.

    An event file that a killed process left incomplete is kept up to its last whole event. Files without TensorFlow 2's
    ending, such as 2016's, are not touched.
    """
    for path in sorted(logs_dir.glob("events.out.tfevents.*.v2")):
        if not path.is_file():
            continue
        kept = []
        total = 0
        for serialized in whole_records(path):
            total += 1
            event = Event.FromString(serialized)
            if event.HasField("file_version") or event.step < iteration:
                kept.append(serialized)
        if total > 1 and len(kept) <= 1:  # nothing is left but the file's version
            path.unlink()
        elif len(kept) < total:
            new = path.with_name("new-events")  # TensorBoard reads any file with "tfevents" in its name
            with tf.io.TFRecordWriter(str(new)) as writer:
                for serialized in kept:
                    writer.write(serialized)
            os.replace(new, path)


def whole_records(path: Path) -> Iterable[bytes]:
    """The records of a TFRecord file up to its end, or up to the first that is incomplete."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield bytes(record)
    except tf.errors.OpError:  # DataLossError; or a file that cannot be read
        return


def scalars_logged(logs_dir: Path, tag: str) -> dict[int, float]:
    """Iteration → value of a scalar in the run's event files, in order of iteration."""
    return {iteration: float(value) for iteration, value in logged(logs_dir, tag).items()}


def pictures_logged(logs_dir: Path, tag: str) -> dict[int, bytes]:
    """Iteration → picture, as PNG, in the run's event files, in order of iteration; the first of a tag that has several."""
    return {iteration: bytes(value[2]) for iteration, value in logged(logs_dir, tag).items()}  # after its width and height


def logged(logs_dir: Path, tag: str) -> dict[int, np.ndarray]:
    """Iteration → what the run's event files hold under a tag, as an array, in order of iteration."""
    values = {}
    for path in sorted(logs_dir.glob("events.out.tfevents.*.v2")):
        for serialized in whole_records(path) if path.is_file() else ():
            event = Event.FromString(serialized)
            for value in event.summary.value:
                if value.tag == tag:
                    values[event.step] = tensor_util.make_ndarray(value.tensor)
    return dict(sorted(values.items()))
