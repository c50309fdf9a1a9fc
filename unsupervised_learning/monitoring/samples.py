"""Images decoded from fixed latents, so that pictures can be compared across iterations and runs."""

import numpy as np

from unsupervised_learning.bases.image_model import ImageModel

GRID = 64  # images in a grid


def decoded_samples(model: ImageModel, count: int = GRID, seed: int = 0) -> np.ndarray:
    """Return images [count, …] decoded from latents drawn with this seed: see `prior` of the model."""
    return model.sample(count, seed)


def tile(images: np.ndarray) -> np.ndarray:
    """Tile images [n, height, width, channels], n a multiple of 8, into one picture [1, …] of 8 columns, clipped to [0, 1]."""
    count, height, width, channels = images.shape
    rows = images.reshape(count // 8, 8, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.clip(rows.reshape(1, -1, 8 * width, channels), 0.0, 1.0)
