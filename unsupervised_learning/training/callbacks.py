"""Keras callbacks of every run: its checkpoints, and the line in the terminal. The summaries' is in `summaries`."""

import io
import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf
from tqdm import tqdm

from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring.writer_thread import Background
from unsupervised_learning.training import checkpoints
from unsupervised_learning.training.nonfinite import NotFiniteError, not_finite

CHECKPOINTS_KEPT = 5


class Checkpoints(keras.callbacks.Callback):
    """Restores the newest checkpoint; saves before the first update, when due, at the end, and when asked to stop.

    Pending writes are flushed before each checkpoint, because a resumed run will not repeat them.

    Args:
        model: compiled.
        logs_dir: where the checkpoints lie.
        due: number of updates → whether 2016 saved there.
        background: writes files.
        dump: called with the iteration at each checkpoint that is due; None if there is nothing to dump.

    Raises:
        RunError: there are checkpoints, but none that can be read; or a finished run without any.
    """

    def __init__(
        self,
        model: keras.Model,
        logs_dir: Path,
        due: Callable[[int], bool],
        background: Background,
        dump: Callable[[int], None] | None,
    ):
        super().__init__()
        self.trained, self.logs_dir, self.due, self.background, self.dump = model, logs_dir, due, background, dump
        self.seconds = tf.Variable(tf.zeros((), tf.float64), trainable=False)  # of training, over all resumed runs
        self.checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, seconds=self.seconds)
        self.restored = checkpoints.restore_newest(self.checkpoint, logs_dir, mend=True)
        if self.restored is None and (logs_dir / "results.json").exists():
            raise RunError(f"{logs_dir} holds a finished run whose checkpoints are gone; choose another --logs_dir")
        self.manager = tf.train.CheckpointManager(
            self.checkpoint, str(logs_dir), max_to_keep=CHECKPOINTS_KEPT, checkpoint_name=checkpoints.NAME
        )
        self.stop_signal = 0
        self.clock = time.perf_counter()

    @property
    def iteration(self) -> int:
        """Number of completed iterations."""
        return int(self.trained.iterations)

    def save(self) -> None:
        """Save the state as it is, unless the newest checkpoint holds it already.

        Raises:
            NotFiniteError: if a weight is not finite; the checkpoints there are stay.
        """
        if not_finite(self.trained, {}):
            raise NotFiniteError
        now = time.perf_counter()
        self.seconds.assign_add(now - self.clock)
        self.clock = now
        latest = self.manager.latest_checkpoint
        if latest is None or not latest.endswith(f"-{self.iteration}"):
            self.background.finish()
            self.manager.save(checkpoint_number=self.iteration)

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.clock = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Save where 2016 did, and before the first update, so that there is always a state to go back to."""
        due = self.due(self.iteration)
        if due or self.iteration == 0:
            self.save()
        if due and self.dump:
            self.dump(self.iteration)

    def on_epoch_end(self, epoch, logs=None):
        """See that the losses are numbers; stop if asked to."""
        if not all(math.isfinite(value) for value in (logs or {}).values()):
            raise NotFiniteError
        if self.stop_signal:
            self.save()
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Save the last state.

        Departs from 2016: the autoencoder's last checkpoint there, of iteration 20,000, lacks the last update. This one has it,
        because a larger --max_iterations goes on from it.
        """
        self.save()


class Progress(keras.callbacks.Callback):
    """One line: iteration, losses, iterations/s, time left. Where output is not a terminal, a new line every 10 seconds."""

    def __init__(self, name: str, start: int, stop: int, model: keras.Model):
        super().__init__()
        self.trained, self.terminal = model, sys.stdout.isatty()
        self.names = [metric.name for metric in model.metrics]  # `logs` has them in alphabetical order
        self.bar = tqdm(
            desc=name,
            initial=start,
            total=stop,
            unit=" iterations",
            file=sys.stdout if self.terminal else io.StringIO(),
            ncols=shutil.get_terminal_size().columns if self.terminal else 160,
            bar_format="{desc} {n:,}/{total:,} |{bar:10}| {rate_noinv_fmt}, {remaining} left{postfix}",
        )
        self.printed = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Show the losses of the stretch that has ended."""
        losses = [(name, logs[name]) for name in self.names] if logs else []
        self.bar.set_postfix_str(", ".join(f"{name} {value:.4g}" for name, value in losses), refresh=False)
        self.bar.update(int(self.trained.iterations) - self.bar.n)
        if not self.terminal and (time.monotonic() - self.printed > 10 or self.bar.n == self.bar.total):
            print(self.bar, flush=True)
            self.printed = time.monotonic()

    def __enter__(self):
        """Nothing to do: the line appears with its first losses."""

    def __exit__(self, *_):
        """Leave the line as it is and go to the next, also where training ends in an error."""
        self.bar.close()
