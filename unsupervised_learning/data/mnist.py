"""Finds, reads and splits MNIST and its substitutes, as arrays in memory.

`load` tries the four original idx files, then a set that TensorFlow Datasets (tfds) has already prepared, then a
download by tfds.
"""

import gzip
import math
import os
import pathlib
import zlib

import numpy as np

from unsupervised_learning.data import prepared_sets
from unsupervised_learning.data.dataset import Dataset, Split, checksum, existing_folder
from unsupervised_learning.errors import RunError, reason, warn

DATASETS = ("auto", "mnist", "fashion_mnist", "kmnist", "digits")

# Fashion-MNIST and KMNIST use the same four names.
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
# `Dataset.checksum` of MNIST.
MNIST_SHA256 = "824be289ad712a7b475548f3aeb188c41e57a9c6700d525bd4593037c748333b"

# Download sites used by tfds. Each has the four files under their idx names plus ".gz".
DOWNLOAD_FROM = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "kmnist": "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
}
VALIDATION_SHARE = 12  # 2016 held out the first 5,000 of 60,000 training images: one in twelve


def load(name: str = "auto", data_dir: str | None = None) -> Dataset:
    """Find a data set and split it as in 2016: the first twelfth of the training images is the validation set.

    Args:
        name: one of DATASETS. "mnist", "fashion_mnist" and "kmnist" are searched for as the four idx files in `data_dir`
            (plain or .gz, in file order), then as a set prepared by tfds (`<dir>/<name>/<version>`) in `data_dir`,
            $TFDS_DATA_DIR and ~/tensorflow_datasets, in this order. If none is found, tfds downloads the set into the
            first of these folders that is given. "digits" is scikit-learn's 8x8 digits, enlarged; it needs no files.
            "auto" is MNIST, or, if no folder is given by `data_dir` or $TFDS_DATA_DIR, and MNIST is neither found nor can be
            downloaded, digits with a warning on stderr.
        data_dir: an existing folder, or None.

    Returns:
        Images uint8 [n, 28, 28] and labels uint8 [n]: 55,000, 5,000 and 10,000 for MNIST.

    Raises:
        RunError: unknown name; unusable folder; incomplete or damaged data (also for "auto", because the user wants the
            data in that folder); nothing found and no download.
    """
    if name not in DATASETS:
        raise RunError(f"unknown dataset {name!r}; expected one of {', '.join(DATASETS)}")
    folder = None if data_dir is None else existing_folder(data_dir, "data_dir")
    if name == "digits":
        return _digits()
    try:
        return _find("mnist" if name == "auto" else name, folder)
    except prepared_sets.NothingFoundError as error:
        if name != "auto":
            raise
        if data_dir is not None or os.environ.get("TFDS_DATA_DIR"):
            raise RunError(f"{error}; to train on scikit-learn's digits instead, give --dataset=digits") from error
        warn(f"{error}")
        warn("using scikit-learn's 8x8 digits instead of MNIST: results are NOT comparable with the 2016 post")
        return _digits()


def _find(name: str, folder: str | None) -> Dataset:
    """Search for idx files, then for a prepared tfds set, then download."""
    if folder is not None and (dataset := _from_idx(name, folder)):
        return dataset
    files = f"{', '.join(IDX_FILES)} (plain or .gz) in {folder}" if folder else "idx files (no data_dir given)"
    smallest = DOWNLOAD_FROM[name] + "train-labels-idx1-ubyte.gz"  # the smallest file that all three sites have
    return _from_tfds(name, prepared_sets.prepared_folder(name, folder, smallest, f"no {files}; "))


def _dataset(name: str, source: str, train: Split, test: Split) -> Dataset:
    """Split off the validation images, and check by the checksum whether this is MNIST."""
    held_out = len(train.labels) // VALIDATION_SHARE
    validation = Split(train.images[:held_out], train.labels[:held_out])
    train = Split(train.images[held_out:], train.labels[held_out:])
    found = checksum(train, validation, test)
    is_mnist = found == MNIST_SHA256
    note = "" if name == "mnist" else f"{name} is not the MNIST of the 2016 post: not comparable with it"
    if is_mnist != (name == "mnist"):
        note = f"these {'are' if is_mnist else 'are not'} the canonical MNIST images: not comparable with the 2016 post"
        warn(f"{source}: read as {name}, but {note}")
    return Dataset(name, source, found, train, validation, test, note, comparable=is_mnist and name == "mnist")


def _from_idx(name: str, folder: str) -> Dataset | None:
    paths = {file: path for file in IDX_FILES if (path := _idx_path(folder, file))}
    missing = [file for file in IDX_FILES if file not in paths]
    if not paths:
        return None
    if missing:
        raise RunError(f"{folder}: {', '.join(missing)} missing (plain or .gz); expected all four idx files or none")
    contents = {file: _unpacked(path) for file, path in paths.items()}

    def read(part: str) -> Split:
        images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        arrays = _parse_idx(contents[images], paths[images]), _parse_idx(contents[labels], paths[labels])
        return _split(*arrays, paths[images], paths[labels])

    train, test = read("train"), read("t10k")
    _check_sizes(train, test, paths["train-images-idx3-ubyte"], paths["t10k-images-idx3-ubyte"])
    return _dataset(name, f"idx files in {folder}", train, test)


def _idx_path(folder: str, file: str) -> str | None:
    names = [variant + ending for variant in (file, file.replace("-idx", ".idx")) for ending in ("", ".gz")]
    paths = [path for path in (os.path.join(folder, name) for name in names) if os.path.lexists(path)]
    # Some archives unpack to a folder with one spelling and a file with the other, so files take precedence.
    return next((path for path in paths if os.path.isfile(path)), paths[0] if paths else None)


def _unpacked(path: str) -> bytes:
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}; expected an idx file") from error
    if not path.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise RunError(f"cannot unpack {path}: {reason(error)}; expected an intact gzip file") from error


def _parse_idx(content: bytes, path: str) -> np.ndarray:
    """Return uint8 [n, 28, 28] or [n]. An idx file holds 2048 + rank and the shape, as big-endian uint32, then the bytes."""
    rank = 3 if "idx3" in os.path.basename(path) else 1
    what, other = ("images", "labels") if rank == 3 else ("labels", "images")
    header = 4 + 4 * rank
    if not content:
        raise RunError(f"{path}: empty file; expected idx {what}")
    if len(content) < header:
        raise RunError(f"{path}: truncated: {len(content)} bytes; expected idx {what}, with a header of {header} bytes")
    magic, *shape = np.frombuffer(content, ">u4", 1 + rank).tolist()
    if magic != 2048 + rank:
        guess = f": it holds {other}, files swapped or misnamed" if magic in (2049, 2051) else ""
        raise RunError(f"{path}: magic number {magic}{guess}; expected {2048 + rank}, idx {what}")
    if rank == 3 and shape[1:] != [28, 28]:
        raise RunError(f"{path}: images of {shape[1]}x{shape[2]} pixels; expected 28x28")
    expected = header + math.prod(shape)  # Python integers: an absurd count neither overflows nor allocates
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "trailing bytes"
        raise RunError(f"{path}: {fault}: {len(content)} bytes; expected {expected} for {shape[0]} {what}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _split(images: np.ndarray, labels: np.ndarray, images_from: str, labels_from: str) -> Split:
    if len(images) != len(labels):
        found = f"{images_from} holds {len(images)} images, {labels_from} holds {len(labels)} labels"
        raise RunError(f"{found}; expected as many labels as images")
    if len(labels) == 0:
        raise RunError(f"{images_from}: 0 images; expected at least 1")
    if labels.min() < 0 or labels.max() > 9:
        row = int(np.argmax((labels < 0) | (labels > 9)))
        raise RunError(f"{labels_from}: label {labels[row]} in row {row}; expected 0 to 9")
    return Split(images, labels.astype(np.uint8))


def _check_sizes(train: Split, test: Split, train_from: str, test_from: str) -> None:
    sizes = f"{train_from} holds {len(train.labels)} training images, {test_from} holds {len(test.labels)} test images"
    if len(test.labels) > len(train.labels):
        raise RunError(f"{sizes}: train and t10k files swapped; expected no more test than training images")
    if len(train.labels) < VALIDATION_SHARE:
        raise RunError(f"{sizes}; expected at least {VALIDATION_SHARE} for training, including one for validation")
    if len(test.labels) < 2:
        raise RunError(f"{sizes}; expected at least 2 for testing, because evaluation needs nearest neighbours")


# --- TensorFlow Datasets ---


def _from_tfds(name: str, folder: str) -> Dataset:
    """Read a prepared set and restore the order of the original files."""
    try:
        (train_images, train_labels), (test_images, test_labels) = prepared_sets.in_file_order(folder)
    except Exception as error:  # for a damaged set, tfds, TensorFlow and protobuf raise many types
        advice = "expected an intact set prepared by tfds; to prepare it again, delete this folder and rerun"
        raise RunError(f"cannot read {folder}: {reason(error)}; {advice}") from error
    train = _split(train_images, train_labels, folder, folder)
    test = _split(test_images, test_labels, folder, folder)
    _check_sizes(train, test, folder, folder)
    return _dataset(name, f"tfds set in {folder}", train, test)


# --- scikit-learn's digits ---


def _digits() -> Dataset:
    """Return scikit-learn's 1,797 digits of 8x8 pixels in 0..16, converted to MNIST's format: 20x20 centred in 28x28, 0..255.

    All of this is our choice: the post did not use them. The last 297 are the test set.
    """
    import tensorflow as tf
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    enlarged = tf.image.resize(np.reshape(pixels, [-1, 8, 8, 1]), [20, 20], method="bilinear").numpy()[..., 0]
    images = np.pad(np.rint(enlarged * (255 / 16)).astype(np.uint8), [(0, 0), (4, 4), (4, 4)])
    labels = np.asarray(labels, np.uint8)
    train, test = Split(images[:1500], labels[:1500]), Split(images[1500:], labels[1500:])
    return _dataset("digits", "scikit-learn load_digits", train, test)
