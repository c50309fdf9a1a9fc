"""Checkpoints of a run. Restores the newest readable one, even after a crash or with a full or faulty disk.

TensorFlow keeps a list of checkpoints in the file `checkpoint`. The one named there is tried first, then the others.
"""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning.atomic_files import write_atomically
from unsupervised_learning.errors import RunError, reason, warn
from unsupervised_learning.monitoring.writer_thread import Background

NAME = "model.ckpt"
STATE = "checkpoint"  # TensorFlow's name for the list
KEPT = 5
UNFINISHED = (f"{NAME}-*_temp", f"{STATE}.tmp*", "new-events")  # left behind by a process killed while writing


class NotFiniteError(Exception):
    """A loss or a weight is infinite or NaN."""


class Checkpoints:
    """Saves the checkpoints of a run. Restores the newest one when constructed.

    Pending writes are flushed before each checkpoint, because a resumed run will not repeat them.

    Args:
        model: compiled, with its optimizers built.
        logs_dir: the run's folder.
        background: writes the run's other files.

    Raises:
        RunError: no checkpoint can be read, or the folder holds a finished run without checkpoints.
    """

    def __init__(self, model: Any, logs_dir: Path, background: Background):
        self.model, self.background = model, background
        self.seconds = tf.Variable(tf.zeros((), tf.float64), trainable=False)  # of training, over all resumed runs
        self.checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, seconds=self.seconds)
        self.restored = restore_newest(self.checkpoint, logs_dir, mend=True)
        if self.restored is None and (logs_dir / "results.json").exists():
            raise RunError(f"{logs_dir} holds a finished run without checkpoints; choose another --logs_dir")
        self.manager = tf.train.CheckpointManager(self.checkpoint, str(logs_dir), max_to_keep=KEPT, checkpoint_name=NAME)
        self.clock = time.perf_counter()

    @property
    def iteration(self) -> int:
        """Number of completed iterations."""
        return int(self.model.iterations)

    def start_clock(self) -> None:
        """Start counting the seconds of training."""
        self.clock = time.perf_counter()

    def save(self) -> None:
        """Save the current state, unless the newest checkpoint already holds it.

        Raises:
            NotFiniteError: a weight is not finite. Earlier checkpoints are kept.
        """
        if weights_not_finite(self.model):
            raise NotFiniteError
        now = time.perf_counter()
        self.seconds.assign_add(now - self.clock)
        self.clock = now
        latest = self.manager.latest_checkpoint
        if latest is None or not latest.endswith(f"-{self.iteration}"):
            self.background.finish()
            self.manager.save(checkpoint_number=self.iteration)


def weights_not_finite(model: keras.Model) -> list[str]:
    """Return the paths of the trainable variables that are not finite."""
    return [variable.path for variable in model.trainable_variables if not np.isfinite(variable.numpy()).all()]


def newest_first(logs_dir: Path) -> list[Path]:
    """Return the checkpoints in a folder, newest first, as path prefixes without file extensions."""
    found = [path.with_suffix("") for path in logs_dir.glob(f"{NAME}-*.index")]
    return sorted((path for path in found if re.fullmatch(r"\d+", number(path))), key=lambda path: -int(number(path)))


def number(path: Path) -> str:
    """Return the iteration in a checkpoint's name."""
    return path.name.removeprefix(f"{NAME}-")


def listed(logs_dir: Path) -> Path | None:
    """Return the newest checkpoint according to the list; None if the list is missing or unreadable.

    The folder recorded in the list is ignored, because the run may have been moved or copied.
    """
    try:
        match = re.match(r'model_checkpoint_path: "(.*)"\n', (logs_dir / STATE).read_text())
    except (OSError, ValueError):
        return None
    return logs_dir / Path(match[1]).name if match else None


def restore_newest(checkpoint: tf.train.Checkpoint, logs_dir: Path, mend: bool = False) -> Path | None:
    """Restore the newest readable checkpoint, and warn if it is not the one that the list names.

    Args:
        checkpoint: object to restore into.
        logs_dir: the run's folder.
        mend: also repair the folder: rename damaged checkpoints, rewrite the list, and remove unfinished files of a killed
            process. Requires the folder's lock.

    Returns:
        The checkpoint's path; None if the folder has no checkpoint.

    Raises:
        RunError: none of the checkpoints can be read. The folder is left unchanged.
    """
    there, first = newest_first(logs_dir), listed(logs_dir)
    said: list[str] = []
    if first is None and there:
        said.append(f"{logs_dir / STATE}, which names the newest checkpoint, is missing or damaged")
    elif first not in there and there:
        said.append(f"{logs_dir / STATE} names {first}, which does not exist")
    elif first:
        there = [first, *(path for path in there if path != first)]
    restored, damaged = None, []
    for path in there:
        try:
            read_whole(path)
            checkpoint.restore(str(path)).expect_partial().assert_existing_objects_matched()
        except Exception as error:  # a damaged file can raise anything from DataLossError to IndexError
            said.append(f"cannot read the checkpoint {path}: {reason(error)}")
            damaged.append(path)
            continue
        restored = path
        break
    if there and not restored:
        raise RunError(f"{'; '.join(said)}; no other checkpoint is left. Nothing was changed; choose another --logs_dir")
    if said:
        warn(f"{'; '.join(said)}; resuming from {restored}")
    if mend:
        discard_unfinished(logs_dir)
        for path in damaged:
            set_aside(path)
        if restored:
            write_list(logs_dir, restored)
    return restored


def read_whole(path: Path) -> None:
    """Read a whole checkpoint and verify its checksums, because a failed restore may be noticed only much later."""
    reader = tf.train.load_checkpoint(str(path))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)


def write_list(logs_dir: Path, restored: Path) -> None:
    """Rewrite the list with the checkpoints up to the restored one; training will replace any newer ones.

    `tf.train.CheckpointManager` needs the timestamps: without them it does not count these checkpoints towards `max_to_keep`.
    """
    kept = [path for path in reversed(newest_first(logs_dir)) if int(number(path)) <= int(number(restored))]
    lines = [f'model_checkpoint_path: "{restored.name}"']
    lines += [f'all_model_checkpoint_paths: "{path.name}"' for path in kept]
    times = [path.with_name(f"{path.name}.index").stat().st_mtime for path in kept]
    lines += [f"all_model_checkpoint_timestamps: {seconds}" for seconds in times]
    write_atomically(logs_dir / STATE, "\n".join(lines) + "\n")


def set_aside(path: Path) -> None:
    """Rename the files of a damaged checkpoint, so that it is not tried again."""
    for file in path.parent.glob(f"{path.name}.*"):
        file.rename(file.with_name(f"damaged-{file.name}"))


def discard_unfinished(logs_dir: Path) -> None:
    """Remove unfinished files of a killed process."""
    for pattern in UNFINISHED:
        for path in logs_dir.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
