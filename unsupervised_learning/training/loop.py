"""The training loop: what happens before and after an iteration, and the iterations compiled into one call.

The unit is the iteration, one update from one batch, as in 2016. What an iteration does depends only on the weights, the
optimizer's state and its number: the batch (`batches.BatchOrder`) and the noise (`layers.named_noise`) are functions of the
seed and that number. So a checkpoint of the model and its optimizer is the whole state, and resume is exact.
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


def train(
    settings: Settings,
    model: Any,
    monitor: Monitor,
    dataset: Dataset,
    order: BatchOrder,
    checkpoints: Checkpoints,
    replicated: distribution.Replicated | None = None,
) -> int:
    """Train from where the model is to `settings.max_iterations`, or until the user stops it.

    Returns:
        The number of the signal that stopped it; 0 if none did.

    Raises:
        RunError: a loss or a weight became infinite or not a number.
    """
    logs_dir, start, stop = settings.logs_dir, checkpoints.iteration, settings.max_iterations
    iterations, batches, schedule = prepared(settings, model, monitor, dataset, order, replicated)
    recorder = Recorder(logs_dir, monitor, dataset, order, checkpoints.background)
    recorder.hyperparameters({**settings.deciding(), "dataset": dataset.name}, start)
    asked, fed, names = 0, iter(batches(start, stop)), [metric.name for metric in model.metrics]
    with stop_signals() as stopping, Progress(monitor.name, start, stop) as progress:
        try:
            checkpoints.start_clock()
            for first, count in schedule.calls(start, stop):
                if monitor.due(monitor.checkpoint_every, first):
                    checkpoints.save()
                    monitor.dump(logs_dir, dataset, first, checkpoints.background)
                elif first == 0:  # so that there is always a state to go back to
                    checkpoints.save()
                recorder.record_due(first)
                checkpoints.background.begin()  # the compiled loop comes next

                metrics = iterations.compiled(*next(fed))

                losses = {name: float(metrics[name]) for name in names}
                asked = replicated.agreed(stopping.signal) if replicated else stopping.signal
                if losses_not_finite(losses):
                    raise NotFiniteError
                progress.show(first + count, losses)
                monitor.watch(first + count, losses)
                if asked:
                    break
            else:
                if monitor.update_first:
                    recorder.record_due(stop)
            # Departs from 2016: the autoencoder's last checkpoint there, of iteration 20,000, lacks the last update. This one
            # has it, because a larger --max_iterations goes on from it.
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
    """`train` in a process that is not the chief: the same iterations, and nothing between them."""
    start, stop = int(model.iterations), settings.max_iterations
    if start >= stop:
        return
    iterations, batches, schedule = prepared(settings, model, monitor, dataset, order, replicated)
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
) -> tuple["CompiledIterations", Callable[..., tf.data.Dataset], "Schedule"]:
    """What does the iterations of a call; what feeds it, from one iteration to before another; and when there are calls."""
    images, schedule = dataset.train.images, Schedule(monitor, settings.most_in_a_call)
    step, rows = (replicated.train_step, replicated.rows(order.images_each_iteration)) if replicated else (None, slice(None))
    iterations = CompiledIterations(model, images, monitor.scale, settings.xla, step)
    return iterations, partial(pipeline, images, order, schedule, rows=rows), schedule


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Which iterations are done in one call: it ends where the monitor has something to do.

    Attributes:
        monitor: has the cadence.
        most: iterations in a call, at most.
    """

    monitor: Monitor
    most: int

    @property
    def longest(self) -> int:
        """Iterations in the longest of the calls."""
        return min(self.most, *self.monitor.cadence)

    def calls(self, start: int, stop: int, most: int | None = None) -> Iterator[tuple[int, int]]:
        """The first iteration of each call and how many it does, from `start` to before `stop`; `most` replaces the own."""
        while start < stop:
            shown = self.monitor.iteration_of(start)
            due = min(every - shown % every for every in self.monitor.cadence)
            count = min(most or self.most, due, stop - start)
            yield start, count
            start += count


class CompiledIterations:
    """Calls a model's `train_step` for many batches inside one compiled call.

    Python then costs nothing for each iteration. Images that are in memory stay there as bytes, and a batch is gathered by
    index where it is used; images that are in a file (a memory map) come in batches from the data pipeline.

    Args:
        model: built and compiled.
        images: uint8 [n, height, width] or [n, height, width, channels].
        scale: the bytes of a batch → what the model takes.
        xla: let XLA compile it.
        step: does an iteration with a scaled batch, if not the model's own `train_step`.
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
        # In words of 8 bytes: XLA gathers word by word, and takes as long for each whatever its size.
        self.words = None if isinstance(images, np.memmap) else tf.constant(images.reshape(len(images), -1).view(np.int64))
        self.compiled = tf.function(self.many, jit_compile=xla or None, autograph=False)

    def many(self, batches: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        """Do a call's iterations. To be called as `compiled`.

        Args:
            batches: indices or images [most iterations, batch, …], from a `pipeline`.
            count: iterations to do, with the first of these.

        Returns:
            The model's metrics, averaged over the iterations.
        """
        for metric in self.model.metrics:
            metric.reset_state()

        def iteration(i):
            batch = batches[i] if self.words is None else self.gathered(batches[i])
            self.step(self.scale(batch))
            return (i + 1,)

        # A single iteration without a loop: outside XLA TensorFlow spreads a loop's operations over two threads once it has
        # found which are cheap, after a hundred iterations, and side by side oneDNN's do not always round alike.
        if batches.shape[0] == 1:
            iteration(0)
        else:
            tf.while_loop(lambda i: i < count, iteration, (0,), parallel_iterations=1)
        return {metric.name: metric.result() for metric in self.model.metrics}

    def gathered(self, indices: tf.Tensor) -> tf.Tensor:
        """The images of these numbers, uint8 [batch, height, width, …]."""
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
    """What `CompiledIterations` takes from iteration `start` to before `stop`, call after call; `most` as in `Schedule.calls`.

    Of each batch only `rows` are filled in, and read if they are in a file.
    """
    longest = schedule.longest
    in_file = isinstance(images, np.memmap)
    size = order.images_each_iteration
    shape, dtype = ([size, *images.shape[1:]], tf.uint8) if in_file else ([size], tf.int32)

    def generate() -> Iterator[tuple[np.ndarray, int]]:
        own = copy.copy(order)  # as this is in another thread
        for first, count in schedule.calls(start, stop, most):
            indices = own.indices(first, count)[:, rows]
            batches = np.zeros([longest, *shape], dtype.as_numpy_dtype)
            batches[:count, rows] = images[indices] if in_file else indices
            yield batches, count

    signature = (tf.TensorSpec([longest, *shape], dtype), tf.TensorSpec((), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread is waited for when the iterator goes: seconds at the end of every run
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2).with_options(options)


@dataclasses.dataclass
class StopRequest:
    """The number of the signal by which the user asked training to stop; 0 as long as there was none."""

    signal: int = 0


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Note the first Ctrl-C or SIGTERM, so that training stops where its state is whole; a second interrupts at once."""
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
