"""One run: its seed, config.json, resume, `fit` with its callbacks, outputs. Knows no architecture.

The unit is the iteration, one update from one batch, as in 2016. What an iteration does depends only on the weights, the
optimizer's state and its number: the batch (`batches.BatchOrder`) and the noise (`layers.named_noise`) are functions of the
seed and that number. So a checkpoint of the model and its optimizer is the whole state, and resume is exact.

For `fit`, an epoch is the stretch of iterations between two summaries, done in one compiled call.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from unsupervised_learning import atomic_files
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder, InterleavedBatches
from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring import outputs
from unsupervised_learning.monitoring.summaries import Extras, Record, Summaries, discard_from
from unsupervised_learning.monitoring.writer_thread import Background
from unsupervised_learning.training import distribution
from unsupervised_learning.training.callbacks import Checkpoints, Progress
from unsupervised_learning.training.checkpoints import newest_first, restore_newest
from unsupervised_learning.training.command_line import KILLED, command, stop_signals
from unsupervised_learning.training.nonfinite import NotFiniteError, located, on_record
from unsupervised_learning.training.run_directory import (
    check_same_data,
    configuration,
    earlier_run,
    lock,
    rebuilt,
    recorded,
    usable_logs_dir,
)

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What differs between the runs of different models.

    Attributes:
        name: in the terminal.
        scale: the uint8 images of a batch → what the model takes.
        record: model, scaled images → what 2016's code logged.
        update_first: whether an iteration updates before its summary and checkpoint, as 2016's VAE and GANs did; 2016's
            autoencoder wrote both before the update.
        record_every: iterations between two records.
        extras: model, dataset, iteration → what we log beside it, under `ours/`.
        extras_every: iterations between two of these.
        write_outputs: logs_dir, model, dataset → results; writes what a finished run leaves.
        dump: logs_dir, model, dataset, iteration, what writes; called with every checkpoint, before the update.
        checkpoint_every: iterations between two checkpoints.
        most_in_a_call: iterations of the compiled loop, at most, before Python has its turn; it ends sooner where any of the
            above is due. 1 where XLA does not compile, see `IterationLoop.train_step`.
        jit_compile: let XLA compile that loop.
        callbacks: more callbacks for `fit`.
    """

    name: str
    scale: Callable[[tf.Tensor], tf.Tensor]
    record: Callable[[Any, tf.Tensor], Record]
    record_every: int
    extras: Callable[[Any, mnist.Dataset, int], Extras]
    write_outputs: Callable[[Path, Any, mnist.Dataset], dict[str, Any]]
    update_first: bool = True
    extras_every: int = 1_000  # our choice: under 1 % of the time
    dump: Callable[[Path, Any, mnist.Dataset, int, Background], None] | None = None
    checkpoint_every: int = 1_000  # 2016
    most_in_a_call: int = 1_000
    jit_compile: bool = True
    callbacks: tuple[keras.callbacks.Callback, ...] = ()

    @property
    def longest_call(self) -> int:
        """Iterations in the longest of the calls below."""
        return min(self.most_in_a_call, self.record_every, self.extras_every, self.checkpoint_every)

    def iteration_of(self, updates: int) -> int:
        """Number of the iteration, counted from 0, whose summary and checkpoint show the state after so many updates.

        −1 before the first update of a model that updates first: no iteration shows that state.
        """
        return updates - 1 if self.update_first else updates

    def due(self, every: int, updates: int) -> bool:
        """Whether what happens every `every` iterations is due after so many updates."""
        iteration = self.iteration_of(updates)
        return iteration >= 0 and iteration % every == 0

    def calls(self, start: int, stop: int, most: int | None = None) -> Iterator[tuple[int, int]]:
        """The first iteration of each call of the compiled loop and how many it does, from `start` to before `stop`.

        With `most` they do so many at most; by default as many as may be.
        """
        while start < stop:
            shown = self.iteration_of(start)
            due = min(every - shown % every for every in (self.record_every, self.extras_every, self.checkpoint_every))
            count = min(most or self.most_in_a_call, due, stop - start)
            yield start, count
            start += count


# Many iterations in one compiled call


class IterationLoop(keras.Model):
    """Calls another model's `train_step` for many batches inside one compiled call.

    `fit` then costs nothing for each iteration. Images that are in memory stay there as bytes, and a batch is gathered by
    index where it is used; images that are in a file (a memory map) come in batches from the data pipeline. Its own
    `train_step` takes (indices or images [most iterations, batch, …], count), and does the first `count`.

    Args:
        model: built and compiled.
        images: uint8 [n, height, width] or [n, height, width, channels].
        experiment: says how a batch is scaled and whether XLA compiles.
        step: does an iteration with a scaled batch, if not the model's own `train_step`.
    """

    def __init__(
        self,
        model: keras.Model,
        images: np.ndarray,
        experiment: Experiment,
        step: Callable[[tf.Tensor], Any] | None = None,
    ):
        super().__init__()
        self.model, self.scale, self.step = model, experiment.scale, step or model.train_step
        self.shape = images.shape[1:]
        # In words of 8 bytes: XLA gathers word by word, and takes as long for each whatever its size.
        self.words = None if isinstance(images, np.memmap) else tf.constant(images.reshape(len(images), -1).view(np.int64))
        # XLA also where Keras's "auto" would not, on a CPU
        self.compile(optimizer=model.optimizer, jit_compile=experiment.jit_compile)
        self.built = True

    def train_step(self, data):
        """Do `count` iterations; returns the model's metrics, averaged over these."""
        batches, count = data
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

    @property
    def metrics(self):
        """None that `fit` would have to reset, in more time than an iteration takes: `train_step` resets the model's."""
        return []


def pipeline(
    images: np.ndarray,
    order: BatchOrder,
    experiment: Experiment,
    start: int,
    stop: int,
    most: int | None = None,
    rows: slice = slice(None),
) -> tf.data.Dataset:
    """What `IterationLoop` takes from iteration `start` to before `stop`, a call after the other; `most` as in `calls`.

    Of each batch only `rows` are filled in, and read if they are in a file.
    """
    longest = experiment.longest_call
    in_file = isinstance(images, np.memmap)
    size = order.images_each_iteration
    shape, dtype = ([size, *images.shape[1:]], tf.uint8) if in_file else ([size], tf.int32)

    def generate() -> Iterator[tuple[np.ndarray, int]]:
        own = copy.copy(order)  # as this is in another thread
        for first, count in experiment.calls(start, stop, most):
            indices = own.indices(first, count)[:, rows]
            batches = np.zeros([longest, *shape], dtype.as_numpy_dtype)
            batches[:count, rows] = images[indices] if in_file else indices
            yield batches, count

    signature = (tf.TensorSpec([longest, *shape], dtype), tf.TensorSpec((), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread is waited for when the iterator goes: seconds at the end of every run
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2).with_options(options)


# The run


def run(
    model: keras.Model,
    experiment: Experiment,
    load: Callable[[], mnist.Dataset],
    strategy: tf.distribute.Strategy | None = None,
) -> int:
    """Train up to --max_iterations, going on from the newest checkpoint; then write the outputs.

    Args:
        model: compiled.
        experiment: what is particular to the model.
        load: gives the data; called once it is clear that the run can be.
        strategy: if several devices share each batch, from `distribution.start`.

    Returns:
        The exit status.

    Raises:
        RunError: --logs_dir is unusable or holds another run; or training diverged.
        RunError: the data cannot be had.
    """
    if strategy:
        with distribution.answering_for_the_lost():
            replicated = distribution.Replicated(model, strategy, experiment.jit_compile and FLAGS.jit != "off")
            experiment = dataclasses.replace(experiment, jit_compile=False, most_in_a_call=1)  # XLA compiles for one device
            if replicated.number:
                return follow(model, experiment, load(), replicated)
            return lead(model, experiment, load, replicated)
    return lead(model, experiment, load, None)


def lead(
    model: keras.Model,
    experiment: Experiment,
    load: Callable[[], mnist.Dataset],
    replicated: distribution.Replicated | None,
) -> int:
    """`run` in the process that reads and writes --logs_dir."""
    logs_dir = usable_logs_dir()
    before = earlier_run(logs_dir, model)
    if FLAGS.jit != "auto":
        most = experiment.most_in_a_call if FLAGS.jit == "on" else 1
        experiment = dataclasses.replace(experiment, jit_compile=FLAGS.jit == "on", most_in_a_call=most)
    dataset = load()
    if before:
        check_same_data(logs_dir, before, dataset)
    order = order_of(model, dataset)
    with lock(logs_dir), Background() as background:
        status = run_alone(
            model, dataset, order, logs_dir, experiment, background, going_on=before is not None, replicated=replicated
        )
    return distribution.barrier(replicated, status) if replicated else status


def follow(model: keras.Model, experiment: Experiment, dataset: mnist.Dataset, replicated: distribution.Replicated) -> int:
    """`run` in one of the other processes: train with the chief, and end when it ends; write nothing."""
    print(f"{experiment.name} on {dataset.name}: trains with the chief, which alone reads and writes --logs_dir", flush=True)
    distribution.same_data(replicated, dataset.checksum)
    replicated.spread()
    if int(model.iterations) < FLAGS.max_iterations:
        loop, feed = looped(model, dataset.train.images, order_of(model, dataset), experiment, replicated)
        together = distribution.StopTogether(replicated)
        with stop_signals(partial(setattr, together, "asked")):
            iterate(loop, feed, experiment, [together])
    return distribution.barrier(replicated, 0)


def order_of(model: keras.Model, dataset: mnist.Dataset) -> BatchOrder:
    """Which images make up the batch of which iteration of this run; a model may take several batches in an iteration."""
    batches = getattr(model, "batches_each_iteration", 1)
    examples = len(dataset.train.images)
    return InterleavedBatches(examples, FLAGS.batch_size, FLAGS.seed, dataset.file_order_first, batches)


def visualize(build: type[keras.Model], write_outputs: Callable[[Path, Any, mnist.Dataset | None], dict[str, Any]]) -> int:
    """Write the outputs from the newest checkpoint in --logs_dir, without data and without training.

    Args:
        build: the model's class; it gets the settings that the run was made with.
        write_outputs: logs_dir, model, no dataset → results.

    Returns:
        The exit status.

    Raises:
        RunError: there is no run to draw from.
    """
    logs_dir = usable_logs_dir()
    if not (logs_dir / "config.json").exists():
        raise RunError(f"--visualize needs a run in --logs_dir. Received: {logs_dir}, where there is none")
    config = recorded(logs_dir)
    if config["model"] != build.__name__:
        raise RunError(f"--visualize needs a run of {build.__name__}. Received: {logs_dir}, a run of {config['model']}")
    if not newest_first(logs_dir):
        raise RunError(f"--visualize needs a checkpoint in --logs_dir. Received: {logs_dir}, where there is none")
    model = rebuilt(build, config["settings"])
    with lock(logs_dir):
        restore_newest(tf.train.Checkpoint(model=model), logs_dir)
        write_outputs(logs_dir, model, None)
    print(f"Images from iteration {int(model.iterations):,} are in {logs_dir}")
    return 0


def run_alone(
    model: keras.Model,
    dataset: mnist.Dataset,
    order: BatchOrder,
    logs_dir: Path,
    experiment: Experiment,
    background: Background,
    going_on: bool,
    replicated: distribution.Replicated | None = None,
) -> int:
    """`run`, once nothing stands in its way."""
    sizes = f"{len(dataset.train.labels):,} training"
    if len(dataset.test.labels):
        sizes += f", {len(dataset.test.labels):,} test"
    print(f"{experiment.name} on {dataset.name} ({dataset.source}; {sizes} images) in {logs_dir}")
    if model.compute_dtype != "float32":
        print(f"It computes in {model.compute_dtype}, as 2016's code did not: its results are not comparable with the post's.")
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    dump = experiment.dump
    dump_at = dump and (lambda iteration: dump(logs_dir, model, dataset, iteration, background))
    checkpoints = Checkpoints(model, logs_dir, partial(experiment.due, experiment.checkpoint_every), background, dump_at)
    if checkpoints.restored:
        print(f"Model restored: iteration {checkpoints.iteration:,}, from {checkpoints.restored}")
    if replicated:
        print(f"{replicated.replicas} devices share each batch (--strategy={FLAGS.strategy})")
        distribution.same_data(replicated, dataset.checksum)
        replicated.spread()
    if checkpoints.iteration < FLAGS.max_iterations:
        if going_on:
            discard_from(logs_dir, experiment.iteration_of(checkpoints.iteration))
        (logs_dir / "results.json").unlink(missing_ok=True)  # they will not be those of the weights
        config = configuration(model, dataset)
        atomic_files.write_json(logs_dir / "config.json", config)
        fit(model, dataset, order, logs_dir, experiment, checkpoints, config, replicated)
    else:
        print(f"Finished already, with {checkpoints.iteration:,} iterations; rewriting the outputs.")

    if checkpoints.stop_signal:
        print(f"Stopped and saved at iteration {checkpoints.iteration:,}. To go on, type the same again: {command()}")
        return KILLED + checkpoints.stop_signal
    results = {
        "model": type(model).__name__,
        "iterations": checkpoints.iteration,
        "data": dataset.name,
        "comparable_with_2016": dataset.comparable and model.compute_dtype == "float32",
        "seed": FLAGS.seed,
        "training_seconds": round(float(checkpoints.seconds), 1),
    }
    try:
        results |= experiment.write_outputs(logs_dir, model, dataset)
    except ValueError as error:  # evaluation's word for weights that are no good
        raise RunError(f"{logs_dir} is trained and saved, but cannot be evaluated: {error}") from None
    atomic_files.write_json(logs_dir / "results.json", results)
    print(outputs.table(results))
    print(f"Figures, results.json and model.keras are in {logs_dir}; to see the run: tensorboard --logdir {logs_dir.parent}")
    return 0


def fit(
    model: keras.Model,
    dataset: mnist.Dataset,
    order: BatchOrder,
    logs_dir: Path,
    experiment: Experiment,
    checkpoints: Checkpoints,
    config: dict[str, Any],
    replicated: distribution.Replicated | None = None,
) -> None:
    """Train from where the model is to --max_iterations, or until the user stops it."""
    summaries = Summaries(logs_dir, model, dataset, experiment, order, checkpoints.background)
    summaries.hyperparameters({**config["settings"], "dataset": dataset.name})
    progress = Progress(experiment.name, checkpoints.iteration, FLAGS.max_iterations, model)
    callbacks = [checkpoints, summaries, progress, *experiment.callbacks]
    stopping = stop_signals(partial(setattr, checkpoints, "stop_signal"))
    if replicated and replicated.workers > 1:
        together = distribution.StopTogether(replicated, partial(setattr, checkpoints, "stop_signal"))
        callbacks, stopping = [together, *callbacks], stop_signals(partial(setattr, together, "asked"))
    loop, feed = looped(model, dataset.train.images, order, experiment, replicated)
    with stopping, progress:
        try:
            iterate(loop, feed, experiment, callbacks)
        except NotFiniteError:
            progress.bar.close()
            repeat = None if replicated else partial(feed, most=1)
            raise on_record(logs_dir, located(loop, checkpoints, repeat, experiment.name)) from None


def looped(
    model: keras.Model,
    images: np.ndarray,
    order: BatchOrder,
    experiment: Experiment,
    replicated: distribution.Replicated | None,
) -> tuple[IterationLoop, Callable[..., tf.data.Dataset]]:
    """The compiled loop, and what gives it batches: from an iteration to before another."""
    step, rows = (replicated.train_step, replicated.rows(order.images_each_iteration)) if replicated else (None, slice(None))
    return IterationLoop(model, images, experiment, step), partial(pipeline, images, order, experiment, rows=rows)


def iterate(
    loop: IterationLoop,
    feed: Callable[..., tf.data.Dataset],
    experiment: Experiment,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Do the iterations up to --max_iterations."""
    start, stop = int(loop.model.iterations), FLAGS.max_iterations
    loop.fit(
        feed(start, stop),
        epochs=sum(1 for _ in experiment.calls(start, stop)),
        steps_per_epoch=1,
        shuffle=False,  # the order is BatchOrder's
        verbose=0,
        callbacks=callbacks,
    )
