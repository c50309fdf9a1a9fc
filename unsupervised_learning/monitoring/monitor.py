"""Base class of the monitors. A monitor defines what is logged, how often, and what a finished run writes: one per model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning.atomic_files import Json, write_atomically, written_anew
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.figures.figure import Figure, figure_png
from unsupervised_learning.monitoring.writer_thread import Background


class Record(NamedTuple):
    """Values the 2016 code logged at one iteration, by tag: scalars, tensors, images [n, height, width, channels] in [0, 1]."""

    scalars: dict[str, Any]
    histograms: dict[str, Any]
    images: dict[str, Any]


class Extras(NamedTuple):
    """Our additional values, by tag.

    An image is an array [n, height, width, channels] in [0, 1] or 0 … 255, or a function that draws a figure.
    """

    scalars: dict[str, float]
    images: dict[str, np.ndarray | Callable[[], Figure]]


class Monitor(ABC):
    """Everything specific to a model's runs apart from the model itself.

    A *record* holds what the 2016 code logged at one iteration, computed from that iteration's batch. *Extras* are our
    additions, logged under `ours/`.

    Attributes:
        name: shown in the terminal.
        update_first: whether an iteration updates the weights before its record and checkpoint, as 2016's VAE and GANs did.
            2016's autoencoder wrote both before the update.
        record_every: iterations between records; each model's monitor sets it.
        extras_every: iterations between extras.
        checkpoint_every: iterations between checkpoints.
    """

    name: str
    update_first = True
    record_every: int
    extras_every = 1_000  # our choice: under 1 % of the time
    checkpoint_every = 1_000  # 2016

    @property
    def cadence(self) -> tuple[int, int, int]:
        """Return `record_every`, `extras_every` and `checkpoint_every`."""
        return self.record_every, self.extras_every, self.checkpoint_every

    def iteration_of(self, updates: int) -> int:
        """Return the iteration, counted from 0, that records the state after `updates` updates.

        −1 for the initial state of a model that updates first: no iteration records it.
        """
        return updates - 1 if self.update_first else updates

    def due(self, every: int, updates: int) -> bool:
        """Whether an action with a period of `every` iterations is due after `updates` updates."""
        iteration = self.iteration_of(updates)
        return iteration >= 0 and iteration % every == 0

    @abstractmethod
    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """Convert a batch of uint8 images to the model's input."""

    @abstractmethod
    def record(self, images: tf.Tensor) -> Record:
        """Compute the record from the iteration's scaled images. Runs inside a `tf.function`."""

    @abstractmethod
    def extras(self, dataset: Dataset, iteration: int) -> Extras:
        """Compute the extras of an iteration."""

    def dump(self, logs_dir: Path, dataset: Dataset, iteration: int, background: Background) -> None:  # noqa: B027
        """Write the files that accompany a checkpoint. None by default."""

    def line(self, losses: dict[str, float]) -> str:
        """Format an iteration's losses for the line in the terminal."""
        return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())

    def watch(self, iteration: int, losses: dict[str, float]) -> None:  # noqa: B027
        """Check the losses after `iteration` iterations and warn the user if they look bad."""

    @abstractmethod
    def write_outputs(self, logs_dir: Path, dataset: Dataset) -> Json:
        """Write the figures and the model of a finished run, and return its measures for results.json."""

    @abstractmethod
    def table(self, results: Json) -> str:
        """Format the results as lines for the terminal."""


def write_figures(logs_dir: Path, figures: dict[str, Figure]) -> None:
    """Write each figure to `figures/<name>.png`."""
    folder = logs_dir / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_atomically(folder / f"{name}.png", figure_png(figure))


def save_model(logs_dir: Path, model: keras.Model) -> None:
    """Save the model as `model.keras`, for `keras.models.load_model`."""
    with written_anew(logs_dir / "model.keras") as new:
        model.save(new)
