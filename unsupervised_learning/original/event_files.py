"""Convert 2016's event files to today's TensorBoard format, and read their scalars."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util import tensor_util

from unsupervised_learning.atomic_files import written_anew
from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring.event_files import viewer
from unsupervised_learning.original.checkpoints import name_today


def import_logs(given: str, logs_dir: Path) -> int:
    """Convert all event files in a folder and its subfolders into `logs_dir`; returns the exit status."""
    folder = Path(os.path.expanduser(given))
    files = [path for path in sorted(folder.rglob("*tfevents*")) if path.is_file()]
    if not files:
        raise RunError(f"DIR must contain event files, also in subfolders. Received: {folder}, without any")
    imported = 0
    for file in files:
        target = logs_dir / "original_2016" / file.relative_to(folder)
        if target.resolve() == file.resolve():
            raise RunError(f"{file} would be overwritten; choose another --logs_dir")
        try:
            print(f"{target.parent}: {import_events(file, target):,} events")
            imported += 1
        except RunError as error:
            print(f"skipped: {error}", file=sys.stderr)
    if not imported:
        raise RunError(f"none of the event files in {folder} could be read")
    print(f"To view them next to your runs: {viewer(logs_dir)}")
    return 0


def import_events(source: Path, target: Path) -> int:
    """Convert a TensorFlow 0.x event file to today's format, with our tags and its own steps and wall times.

    Returns:
        Number of events that hold a summary.

    Raises:
        RunError: if it is not an event file.
    """
    count = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_anew(target, "new-events") as new:  # TensorBoard reads any file with "tfevents" in its name
        with tf.io.TFRecordWriter(str(new)) as writer:
            for event in events(source):
                if event.HasField("summary"):
                    summary = Summary(value=values_today(event.summary))
                    event = Event(wall_time=event.wall_time, step=event.step, summary=summary)
                    count += 1
                writer.write(event.SerializeToString())
        if not count:
            raise RunError(f"{source} is not an event file, or is empty")
    return count


def events(path: Path) -> Iterator[Event]:
    """Yield the events of a 2016 event file, with their values in today's form.

    Raises:
        RunError: if it is not an event file.
    """
    try:
        yield from EventFileLoader(str(path)).Load()
    except Exception as error:  # TensorBoard and protobuf raise many types for damaged files
        raise RunError(f"{path} is not an event file: {type(error).__name__}: {error}") from None


def values_today(summary: Summary) -> Iterable[Summary.Value]:
    """Yield a summary's values under our tags; the images `Input/image/0`, `Input/image/1` become one value `Input`."""
    images: dict[str, Summary.Value] = {}
    for value in summary.value:
        value.tag = name_today(value.tag)
        image = re.fullmatch(r"(.*)/image(/\d+)?", value.tag)
        if image and value.metadata.plugin_data.plugin_name == "images":
            if image[1] in images:
                both = [tensor_util.make_ndarray(one.tensor) for one in (images[image[1]], value)]
                joined = tensor_util.make_tensor_proto(np.concatenate([both[0], both[1][2:]]))  # after width and height
                images[image[1]].tensor.CopyFrom(joined)
                continue
            value.tag = image[1]
            images[image[1]] = value
        else:
            yield value
    yield from images.values()


def scalars(path: Path, tag: str) -> dict[int, float]:
    """Read a scalar from a 2016 event file, as iteration → value.

    Raises:
        RunError: if it is not an event file.
    """
    values = [(event.step, value) for event in events(path) for value in event.summary.value if value.tag == tag]
    return {step: float(tensor_util.make_ndarray(value.tensor)) for step, value in values}
