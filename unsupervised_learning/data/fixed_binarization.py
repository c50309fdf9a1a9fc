"""Larochelle and Murray's fixed binarisation of MNIST, the "binarized MNIST" of many papers, from its three text files.

H. Larochelle and I. Murray, "The neural autoregressive distribution estimator", AISTATS 2011. Each pixel was drawn once, white
with the grey pixel's intensity as probability. Departs from 2016: see `binarization`.
"""

import pathlib

import numpy as np

from unsupervised_learning.data.dataset import Dataset, Split, checksum, existing_folder
from unsupervised_learning.errors import RunError, reason

NAME = "larochelle"  # value of --binarize
# Split → file and number of images. A line has one image: 784 numbers, 0 or 1, with a space between two.
FILES = {
    "train": ("binarized_mnist_train.amat", 50_000),
    "validation": ("binarized_mnist_valid.amat", 10_000),
    "test": ("binarized_mnist_test.amat", 10_000),
}
PIXELS = 28 * 28
ONE, NEWLINE = b"1\n"
OTHER, SPACE, PIXEL = range(3)  # kinds of bytes
KINDS = np.full(256, OTHER, np.uint8)
KINDS[list(b" \t\r\n")], KINDS[list(b"01")] = SPACE, PIXEL


def load(data_dir: str | None) -> Dataset:
    """Read the three files in `data_dir`.

    Returns:
        Images uint8 [n, 28, 28] of 0 or 255, and labels 0, uint8 [n], because the files have none: 50,000, 10,000 and 10,000.

    Raises:
        RunError: the folder is missing or unusable, a file is missing, or it is not what it should be.
    """
    names = ", ".join(file for file, _ in FILES.values())
    if data_dir is None:
        raise RunError(f"--binarize={NAME} reads {names}; expected --data_dir=<their folder>. Received: none")
    folder = pathlib.Path(existing_folder(data_dir, "data_dir"))
    if missing := [file for file, _ in FILES.values() if not (folder / file).exists()]:
        raise RunError(f"{folder}: {', '.join(missing)} missing; --binarize={NAME} expects {names}")
    splits = {}
    for split, (file, count) in FILES.items():
        images = read(folder / file, count)
        splits[split] = Split(images, np.zeros(len(images), np.uint8))
    return Dataset(
        "mnist",
        f"{', '.join(file for file, _ in FILES.values())} in {folder}",
        **splits,
        checksum=checksum(**splits),
        note="Larochelle and Murray's fixed binarisation: not comparable with the 2016 post, which trains on grey pixels",
        comparable=False,
        binarize=NAME,
    )


def read(path: pathlib.Path, count: int) -> np.ndarray:
    """Return the images in a file, uint8 [count, 28, 28] of 0 or 255.

    All bytes are checked at once, a few hundred times as fast as `numpy.loadtxt`.

    Raises:
        RunError: the file cannot be read, has another number of images, or a line that is not 784 zeros and ones.
    """
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}; expected {count:,} lines of {PIXELS} zeros and ones") from error
    kinds = KINDS[content]
    pixel = kinds == PIXEL
    odd = kinds == OTHER
    odd[1:] |= pixel[1:] & pixel[:-1]  # numbers of two digits
    if odd.any():
        at = int(odd.argmax())
        line, word = np.sum(content[:at] == NEWLINE) + 1, bytes(content[max(0, at - 1) : at + 8])
        raise RunError(f"{path}: line {line:,} has {word!r}; expected zeros and ones with spaces between them")
    starts = np.concatenate([[0], np.flatnonzero(content == NEWLINE) + 1])
    lengths = np.add.reduceat(pixel, starts[starts < len(content)], dtype=np.int32) if len(content) else np.zeros(0, np.int32)
    wrong = np.flatnonzero((lengths != PIXELS) & (lengths != 0))  # the last line may be empty
    if len(wrong):
        raise RunError(f"{path}: line {wrong[0] + 1:,} has {lengths[wrong[0]]:,} numbers; expected {PIXELS}")
    if (images := np.count_nonzero(lengths)) != count:
        raise RunError(f"{path}: {images:,} images; expected {count:,}")
    return np.where(content[pixel] == ONE, np.uint8(255), np.uint8(0)).reshape(count, 28, 28)
