"""Code shared by the monitors of the autoencoder and the VAE."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector

from unsupervised_learning.atomic_files import Json, write_atomically
from unsupervised_learning.autoencoder import PIXELS, AutoEncoder
from unsupervised_learning.data.dataset import Dataset, Split, as_vectors, to_unit_interval
from unsupervised_learning.evaluation import test_set
from unsupervised_learning.figures import plots, scatters
from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.monitoring.monitor import Extras, Monitor, save_model, write_figures
from unsupervised_learning.monitoring.samples import GRID, tile
from unsupervised_learning.original.runs import ITERATIONS_OF_2016, RESULTS_OF_2016
from unsupervised_learning.vae import VariationalAutoEncoder


class LatentMonitor(Monitor):
    """Base class of the monitors of models with an encoder and a decoder.

    Attributes:
        model: the model being trained.
        scatter_every: iterations between scatter plots of the latents.
        prior: distribution of the sampled latents, for a figure title.
    """

    model: Any
    scatter_every: int
    prior: str

    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """Convert uint8 [batch, 28, 28] to [batch, 784] in [0, 1]."""
        return as_vectors(images)

    def extras(self, dataset: Dataset, iteration: int) -> Extras:
        """Compute validation losses, reconstructions and samples; plot the latents every `scatter_every` iterations."""
        model, images = self.model, dataset.validation.vectors
        model.reset_metrics()
        losses = model.test_on_batch(images, return_dict=True)  # `evaluate` would build a data pipeline each time
        shown = images.numpy()[np.arange(GRID // 2) % len(images)]  # repeats images if there are too few
        pairs = np.stack([shown.reshape(8, -1), model.predict_on_batch(shown).reshape(8, -1)], axis=1)
        pictures: dict[str, np.ndarray | Callable[[], Figure]] = {
            "ours/reconstructions": tile(pairs.reshape(-1, 28, 28, 1)),
            "ours/samples": tile(model.sample(GRID, seed=0).reshape(-1, 28, 28, 1)),
        }
        latents = codes(model, images) if iteration % self.scatter_every == 0 else None
        if latents is not None and np.isfinite(latents).all():  # otherwise the losses are not finite either and end the run
            title = f"iteration {iteration:,}"
            pictures["ours/latent_scatter"] = partial(scatters.latent_scatter, latents, dataset.validation.labels, title)
        return Extras({f"ours/validation/{name}": float(value) for name, value in losses.items()}, pictures)

    def write_common(self, logs_dir: Path, dataset: Dataset, latents: np.ndarray, figures: dict[str, Figure]) -> None:
        """Write the model, the projector files and the given figures, plus the figures common to both models."""
        shown = to_unit_interval(dataset.test.images[:40])
        title = "Test images and their reconstructions"
        figures["reconstructions"] = plots.reconstructions(shown, np.asarray(self.model(shown)), title)
        figures["samples"] = plots.image_grid(self.model.sample(GRID, seed=0), f"Images decoded from {self.prior}")
        write_figures(logs_dir, figures)
        write_projector(logs_dir, latents, dataset.test)
        save_model(logs_dir, self.model)

    def baseline(self, dataset: Dataset) -> Json:
        """Return PCA's results with `z_dim` components, fitted on the training images; empty if the data allow fewer."""
        components = self.model.z_dim
        if components > min(len(dataset.train.images), PIXELS):
            return {}
        train, test = to_unit_interval(dataset.train.images), to_unit_interval(dataset.test.images)
        return {"pca": test_set.pca_baseline(train, test, dataset.test.labels, components)}

    def beside_2016(self, form: str, dataset: Dataset) -> Json:
        """Return 2016's numbers, if the data, the precision, the code size and the length make them comparable.

        For a run of another length, return 2016's number of iterations instead.
        """
        if not (dataset.comparable and self.model.compute_dtype == "float32" and self.model.z_dim == 3):
            return {}
        iterations = ITERATIONS_OF_2016[form]
        if int(self.model.optimizer.iterations) != iterations:
            return {"iterations_of_2016": iterations}
        return {"original_2016": RESULTS_OF_2016[form]}

    def table(self, results: Json) -> str:
        """Format the results next to 2016's and PCA's, where available."""
        original, pca = results.get("original_2016", {}), results.get("pca", {})
        lines = [f"{'test set':<28}{'this run':>12}{'2016' if original else '':>12}{'PCA' if pca else '':>12}".rstrip()]
        if published := results.get("iterations_of_2016"):
            lines.insert(0, f"After {results['iterations']:,} iterations (2016: {published:,}), so without 2016's numbers:")
        for name in ("test_l2", "test_mse", "reconstruction", "kl", "negative_elbo", "knn_accuracy", "silhouette"):
            if results.get(name) is not None:
                cells = [results[name], original.get(name), pca.get(name)]
                lines.append(f"{name:<28}" + "".join(f"{'' if cell is None else f'{cell:.4g}':>12}" for cell in cells).rstrip())
        return "\n".join(lines)


def codes(model: AutoEncoder | VariationalAutoEncoder, images: np.ndarray | tf.Tensor) -> np.ndarray:
    """Encode images [n, 784] to [n, z_dim]: the autoencoder's code or the VAE's mu."""
    encoded = model.encode(images)
    return np.asarray(encoded[0] if isinstance(model, VariationalAutoEncoder) else encoded)


def as_pictures(images: tf.Tensor) -> tf.Tensor:
    """Reshape [n, 784] to [n, 28, 28, 1], clipped to [0, 1] because the autoencoder's output is unbounded."""
    return tf.reshape(tf.clip_by_value(images, 0.0, 1.0), (-1, 28, 28, 1))


def write_table(path: Path, columns: tuple[np.ndarray, np.ndarray], line: str) -> None:
    """Write codes [n, d] and labels [n] as n lines of d + 1 numbers, each in the format `line`.

    Equivalent to `numpy.savetxt`, which formats line by line and takes twice as long.
    """
    table = np.column_stack(columns).astype(np.float64)
    write_atomically(path, (line * len(table)) % tuple(table.ravel().tolist()))


def write_projector(logs_dir: Path, latents: np.ndarray, split: Split) -> None:
    """Write the test set's latents for TensorBoard's projector, with labels and an image sprite."""
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


def manifold(decode: Callable, values: np.ndarray, title: str) -> Figure:
    """Draw the images decoded at each point of the grid values × values of a two-dimensional latent."""
    latents = np.stack(np.meshgrid(values, values, indexing="xy"), axis=-1).reshape(-1, 2)  # z1 across, z2 upwards
    images = np.asarray(decode(latents.astype(np.float32)))
    return plots.manifold(images.reshape(len(values), len(values), -1), values, title)
