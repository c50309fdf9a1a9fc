"""TensorBoard's event files: values in its format, written, cut short where a run is resumed, and read.

Protocol buffers are built with TensorBoard's own NumPy functions, not with `tf.summary`'s ops, because one write for all the
histograms of an iteration costs less than an eager op for each.

Departs from 2016: histograms have 30 equal bins and the images of a tag are one value (`Input`, not `Input/image/0`), because
that is TensorBoard's format today; images are clipped to [0, 1], where TensorFlow 0.x rescaled each to its own largest value.
"""

import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.util import tensor_util

from unsupervised_learning import errors
from unsupervised_learning.atomic_files import written_anew
from unsupervised_learning.monitoring.tags import GAN_LOSSES, GRADIENT_NORM

BUCKETS = 30  # of a histogram, TensorBoard's own number


class EventFile:
    """One process's event file in a folder, begun with its first event.

    Not `tf.summary`'s writer, which on a full disk loses events without a word: here that is an error.
    """

    def __init__(self, logs_dir: Path):
        self.logs_dir, self.count, self.path, self.writer = logs_dir, 0, logs_dir, None

    def write(self, iteration: int, summaries: Iterable[Summary]) -> None:
        """Write an iteration's summaries, and see that they reach the disk; begin another file if this one was deleted.

        Raises:
            tf.errors.OpError: if they do not.
        """
        merged = Summary()
        for summary in summaries:
            merged.MergeFrom(summary)
        if self.writer and not self.path.exists():
            errors.warn(f"{self.path} was deleted, and with it the events before iteration {iteration:,}; going on in another")
            self.close()
        if not self.writer:
            # TensorBoard takes the files in alphabetical order, and `discard_from` those with this ending.
            name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{self.count}.v2"
            self.path, self.count = self.logs_dir / name, self.count + 1
            self.writer = tf.io.TFRecordWriter(str(self.path))
            self.writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        self.writer.write(Event(wall_time=time.time(), step=iteration, summary=merged).SerializeToString())
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
            # TensorBoard reads any file with "tfevents" in its name.
            with written_anew(path, "new-events") as new, tf.io.TFRecordWriter(str(new)) as writer:
                for serialized in kept:
                    writer.write(serialized)


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


def courses_logged(logs_dir: Path) -> dict[str, np.ndarray]:
    """The courses of the discriminator's loss and of the first layers' gradient norms: [n, 2], iterations and values."""
    tags = {"discriminator_loss": GAN_LOSSES["discriminator_loss"]}
    tags |= {f"gradient_norm_{network}": f"{GRADIENT_NORM}/{network}" for network in ("generator", "discriminator")}
    courses = {name: scalars_logged(logs_dir, tag) for name, tag in tags.items()}
    return {name: np.array(list(course.items()), np.float64) for name, course in courses.items() if course}
