"""Binarised MNIST, which the literature uses for likelihoods.

Departs from 2016: black and white pixels instead of grey ones, because a Bernoulli decoder has no likelihood for grey pixels.
Bounds on binarised images are log-probabilities, comparable with papers that binarise in the same way.
"""

import dataclasses

import numpy as np

from unsupervised_learning.data.dataset import Dataset, Split, checksum
from unsupervised_learning.errors import RunError

BINARIZATIONS = ("none", "threshold", "sample")  # `fixed_binarization` is one more, with files of its own
THRESHOLD = 0.5 * 255  # between two bytes
# Seed of the random draw for each split. Not the run's seed, because every run must see the same data.
SEEDS = {"train": 1, "validation": 2, "test": 3}


def binarized(dataset: Dataset, how: str) -> Dataset:
    """Binarise all three splits to bytes 0 or 255, the same in every epoch and every run.

    Args:
        dataset: any data set of uint8 images.
        how: `none` returns the data set unchanged.
            `threshold`: white if the pixel is above 0.5, the deterministic binarisation.
            `sample`: white with the pixel's intensity as probability, drawn once (Salakhutdinov & Murray 2008, "On the
            quantitative analysis of deep belief networks", section 5; the sample of Larochelle & Murray 2011, "The neural
            autoregressive distribution estimator", became the "binarized MNIST" of many papers). Ours is another sample from
            the same distribution, with 5,000 instead of 10,000 validation images. Papers that sample anew in each epoch (Burda
            et al. 2015) thereby regularise training and reach better bounds.

    Returns:
        A data set with its own checksum, marked as not comparable with the 2016 post.

    Raises:
        RunError: unknown `how`.
    """
    if how not in BINARIZATIONS:
        raise RunError(f"unknown binarization {how!r}; expected one of {', '.join(BINARIZATIONS)}")
    if how == "none":
        return dataset
    splits = {}
    for name, seed in SEEDS.items():
        split = getattr(dataset, name)
        white = split.images > THRESHOLD if how == "threshold" else _drawn(split.images, seed)
        splits[name] = Split(np.where(white, np.uint8(255), np.uint8(0)), split.labels)
    note = f"binarised by {how}: not comparable with the 2016 post, which trains on grey pixels"
    return dataclasses.replace(
        dataset,
        source=f"{dataset.source}, binarised by {how}",
        **splits,
        checksum=checksum(**splits),
        note=f"{dataset.note}; {note}" if dataset.note else note,
        comparable=False,
        binarize=how,
    )


def _drawn(images: np.ndarray, seed: int) -> np.ndarray:
    """Return random booleans in the shape of the images, True with probability image / 255.

    A uniform integer from 0 … 254 is below the byte b with probability b / 255. It is drawn with the legacy `RandomState`,
    because NumPy guarantees that its output never changes.
    """
    return np.random.RandomState(seed).randint(0, 255, images.shape, np.uint8) < images
