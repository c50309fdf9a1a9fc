"""Read access to a finished run: its records, latent dumps, model and data."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning import atomic_files, errors
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import binarization, fixed_binarization, mnist, pictures
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring.dumps import read_dump
from unsupervised_learning.training import checkpoints, run_directory
from unsupervised_learning.vae import VariationalAutoEncoder

MODELS: dict[str, type[keras.Model]] = {build.__name__: build for build in (AutoEncoder, VariationalAutoEncoder, DCGAN)}


@dataclasses.dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run: its folder, and the content of config.json and results.json."""

    path: Path
    config: dict[str, Any]
    results: dict[str, Any]

    @property
    def model_name(self) -> str:
        """Name of the model's class."""
        return self.config["model"]

    @property
    def seed(self) -> int:
        """Seed of the weights, the batches and the noise."""
        return self.config["settings"]["seed"]

    @property
    def is_of_graph(self) -> bool:
        """Whether the author's own graph was trained, by `original train`, and not one of our models."""
        return "original_graph" in self.config["settings"]

    def number(self, name: str) -> float:
        """Return a number from results.json.

        Raises:
            RunError: it is missing, or not a number.
        """
        try:
            return float(self.results[name])
        except run_directory.UNREADABLE as error:
            raise RunError(f"results.json is damaged or not from a run ({errors.reason(error)})") from None

    def file(self, name: str) -> Path:
        """Return the path of a file of the run, or of its .gz version if there is one."""
        packed = self.path / f"{name}.gz"
        return packed if packed.exists() else self.path / name

    def dump(self, iteration: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return an autoencoder's codes and labels of the test set before this iteration; None if there is no such dump."""
        path = self.file(f"checkpoint{iteration}.txt")
        return read_dump(path) if path.exists() else None

    def model(self) -> Any:
        """Load the model with its weights, from model.keras or else from the newest checkpoint.

        Raises:
            RunError: there are no weights, or they cannot be read.
        """
        build, saved = MODELS[self.model_name], self.path / "model.keras"
        if saved.exists():
            return saved_model(saved, build)
        model = run_directory.rebuilt(build, self.config["settings"])
        if checkpoints.restore_newest(tf.train.Checkpoint(model=model), self.path) is None:
            raise RunError(
                f"{self.path} has no weights, neither model.keras nor a checkpoint. To train it again, rerun: "
                f"{command_of(self.config)}"
            )
        return model

    def dataset(self, **given: str | None) -> Dataset:
        """Load the run's training data from `data_dir`, `image_dir` and `cache_dir`, as given or else as recorded.

        Raises:
            RunError: the data cannot be loaded, or differs from the run's.
        """
        described, recorded = self.config["data"], self.config.get("folders")
        recorded = recorded if isinstance(recorded, dict) else {}
        names = ("data_dir", "image_dir", "cache_dir")
        there = {
            name: recorded[name] for name in names if isinstance(recorded.get(name), str) and Path(recorded[name]).is_dir()
        }
        folders = {name: given.get(name) or there.get(name) for name in names}
        if self.model_name != DCGAN.__name__:
            dataset = dense_images(described["name"], **folders, binarize=described["binarize"])
        elif described["name"] in mnist.DATASETS:
            dataset = mnist.load(described["name"], folders["data_dir"])
        else:
            of_run = described["name"], folders["image_dir"], folders["data_dir"], folders["cache_dir"]
            dataset = pictures.load(*of_run, channels=self.config["settings"].get("channels", 3))
        if dataset.checksum != described["checksum"]:
            raise RunError(
                f"{self.path} was trained on other data: {described['name']} from {described['source']} there, "
                f"{dataset.name} from {dataset.source} here, with another checksum. Give the run's --data_dir or --image_dir"
            )
        return dataset


def dense_images(
    name: str,
    data_dir: str | None = None,
    image_dir: str | None = None,
    cache_dir: str | None = None,
    binarize: str = "none",
) -> Dataset:
    """Load what an autoencoder or a VAE trains on: a data set in the format of MNIST, binarised if so wished.

    Args:
        name: one of `mnist.DATASETS`, or "pictures" for those in `image_dir`.
        data_dir: folder for `mnist.load`.
        image_dir: folder for `pictures.drawings`.
        cache_dir: folder for decoded pictures.
        binarize: one of `BINARIZATIONS`. `larochelle` reads Larochelle and Murray's files in `data_dir` instead of MNIST's.

    Raises:
        RunError: the data cannot be loaded.
    """
    if binarize == fixed_binarization.NAME:
        if name not in ("auto", "mnist"):
            raise RunError(f"--binarize={binarize} has its own MNIST files; expected --dataset=mnist or auto. Received: {name}")
        return fixed_binarization.load(data_dir)
    if name == "pictures":
        if image_dir is None:
            raise RunError(f"'pictures' are read from a folder; expected --image_dir=<folder>. Received: {image_dir=}")
        return binarization.binarized(pictures.drawings(image_dir, cache_dir), binarize)
    return binarization.binarized(mnist.load(name, data_dir), binarize)


def read(path: Path) -> FinishedRun:
    """Read a finished run.

    Raises:
        RunError: the folder holds no run, a run of an unknown model, an unfinished run, or a damaged one.
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
        raise RunError(f"results.json is damaged or not from a run ({errors.reason(error)})") from None


def command_of(config: dict[str, Any]) -> str:
    """Return the command line that started a run."""
    return str(config.get("command", "its command is not recorded"))


def saved_model(path: Path, build: type[keras.Model]) -> Any:
    """Load a model.keras without running any code it may contain.

    Raises:
        RunError: it cannot be read, or holds a model of another class than `build`.
    """
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file can raise anything from BadZipFile to TypeError
        raise RunError(f"cannot read {path}: {errors.reason(error)}") from None
    if not isinstance(model, build):
        raise RunError(f"{path} is a {type(model).__name__}; expected {build.__name__}")
    return model
