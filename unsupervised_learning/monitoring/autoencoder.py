"""The autoencoder's summaries during training, and the outputs of a finished run."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from unsupervised_learning.atomic_files import Json
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.evaluation import test_set
from unsupervised_learning.figures import scatters
from unsupervised_learning.monitoring.latent import LatentMonitor, as_pictures, codes, manifold, write_table
from unsupervised_learning.monitoring.monitor import Record
from unsupervised_learning.monitoring.writer_thread import Background


class AutoEncoderMonitor(LatentMonitor):
    """Monitor of the autoencoder. Its records show the state before the iteration's update."""

    name = "Autoencoder"
    update_first = False  # 2016
    record_every = 100  # 2016
    scatter_every = 5_000  # our choice
    prior = "codes drawn evenly from (−1, 1)"

    def __init__(self, model: AutoEncoder):
        self.model = model

    def record(self, images: tf.Tensor) -> Record:
        """Compute the values of 2016's autoencoder tags for a batch [batch, 784]."""
        model = self.model
        objective = model.objective(images)
        tags = {"Loss": "loss", "Encoder_loss": "reconstruction", "Reg_loss": "regularization"}
        return Record(
            scalars={tag: objective[name] for tag, name in tags.items()},
            histograms={name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()},
            images={"Input": as_pictures(images[:1]), "Output": as_pictures(model(images[:1]))},
        )

    def dump(self, logs_dir: Path, dataset: Dataset, iteration: int, background: Background) -> None:
        """Write 2016's `checkpoint<step>.txt`: codes and labels of the test images, before the iteration's update."""
        found = codes(self.model, dataset.test.vectors)
        line = " ".join(["%.18e"] * (self.model.z_dim + 1)) + "\n"  # the default of numpy.savetxt
        background.do(write_table, logs_dir / f"checkpoint{iteration}.txt", (found, dataset.test.labels), line)

    def write_outputs(self, logs_dir: Path, dataset: Dataset) -> Json:
        """Write the outputs of a finished run and return the results."""
        model, images = self.model, to_unit_interval(dataset.test.images)
        report, found = test_set.autoencoder_report(model, images, dataset.test.labels)
        figures = {"latent_scatter": scatters.latent_scatter(found, dataset.test.labels, "Autoencoder: codes of the test set")}
        start = logs_dir / "checkpoint0.txt"
        if start.exists():
            at_start = np.loadtxt(start, ndmin=2)
            title = "Autoencoder: codes of the test set before training"
            figures["latent_scatter_0"] = scatters.latent_scatter(at_start[:, :-1], at_start[:, -1].astype(int), title)
        if model.z_dim == 2:
            values = np.linspace(-0.95, 0.95, 20)  # tanh codes lie in (−1, 1)
            figures["manifold"] = manifold(model.decoder, values, "Autoencoder: images decoded over the code")
        self.write_common(logs_dir, dataset, found, figures)
        pca = self.baseline(dataset)
        if pca and model.activation == "linear":
            train_images = to_unit_interval(dataset.train.images)
            report["pca_subspace_cosine"] = test_set.pca_subspace_cosine(model.decoder, train_images, model.z_dim)
        return {**report, **pca, **self.beside_2016("autoencoder", dataset)}
