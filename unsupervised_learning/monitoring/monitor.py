"""What a model's monitor is: it says what is logged, how often, and what a finished run leaves. One class for each model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from unsupervised_learning.atomic_files import Json, write_atomically, written_anew
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.figures import plots
from unsupervised_learning.monitoring.writer_thread import Background


class Record(NamedTuple):
    """What the 2016 code logged at one iteration: tag → scalar, tensor of any shape, images [n, height, width, c] in [0, 1]."""

    scalars: dict[str, Any]
    histograms: dict[str, Any]
    images: dict[str, Any]


class Extras(NamedTuple):
    """What we log beside it: tag → number, pictures [n, height, width, channels] in [0, 1] or 0 … 255, what draws a figure."""

    scalars: dict[str, float]
    images: dict[str, np.ndarray | Callable[[], Figure]]


class Monitor(ABC):
    """What differs between the runs of different models, beside the model itself.

    A *record* is what the 2016 code logged at one iteration, computed from that iteration's batch. *Extras* are what we log
    beside it, under `ours/`.

    Attributes:
        name: in the terminal.
        update_first: whether an iteration updates before its record and checkpoint, as 2016's VAE and GANs did; 2016's
            autoencoder wrote both before the update.
        record_every: iterations between two records.
        extras_every: iterations between two extras.
        checkpoint_every: iterations between two checkpoints.
    """

    name: str
    update_first = True
    record_every: int
    extras_every = 1_000  # our choice: under 1 % of the time
    checkpoint_every = 1_000  # 2016

    @property
    def cadence(self) -> tuple[int, int, int]:
        """Iterations between two of whatever happens between iterations."""
        return self.record_every, self.extras_every, self.checkpoint_every

    def iteration_of(self, updates: int) -> int:
        """Number of the iteration, counted from 0, whose record and checkpoint show the state after so many updates.

        −1 before the first update of a model that updates first: no iteration shows that state.
        """
        return updates - 1 if self.update_first else updates

    def due(self, every: int, updates: int) -> bool:
        """Whether what happens every `every` iterations is due after so many updates."""
        iteration = self.iteration_of(updates)
        return iteration >= 0 and iteration % every == 0

    @abstractmethod
    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """The uint8 images of a batch → what the model takes."""

    @abstractmethod
    def record(self, images: tf.Tensor) -> Record:
        """The record for the iteration's images, scaled. Runs inside a `tf.function`."""

    @abstractmethod
    def extras(self, dataset: Dataset, iteration: int) -> Extras:
        """The extras of an iteration."""

    def dump(self, logs_dir: Path, dataset: Dataset, iteration: int, background: Background) -> None:  # noqa: B027
        """Write what belongs to the checkpoint of an iteration, if anything does."""

    def watch(self, iteration: int, losses: dict[str, float]) -> None:  # noqa: B027
        """Look at the losses after so many iterations, and warn the user if they look bad."""

    @abstractmethod
    def write_outputs(self, logs_dir: Path, dataset: Dataset) -> Json:
        """Write what a finished run leaves: figures, the model, measures; returns the measures, for results.json."""

    @abstractmethod
    def table(self, results: Json) -> str:
        """The results as lines for the terminal."""


def write_figures(logs_dir: Path, figures: dict[str, Figure]) -> None:
    """Write each to `figures/` under its name, as PNG."""
    folder = logs_dir / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_atomically(folder / f"{name}.png", plots.figure_png(figure))


def save_model(logs_dir: Path, model: keras.Model) -> None:
    """Save the model for `keras.models.load_model`."""
    with written_anew(logs_dir / "model.keras") as new:
        model.save(new)
