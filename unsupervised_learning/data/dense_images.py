"""The images of the autoencoder and the VAE, 28×28 and grey: MNIST and its substitutes, or pictures from a folder."""

from unsupervised_learning.data import binarization, fixed_binarization, mnist, pictures
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import RunError


def load(
    name: str,
    data_dir: str | None = None,
    image_dir: str | None = None,
    cache_dir: str | None = None,
    binarize: str = "none",
) -> Dataset:
    """Load a data set in the format of MNIST, and binarise it.

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
            raise RunError(f"--binarize={binarize} is a data set of its own, MNIST's; expected no other. Received: {name}")
        return fixed_binarization.load(data_dir)
    if name == "pictures":
        if image_dir is None:
            raise RunError(f"'pictures' are read from a folder; expected --image_dir=<folder>. Received: {image_dir=}")
        return binarization.binarized(pictures.drawings(image_dir, cache_dir), binarize)
    return binarization.binarized(mnist.load(name, data_dir), binarize)
