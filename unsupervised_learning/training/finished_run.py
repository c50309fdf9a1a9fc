"""A finished run, for those that look at it: what it says of itself, its dumps, its model and its data."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning import atomic_files, errors
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import binarization, mnist, pictures
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring.dumps import read_dump
from unsupervised_learning.training import checkpoints, run_directory
from unsupervised_learning.vae import VariationalAutoEncoder

MODELS: dict[str, type[keras.Model]] = {build.__name__: build for build in (AutoEncoder, VariationalAutoEncoder, DCGAN)}


@dataclasses.dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run: its folder, and what config.json and results.json hold."""

    path: Path
    config: dict[str, Any]
    results: dict[str, Any]

    @property
    def model_name(self) -> str:
        """The model's class by name."""
        return self.config["model"]

    @property
    def seed(self) -> int:
        """Seed of the weights, the batches and the noise."""
        return self.config["settings"]["seed"]

    def number(self, name: str) -> float:
        """A number of results.json.

        Raises:
            RunError: if it is not there, or none.
        """
        try:
            return float(self.results[name])
        except run_directory.UNREADABLE as error:
            raise RunError(f"results.json is not a run's ({errors.reason(error)})") from None

    def file(self, name: str) -> Path:
        """A file of the run; the compressed one if that is what there is."""
        packed = self.path / f"{name}.gz"
        return packed if packed.exists() else self.path / name

    def dump(self, iteration: int) -> tuple[np.ndarray, np.ndarray] | None:
        """An autoencoder's codes and labels of the test set before that iteration; None if the file is not there."""
        path = self.file(f"checkpoint{iteration}.txt")
        return read_dump(path) if path.exists() else None

    def model(self) -> Any:
        """The model with its weights: from model.keras, or else from the newest checkpoint.

        Raises:
            RunError: if there are none, or they cannot be read.
        """
        build, saved = MODELS[self.model_name], self.path / "model.keras"
        if saved.exists():
            return saved_model(saved, build)
        model = run_directory.rebuilt(build, self.config["settings"])
        if checkpoints.restore_newest(tf.train.Checkpoint(model=model), self.path) is None:
            raise RunError(
                f"{self.path} has no weights, neither model.keras nor a checkpoint; this makes a run with them: "
                f"{command_of(self.config)}"
            )
        return model

    def dataset(self, **given: str | None) -> Dataset:
        """The data that the run was trained on, from `data_dir`, `image_dir` and `cache_dir`: as given, or as recorded.

        Raises:
            RunError: if they cannot be had, or are other data.
        """
        described, recorded = self.config["data"], self.config.get("folders")
        recorded = recorded if isinstance(recorded, dict) else {}
        names = ("data_dir", "image_dir", "cache_dir")
        there = {
            name: recorded[name] for name in names if isinstance(recorded.get(name), str) and Path(recorded[name]).is_dir()
        }
        folders = {name: given.get(name) or there.get(name) for name in names}
        if described["name"] in mnist.DATASETS:
            dataset = binarization.binarized(mnist.load(described["name"], folders["data_dir"]), described["binarize"])
        else:
            dataset = pictures.load(described["name"], folders["image_dir"], folders["data_dir"], folders["cache_dir"])
        if dataset.checksum != described["checksum"]:
            raise RunError(
                f"{self.path} was trained on other data: {described['name']} from {described['source']} there, "
                f"{dataset.name} from {dataset.source} here, with another checksum. Give the run's --data_dir or --image_dir"
            )
        return dataset


def read(path: Path) -> FinishedRun:
    """Read what a finished run says of itself.

    Raises:
        RunError: if it is no run, a run of another model, not finished, or damaged.
    """
    config = run_directory.recorded(path)
    if config["model"] not in MODELS:
        raise RunError(f"a run of {config['model']}; expected one of {', '.join(MODELS)}")
    try:
        results = atomic_files.read_json(path / "results.json")
        return FinishedRun(path, config, {**results, "iterations": int(results["iterations"])})
    except FileNotFoundError:
        raise RunError(f"not finished: no results.json. To resume it: {command_of(config)}") from None
    except run_directory.UNREADABLE as error:
        raise RunError(f"results.json is not a run's ({errors.reason(error)})") from None


def command_of(config: dict[str, Any]) -> str:
    """The command that made a run."""
    return str(config.get("command", "its command is not recorded"))


def saved_model(path: Path, build: type[keras.Model]) -> Any:
    """Load a model.keras without running code that it may hold.

    Raises:
        RunError: if it cannot be read, or is of another class than `build`.
    """
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file surfaces as anything from BadZipFile to TypeError
        raise RunError(f"cannot read {path}: {errors.reason(error)}") from None
    if not isinstance(model, build):
        raise RunError(f"{path} is a {type(model).__name__}; expected {build.__name__}")
    return model
