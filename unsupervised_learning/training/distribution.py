"""Training on several devices or machines with `tf.distribute`: the same batches, losses and updates as on one device.

The model itself, with its checkpoints, summaries and outputs, stays on one device and is not aware of the distribution. A twin
of it is created under the strategy, with a copy of every variable on every device. In each iteration, the model draws the
noise for the whole batch, each replica updates the twin with its rows of images and noise, and the twin's new state is copied
to the model. So a run writes the same files as on one device, and its checkpoints can be resumed under any strategy.

The mean of the replicas' losses must equal the loss of the whole batch, and likewise for the gradients. This holds by itself
for losses that are averaged over the batch. For the rest, `Replicated.adapt` makes the twin scale sums over the batch, average
the gradients, and use the whole batch's statistics in batch normalization.

With several processes, only the first one, the chief, reads and writes --logs_dir.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.errors import RunError
from unsupervised_learning.training.settings import Settings
from unsupervised_learning.training.workers import PATIENCE, WorkerLostError, meet, this_worker

# Choice of devices


def start(settings: Settings) -> tf.distribute.Strategy | None:
    """Return the strategy that --strategy names; None for `none`. Call this before any other use of TensorFlow.

    Raises:
        RunError: the strategy is not available, or contradicts other flags.
    """
    if settings.logical_cpus > 1 and settings.strategy != "mirrored":
        raise RunError(f"--logical_cpus needs --strategy=mirrored. Received: --strategy={settings.strategy}")
    if settings.strategy == "none":
        return None
    if settings.jit == "on":
        raise RunError(f"--jit=on needs --strategy=none. Received: --strategy={settings.strategy}")
    return mirrored(settings) if settings.strategy == "mirrored" else multi_worker(settings)


def mirrored(settings: Settings) -> tf.distribute.Strategy:
    """Return a strategy for all GPUs of this machine, or else for its CPU, split into --logical_cpus devices."""
    if settings.logical_cpus > 1:
        parts = [tf.config.LogicalDeviceConfiguration()] * settings.logical_cpus
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise RunError(
            f"--strategy=mirrored needs two devices or more. Received: one, {devices[0].name}. To try it, split the CPU into "
            "two devices with --logical_cpus=2"
        )
    check_batch_size(settings.batch_size, len(devices))
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def multi_worker(settings: Settings) -> tf.distribute.Strategy:
    """Return a strategy for all GPUs, or else the CPU, of every process in TF_CONFIG."""
    worker = this_worker()
    check_batch_size(settings.batch_size, len(worker.addresses) * (len(tf.config.list_physical_devices("GPU")) or 1))
    meet(worker, settings.shared())
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGALRM)}
    signal.alarm(int(PATIENCE))  # TensorFlow waits forever, and no Python code can run meanwhile
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise WorkerLostError(f"the workers cannot be connected: {error.message}") from None
    finally:
        signal.alarm(0)
        for number, handler in {**handlers, signal.SIGTERM: signal.SIG_DFL}.items():  # TensorFlow replaced SIGTERM's handler
            signal.signal(number, handler)


def check_batch_size(batch_size: int, devices: int) -> None:
    """Refuse a batch size that cannot be divided evenly among the devices.

    Raises:
        RunError: the message names valid sizes.
    """
    if batch_size % devices:
        below = batch_size // devices * devices
        sizes = f"{below} or {below + devices}" if below else f"{devices}"
        raise RunError(f"--batch_size must be a multiple of the {devices} devices, as {sizes}. Received: {batch_size}")


# The model on all devices


class Replicated:
    """Trains a model through a twin under a strategy.

    Args:
        model: built and compiled, on one device.
        strategy: from `start`.
        jit_compile: whether XLA would compile the training on one device; the noise is drawn accordingly.
    """

    def __init__(self, model: keras.Model, strategy: tf.distribute.Strategy, jit_compile: bool = False):
        self.strategy = strategy
        with strategy.scope():
            self.twin = type(model).from_config(model.get_config())
            self.twin.compile_from_config(model.get_compile_config())
        for one in (model, self.twin):
            if not one.optimizer.built:
                one.optimizer.build(one.trainable_variables)
        self.state = list(zip(state_of(model), state_of(self.twin), strict=True))
        self.metrics = list(zip(metrics_of(model), metrics_of(self.twin), strict=True))
        self.model = model
        draws = hasattr(model, "training_noise")
        # For the same seed, XLA draws different normal numbers than TensorFlow.
        self.draw = tf.function(model.training_noise, jit_compile=jit_compile) if draws else None
        self.exchange = tf.function(lambda value: self.in_first(strategy.run(lambda: gathered(value[None]))))
        self.adapt()

    def adapt(self) -> None:
        """Adapt the twin so that the replicas together compute the loss and update of the whole batch."""
        for part in parts_of(self.twin):
            if isinstance(part, keras.optimizers.Optimizer):
                part.loss_scale_factor = float(self.replicas)  # Keras divides gradients by this and sums over replicas
            elif isinstance(part, layers.BatchNormalization):
                part.moments = moments_of_whole
        self.twin.sum_over_batch = lambda values: self.replicas * tf.reduce_sum(values)

    @property
    def replicas(self) -> int:
        """Number of devices that hold a copy of the twin."""
        return self.strategy.num_replicas_in_sync

    @property
    def workers(self) -> int:
        """Number of processes that train together."""
        return getattr(self.strategy.extended, "_num_workers", 1)

    @property
    def number(self) -> int:
        """Index of this process among the workers; 0 is the chief."""
        return getattr(self.strategy.extended, "_id_in_cluster", 0)

    def rows(self, images: int) -> slice:
        """Return the range of an iteration's images that the replicas of this process use."""
        each = images // self.workers
        return slice(self.number * each, (self.number + 1) * each)

    def in_first(self, value: Any) -> tf.Tensor:
        """Return the value that the first replica of this process holds."""
        values = value.value if isinstance(value, keras.Variable) else value
        return self.strategy.experimental_local_results(values)[0]

    def exchanged(self, value: int) -> list[int]:
        """Return the values of all workers, each below 2³¹. Blocks until every worker has called this."""
        of_replicas = self.exchange(tf.constant(value, tf.int64)).numpy()
        return of_replicas[:: self.replicas // self.workers].tolist()

    def agreed(self, signal_number: int) -> int:
        """Return the highest signal number among all workers, so that all stop after the same iteration; 0 for none."""
        return signal_number if self.workers == 1 else max(self.exchanged(signal_number))

    def spread(self) -> None:
        """Copy the chief's state to the model and twin of every worker."""
        if self.workers > 1:
            spread = tf.function(lambda: [self.in_first(value) for value in self.strategy.run(self.of_chief)])
            for (variable, _), value in zip(self.state, spread(), strict=True):
                variable.assign(value)
        for variable, mirrored_variable in self.state:
            with self.strategy.scope():
                mirrored_variable.assign(tf.convert_to_tensor(variable))

    def of_chief(self) -> list[tf.Tensor]:
        """Return the state of the chief's model. Call this in a replica."""
        chief = number() == 0
        values = [tf.convert_to_tensor(variable) for variable, _ in self.state]
        reduce = partial(tf.distribute.get_replica_context().all_reduce, tf.distribute.ReduceOp.SUM)
        return [reduce(tf.where(chief, value, tf.zeros_like(value))) for value in values]

    def train_step(self, images: tf.Tensor) -> None:
        """Run one iteration with the twin, then copy its state to the model.

        Args:
            images: all images of the iteration, [images, …], scaled. Rows of other processes may hold anything.
        """
        noise = () if self.draw is None else (self.draw(images),)

        def updated(due: bool | None = None) -> list[tf.Tensor]:
            if due is not None:  # decided outside the replicas, which cannot communicate inside a `tf.cond`
                self.twin.due = lambda: due
            return list(map(self.in_first, self.strategy.run(self.step, args=(images, *noise))))

        due = self.model.due() if hasattr(self.model, "due") else True
        reported = updated() if isinstance(due, bool) else tf.cond(due, lambda: updated(True), lambda: updated(False))
        for variable, mirrored_variable in self.state:
            variable.assign(self.in_first(mirrored_variable))
        for (variable, _), value in zip(self.metrics, reported, strict=True):
            variable.assign(value)

    def step(self, images: tf.Tensor, *noise: tf.Tensor) -> list[tf.Tensor]:
        """Run one iteration in a replica; return the metrics' variables, averaged over the replicas."""
        for variable, mirrored_variable in self.metrics:
            mirrored_variable.assign(tf.convert_to_tensor(variable))  # the loop resets only the model's metrics
        self.twin.update(share(images), *map(share, noise))
        # `tf.identity` runs on the replica's device. A variable's value names no device, and several workers need one.
        values = [tf.identity(tf.convert_to_tensor(mirrored_variable)) for _, mirrored_variable in self.metrics]
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


# Functions for use in a replica


def number() -> tf.Tensor:
    """Return the index of this replica, an int32 scalar."""
    return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)


def share(values: tf.Tensor) -> tf.Tensor:
    """Return this replica's rows [batch / replicas, …] of the whole batch [batch, …]."""
    rows = tf.shape(values)[0] // tf.distribute.get_strategy().num_replicas_in_sync
    return values[number() * rows : (number() + 1) * rows]


def gathered(rows: tf.Tensor) -> tf.Tensor:
    """Concatenate the rows [batch / replicas, …] of all replicas to [batch, …], in each of them. Differentiable.

    Each replica pads its rows with zeros and all are summed, which is exact.
    """
    before = number() * tf.shape(rows)[0]
    after = (tf.distribute.get_strategy().num_replicas_in_sync - 1 - number()) * tf.shape(rows)[0]
    paddings = tf.stack([tf.stack([before, after]), *[tf.zeros(2, tf.int32)] * (rows.shape.rank - 1)])
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.pad(rows, paddings))


def moments_of_whole(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return mean and variance of the whole batch, each [channels], given this replica's [rows, height, width, channels].

    The variance of the batch is the mean of the replicas' variances plus the variance of their means (Chan, Golub & LeVeque
    1979, for shares of equal size). This takes one exchange and avoids a difference of squares, which would lose precision.
    """
    of_replicas = gathered(tf.stack(tf.nn.moments(inputs, axes=(0, 1, 2)))[None])  # [replicas, 2, channels]
    means, variances = of_replicas[:, 0], of_replicas[:, 1]
    mean = tf.reduce_mean(means, axis=0)
    return mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0)


def parts_of(model: keras.Model) -> list[Any]:
    """Return all objects that a checkpoint of the model visits, in the same order for model and twin."""
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)  # a variable, as the view keeps no reference
    return tf.train.TrackableView(checkpoint).descendants()


def state_of(model: keras.Model) -> list[Any]:
    """Return all variables that a checkpoint of the model holds, in the same order for model and twin."""
    return [part for part in parts_of(model) if isinstance(part, (tf.Variable, keras.Variable))]


def metrics_of(model: keras.Model) -> list[keras.Variable]:
    """Return the variables of the model's metrics."""
    return [variable for metric in model.metrics for variable in metric.variables]


# Several processes


@contextmanager
def answering_for_the_lost() -> Iterator[None]:
    """Context that turns TensorFlow's errors about a lost worker into a one-line error.

    Raises:
        WorkerLostError: names the worker if TensorFlow does.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError) as error:
        named = re.search(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)", error.message.partition("Collective ops is aborted by")[2])
        who = f"{named[1]} {named[2]}" if named else "another worker"
        raise WorkerLostError(
            f"{who} is lost: it ended, or cannot be reached. The newest checkpoint is intact; to resume, restart all workers "
            "with the same commands"
        ) from None


def same_data(replicated: Replicated, checksum: str) -> None:
    """Check that all workers train on the same data.

    Args:
        replicated: connects the workers.
        checksum: hexadecimal checksum of this worker's data.

    Raises:
        RunError: names the workers whose data differ from the chief's.
    """
    found = replicated.exchanged(int(checksum[:7], 16))
    differing = [str(number) for number, value in enumerate(found) if value != found[0]]
    if differing:
        raise RunError(f"the chief and worker {', '.join(differing)} have different data; give all workers the same data")


def barrier(replicated: Replicated, status: int) -> int:
    """Wait for all workers; return the chief's exit status."""
    return replicated.exchanged(status)[0]
