"""Training on several devices or machines: the same batches, losses and updates as on one, by `tf.distribute`.

The model that a run knows, with its checkpoints, summaries and outputs, stays on one device and knows nothing of this. Beside
it stands a twin, made under the strategy, with a copy of every variable on every device. The model draws an iteration's noise
for the whole batch. Each replica takes its rows of images and noise and updates the twin, whose new state is copied into the
model. So everything a run writes is that of a run on one device, and its checkpoints go on under any strategy.

In each replica the twin's losses are those of the whole batch as far as its rows tell: their mean over the replicas is the
whole batch's loss, and the mean of their gradients its gradient. For losses that average over the batch nothing has to be
done. `Replicated.adapt` has the twin scale sums over the batch, average the gradients, and normalize by the whole batch.

With several processes the first, the chief, does all that is done once: it alone reads and writes --logs_dir.
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

# Which devices


def start(settings: Settings) -> tf.distribute.Strategy | None:
    """The strategy that --strategy asks for, None for `none`. Has to come before any other use of TensorFlow.

    Raises:
        RunError: it cannot be had, or does not go with the other flags.
    """
    if settings.logical_cpus > 1 and settings.strategy != "mirrored":
        raise RunError(f"--logical_cpus goes with --strategy=mirrored. Received: --strategy={settings.strategy}")
    if settings.strategy == "none":
        return None
    if settings.jit == "on":
        raise RunError(f"--jit=on goes with --strategy=none. Received: --strategy={settings.strategy}")
    return mirrored(settings) if settings.strategy == "mirrored" else multi_worker(settings)


def mirrored(settings: Settings) -> tf.distribute.Strategy:
    """All GPUs of this machine, or where there is none its CPU in --logical_cpus parts."""
    if settings.logical_cpus > 1:
        parts = [tf.config.LogicalDeviceConfiguration()] * settings.logical_cpus
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise RunError(
            f"--strategy=mirrored needs two devices or more. Received: one, {devices[0].name}. --logical_cpus=2 makes two of a "
            "CPU, to try it"
        )
    check_batch_size(settings.batch_size, len(devices))
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def multi_worker(settings: Settings) -> tf.distribute.Strategy:
    """All GPUs, or where there is none the CPU, of every process that TF_CONFIG names."""
    worker = this_worker()
    check_batch_size(settings.batch_size, len(worker.addresses) * (len(tf.config.list_physical_devices("GPU")) or 1))
    meet(worker, settings.shared())
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGALRM)}
    signal.alarm(int(PATIENCE))  # TensorFlow waits for ever, and Python does not have its turn meanwhile
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise WorkerLostError(f"the workers cannot be connected: {error.message}") from None
    finally:
        signal.alarm(0)
        for number, handler in {**handlers, signal.SIGTERM: signal.SIG_DFL}.items():  # TensorFlow has taken SIGTERM
            signal.signal(number, handler)


def check_batch_size(batch_size: int, devices: int) -> None:
    """Refuse a batch that the devices cannot share evenly.

    Raises:
        RunError: naming both, and sizes that would do.
    """
    if batch_size % devices:
        below = batch_size // devices * devices
        sizes = f"{below} or {below + devices}" if below else f"{devices}"
        raise RunError(f"--batch_size must be a multiple of the {devices} devices, as {sizes}. Received: {batch_size}")


# The model on all of them


class Replicated:
    """Trains a model by its twin under a strategy.

    Args:
        model: built and compiled, on one device.
        strategy: what `start` gave.
        jit_compile: whether XLA would compile the training on one device.
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
        # From one seed XLA draws other normal numbers than TensorFlow.
        self.draw = tf.function(model.training_noise, jit_compile=jit_compile) if draws else None
        self.exchange = tf.function(lambda value: self.in_first(strategy.run(lambda: gathered(value[None]))))
        self.adapt()

    def adapt(self) -> None:
        """Have the twin compute in each replica what the whole batch's loss and update are made of."""
        for part in parts_of(self.twin):
            if isinstance(part, keras.optimizers.Optimizer):
                part.loss_scale_factor = float(self.replicas)  # Keras divides gradients by it, and adds up the replicas'
            elif isinstance(part, layers.BatchNormalization):
                part.moments = moments_of_whole
        self.twin.sum_over_batch = lambda values: self.replicas * tf.reduce_sum(values)

    @property
    def replicas(self) -> int:
        """Devices on which the twin is."""
        return self.strategy.num_replicas_in_sync

    @property
    def workers(self) -> int:
        """Processes that train together."""
        return getattr(self.strategy.extended, "_num_workers", 1)

    @property
    def number(self) -> int:
        """Of this process among them; 0 is the chief."""
        return getattr(self.strategy.extended, "_id_in_cluster", 0)

    def rows(self, images: int) -> slice:
        """Those of an iteration's images that this process's replicas take."""
        each = images // self.workers
        return slice(self.number * each, (self.number + 1) * each)

    def in_first(self, value: Any) -> tf.Tensor:
        """A value or variable as the first of this process's replicas has it."""
        values = value.value if isinstance(value, keras.Variable) else value
        return self.strategy.experimental_local_results(values)[0]

    def exchanged(self, value: int) -> list[int]:
        """The numbers that the workers bring, each below 2³¹; waits until all have brought one."""
        of_replicas = self.exchange(tf.constant(value, tf.int64)).numpy()
        return of_replicas[:: self.replicas // self.workers].tolist()

    def agreed(self, signal_number: int) -> int:
        """The number of a signal that one of the workers was sent, by which all stop after the same iteration; 0 for none."""
        return signal_number if self.workers == 1 else max(self.exchanged(signal_number))

    def spread(self) -> None:
        """Make the chief's state everybody's, in model and twin."""
        if self.workers > 1:
            spread = tf.function(lambda: [self.in_first(value) for value in self.strategy.run(self.of_chief)])
            for (variable, _), value in zip(self.state, spread(), strict=True):
                variable.assign(value)
        for variable, mirrored_variable in self.state:
            with self.strategy.scope():
                mirrored_variable.assign(tf.convert_to_tensor(variable))

    def of_chief(self) -> list[tf.Tensor]:
        """The model's state as the chief has it; for replicas."""
        chief = number() == 0
        values = [tf.convert_to_tensor(variable) for variable, _ in self.state]
        reduce = partial(tf.distribute.get_replica_context().all_reduce, tf.distribute.ReduceOp.SUM)
        return [reduce(tf.where(chief, value, tf.zeros_like(value))) for value in values]

    def train_step(self, images: tf.Tensor) -> None:
        """One iteration by the twin, then its state in the model.

        Args:
            images: all of the iteration's [images, …], scaled; of other processes' rows anything.
        """
        noise = () if self.draw is None else (self.draw(images),)

        def updated(due: bool | None = None) -> list[tf.Tensor]:
            if due is not None:  # decided out here: replicas cannot exchange anything within a `tf.cond`
                self.twin.due = lambda: due
            return list(map(self.in_first, self.strategy.run(self.step, args=(images, *noise))))

        due = self.model.due() if hasattr(self.model, "due") else True
        reported = updated() if isinstance(due, bool) else tf.cond(due, lambda: updated(True), lambda: updated(False))
        for variable, mirrored_variable in self.state:
            variable.assign(self.in_first(mirrored_variable))
        for (variable, _), value in zip(self.metrics, reported, strict=True):
            variable.assign(value)

    def step(self, images: tf.Tensor, *noise: tf.Tensor) -> list[tf.Tensor]:
        """What each replica does; returns the variables of the metrics, averaged over the replicas."""
        for variable, mirrored_variable in self.metrics:
            mirrored_variable.assign(tf.convert_to_tensor(variable))  # `fit` resets the model's
        self.twin.update(share(images), *map(share, noise))
        values = [tf.convert_to_tensor(mirrored_variable) for _, mirrored_variable in self.metrics]
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


# In a replica


def number() -> tf.Tensor:
    """Which of the replicas this is, from 0; a scalar, int32."""
    return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)


def share(values: tf.Tensor) -> tf.Tensor:
    """The replica's rows of the whole batch's: [batch, …] → [batch / replicas, …]."""
    rows = tf.shape(values)[0] // tf.distribute.get_strategy().num_replicas_in_sync
    return values[number() * rows : (number() + 1) * rows]


def gathered(rows: tf.Tensor) -> tf.Tensor:
    """All replicas' rows, the same in all of them: [batch / replicas, …] → [batch, …]; with a gradient.

    An all-reduce of the rows among zeros for those of the others, which is exact.
    """
    before = number() * tf.shape(rows)[0]
    after = (tf.distribute.get_strategy().num_replicas_in_sync - 1 - number()) * tf.shape(rows)[0]
    paddings = tf.stack([tf.stack([before, after]), *[tf.zeros(2, tf.int32)] * (rows.shape.rank - 1)])
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.pad(rows, paddings))


def moments_of_whole(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The whole batch's mean and variance, each [channels], from a replica's [rows, height, width, channels].

    One exchange, and no difference of squares, which would round: the whole's variance is the replicas' mean variance plus
    the variance of their means (Chan, Golub & LeVeque 1979, for shares of one size).
    """
    of_replicas = gathered(tf.stack(tf.nn.moments(inputs, axes=(0, 1, 2)))[None])  # [replicas, 2, channels]
    means, variances = of_replicas[:, 0], of_replicas[:, 1]
    mean = tf.reduce_mean(means, axis=0)
    return mean, tf.reduce_mean(variances + tf.square(means - mean), axis=0)


def parts_of(model: keras.Model) -> list[Any]:
    """All that a checkpoint of the model goes through, in an order that is the same for its twin."""
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)  # the view alone does not keep it
    return tf.train.TrackableView(checkpoint).descendants()


def state_of(model: keras.Model) -> list[Any]:
    """All variables that a checkpoint of the model holds, in an order that is the same for its twin."""
    return [part for part in parts_of(model) if isinstance(part, (tf.Variable, keras.Variable))]


def metrics_of(model: keras.Model) -> list[keras.Variable]:
    """The variables of its metrics."""
    return [variable for metric in model.metrics for variable in metric.variables]


# Several processes


@contextmanager
def answering_for_the_lost() -> Iterator[None]:
    """Turn what TensorFlow raises when another worker is gone into one line.

    Raises:
        WorkerLostError: naming the worker where TensorFlow does.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError) as error:
        named = re.search(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)", error.message.partition("Collective ops is aborted by")[2])
        who = f"{named[1]} {named[2]}" if named else "another worker"
        raise WorkerLostError(
            f"{who} is lost: it ended, or cannot be reached. The newest checkpoint holds; to go on start all workers again, "
            "each as before"
        ) from None


def same_data(replicated: Replicated, checksum: str) -> None:
    """See that the workers train on the same data.

    Args:
        replicated: connects the workers.
        checksum: of this one's data, hexadecimal.

    Raises:
        RunError: naming those whose data is not the chief's.
    """
    found = replicated.exchanged(int(checksum[:7], 16))
    differing = [str(number) for number, value in enumerate(found) if value != found[0]]
    if differing:
        raise RunError(f"worker {', '.join(differing)} has other data than the chief; give all workers the same data")


def barrier(replicated: Replicated, status: int) -> int:
    """Wait for all workers; gives the chief's exit status."""
    return replicated.exchanged(status)[0]
