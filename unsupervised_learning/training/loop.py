"""The training loop: many iterations run in one compiled call; checkpoints and summaries are written between calls.

As in 2016, the unit is the iteration: one update from one batch. An iteration depends only on the weights, the optimizer's
state and its own number, because the batch (`batches.BatchOrder`) and the noise (`layers.named_noise`) are functions of the
seed and that number. So a checkpoint of the model and its optimizer holds the whole state, and resume is exact.
"""

import copy
import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.monitoring.monitor import Monitor
from unsupervised_learning.monitoring.recorder import Recorder
from unsupervised_learning.training import distribution
from unsupervised_learning.training.checkpoints import Checkpoints, NotFiniteError
from unsupervised_learning.training.nonfinite import located, losses_not_finite, on_record
from unsupervised_learning.training.progress import Progress
from unsupervised_learning.training.settings import Settings
from unsupervised_learning.training.snapshots import Snapshots


def train(
    settings: Settings,
    model: Any,
    monitor: Monitor,
    dataset: Dataset,
    order: BatchOrder,
    checkpoints: Checkpoints,
    replicated: distribution.Replicated | None = None,
) -> int:
    """Train from the model's current iteration to `settings.max_iterations`, or until the user stops it.

    Returns:
        The number of the signal that stopped training; 0 if none did.

    Raises:
        RunError: a loss or a weight became infinite or NaN.
    """
    logs_dir, start, stop = settings.logs_dir, checkpoints.iteration, settings.max_iterations
    iterations, batches, schedule, snapshots = prepared(settings, model, monitor, dataset, order, replicated)
    recorder = Recorder(logs_dir, monitor, dataset, order, checkpoints.background)
    recorder.hyperparameters({**settings.deciding(), "dataset": dataset.name}, start)
    asked, fed, names = 0, iter(batches(start, stop)), [metric.name for metric in model.metrics]
    with stop_signals() as stopping, Progress(monitor.name, start, stop) as progress:
        try:
            checkpoints.start_clock()
            for first, count in schedule.calls(start, stop):
                snapshots.take(first)
                if monitor.due(monitor.checkpoint_every, first):
                    checkpoints.save()
                    monitor.dump(logs_dir, dataset, first, checkpoints.background)
                elif first == start:  # so that there is always a checkpoint to return to
                    checkpoints.save()
                recorder.record_due(first)
                checkpoints.background.begin()  # pending writes run during the compiled call

                metrics = iterations.compiled(*next(fed))

                losses = {name: float(metrics[name]) for name in names}
                asked = replicated.agreed(stopping.signal) if replicated else stopping.signal
                if losses_not_finite(losses):
                    raise NotFiniteError
                progress.show(first + count, monitor.line(losses))
                monitor.watch(first + count, losses)
                if first + count == stop and monitor.update_first:  # also if a signal came during this last call
                    recorder.record_due(stop)
                if asked:
                    break
            # Departs from 2016: the last checkpoint includes the last update, because a larger --max_iterations resumes from
            # it. The 2016 autoencoder's last checkpoint, at iteration 20,000, lacks that update.
            checkpoints.save()
        except NotFiniteError:
            progress.close()
            repeat = None if replicated else lambda first, end: iter(batches(first, end, most=1))
            raise on_record(logs_dir, located(iterations.compiled, checkpoints, repeat, monitor.name)) from None
    recorder.close()
    return asked


def follow(
    settings: Settings,
    model: Any,
    monitor: Monitor,
    dataset: Dataset,
    order: BatchOrder,
    replicated: distribution.Replicated,
) -> None:
    """Run the same iterations as `train`, but write nothing: for processes other than the chief."""
    start, stop = int(model.iterations), settings.max_iterations
    if start >= stop:
        return
    iterations, batches, schedule, _ = prepared(settings, model, monitor, dataset, order, replicated)
    fed = iter(batches(start, stop))
    with stop_signals() as stopping:
        for _ in schedule.calls(start, stop):
            iterations.compiled(*next(fed))
            if replicated.agreed(stopping.signal):
                return


def prepared(
    settings: Settings,
    model: Any,
    monitor: Monitor,
    dataset: Dataset,
    order: BatchOrder,
    replicated: distribution.Replicated | None,
) -> tuple["CompiledIterations", Callable[..., tf.data.Dataset], "Schedule", Snapshots]:
    """Return the compiled iterations, a function (start, stop) → their batches, the schedule of calls and the snapshots."""
    snapshots = Snapshots(model, settings.logs_dir, settings.snapshots, settings.max_iterations)
    images, schedule = dataset.train.images, Schedule(monitor, settings.most_in_a_call, snapshots.iterations)
    step, rows = (replicated.train_step, replicated.rows(order.images_each_iteration)) if replicated else (None, slice(None))
    iterations = CompiledIterations(model, images, monitor.scale, settings.xla, step)
    return iterations, partial(pipeline, images, order, schedule, rows=rows), schedule, snapshots


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Division of the iterations into calls. A call ends where the monitor or a snapshot is due.

    Attributes:
        monitor: gives the intervals at which something is due.
        most: maximum number of iterations per call.
        snapshots: iterations with a snapshot of the weights, in order.
    """

    monitor: Monitor
    most: int
    snapshots: tuple[int, ...] = ()

    @property
    def longest(self) -> int:
        """Upper bound on the number of iterations per call."""
        return min(self.most, *self.monitor.cadence)

    def calls(self, start: int, stop: int, most: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (first iteration, number of iterations) of each call in [start, stop). `most` overrides `self.most`."""
        while start < stop:
            shown = self.monitor.iteration_of(start)
            due = min(every - shown % every for every in self.monitor.cadence)
            due = min([due, *(one - start for one in self.snapshots if one > start)])
            count = min(most or self.most, due, stop - start)
            yield start, count
            start += count


class CompiledIterations:
    """Runs many iterations in one compiled call, which avoids Python's overhead per iteration.

    Images in memory are kept as bytes, and each batch is gathered by index inside the call. Images in a file (a memory map)
    arrive as batches from the data pipeline.

    Args:
        model: built and compiled.
        images: uint8 [n, height, width] or [n, height, width, channels].
        scale: converts a batch of bytes to the model's input.
        xla: whether to compile with XLA.
        step: runs one iteration on a scaled batch; by default `model.train_step`.
    """

    def __init__(
        self,
        model: Any,
        images: np.ndarray,
        scale: Callable[[tf.Tensor], tf.Tensor],
        xla: bool = True,
        step: Callable[[tf.Tensor], Any] | None = None,
    ):
        self.model, self.scale, self.step = model, scale, step or model.train_step
        self.shape = images.shape[1:]
        # Stored as 8-byte words, because XLA gathers element by element and each takes the same time, whatever its size.
        self.words = None if isinstance(images, np.memmap) else tf.constant(images.reshape(len(images), -1).view(np.int64))
        self.compiled = tf.function(self.many, jit_compile=xla or None, autograph=False)

    def many(self, batches: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        """Run the iterations of one call. Call this as `compiled`.

        Args:
            batches: indices or images [longest call, batch, …], from `pipeline`.
            count: number of iterations to run; they use the first `count` batches.

        Returns:
            The model's metrics: means over the iterations, or for a GAN the latest values.
        """
        for metric in self.model.metrics:
            metric.reset_state()

        def iteration(i):
            batch = batches[i] if self.words is None else self.gathered(batches[i])
            self.step(self.scale(batch))
            return (i + 1,)

        # A single iteration runs without a loop. Outside XLA, after about a hundred iterations, TensorFlow spreads a loop's
        # operations over two threads, and oneDNN's operations do not always round identically when they run in parallel.
        if batches.shape[0] == 1:
            iteration(0)
        else:
            tf.while_loop(lambda i: i < count, iteration, (0,), parallel_iterations=1)
        return {metric.name: metric.result() for metric in self.model.metrics}

    def gathered(self, indices: tf.Tensor) -> tf.Tensor:
        """Return the images at these indices, uint8 [batch, height, width, …]."""
        return tf.reshape(tf.bitcast(tf.gather(self.words, indices), tf.uint8), (-1, *self.shape))


def pipeline(
    images: np.ndarray,
    order: BatchOrder,
    schedule: Schedule,
    start: int,
    stop: int,
    most: int | None = None,
    rows: slice = slice(None),
) -> tf.data.Dataset:
    """Return the inputs of `CompiledIterations` for [start, stop), one element per call; `most` as in `Schedule.calls`.

    Only `rows` of each batch are filled in; of images in a file, only these are read.
    """
    longest = schedule.longest
    in_file = isinstance(images, np.memmap)
    size = order.images_each_iteration
    shape, dtype = ([size, *images.shape[1:]], tf.uint8) if in_file else ([size], tf.int32)

    def generate() -> Iterator[tuple[np.ndarray, int]]:
        own = copy.copy(order)  # this runs in another thread, and `order` is not thread-safe
        for first, count in schedule.calls(start, stop, most):
            indices = own.indices(first, count)[:, rows]
            batches = np.zeros([longest, *shape], dtype.as_numpy_dtype)
            batches[:count, rows] = images[indices] if in_file else indices
            yield batches, count

    signature = (tf.TensorSpec([longest, *shape], dtype), tf.TensorSpec((), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False  # destroying the iterator would wait seconds for the autotune thread after every run
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2).with_options(options)


@dataclasses.dataclass
class StopRequest:
    """The signal by which the user asked training to stop; 0 if none was received."""

    signal: int = 0


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Record the first Ctrl-C or SIGTERM, so that training stops between calls; a second one interrupts immediately."""
    noted = StopRequest()

    def request(number, frame):
        if noted.signal:
            raise KeyboardInterrupt
        noted.signal = number

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, request) for number in heard}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
