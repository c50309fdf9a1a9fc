"""Grids of generated images. Each is decoded from the same latents, so that they can be compared across iterations and runs."""

import numpy as np

GRID = 64  # images in a grid


def tile(images: np.ndarray) -> np.ndarray:
    """Tile images [n, height, width, channels], n a multiple of 8, into one picture [1, …] of 8 columns, clipped to [0, 1]."""
    count, height, width, channels = images.shape
    rows = images.reshape(count // 8, 8, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.clip(rows.reshape(1, -1, 8 * width, channels), 0.0, 1.0)
