"""What TensorBoard shows: the 2016 tags at 2016's cadence, and beside them our own, all under `ours/`.

A *record* is what the 2016 code logged at one iteration, computed from the weights before that iteration's update and from
that iteration's batch and noise. Protocol buffers are built with TensorBoard's own NumPy functions, not with `tf.summary`'s
ops, because one write for all the histograms of an iteration costs less than an eager op for each.

Departs from 2016: histograms have 30 equal bins and the images of a tag are one value (`Input`, not `Input/image/0`), because
that is TensorBoard's format today; images are clipped to [0, 1], where TensorFlow 0.x rescaled each to its own largest value.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins import projector
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from unsupervised_learning import data, layers, plots
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.vae import VariationalAutoEncoder

PICTURES_EVERY = 1_000  # iterations between our own validation numbers and grids; our choice: under 1 % of the time
GRID = 64  # images in a grid


class Record(NamedTuple):
    """What one iteration logs: tag → scalar, tensor of any shape, or images [n, 28, 28, 1] in [0, 1]."""

    scalars: dict[str, Any]
    histograms: dict[str, Any]
    images: dict[str, Any]


def autoencoder_record(model: AutoEncoder, images: tf.Tensor) -> Record:
    """The tags of 2016's autoencoder, for a batch [batch, 784]."""
    objective = model.objective(images)
    tags = {"Loss": "loss", "Encoder_loss": "reconstruction", "Reg_loss": "regularization"}
    return Record(
        scalars={tag: objective[name] for tag, name in tags.items()},
        histograms={name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()},
        images={"Input": as_pictures(images[:1]), "Output": as_pictures(model(images[:1]))},
    )


def vae_record(model: VariationalAutoEncoder, images: tf.Tensor) -> Record:
    """The tags of 2016's VAE, for a batch [batch, 784] and the noise of the coming iteration."""
    noise = model.training_noise(images)
    objective, gradients = model.gradients(images, noise)
    activations = vae_activations(model, images, noise)
    output = tf.sigmoid(model.decoder.get_layer("logits")(activations["decoder/hdfc_2"][:2]))  # from the sampled z
    variables = model.variables_of_2016()
    gradient_of = {id(variable): gradient for variable, gradient in zip(model.trainable_variables, gradients, strict=True)}
    return Record(
        scalars={
            "total_loss": objective["loss"],
            "Reg_loss": objective["regularization"],
            **{f"{name}/sparsity": tf.nn.zero_fraction(value) for name, value in activations.items()},
        },
        histograms={
            "Entropy_loss": objective["reconstruction"],
            "KL_Divergence": objective["kl"],
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


class Summaries(keras.callbacks.Callback):
    """Writes the 2016 tags every `every` iterations, and ours every `PICTURES_EVERY`, before the iteration's update.

    An epoch, for this callback, is what `training` makes of it: the iterations up to the next summary.

    Args:
        logs_dir: where the event file goes.
        model: the model in training; its optimizer's counter tells the iteration.
        record: the model's record function.
        batch: iteration → that iteration's images [batch, 784] in [0, 1].
        validation: images that are not trained on.
        every: iterations between records.
        scatter_every: iterations between latent scatters.
    """

    def __init__(
        self,
        logs_dir: Path,
        model: AutoEncoder | VariationalAutoEncoder,
        record: Callable[[Any, tf.Tensor], Record],
        batch: Callable[[int], np.ndarray],
        validation: data.Split,
        every: int,
        scatter_every: int,
    ):
        super().__init__()
        self.trained, self.batch, self.every, self.scatter_every = model, batch, every, scatter_every
        self.validation, self.images = validation, data.to_unit_interval(validation.images)
        self.record = tf.function(lambda images: record(model, images))
        self.writer = tf.summary.create_file_writer(str(logs_dir))

    def hyperparameters(self, settings: dict[str, Any]) -> None:
        """Write what the HParams tab shows; a resumed run has written it already."""
        if int(self.trained.optimizer.iterations) == 0:
            self.write(0, [hparams_pb(settings)])

    def on_epoch_begin(self, epoch, logs=None):
        """Write what is due at this iteration."""
        iteration = int(self.trained.optimizer.iterations)
        if iteration % self.every:
            return  # a resumed run starts where it was stopped, which need not be where a summary is due
        record = self.record(self.batch(iteration))
        scalars = [scalar_pb(tag, value.numpy()) for tag, value in record.scalars.items()]
        histograms = [histogram_pb(tag, value.numpy()) for tag, value in record.histograms.items()]
        pictures = {tag: value.numpy() for tag, value in record.images.items()}
        if iteration % PICTURES_EVERY == 0:
            scalars += [scalar_pb(f"ours/validation/{name}", value) for name, value in self.validate().items()]
            pictures |= self.grids()
        if iteration % self.scatter_every == 0:
            pictures["ours/latent_scatter"] = self.scatter(iteration)
        self.write(iteration, scalars + histograms, pictures)

    def write(self, iteration: int, summaries: Iterable[Summary], pictures: dict[str, np.ndarray] | None = None) -> None:
        """Write one iteration's summaries and see that they reach the disk before a checkpoint says so."""
        merged = Summary()
        for summary in summaries:
            merged.MergeFrom(summary)
        with self.writer.as_default(step=iteration):
            tf.summary.experimental.write_raw_pb(merged.SerializeToString())
            for tag, images in (pictures or {}).items():
                tf.summary.image(tag, images)
        self.writer.flush()

    def validate(self) -> dict[str, float]:
        """The losses of the validation images, in one batch: `evaluate` would build a data pipeline each time."""
        self.trained.reset_metrics()
        values = self.trained.test_on_batch(self.images, return_dict=True)
        self.trained.reset_metrics()
        return {name: float(value) for name, value in values.items()}

    def grids(self) -> dict[str, np.ndarray]:
        """Rows of validation images, each above its reconstructions; and images decoded from latents that never change."""
        shown = np.resize(self.images, (GRID // 2, self.images.shape[1]))  # repeats where there are fewer
        pairs = np.stack([shown.reshape(8, -1), self.trained.predict_on_batch(shown).reshape(8, -1)], axis=1)
        return {"ours/reconstructions": tile(pairs), "ours/samples": tile(decoded_samples(self.trained))}

    def scatter(self, iteration: int) -> np.ndarray:
        """The validation images' codes, coloured by digit."""
        figure = plots.latent_scatter(codes(self.trained, self.images), self.validation.labels, f"iteration {iteration:,}")
        return plots.figure_to_rgb(figure)[None]

    def on_train_end(self, logs=None):
        """Close the event file."""
        self.writer.close()


def tile(images: np.ndarray) -> np.ndarray:
    """Any shape that holds a multiple of 8 images of 784 pixels → one picture [1, rows·28, 8·28, 1] in [0, 1], row by row."""
    rows = images.reshape(-1, 8, 28, 28).transpose(0, 2, 1, 3)
    return np.clip(rows.reshape(1, -1, 8 * 28, 1), 0.0, 1.0)


def codes(model: AutoEncoder | VariationalAutoEncoder, images: np.ndarray) -> np.ndarray:
    """[n, 784] → [n, z_dim]: the autoencoder's code, the VAE's mu."""
    encoded = model.encoder(images)
    return np.asarray(encoded[0] if isinstance(model, VariationalAutoEncoder) else encoded)


def decoded_samples(model: AutoEncoder | VariationalAutoEncoder, count: int = GRID) -> np.ndarray:
    """Images [count, 784] decoded from latents that are the same at every call.

    From the prior N(0, 1) for the VAE. An autoencoder has no prior: its codes are drawn evenly from (−1, 1), where tanh puts
    them.
    """
    random = np.random.default_rng(0)  # always 0: the grids of different runs show the same latents
    if isinstance(model, VariationalAutoEncoder):
        return np.asarray(model.decode(random.standard_normal((count, model.z_dim)).astype(np.float32)))
    return np.asarray(model.decoder(random.uniform(-1, 1, (count, model.z_dim)).astype(np.float32)))


def write_projector(logs_dir: Path, latents: np.ndarray, split: data.Split) -> None:
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
    except tf.errors.DataLossError:
        return
