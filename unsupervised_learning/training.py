"""One run: its directory, seed, config.json, checkpoints and resume, callbacks, `fit`. Knows no architecture.

The unit is the iteration, one update from one batch, as in 2016. What an iteration does depends only on the weights, the
optimizer's state and its number: the batch (`data.BatchOrder`) and the noise (`layers.named_noise`) are functions of the
seed and that number. So a checkpoint of the model and its optimizer is the whole state, and resume is exact.

For `fit`, an epoch is the stretch of iterations between two summaries, done in one compiled call.
"""

import dataclasses
import io
import json
import math
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from unsupervised_learning import data, outputs
from unsupervised_learning.command_line import KILLED, RunError, command
from unsupervised_learning.summaries import Record, Summaries, discard_from

FLAGS = flags.FLAGS
CHECKPOINT_EVERY = 1_000  # iterations, 2016's; also between two of 2016's latent dumps
CHECKPOINTS_KEPT = 5


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What differs between the runs of different models.

    Attributes:
        name: in the terminal.
        record: model, images → what 2016's code logged.
        summary_every: iterations between two records; must divide `CHECKPOINT_EVERY`.
        scatter_every: iterations between two latent scatters in TensorBoard.
        write_outputs: logs_dir, model, dataset → results; writes what a finished run leaves.
        dump: logs_dir, model, test split, iteration; called every `CHECKPOINT_EVERY` iterations, before the update.
    """

    name: str
    record: Callable[[Any, tf.Tensor], Record]
    summary_every: int
    scatter_every: int
    write_outputs: Callable[[Path, Any, data.Dataset], dict[str, Any]]
    dump: Callable[[Path, Any, data.Split, int], None] | None = None


# The directory of a run


def usable_logs_dir() -> Path:
    """--logs_dir as a path, once it is sure that it can be made and written; makes nothing.

    Raises:
        RunError: where it cannot.
    """
    path = Path(FLAGS.logs_dir)
    existing = path
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise RunError(f"--logs_dir must be a folder, or a path where one can be made. Received: {path}: {existing} is a file")
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise RunError(f"--logs_dir must be writable. Received: {path}: {existing}: {error.strerror}") from None
    return path


def check_same_run(logs_dir: Path, config: dict[str, Any]) -> bool:
    """Refuse to go on in a directory that another kind of run has made.

    Returns:
        Whether there is a run to go on with.

    Raises:
        RunError: naming the settings that differ and what to type instead.
    """
    path = logs_dir / "config.json"
    if not path.exists():
        if tf.train.latest_checkpoint(str(logs_dir)):
            raise RunError(
                f"{logs_dir} holds checkpoints but no config.json to tell how they were made; choose another --logs_dir"
            )
        return False
    try:
        before = json.loads(path.read_text())
        settings, checksum, data_name = before["settings"], before["data"]["checksum"], before["data"]["name"]
        model, source = before["model"], before["data"]["source"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a run's config.json ({error}); choose another --logs_dir") from None
    if model != config["model"]:
        raise RunError(f"{logs_dir} holds a run of {model}, this is {config['model']}; choose another --logs_dir")
    differing = {name: settings.get(name) for name, value in config["settings"].items() if settings.get(name) != value}
    if differing:
        here = ", ".join(f"{name} is {value} there and {config['settings'][name]} here" for name, value in differing.items())
        there = " ".join(f"--{name}={str(value).lower()}" for name, value in differing.items())
        raise RunError(
            f"{logs_dir} was made with other settings: {here}. To go on with it type {there}; else another --logs_dir"
        )
    if checksum != config["data"]["checksum"]:
        raise RunError(
            f"{logs_dir} was made with other data: {data_name} from {source} there, {config['data']['name']} from "
            f"{config['data']['source']} here. To go on with it type --dataset={data_name} with the --data_dir of then; "
            "else another --logs_dir"
        )
    return True


def configuration(model: keras.Model, dataset: data.Dataset) -> dict[str, Any]:
    """What config.json holds: everything that decides the numbers."""
    own = {name: value for name, value in model.get_config().items() if name in FLAGS}
    return {
        "model": type(model).__name__,
        "settings": {**own, "batch_size": FLAGS.batch_size, "learning_rate": FLAGS.learning_rate},
        "max_iterations": FLAGS.max_iterations,
        "data": dataset.describe(),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "command": command(),
    }


# Many iterations in one compiled call


class IterationLoop(keras.Model):
    """Calls another model's `train_step` for many batches inside one compiled call.

    `fit` then costs nothing for each iteration, and the images stay in memory as bytes: a batch is gathered by index where
    it is used. Its own `train_step` takes (indices int32 [most iterations, batch], count), and does the first `count`.

    Args:
        model: built and compiled.
        images: uint8 [n, 784].
    """

    def __init__(self, model: keras.Model, images: np.ndarray):
        super().__init__()
        self.model, self.images = model, tf.constant(images)
        self.compile(optimizer=model.optimizer, jit_compile=True)  # XLA also where Keras's "auto" would not, on a CPU
        self.built = True

    def train_step(self, data):
        """Do `count` iterations; returns the losses averaged over them."""
        indices, count = data

        def iteration(i):
            batch = tf.gather(self.images, indices[i])
            self.model.train_step(tf.cast(batch, tf.float32) * (1.0 / 255.0))  # as data.to_unit_interval
            return (i + 1,)

        tf.while_loop(lambda i: i < count, iteration, (0,))
        return {metric.name: metric.result() for metric in self.metrics}

    @property
    def metrics(self):
        """The model's own, so that `fit` resets them at each epoch."""
        return self.model.metrics


def stretches(order: data.BatchOrder, batch_size: int, start: int, stop: int, every: int) -> tf.data.Dataset:
    """What `IterationLoop` takes, from iteration `start` to before `stop`, broken at each multiple of `every`."""

    def generate() -> Iterator[tuple[np.ndarray, int]]:
        at = start
        while at < stop:
            count = min(every - at % every, stop - at)
            indices = np.zeros((every, batch_size), np.int32)
            indices[:count] = order.indices(at, count)
            yield indices, count
            at += count

    signature = (tf.TensorSpec((every, batch_size), tf.int32), tf.TensorSpec((), tf.int32))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread is waited for when the iterator goes: seconds at the end of every run
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(1).with_options(options)


# Callbacks


class Checkpoints(keras.callbacks.Callback):
    """Saves every `CHECKPOINT_EVERY` iterations before the update, at the end, and when the user asks to stop."""

    def __init__(self, model: keras.Model, logs_dir: Path, dump: Callable[[int], None] | None):
        super().__init__()
        self.optimizer, self.dump = model.optimizer, dump
        self.seconds = tf.Variable(tf.zeros((), tf.float64), trainable=False)  # of training, over all resumed runs
        self.checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, seconds=self.seconds)
        self.manager = tf.train.CheckpointManager(
            self.checkpoint, str(logs_dir), max_to_keep=CHECKPOINTS_KEPT, checkpoint_name="model.ckpt"
        )
        self.stop_signal = 0
        self.clock = time.perf_counter()

    @property
    def iteration(self) -> int:
        """The coming iteration, counted from 0: as many have been done."""
        return int(self.optimizer.iterations)

    def restore(self) -> str | None:
        """Restore the newest checkpoint, if there is one; returns its path.

        Raises:
            RunError: if it cannot be read.
        """
        latest = self.manager.latest_checkpoint
        if latest:
            try:
                self.checkpoint.restore(latest).assert_existing_objects_matched()
            except Exception as error:  # a damaged file surfaces as anything from DataLossError to IndexError
                reason = str(error).strip().splitlines()[0]
                raise RunError(f"cannot read the checkpoint {latest}: {reason}") from None
        return latest

    def save(self) -> None:
        """Save the state as it is, unless the newest checkpoint holds it already."""
        now = time.perf_counter()
        self.seconds.assign_add(now - self.clock)
        self.clock = now
        latest = self.manager.latest_checkpoint
        if latest is None or not latest.endswith(f"-{self.iteration}"):
            self.manager.save(checkpoint_number=self.iteration)

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.clock = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Save where 2016 did: at 0, 1,000, …, before that iteration's update."""
        if self.iteration % CHECKPOINT_EVERY == 0:
            if self.dump:
                self.dump(self.iteration)
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        """See that the losses are numbers; stop if asked to."""
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if bad:
            raise RunError(
                f"the losses {', '.join(bad)} are not finite before iteration {self.iteration:,}; the last good checkpoint is "
                f"{self.manager.latest_checkpoint}. A smaller --learning_rate may help, in another --logs_dir"
            )
        if self.stop_signal:
            self.save()
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Save the last state.

        Departs from 2016: its last checkpoint is that of iteration 20,000 or 100,000, before the last update; this one is saved
        because a larger --max_iterations goes on from it.
        """
        self.save()

    @contextmanager
    def stopping_on_signals(self):
        """Let Ctrl-C and SIGTERM stop training at the end of the stretch, where the state is whole; twice stops at once."""

        def request(number, frame):
            if self.stop_signal:
                raise KeyboardInterrupt
            self.stop_signal = number

        before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Progress(keras.callbacks.Callback):
    """One line: iteration, losses, iterations/s, time left. Where output is not a terminal, a new line every 10 seconds."""

    def __init__(self, name: str, start: int, stop: int, model: keras.Model):
        super().__init__()
        self.optimizer, self.terminal = model.optimizer, sys.stdout.isatty()
        self.names = [metric.name for metric in model.metrics]  # `logs` has them in alphabetical order
        self.bar = tqdm(
            desc=name,
            initial=start,
            total=stop,
            unit=" iterations",
            file=sys.stdout if self.terminal else io.StringIO(),
            dynamic_ncols=True,
            bar_format="{desc} {n:,}/{total:,} |{bar:20}| {rate_fmt}, {remaining} left{postfix}",
        )
        self.printed = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Show the losses of the stretch that has ended."""
        losses = [(name, logs[name]) for name in self.names] if logs else []
        self.bar.set_postfix_str(", ".join(f"{name} {value:.4g}" for name, value in losses), refresh=False)
        self.bar.update(int(self.optimizer.iterations) - self.bar.n)
        if not self.terminal and time.monotonic() - self.printed > 10:
            print(self.bar, flush=True)
            self.printed = time.monotonic()

    def on_train_end(self, logs=None):
        """Leave the line as it is and go to the next."""
        if not self.terminal:
            print(self.bar, flush=True)
        self.bar.close()


# The run


def run(model: keras.Model, dataset: data.Dataset, logs_dir: Path, experiment: Experiment) -> int:
    """Train up to --max_iterations, going on from the newest checkpoint; then write the outputs.

    Args:
        model: compiled.
        dataset: from `data.load`.
        logs_dir: from `usable_logs_dir`.
        experiment: what is particular to the model.

    Returns:
        The exit status.

    Raises:
        RunError: see `check_same_run`; or a loss is not finite.
    """
    order = data.BatchOrder(len(dataset.train.images), FLAGS.batch_size, FLAGS.seed)
    config = configuration(model, dataset)
    going_on = check_same_run(logs_dir, config)
    try:
        logs_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--logs_dir cannot be made. Received: {logs_dir}: {error.strerror}") from None
    sizes = f"{len(dataset.train.labels):,} training, {len(dataset.test.labels):,} test images"
    print(f"{experiment.name} on {dataset.name} ({dataset.source}; {sizes}) in {logs_dir}")

    model.optimizer.build(model.trainable_variables)
    dump = experiment.dump
    checkpoints = Checkpoints(model, logs_dir, dump and (lambda i: dump(logs_dir, model, dataset.test, i)))
    restored = checkpoints.restore()
    if restored:
        print(f"Model restored: iteration {checkpoints.iteration:,}, from {restored}")
    if checkpoints.iteration < FLAGS.max_iterations:
        if going_on:
            discard_from(logs_dir, checkpoints.iteration)
        outputs.write_json(logs_dir / "config.json", config)
        fit(model, dataset, order, logs_dir, experiment, checkpoints, config)
    else:
        print(f"Finished already, with {checkpoints.iteration:,} iterations; rewriting the outputs.")

    if checkpoints.iteration < FLAGS.max_iterations:
        print(f"Stopped and saved at iteration {checkpoints.iteration:,}. To go on, type the same again: {command()}")
        return KILLED + checkpoints.stop_signal
    results = {
        "model": type(model).__name__,
        "iterations": checkpoints.iteration,
        "data": dataset.name,
        "comparable_with_2016": dataset.comparable,
        "seed": FLAGS.seed,
        "training_seconds": round(float(checkpoints.seconds), 1),
        **experiment.write_outputs(logs_dir, model, dataset),
    }
    outputs.write_json(logs_dir / "results.json", results)
    print(outputs.table(results))
    print(f"Figures, results.json and model.keras are in {logs_dir}; to see the run: tensorboard --logdir {logs_dir.parent}")
    return 0


def fit(
    model: keras.Model,
    dataset: data.Dataset,
    order: data.BatchOrder,
    logs_dir: Path,
    experiment: Experiment,
    checkpoints: Checkpoints,
    config: dict[str, Any],
) -> None:
    """Train from where the model is to --max_iterations, or until the user stops it."""
    start, stop, every = checkpoints.iteration, FLAGS.max_iterations, experiment.summary_every
    images = dataset.train.images

    def batch(iteration: int) -> np.ndarray:
        return data.to_unit_interval(images[order_for_summaries.indices(iteration, 1)[0]])

    order_for_summaries = data.BatchOrder(len(images), FLAGS.batch_size, FLAGS.seed)  # `order` is the data pipeline's
    summaries = Summaries(logs_dir, model, experiment.record, batch, dataset.validation, every, experiment.scatter_every)
    summaries.hyperparameters({**config["settings"], "dataset": dataset.name})
    progress = Progress(experiment.name, start, stop, model)
    with checkpoints.stopping_on_signals():
        IterationLoop(model, images.reshape(len(images), -1)).fit(
            stretches(order, FLAGS.batch_size, start, stop, every),
            initial_epoch=start // every,
            epochs=-(-stop // every),
            steps_per_epoch=1,
            shuffle=False,  # the order is BatchOrder's
            verbose=0,
            callbacks=[summaries, checkpoints, progress],
        )
