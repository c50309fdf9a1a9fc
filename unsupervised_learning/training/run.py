"""A run from start to end: restore the newest checkpoint, train, write the outputs. Independent of the architecture."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from unsupervised_learning import atomic_files
from unsupervised_learning.data.batches import BatchOrder, InterleavedBatches
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import KILLED, RunError
from unsupervised_learning.monitoring import hyperparameters
from unsupervised_learning.monitoring.event_files import discard_from, viewer
from unsupervised_learning.monitoring.monitor import Monitor
from unsupervised_learning.monitoring.writer_thread import Background
from unsupervised_learning.training import distribution, loop, nonfinite, run_directory
from unsupervised_learning.training.checkpoints import Checkpoints, newest_first, restore_newest
from unsupervised_learning.training.settings import Settings


def run(
    settings: Settings,
    model: Any,
    monitor: Monitor,
    load: Callable[[], Dataset],
    strategy: tf.distribute.Strategy | None = None,
) -> int:
    """Train from the newest checkpoint up to `settings.max_iterations`, then write the outputs.

    Args:
        settings: settings of the run.
        model: built from `settings.arguments` and compiled.
        monitor: the model's monitor.
        load: returns the data; called only after the run's folder has been checked.
        strategy: from `distribution.start`, if several devices share each batch.

    Returns:
        The exit status.

    Raises:
        RunError: the folder is unusable or holds another run, the data cannot be loaded, or training diverged.
    """
    with distribution.answering_for_the_lost() if settings.strategy == "multi_worker" else nullcontext():
        xla = settings.xla_by_default and settings.jit != "off"  # whether a run on one device would use XLA
        devices = distribution.Replicated(model, strategy, xla) if strategy else None
        if devices and devices.number:
            return follow(settings, model, monitor, load(), devices)
        run_directory.check_usable(settings.logs_dir)
        before = run_directory.earlier_run(settings, type(model))
        dataset = load()
        if before:
            run_directory.check_same_data(settings.logs_dir, before, dataset)
        order = order_of(settings, model, dataset)
        with run_directory.lock(settings.logs_dir), Background() as background:
            if run_directory.earlier_run(settings, type(model)) != before:
                raise RunError(f"another process trained in {settings.logs_dir} meanwhile; to resume it, rerun this command")
            checkpoints = begin(settings, model, monitor, dataset, background, devices)
            stopped = 0
            if checkpoints.iteration < settings.max_iterations:
                if before:
                    discard_from(settings.logs_dir, monitor.iteration_of(checkpoints.iteration))
                for name in ("results.json", nonfinite.RECORD):  # training makes both out of date
                    (settings.logs_dir / name).unlink(missing_ok=True)
                config = run_directory.configuration(settings, dataset)
                atomic_files.write_json(settings.logs_dir / "config.json", config)
                stopped = loop.train(settings, model, monitor, dataset, order, checkpoints, devices)
            else:
                print(f"Finished already, with {checkpoints.iteration:,} iterations; rewriting the outputs.")
            if stopped:
                said = f"Stopped and saved at iteration {checkpoints.iteration:,}"
                print(f"{said}. To resume, rerun: {settings.command}")
            else:
                finish(settings, model, monitor, dataset, checkpoints)
        status = KILLED + stopped if stopped else 0
        return distribution.barrier(devices, status) if devices else status


def follow(settings: Settings, model: Any, monitor: Monitor, dataset: Dataset, devices: distribution.Replicated) -> int:
    """Train with the chief and end when it ends; write nothing. This is `run` for the other processes."""
    print(f"{monitor.name} on {dataset.name}: training with the chief; only the chief uses --logs_dir", flush=True)
    distribution.same_data(devices, dataset.checksum)
    devices.spread()
    loop.follow(settings, model, monitor, dataset, order_of(settings, model, dataset), devices)
    return distribution.barrier(devices, 0)


def order_of(settings: Settings, model: Any, dataset: Dataset) -> BatchOrder:
    """Return the order of batches. A model may take several batches per iteration."""
    batches = getattr(model, "batches_each_iteration", 1)
    examples = len(dataset.train.images)
    return InterleavedBatches(examples, settings.batch_size, settings.seed, dataset.file_order_first, batches)


def begin(
    settings: Settings,
    model: Any,
    monitor: Monitor,
    dataset: Dataset,
    background: Background,
    devices: distribution.Replicated | None,
) -> Checkpoints:
    """Print what is trained, and restore the newest checkpoint on all devices."""
    sizes = f"{len(dataset.train.labels):,} training"
    if len(dataset.test.labels):
        sizes += f", {len(dataset.test.labels):,} test"
    print(f"{monitor.name} on {dataset.name} ({dataset.source}; {sizes} images) in {settings.logs_dir}")
    if dataset.note:
        print(f"Note: {dataset.note}")
    if model.compute_dtype != "float32":
        print(f"It computes in {model.compute_dtype}, unlike 2016: the results are not comparable with the post.")
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    checkpoints = Checkpoints(model, settings.logs_dir, background)
    if checkpoints.restored:
        print(f"Model restored: iteration {checkpoints.iteration:,}, from {checkpoints.restored}")
    if devices:
        print(f"{devices.replicas} devices share each batch (--strategy={settings.strategy})")
        distribution.same_data(devices, dataset.checksum)
        devices.spread()
    return checkpoints


def finish(settings: Settings, model: Any, monitor: Monitor, dataset: Dataset, checkpoints: Checkpoints) -> None:
    """Write and print the outputs of a finished run.

    Raises:
        RunError: the weights cannot be evaluated.
    """
    logs_dir = settings.logs_dir
    results = {
        "model": settings.model,
        "iterations": checkpoints.iteration,
        "data": dataset.name,
        "comparable_with_2016": dataset.comparable and model.compute_dtype == "float32",
        "seed": settings.seed,
        "training_seconds": round(float(checkpoints.seconds), 1),
    }
    try:
        results |= monitor.write_outputs(logs_dir, dataset)
    except ValueError as error:  # raised by evaluation for unusable weights
        raise RunError(f"{logs_dir} is trained and saved, but cannot be evaluated: {error}") from None
    hyperparameters.write_results(logs_dir, monitor.iteration_of(checkpoints.iteration), results)
    atomic_files.write_json(logs_dir / "results.json", results)
    print(monitor.table(results))
    print(f"Figures, results.json and model.keras are in {logs_dir}; to see the run: {viewer(logs_dir.parent)}")


def visualize(logs_dir: Path, build: type[keras.Model], draw: Callable[[Any], Any]) -> int:
    """Draw images from the newest checkpoint of a run, without data and without training.

    Args:
        logs_dir: the run's folder.
        build: the model's class; it is built with the recorded settings.
        draw: draws images, given the model.

    Returns:
        The exit status.

    Raises:
        RunError: the folder holds no run of this model with a checkpoint.
    """
    run_directory.check_usable(logs_dir)
    if not (logs_dir / "config.json").exists():
        raise RunError(f"--visualize needs a run in --logs_dir. Received: {logs_dir}, where there is none")
    config = run_directory.recorded(logs_dir)
    if config["model"] != build.__name__:
        raise RunError(f"--visualize needs a run of {build.__name__}. Received: {logs_dir}, a run of {config['model']}")
    if not newest_first(logs_dir):
        raise RunError(f"--visualize needs a checkpoint in --logs_dir. Received: {logs_dir}, where there is none")
    model = run_directory.rebuilt(build, config["settings"])
    with run_directory.lock(logs_dir):
        restore_newest(tf.train.Checkpoint(model=model), logs_dir)
        draw(model)
    print(f"Images from iteration {int(model.iterations):,} are in {logs_dir}")
    return 0
