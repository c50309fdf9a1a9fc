"""The directory of a run: whether it can be one, which run it holds, and that one process at a time works in it."""

import fcntl
import inspect
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from unsupervised_learning import errors
from unsupervised_learning.data import mnist
from unsupervised_learning.errors import RunError
from unsupervised_learning.training.command_line import command, path_of

FLAGS = flags.FLAGS
OF_TRAINING = ("batch_size", "learning_rate", "beta1", "restore_original")  # flags that decide the numbers and are no model's
# These are recorded where they differ from their defaults, as they came later: which data it is, and how numbers round.
OF_LATER = ("binarize", "jit", "recipe")
# The start of an autoencoder or VAE whose config.json does not tell it, as older ones do not.
OLDER_START = {"init_stddev": 0.02, "init_bias": 0.0}

# What reading a JSON file raises that is damaged, of something else, or nonsense: not there, no JSON, a key missing, another
# type, a number too large, nested too deep.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


def usable_logs_dir() -> Path:
    """--logs_dir as a path, once it is sure that it can be made and written; makes nothing.

    Raises:
        RunError: where it cannot.
    """
    given = FLAGS.logs_dir
    if set(given) & set("*?[]"):
        raise RunError(
            f"--logs_dir must not hold *, ?, [ or ], with which TensorFlow cannot find checkpoints. Received: {given}"
        )
    path = path_of(given)
    existing = path
    try:
        while not existing.exists():
            if existing.is_symlink():
                raise RunError(f"--logs_dir must be a folder. Received: {path}: {existing} is a link to nothing")
            existing = existing.parent
        if not existing.is_dir():
            raise RunError(f"--logs_dir must be a folder, or where one can be made. Received: {path}: {existing} is a file")
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise RunError(f"--logs_dir must be writable. Received: {path}: {existing}: {error.strerror}") from None
    return path


def settings_of(model: keras.Model) -> dict[str, Any]:
    """What decides the numbers beside the data, by the names of the flags."""
    own = {name: value for name, value in model.get_config().items() if name not in ("name", "trainable", "dtype")}
    of_training = {name: FLAGS[name].value for name in OF_TRAINING if name in FLAGS and FLAGS[name].value is not None}
    of_later = {name: FLAGS[name].value for name, default in later_defaults().items() if FLAGS[name].value != default}
    return {**own, **of_training, **of_later}


def later_defaults() -> dict[str, Any]:
    """What those of `OF_LATER` that the script has are where config.json says nothing of them."""
    return {name: FLAGS[name].default for name in OF_LATER if name in FLAGS}


def default_settings(build: type[keras.Model]) -> dict[str, Any]:
    """The model's own settings, at the defaults of its constructor."""
    parameters = inspect.signature(build).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}


def settings_recorded(build: type[keras.Model], config: dict[str, Any]) -> dict[str, Any]:
    """The settings that config.json has of a run, with the defaults of those that came later than the run."""
    defaults = default_settings(build)
    older = {name: value for name, value in OLDER_START.items() if name in defaults}
    return {**defaults, **older, **config["settings"]}


def configuration(model: keras.Model, dataset: mnist.Dataset) -> dict[str, Any]:
    """What config.json holds."""
    return {
        "model": type(model).__name__,
        "settings": settings_of(model),
        "max_iterations": FLAGS.max_iterations,
        "strategy": FLAGS.strategy,  # not among the settings: a run goes on under any
        "data": dataset.describe(),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "command": command(),
    }


def recorded(logs_dir: Path) -> dict[str, Any]:
    """What config.json says, once it is sure that `model`, `settings` and `data` are there.

    Raises:
        RunError: if it is not a run's.
    """
    path = logs_dir / "config.json"
    try:
        config = json.loads(path.read_text())
        settings, described = dict(config["settings"]), dict(config["data"])
        sizes = dict(described.get("sizes", {}))
        binarize = str(described.get("binarize", "none"))
        described = {key: str(described[key]) for key in ("name", "source", "checksum")}
        described = {**described, "sizes": sizes, "binarize": binarize}
        return {**config, "model": str(config["model"]), "settings": settings, "data": described}
    except UNREADABLE as error:
        reason = errors.reason(error)
        raise RunError(f"{path} is not a run's config.json ({reason}); choose another --logs_dir") from None


def earlier_run(logs_dir: Path, model: keras.Model) -> dict[str, Any] | None:
    """The config.json of the run that the directory holds, if there is one, and if it is a run with the same settings.

    Raises:
        RunError: naming the settings that differ and what to type instead.
    """
    if not (logs_dir / "config.json").exists():
        if list(logs_dir.glob("model.ckpt-*.index")):
            raise RunError(
                f"{logs_dir} holds checkpoints but no config.json to tell how they were made; choose another --logs_dir"
            )
        return None
    config = recorded(logs_dir)
    name = config["model"]
    settings = {**later_defaults(), **settings_recorded(type(model), config)}
    if name != type(model).__name__:
        raise RunError(f"{logs_dir} holds a run of {name}, this is {type(model).__name__}; choose another --logs_dir")
    here = {**later_defaults(), **settings_of(model)}
    differing = [name for name in {**here, **settings} if settings.get(name) != here.get(name)]
    if differing:
        difference = ", ".join(f"{name} is {settings.get(name)} there and {here.get(name)} here" for name in differing)
        flags_there = " ".join(f"--{name}={str(settings[name]).lower()}" for name in differing if name in settings)
        raise RunError(
            f"{logs_dir} was made with other settings: {difference}. To go on with it type {flags_there}; "
            "else another --logs_dir"
        )
    return config


def check_same_data(logs_dir: Path, config: dict[str, Any], dataset: mnist.Dataset) -> None:
    """Refuse to go on with other data.

    Raises:
        RunError: naming both, and what to type instead.
    """
    there = config["data"]
    if there["checksum"] != dataset.checksum:
        given = (
            "--image_dir" if there["name"] == "pictures" else f"--dataset={there['name']} with the --data_dir or --image_dir"
        )
        raise RunError(
            f"{logs_dir} was made with other data: {there['name']} from {there['source']} there, {dataset.name} from "
            f"{dataset.source} here. To go on with it type {given} of then; else another --logs_dir"
        )


def lock(logs_dir: Path) -> IO:
    """Make the directory and hold it until the process ends, however it ends: the file may stay, the lock on it does not.

    Raises:
        RunError: if another process holds it, or it cannot be made.
    """
    try:
        logs_dir.mkdir(parents=True, exist_ok=True)
        file = open(logs_dir / "lock", "a+")  # noqa: SIM115 (open as long as the lock is to be held)
    except OSError as error:
        raise RunError(f"--logs_dir cannot be made. Received: {logs_dir}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        with file:
            file.seek(0)
            holder = file.read().strip()
        if not isinstance(error, BlockingIOError):
            raise RunError(f"--logs_dir cannot be locked. Received: {logs_dir}: {error.strerror}") from None
        who = f"another process (its id: {holder})" if holder.isdigit() else "another process"
        raise RunError(f"{who} is working in {logs_dir}; wait for it, or choose another --logs_dir") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
