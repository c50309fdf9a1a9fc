"""2016's event files: rewritten as today's TensorBoard has them, and their scalars read."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util import tensor_util

from unsupervised_learning.errors import RunError
from unsupervised_learning.original.checkpoints import name_today


def import_logs(given: str, logs_dir: Path) -> int:
    """Put the event files below a folder beside our runs; returns the exit status."""
    folder = Path(os.path.expanduser(given))
    files = [path for path in sorted(folder.rglob("*tfevents*")) if path.is_file()]
    if not files:
        raise RunError(f"DIR must be a folder with event files, below it or in it. Received: {folder}, without any")
    imported = 0
    for file in files:
        target = logs_dir / "original_2016" / file.relative_to(folder)
        if target.resolve() == file.resolve():
            raise RunError(f"{file} lies where it would be written to; choose another --logs_dir")
        try:
            print(f"{target.parent}: {import_events(file, target):,} events")
            imported += 1
        except RunError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not imported:
        raise RunError(f"none of the event files below {folder} could be read")
    print(f"To see them beside yours: tensorboard --logdir {logs_dir}")
    return 0


def import_events(source: Path, target: Path) -> int:
    """Rewrite one event file of TensorFlow 0.x as today's TensorBoard has them: our tags, its own steps and wall times.

    Returns:
        How many events hold something.

    Raises:
        RunError: if it is not an event file.
    """
    count = 0
    new = target.with_name("new-events")  # TensorBoard reads any file with "tfevents" in its name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tf.io.TFRecordWriter(str(new)) as writer:
            for event in EventFileLoader(str(source)).Load():
                if event.HasField("summary"):
                    event = Event(
                        wall_time=event.wall_time, step=event.step, summary=Summary(value=values_today(event.summary))
                    )
                    count += 1
                writer.write(event.SerializeToString())
    except Exception as error:  # whatever TensorBoard and protobuf throw at a damaged file
        new.unlink(missing_ok=True)
        raise RunError(f"{source} is no event file: {type(error).__name__}: {error}") from None
    if not count:
        new.unlink()
        raise RunError(f"{source} is no event file, or an empty one")
    os.replace(new, target)
    return count


def values_today(summary: Summary) -> Iterable[Summary.Value]:
    """A summary's values under our tags; the images `Input/image/0`, `Input/image/1` become one value `Input`."""
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
    """Iteration → value of a scalar in an event file of 2016.

    Raises:
        RunError: if it is not an event file.
    """
    try:
        events = list(EventFileLoader(str(path)).Load())
    except Exception as error:  # whatever TensorBoard and protobuf throw at a damaged file
        raise RunError(f"{path} is no event file: {type(error).__name__}: {error}") from None
    values = [(event.step, value) for event in events for value in event.summary.value if value.tag == tag]
    return {step: float(tensor_util.make_ndarray(value.tensor)) for step, value in values}
