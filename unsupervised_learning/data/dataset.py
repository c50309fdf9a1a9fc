"""The data set record, with three splits of images and labels, and the conversion of images to model input."""

import dataclasses
import functools
import hashlib
import os
import pathlib

import numpy as np
import tensorflow as tf

from unsupervised_learning.errors import RunError, reason


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare to one bool
class Split:
    """Images, uint8 [n, 28, 28] in 0..255 (`pictures`: [n, 64, 64, 1 or 3]), and their labels, uint8 [n] in 0..9."""

    images: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        return f"Split({len(self.images):,} images of {'×'.join(map(str, self.images.shape[1:]))})"

    @functools.cached_property
    def vectors(self) -> tf.Tensor:
        """Images as input of the dense models, float32 [n, 784] in [0, 1]; cached because they are used repeatedly."""
        return tf.constant(to_unit_interval(self.images))


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare to one bool
class Dataset:
    """Three splits, and the information about their origin that a run records."""

    name: str  # as resolved: "mnist", never "auto"
    source: str
    checksum: str  # SHA-256 of the three splits; depends on the order of the images
    train: Split
    validation: Split
    test: Split
    note: str  # how the data differs from 2016; "" if it does not
    comparable: bool  # whether results are comparable with 2016, because these are the original MNIST images
    binarize: str = "none"  # how the pixels were binarised: see `binarization.py`
    file_order_first: bool = True  # whether the first training epoch uses file order: see `batches.py`

    def __repr__(self) -> str:
        splits = ", ".join(f"{split}: {getattr(self, split)}" for split in ("train", "validation", "test"))
        return f"Dataset({self.name}, {self.source}; {splits})"

    def describe(self) -> dict:
        """Return the `data` entry of a run's config.json: the origin of the data and the size of each split."""
        sizes = {split: len(getattr(self, split).labels) for split in ("train", "validation", "test")}
        described = {key: getattr(self, key) for key in ("name", "source", "checksum", "note", "comparable", "binarize")}
        return {**described, "sizes": sizes}


def to_unit_interval(images: np.ndarray) -> np.ndarray:
    """Flatten and scale images as in 2016: uint8 [..., 28, 28] in 0..255 to float32 [..., 784] in [0, 1].

    Source: `DataSet.__init__` in mnist.py of TF 0.9, which multiplies by 1/255 rather than dividing by 255.
    Raises RunError for other dtypes, because the first GAN of 2016 divided by 255 twice.
    """
    if images.dtype != np.uint8:
        raise RunError(f"expected images as uint8 in 0..255. Received: dtype={images.dtype}")
    *leading, height, width = images.shape
    return images.reshape(*leading, height * width).astype(np.float32) * np.float32(1 / 255)


def as_vectors(images: tf.Tensor) -> tf.Tensor:
    """Flatten and scale images in a TensorFlow graph: uint8 [batch, 28, 28] to float32 [batch, 784] in [0, 1]."""
    return tf.cast(tf.reshape(images, (-1, 28 * 28)), tf.float32) * (1.0 / 255.0)


def existing_folder(given: str, argument: str) -> str:
    """Return the folder given as `argument`, with ~ expanded. Raises RunError if its files cannot be listed and opened."""
    folder = os.path.expanduser(given)  # the shell does not expand the ~ in --data_dir=~/mnist
    try:
        os.listdir(folder)
        os.stat(os.path.join(folder, "."))  # permissions may allow listing a folder but not opening its files
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise RunError(f"cannot list {argument} {given!r}: {reason(error)}; expected an existing folder") from error
    return folder


def cache_folder(cache_dir: str | None) -> pathlib.Path:
    """Return the folder for cached data: `cache_dir` with ~ expanded, else a folder in $XDG_CACHE_HOME or ~/.cache."""
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "unsupervised_learning")
    return pathlib.Path(os.path.expanduser(default if cache_dir is None else cache_dir))


def checksum(train: Split, validation: Split, test: Split) -> str:
    """Return the hexadecimal SHA-256 of the splits' images and labels, in order."""
    digest = hashlib.sha256()
    for split in (train, validation, test):
        for array in (split.images, split.labels):
            digest.update(f"{array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
