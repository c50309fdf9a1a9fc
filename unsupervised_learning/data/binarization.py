"""MNIST with pixels that are black or white, the data of the literature's likelihoods.

Departs from 2016: the post trains on grey pixels, of which a Bernoulli decoder gives no likelihood. Bounds on binarised images
are probabilities, and can be set beside those of papers that binarise in the same way.
"""

import dataclasses

import numpy as np

from unsupervised_learning.data.dataset import Dataset, Split, checksum
from unsupervised_learning.errors import RunError

BINARIZATIONS = ("none", "threshold", "sample")
THRESHOLD = 0.5 * 255  # between two bytes
# The seed of each split's draw. Not the run's: the data are one set, whatever is trained on them.
SEEDS = {"train": 1, "validation": 2, "test": 3}


def binarized(dataset: Dataset, how: str) -> Dataset:
    """Make all three splits static black and white: bytes 0 or 255, the same in every epoch and every run.

    Args:
        dataset: any of uint8 images.
        how: `none` gives the data set itself.
            `threshold`: white where the pixel is above 0.5, the deterministic binarisation.
            `sample`: white with the pixel's intensity as the probability, drawn once (Salakhutdinov & Murray 2008, "On the
            quantitative analysis of deep belief networks", section 5; Larochelle & Murray 2011, "The neural autoregressive
            distribution estimator", whose draw became the "binarized MNIST" of many papers). Ours is another draw from the same
            distribution, and holds out 5,000 images for validation where theirs holds out 10,000. Papers that draw anew in each
            epoch (Burda et al. 2015) regularise their training by that and reach better bounds.

    Returns:
        A data set with a checksum of its own, that is not comparable with the 2016 post.

    Raises:
        RunError: for an unknown `how`.
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
    """Draw bool of the images' shape, True with probability image / 255.

    A whole number that is even over 0 … 254 lies below the byte b with probability b / 255. It is drawn by the old
    `RandomState`, whose numbers NumPy promises never to change.
    """
    return np.random.RandomState(seed).randint(0, 255, images.shape, np.uint8) < images
