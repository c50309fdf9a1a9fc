"""Writes and reads TensorBoard's event files, and truncates them when a run is resumed.

Protocol buffers are built with TensorBoard's NumPy functions rather than `tf.summary`, because one write for all the histograms
of an iteration costs less than one eager op per histogram.

Departs from 2016: histograms have 30 equal bins, and the images of a tag are one value (`Input`, not `Input/image/0`), because
that is TensorBoard's format today. Images are clipped to [0, 1]; TensorFlow 0.x rescaled each to its own maximum.
"""

import os
import shlex
import socket
import time
from collections.abc import Iterable, Iterator
from operator import itemgetter
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

BUCKETS = 30  # per histogram, TensorBoard's default
PACKED = "events.reference.gz"  # TensorBoard ignores files of this name; it selects no run if it finds more than 40
MOST_IMAGES = 10_000  # iterations with images that TensorBoard is told to keep; the longest run of 2016 logged 1,680


class EventFile:
    """The event file of this process in a folder, created with its first event.

    Raises an error on a full disk, where the writer of `tf.summary` loses events silently.
    """

    def __init__(self, logs_dir: Path):
        self.logs_dir, self.count, self.path, self.writer = logs_dir, 0, logs_dir, None

    def write(self, iteration: int, summaries: Iterable[Summary]) -> None:
        """Write an iteration's summaries and flush them to disk. Starts a new file if the current one was deleted.

        Raises:
            tf.errors.OpError: if writing fails.
        """
        merged = Summary()
        for summary in summaries:
            merged.MergeFrom(summary)
        if self.writer and not self.path.exists():
            errors.warn(f"{self.path} was deleted, and with it the events before iteration {iteration:,}; starting a new file")
            self.close()
        if not self.writer:
            # TensorBoard reads the files in alphabetical order; `discard_from` looks for this ending.
            name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{self.count}.v2"
            self.path, self.count = self.logs_dir / name, self.count + 1
            self.writer = tf.io.TFRecordWriter(str(self.path))
            self.writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        self.writer.write(Event(wall_time=time.time(), step=iteration, summary=merged).SerializeToString())
        self.writer.flush()

    def close(self) -> None:
        """Close the file if it is open."""
        if self.writer:
            self.writer.close()
            self.writer = None


def write_once(path: Path, iteration: int, summaries: Iterable[Summary]) -> None:
    """Write an event file that holds these summaries only."""
    merged = Summary()
    for summary in summaries:
        merged.MergeFrom(summary)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        writer.write(Event(wall_time=time.time(), step=iteration, summary=merged).SerializeToString())


def viewer(folder: Path) -> str:
    """Return the command that shows the runs in a folder, with the images of all iterations.

    By default TensorBoard keeps images of ten iterations. 0 stands for all according to its help, but then it shows none.
    """
    return f"tensorboard --logdir {shlex.quote(str(folder))} --samples_per_plugin=images={MOST_IMAGES}"


def encoded(images: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Encode images [n, height, width, channels], in [0, 1] or 0 … 255, as TensorBoard stores them: width, height, and n PNGs.

    Same result as `tf.summary.image`, which runs a dozen eager ops per tag.
    """
    pixels = tf.image.convert_image_dtype(images, tf.uint8, saturate=True)
    height, width = pixels.shape[1:3]
    return tf.concat([[str(width), str(height)], tf.io.encode_png(pixels)], axis=0)


def histogram_pb(tag: str, values: np.ndarray) -> Summary:
    """Return a histogram as TensorBoard stores it: [30, 3], the left edge, right edge and count of each bucket.

    If all values are equal, they are counted in the last bucket. If any is not finite, all counts are 0. Same result as
    TensorBoard's own `histogram_pb`, which counts with a one-hot matrix and is many times slower.
    """
    values = np.asarray(values, np.float64)  # float32 may have too few numbers between minimum and maximum for 30 buckets
    low, high = np.min(values), np.max(values)
    if np.isfinite([low, high]).all() and low < high:
        counts, edges = np.histogram(values, BUCKETS)
    else:
        counts, edges = np.zeros(BUCKETS), np.full(BUCKETS + 1, low)
        counts[-1] = np.size(values) if low == high else 0
    return tensor_pb(tag, np.column_stack([edges[:-1], edges[1:], counts]), histogram_metadata)


def image_pb(tag: str, strings: np.ndarray) -> Summary:
    """Return a summary of images from the output of `encoded`."""
    return tensor_pb(tag, strings, image_metadata)


def tensor_pb(tag: str, values: np.ndarray, plugin: Any) -> Summary:
    """Return a summary of values under a tag, for the given TensorBoard plugin."""
    summary = Summary()
    metadata = plugin.create_summary_metadata(display_name=None, description=None)
    summary.value.add(tag=tag, tensor=tensor_util.make_tensor_proto(values), metadata=metadata)
    return summary


def discard_from(logs_dir: Path, iteration: int) -> None:
    """Remove the events of iterations ≥ `iteration`, so that a resumed run does not write them twice.

    If a killed process left a truncated event file, its complete events are kept. Files without TensorFlow 2's ending, such
    as 2016's, are left alone.
    """
    for path in paths(logs_dir):
        found = list(events_in(path))
        kept = [event for event in found if event.HasField("file_version") or event.step < iteration]
        if len(found) > 1 and len(kept) <= 1:  # only the file version is left
            path.unlink()
        elif len(kept) < len(found):
            # The temporary name omits "tfevents", because TensorBoard reads any file with that in its name.
            with written_anew(path, "new-events") as new, tf.io.TFRecordWriter(str(new)) as writer:
                for event in kept:
                    writer.write(event.SerializeToString())


def paths(logs_dir: Path) -> list[Path]:
    """Return the event files in a folder, in order of time."""
    return [path for path in sorted(logs_dir.glob("events.out.tfevents.*.v2")) if path.is_file()]


def events(logs_dir: Path) -> Iterator[Event]:
    """Yield the events of a run, in the order in which they were written; those of a small copy too, where they are packed."""
    for path in (*paths(logs_dir), *logs_dir.glob(PACKED)):
        yield from events_in(path)


def events_in(path: Path) -> Iterator[Event]:
    """Yield the events in a file, stopping at the first incomplete one."""
    try:
        packed = "GZIP" if path.suffix == ".gz" else ""
        for record in tf.data.TFRecordDataset(str(path), compression_type=packed).as_numpy_iterator():
            yield Event.FromString(record)
    except tf.errors.OpError:  # DataLossError, or an unreadable file
        return


def scalars_logged(logs_dir: Path, tag: str) -> dict[int, float]:
    """Return iteration → value of a logged scalar, in order of iteration."""
    return {iteration: float(value) for iteration, value in logged(logs_dir, tag).items()}


def pictures_logged(logs_dir: Path, tag: str) -> dict[int, bytes]:
    """Return iteration → the first PNG logged under a tag, in order of iteration."""
    return {iteration: bytes(value[2]) for iteration, value in logged(logs_dir, tag).items()}  # after width and height


def logged(logs_dir: Path, tag: str) -> dict[int, np.ndarray]:
    """Return iteration → the value logged under a tag, as an array, in order of iteration."""
    values = [(event.step, value.tensor) for event in events(logs_dir) for value in event.summary.value if value.tag == tag]
    return {step: tensor_util.make_ndarray(tensor) for step, tensor in sorted(values, key=itemgetter(0))}


def courses_logged(logs_dir: Path) -> dict[str, np.ndarray]:
    """Return the logged discriminator loss and first-layer gradient norms, each [n, 2]: iterations and values."""
    tags = {"discriminator_loss": GAN_LOSSES["discriminator_loss"]}
    tags |= {f"gradient_norm_{network}": f"{GRADIENT_NORM}/{network}" for network in ("generator", "discriminator")}
    courses = {name: scalars_logged(logs_dir, tag) for name, tag in tags.items()}
    return {name: np.array(list(course.items()), np.float64) for name, course in courses.items() if course}
