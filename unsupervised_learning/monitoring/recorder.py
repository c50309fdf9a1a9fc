"""Computes a run's records and extras when they are due, and writes them in the background."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.figures import plots
from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.monitoring import hyperparameters
from unsupervised_learning.monitoring.event_files import EventFile, encoded, histogram_pb, image_pb
from unsupervised_learning.monitoring.monitor import Extras, Monitor, Record
from unsupervised_learning.monitoring.writer_thread import Background

FIGURES_KEPT = 10  # figures in memory before they are freed; our choice: a collection takes half a second


class Recorder:
    """Writes the records and extras of a monitor to an event file.

    Args:
        logs_dir: folder of the event file.
        monitor: defines what is logged, and how often.
        dataset: supplies the batches of the records and the images of the extras.
        order: order of the training batches.
        background: thread that writes.
    """

    def __init__(self, logs_dir: Path, monitor: Monitor, dataset: Dataset, order: BatchOrder, background: Background):
        self.monitor, self.dataset, self.order, self.background = monitor, dataset, order, background
        self.record = tf.function(self.recorded, autograph=False)
        self.events = EventFile(logs_dir)
        self.figures = 0  # drawn so far

    def recorded(self, batch: tf.Tensor) -> Record:
        """Compute the record of a uint8 batch, with its images encoded as PNG."""
        record = self.monitor.record(self.monitor.scale(batch))
        return record._replace(
            histograms={tag: tf.cast(values, tf.float32) for tag, values in record.histograms.items()},
            images={tag: encoded(images) for tag, images in record.images.items()},
        )

    def hyperparameters(self, settings: dict[str, Any], updates: int) -> None:
        """Write the settings for TensorBoard's HParams tab, unless a resumed run has already written them."""
        if self.monitor.iteration_of(updates) <= 0:
            self.background.do(self.events.write, 0, hyperparameters.of_settings(settings))

    def record_due(self, updates: int) -> None:
        """Compute the record and the extras if they are due after `updates` updates."""
        monitor, iteration = self.monitor, self.monitor.iteration_of(updates)
        if monitor.due(monitor.record_every, updates):
            batch = self.dataset.train.images[self.order.indices(iteration, 1)[0]]
            self.background.do(self.write_record, iteration, self.record(batch))
        if monitor.due(monitor.extras_every, updates):
            self.background.do(self.write_extras, iteration, monitor.extras(self.dataset, iteration))

    def write_record(self, iteration: int, record: Record) -> None:
        """Write a record from `recorded`."""
        summaries = [scalar_pb(tag, value.numpy()) for tag, value in record.scalars.items()]
        summaries += [histogram_pb(tag, value.numpy()) for tag, value in record.histograms.items()]
        summaries += [image_pb(tag, value.numpy()) for tag, value in record.images.items()]
        self.events.write(iteration, summaries)

    def write_extras(self, iteration: int, extras: Extras) -> None:
        """Draw the figures and write the extras."""
        summaries = [scalar_pb(tag, value) for tag, value in extras.scalars.items()]
        for tag, picture in extras.images.items():
            pixels = self.drawn(picture) if callable(picture) else picture
            summaries.append(image_pb(tag, encoded(pixels).numpy()))
        self.events.write(iteration, summaries)

    def drawn(self, draw: Callable[[], Figure]) -> np.ndarray:
        """Return a figure's pixels, uint8 [1, height, width, 3].

        A figure refers to itself, so its 3 MiB are freed only by the garbage collector. Python runs a full collection only when
        the new objects exceed a quarter of those that survived the last one. With TensorFlow's million objects that takes
        hundreds of figures, so a long run would grow by hundreds of MiB.
        """
        pixels = plots.figure_to_rgb(draw())[None]
        self.figures += 1
        if self.figures % FIGURES_KEPT == 0:
            gc.collect()
        return pixels

    def close(self) -> None:
        """Flush the pending writes and close the event file."""
        self.background.finish()
        self.events.close()
