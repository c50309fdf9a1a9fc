"""Evaluate 2016's checkpoints in our models, resume training from them, and export our runs as 2016 checkpoints."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from unsupervised_learning import atomic_files, errors, layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import representation, test_set
from unsupervised_learning.monitoring.dumps import check_dump, read_dump
from unsupervised_learning.monitoring.monitor import save_model
from unsupervised_learning.original.checkpoints import Checkpoint, Model, name_of_2016, read_checkpoint, write_checkpoint
from unsupervised_learning.original.runs import RESULTS_OF_2016
from unsupervised_learning.training import checkpoints, command_line, run_directory
from unsupervised_learning.vae import VariationalAutoEncoder

TERMS = 320  # matrix products are summed in blocks of this size; of 80 to 784, this comes closest to 2016's dump
DRAWS = 20  # of z per image; our choice: keeps the ELBO's standard error below 0.01 nats


def resume_from(path: str, model: Model, max_iterations: int) -> None:
    """Restore variables, Adam's state and the iteration from a 2016 checkpoint into a compiled model, to resume training.

    Raises:
        RunError: if the checkpoint is of another model, or `max_iterations` is not above its iteration.
    """
    checkpoint = read_checkpoint(path)
    checkpoint.restore(model)
    if max_iterations <= int(model.iterations):
        raise RunError(f"--max_iterations must be above the {int(model.iterations):,} of {path}. Received: {max_iterations:,}")
    if isinstance(model, VariationalAutoEncoder):
        # scikit-learn's digits are always available, and close enough to MNIST to tell the two forms apart.
        bounds = negative_elbos(checkpoint, model.activation, mnist.load("digits"))
        if bounds[not model.relu_heads] < bounds[model.relu_heads] - 1:  # nats; untrained, the forms do not differ
            raise RunError(f"{path} is of the other form; use --relu_heads={str(not model.relu_heads).lower()}")


def replay(
    path: str, dump_file: str | None, data_dir: str | None, activation: str | None, relu_heads: bool | None, folder: Path | None
) -> int:
    """Load a checkpoint into our model, evaluate it on the test set and compare it with its dump; returns the exit status.

    Args:
        path: checkpoint file.
        dump_file: latent dump of the same checkpoint, if any.
        data_dir: MNIST folder.
        activation: activation of the hidden layers; None for the model's default.
        relu_heads: whether a VAE is of the first form; None for the form with the better ELBO.
        folder: new folder to save the model in, in the form of a finished run.
    """
    if folder and folder.exists():
        raise RunError(f"--keep must be a new folder. Received: {folder}, which exists")
    checkpoint = read_checkpoint(path)
    dump = read_dump(dump_file) if dump_file else None
    dataset = mnist.load("mnist", data_dir)
    if dump and dump_file:
        check_dump(dump_file, *dump, checkpoint.z_dim, dataset)
    settings: dict[str, Any] = {"activation": activation} if activation else {}
    if checkpoint.model is VariationalAutoEncoder:
        bounds = negative_elbos(checkpoint, activation or "relu", dataset)
        settings["relu_heads"] = bounds[True] < bounds[False] if relu_heads is None else relu_heads
    model = checkpoint.model(z_dim=checkpoint.z_dim, **settings)
    checkpoint.restore(model)

    state = "with" if checkpoint.momentums else "without"
    after = "an unknown number of" if checkpoint.updates is None else f"{checkpoint.updates:,}"
    form = ""
    if isinstance(model, VariationalAutoEncoder):
        form = ", first form (relu on mu and log_var)" if model.relu_heads else ", fixed form"
    print(f"{checkpoint.path}: {type(model).__name__}{form}, z_dim {model.z_dim}, after {after} updates, {state} Adam's state")
    print(f"test set: {dataset.source}")
    numbers, published = measured(model, dataset, checkpoint.at_the_end)
    print(table(numbers, published))
    if dump:
        print(compare_with_dump(model, dataset, *dump))
    if folder:
        write_as_run(folder, model, dataset, {"restore_original": str(checkpoint.path)}, checkpoint.updates or 0, numbers)
        print(f"To look inside: python -m unsupervised_learning.explore {folder}")
    return 0


def write_as_run(
    folder: Path,
    model: Model,
    dataset: Dataset,
    settings: atomic_files.Json,
    iterations: int,
    results: atomic_files.Json,
) -> None:
    """Write the files of a finished run that `explore` reads.

    Args:
        folder: created if missing.
        model: the trained model.
        dataset: data set that the results were measured on.
        settings: added to the model's own settings; they mark the run as 2016's.
        iterations: number of updates.
        results: contents of results.json.
    """
    own = {name: value for name, value in model.get_config().items() if name in run_directory.default_settings(type(model))}
    config = {
        "model": type(model).__name__,
        "settings": {**own, **settings},
        "max_iterations": iterations,
        "data": dataset.describe(),
        "command": command_line.command(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, model)
    atomic_files.write_json(folder / "config.json", config)
    atomic_files.write_json(folder / "results.json", {"iterations": iterations, "data": dataset.name, **results})


def negative_elbos(checkpoint: Checkpoint, activation: str, dataset: Dataset) -> dict[bool, float]:
    """Return the negative ELBO on 1,000 test images with (True) and without (False) a relu on mu and log_var, nats per image.

    Variable names and shapes are the same in both forms, so the ELBO must tell them apart: the right form scores much better,
    because negative outputs of the heads mean nothing if trained with the relu, and are needed if trained without.
    """
    images = to_unit_interval(dataset.test.images[:1000])
    bounds = {}
    for relu_heads in (True, False):
        model = VariationalAutoEncoder(checkpoint.z_dim, activation, relu_heads)
        checkpoint.restore(model)
        noise = np.random.default_rng(0).standard_normal((len(images), checkpoint.z_dim))
        objective = model.objective(tf.constant(images), tf.constant(noise, tf.float32))
        bounds[relu_heads] = float(tf.reduce_mean(objective["reconstruction"] + objective["kl"]))
    return bounds


def measured(model: Model, dataset: Dataset, at_the_end: bool) -> tuple[atomic_files.Json, atomic_files.Json]:
    """Return the model's test-set results, and 2016's for the same model if `at_the_end` on comparable data; else {}."""
    images, labels = to_unit_interval(dataset.test.images), dataset.test.labels
    if isinstance(model, AutoEncoder):
        numbers, _ = test_set.autoencoder_report(model, images, labels)
        form = "autoencoder"
    else:
        numbers, _, _ = test_set.vae_report(model, images, labels, DRAWS)
        form = "vae_first" if model.relu_heads else "vae_fixed"
    return numbers, RESULTS_OF_2016[form] if at_the_end and dataset.comparable else {}


def table(numbers: atomic_files.Json, published: atomic_files.Json, how: str = "replayed") -> str:
    """Format one line per result, next to the published run's value; `how` the numbers came about is their heading."""
    lines = [f"{'test set':<32}{how:>24}{'2016' if published else '':>12}"]
    for name, value in numbers.items():
        if value is None or name == "draws":
            continue
        cell = ", ".join(f"{one:.3f}" for one in value) if isinstance(value, list) else f"{value:.5g}"
        beside = f"{published[name]:.5g}" if name in published else ""
        lines.append(f"{name:<32}{cell:>24}{beside:>12}".rstrip())
    return "\n".join(lines)


def compare_with_dump(model: Model, dataset: Dataset, latents: np.ndarray, labels: np.ndarray) -> str:
    """Describe how the model's test-set latents differ from a dump's.

    The autoencoder's should be equal. A VAE's dump holds samples, so (z − mu) / exp(log_var / 2) should be standard normal.
    """
    images = to_unit_interval(dataset.test.images)
    rows, accuracy = f"{len(labels):,} rows", f"knn_accuracy of its latents {representation.knn_accuracy(latents, labels):.3f}"
    if isinstance(model, AutoEncoder):
        then, now = (np.abs(codes - latents).max() for codes in (codes_summed_as_2016(model, images), model.encoder(images)))
        summed = f"when summed in blocks of {TERMS} terms as in 2016, {now:.2g} as this TensorFlow sums"
        return f"dump: {rows}, labels agree, largest difference {then:.2g} {summed}; {accuracy}"
    mu, log_var = (np.asarray(head, np.float64) for head in model.encoder(images))
    noise = (latents - mu) / np.exp(log_var / 2)
    said = f"mean {noise.mean():.3f}, standard deviation {noise.std():.3f}, largest {np.abs(noise).max():.2f}"
    return f"dump: {rows}, labels agree, (z − mu) / exp(log_var / 2): {said}; expected: 0, 1, about 4.2; {accuracy}"


def codes_summed_as_2016(model: AutoEncoder, images: np.ndarray) -> np.ndarray:
    """Return the encoder's codes of images [n, 784] in float32, with products summed in TensorFlow 0.x's order.

    In any other order, rounding hides the differences we look for: even exact arithmetic differs from the dump by 1.1e-6.
    """
    hidden = images
    for layer in model.encoder.layers:
        starts = range(0, hidden.shape[1], TERMS)
        products = sum(hidden[:, start : start + TERMS] @ layer.kernel.numpy()[start : start + TERMS] for start in starts)
        hidden = np.asarray(layer.activation(products + layer.bias.numpy()))
    return hidden


def export(logs_dir: str, file: str) -> int:
    """Write the newest checkpoint of one of our runs in 2016's format; returns the exit status."""
    folder, target = Path(os.path.expanduser(logs_dir)), Path(os.path.expanduser(file))
    if not (folder / "config.json").exists():
        raise RunError(f"LOGS_DIR must be a run of train_ae.py or train_vae.py. Received: {folder}, without config.json")
    config = run_directory.recorded(folder)
    builds = {build.__name__: build for build in (AutoEncoder, VariationalAutoEncoder)}
    if config["model"] not in builds:
        raise RunError(f"only {' and '.join(builds)} can be exported to 2016's format. Received: {folder}, {config['model']}")
    model = run_directory.rebuilt(builds[config["model"]], config["settings"])
    try:
        model.compile(optimizer=layers.adam(float(config["settings"]["learning_rate"])))
    except run_directory.UNREADABLE as error:
        raise RunError(f"{folder}/config.json has an invalid learning_rate: {errors.reason(error)}") from None
    model.optimizer.build(model.trainable_variables)
    if checkpoints.restore_newest(tf.train.Checkpoint(model=model, optimizer=model.optimizer), folder) is None:
        raise RunError(f"{folder} has no checkpoint")
    if target.is_dir():
        target = target / name_of_2016(model)
    if not target.parent.is_dir():
        raise RunError(f"FILE must be in an existing folder. Received: {target}")
    write_checkpoint(model, target)
    print(f"{target}: {config['model']} after {int(model.iterations):,} iterations, in TensorFlow 0.x's format")
    return 0
