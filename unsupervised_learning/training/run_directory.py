"""The directory of a run: checks that it is usable, reads which run it holds, and locks it for one process."""

import fcntl
import inspect
import json
import os
import platform
import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning import errors
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import RunError
from unsupervised_learning.training.settings import Settings, default_settings

# Initialization of an autoencoder or VAE if config.json does not record it, as in older runs.
OLDER_START = {"init_stddev": 0.02, "init_bias": 0.0}
AnyModel = TypeVar("AnyModel", bound=keras.Model)
AFRESH = "to start afresh, choose another --logs_dir, or delete that folder"

# Errors when reading JSON that is missing, damaged or of another kind: no file, no JSON, a missing key, a wrong type, a number
# too large, nesting too deep.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


class InUseError(RunError):
    """Another process is working in the folder."""


def check_usable(path: Path, flag: str = "--logs_dir") -> None:
    """Check that a folder can be created and written, without creating it. `flag` is its command-line flag, for messages.

    Raises:
        RunError: it cannot.
    """
    if set(path.as_posix()) & set("*?[]\\"):
        raise RunError(
            f"{flag} must not contain *, ?, [, ] or \\, because TensorFlow would not find its checkpoints. Received: {path}"
        )
    existing = path
    try:
        while not existing.exists():
            if existing.is_symlink():
                raise RunError(f"{flag} must be a folder. Received: {path}: {existing} is a broken link")
            existing = existing.parent
        if not existing.is_dir():
            raise RunError(f"{flag} must be a folder, existing or new. Received: {path}: {existing} is a file")
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise RunError(f"{flag} must be writable. Received: {path}: {existing}: {error.strerror}") from None


def settings_recorded(build: type[keras.Model], config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in a run's config.json, with defaults for settings introduced after the run."""
    defaults = default_settings(build)
    older = {name: value for name, value in OLDER_START.items() if name in defaults}
    return {**defaults, **older, **config["settings"]}


def configuration(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """Return the content of config.json: the settings, the data and the versions."""
    return {
        "model": settings.model,
        "settings": settings.deciding(),
        "max_iterations": settings.max_iterations,
        "strategy": settings.strategy,  # not in `settings`, because a run can be resumed under any strategy
        "data": dataset.describe(),
        "folders": {name: str(Path(os.path.expanduser(folder)).resolve()) for name, folder in settings.folders.items()},
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "command": settings.command,
    }


def recorded(logs_dir: Path) -> dict[str, Any]:
    """Return the content of config.json, checked for `model`, `settings` and `data`.

    Raises:
        RunError: it is not the config.json of a run.
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


def earlier_run(settings: Settings, build: type[keras.Model]) -> dict[str, Any] | None:
    """Return the config.json of the run in the directory; None if there is none.

    Raises:
        RunError: that run has another model or other settings. The message names them and says how to rerun.
    """
    logs_dir = settings.logs_dir
    if not (logs_dir / "config.json").exists():
        if list(logs_dir.glob("model.ckpt-*.index")):
            raise RunError(f"{logs_dir} holds checkpoints but no config.json with their settings; {AFRESH}")
        return None
    config = recorded(logs_dir)
    if config["model"] != settings.model:
        raise RunError(f"{logs_dir} holds a run of {config['model']}, this is {settings.model}; {AFRESH}")
    there = settings_recorded(build, config)
    differences = settings.differences(there)
    if differences:
        listed = ", ".join(f"{name} is {before} there and {here} here" for name, (before, here) in differences.items())
        advice = how_to_repeat(differences, {**settings.later, **there})
        raise RunError(f"{logs_dir} was made with other settings: {listed}. To resume it, rerun {advice}; {AFRESH}")
    return config


def how_to_repeat(differing: Iterable[str], recorded: dict[str, Any]) -> str:
    """Say which flags give the differing settings their recorded values: "with --seed=0", "without --restore_original"."""
    given = [f"--{name}={flag_value(recorded[name])}" for name in differing if name in recorded and name != "side"]
    parts = [f"with {' '.join(given)}"] if given else []
    parts += [f"without --{name}" for name in differing if name not in recorded]
    if "side" in differing:  # no flag: it follows from the data
        parts.append("with the same --dataset or --image_dir")
    return " and ".join(parts)


def flag_value(value: Any) -> str:
    """Return a value as typed in a shell."""
    return str(value).lower() if isinstance(value, bool) else shlex.quote(str(value))


def check_same_data(logs_dir: Path, config: dict[str, Any], dataset: Dataset) -> None:
    """Refuse to resume with other data.

    Raises:
        RunError: the data differs. The message names both data sets and says how to rerun.
    """
    there = config["data"]
    if there["checksum"] != dataset.checksum:
        given = (
            "--image_dir" if there["name"] == "pictures" else f"--dataset={there['name']} with the --data_dir or --image_dir"
        )
        raise RunError(
            f"{logs_dir} was made with other data: {there['name']} from {there['source']} there, {dataset.name} from "
            f"{dataset.source} here. To resume it, rerun with {given} as before; {AFRESH}"
        )


def lock(logs_dir: Path, flag: str = "--logs_dir") -> IO:
    """Create the directory and lock it. The lock ends with the process, even after a crash, though the file may remain.

    Raises:
        InUseError: another process holds the lock.
        RunError: the directory cannot be created or locked.
    """
    try:
        logs_dir.mkdir(parents=True, exist_ok=True)
        file = open(logs_dir / "lock", "a+")  # noqa: SIM115 (closing the file would release the lock)
    except OSError as error:
        raise RunError(f"{flag} cannot be created. Received: {logs_dir}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        with file:
            file.seek(0)
            holder = file.read().strip()
        if not isinstance(error, BlockingIOError):
            raise RunError(f"{flag} cannot be locked. Received: {logs_dir}: {error.strerror}") from None
        who = f"another process (its id: {holder})" if holder.isdigit() else "another process"
        raise InUseError(f"{who} is working in {logs_dir}; wait for it, or choose another {flag}") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def rebuilt(build: type[AnyModel], settings: dict[str, Any]) -> AnyModel:
    """Build a new model with the settings recorded in a run's config.json.

    Raises:
        RunError: the settings are invalid.
    """
    try:
        return build(**{name: settings[name] for name in inspect.signature(build).parameters if name in settings})
    except Exception as error:  # Keras and TensorFlow raise many types for an invalid size or name
        raise RunError(f"config.json has settings that are invalid for {build.__name__}: {errors.reason(error)}") from None
