"""What a data set is: three splits of images and labels in memory, and how images become what a model takes."""

import dataclasses
import functools
import hashlib
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from unsupervised_learning.errors import RunError, reason

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare to one bool
class Split:
    """Images, uint8 [n, 28, 28] in 0..255 (`pictures`: [n, 64, 64, 3]), and their labels, uint8 [n] in 0..9."""

    images: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def vectors(self) -> "tf.Tensor":
        """The images as the dense models take them, float32 [n, 784] in [0, 1]; kept for whoever looks at them often."""
        import tensorflow as tf

        return tf.constant(to_unit_interval(self.images))


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare to one bool
class Dataset:
    """Three splits, and what a run has to record about where they came from."""

    name: str  # as resolved: "mnist", never "auto"
    source: str
    checksum: str  # SHA-256 of the three splits; another order of the same images is another checksum
    train: Split
    validation: Split
    test: Split
    note: str  # how the data differs from 2016's; "" if it does not
    comparable: bool  # results can be held against 2016's: these are MNIST's own images
    binarize: str = "none"  # how the pixels were made black or white: see `binarization.py`
    file_order_first: bool = True  # whether training's first epoch takes the images in file order: see `batches.py`

    def describe(self) -> dict:
        """Return what a run's config.json says about its data: everything but the arrays."""
        sizes = {split: len(getattr(self, split).labels) for split in ("train", "validation", "test")}
        described = {key: getattr(self, key) for key in ("name", "source", "checksum", "note", "comparable", "binarize")}
        return {**described, "sizes": sizes}


def to_unit_interval(images: np.ndarray) -> np.ndarray:
    """Flatten and scale images as 2016's reader did: uint8 [..., 28, 28] in 0..255 to float32 [..., 784] in [0, 1].

    Source: `DataSet.__init__` of TF 0.9's mnist.py, which multiplies by 1/255 rather than dividing by 255.
    Raises RunError for other dtypes: the first 2016 GAN divided by 255 twice.
    """
    if images.dtype != np.uint8:
        raise RunError(f"expected images as uint8 in 0..255. Received: dtype={images.dtype}")
    *leading, height, width = images.shape
    return images.reshape(*leading, height * width).astype(np.float32) * np.float32(1 / 255)


def as_vectors(images: "tf.Tensor") -> "tf.Tensor":
    """The same in TensorFlow, for use in a graph: uint8 [batch, 28, 28] to float32 [batch, 784] in [0, 1]."""
    import tensorflow as tf

    return tf.cast(tf.reshape(images, (-1, 28 * 28)), tf.float32) * (1.0 / 255.0)


def existing_folder(given: str, argument: str) -> str:
    """Return the folder given as `argument`, with ~ expanded. Raises RunError if its files cannot be listed and opened."""
    folder = os.path.expanduser(given)  # the shell leaves the ~ of --data_dir=~/mnist alone
    try:
        os.listdir(folder)
        os.stat(os.path.join(folder, "."))  # a folder may be listable and still not let its files be opened
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise RunError(f"cannot list {argument} {given!r}: {reason(error)}; expected an existing folder") from error
    return folder


def cache_folder(cache_dir: str | None) -> pathlib.Path:
    """Return where what is made from data is kept: `cache_dir`, with ~ expanded, else in $XDG_CACHE_HOME or ~/.cache."""
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "unsupervised_learning")
    return pathlib.Path(os.path.expanduser(default if cache_dir is None else cache_dir))


def checksum(train: Split, validation: Split, test: Split) -> str:
    """Return SHA-256 of the splits' images and labels, in their order, in hexadecimal digits."""
    digest = hashlib.sha256()
    for split in (train, validation, test):
        for array in (split.images, split.labels):
            digest.update(f"{array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


# --- the four idx files ---
