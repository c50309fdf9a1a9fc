"""Figures of a latent space: walks, interpolations, reconstruction errors, neighbours. NumPy in, figures out.

"Pictures" are floats in [0, 1] or bytes, as in `plots`.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from unsupervised_learning.figures import plots
from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.figures.plots import SIDE

MARK = "#ff7f0e"  # of highlighted items
ERROR_COLORS = "RdBu"  # red: too dark, blue: too bright, white: right; safe for colour-blind readers
GAP = 2  # pixels between the images of an error map


def traversals(
    images: np.ndarray,
    title: str,
    row_names: Sequence[str],
    column_names: Sequence[str],
    column_label: str,
    own: np.ndarray | None = None,
    group: int = 0,
) -> Figure:
    """Draw walks through a latent space, one per row, with `plots.image_rows`; outline the image nearest to each row's code.

    Args:
        images: [rows, columns, …] pictures.
        title: written above.
        row_names: on the left.
        column_names: below.
        column_label: label of the columns.
        own: [rows], the column closest to the row's own code; by default nothing is outlined.
        group: number of rows in a group; groups are set apart. 0: no groups.

    Returns:
        A figure with one axes.
    """
    figure = plots.image_rows(images, title, row_names, column_names, column_label)
    (axes,) = figure.axes
    left, right, bottom, top = axes.images[0].get_extent()
    width, height = right / len(column_names), bottom / len(row_names)
    for row, column in enumerate(() if own is None else own):
        frame = Rectangle((column * width - 0.5, row * height - 0.5), width, height, fill=False, edgecolor=MARK, linewidth=2)
        frame.set_clip_on(False)
        axes.add_patch(frame)
    for row in range(group, len(row_names), group) if group else ():
        axes.axhline(row * height - 0.5, color="white", linewidth=6, zorder=0.9)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return figure


def error_maps(images: np.ndarray, outputs: np.ndarray, errors: np.ndarray, error_name: str, title: str) -> Figure:
    """Draw images, their reconstructions, and the difference of each pixel.

    Args:
        images: n digits, floats.
        outputs: n digits, the reconstructions; may overshoot [0, 1].
        errors: [n], one number for each image, written below it.
        error_name: name of the errors, with their unit.
        title: written above.

    Returns:
        A figure with an axes and the axes of its colour bar.

    Raises:
        ValueError: arrays with other shapes.
    """
    images, outputs = (np.asarray(one, np.float64).reshape(len(one), -1) for one in (images, outputs))
    if images.shape != outputs.shape or images.shape[1:] != (SIDE * SIDE,) or len(errors) != len(images):
        raise ValueError(
            f"images and outputs must be [n, 784] and errors [n]. Received: {images.shape}, {outputs.shape}, {np.shape(errors)}"
        )
    colors = colormaps[ERROR_COLORS]
    greys = [np.repeat(np.clip(one, 0, 1)[..., None], 3, axis=-1) for one in (images, outputs)]
    differences = colors((np.clip(outputs - images, -1, 1) + 1) / 2)[..., :3]
    step = SIDE + GAP
    canvas = np.ones((3 * step - GAP, len(images) * step - GAP, 3))
    for row, pictures in enumerate((*greys, differences)):
        for column, picture in enumerate(pictures):
            place = (slice(row * step, row * step + SIDE), slice(column * step, column * step + SIDE))
            canvas[place] = picture.reshape(SIDE, SIDE, 3)

    width = max(0.86 * len(images), 4.0)
    figure = Figure(figsize=(width + 1.6, width * canvas.shape[0] / canvas.shape[1] + 1.0), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(canvas, extent=(0, canvas.shape[1], canvas.shape[0], 0), interpolation="nearest")
    axes.set_yticks([row * step + SIDE / 2 for row in range(3)], ["image", "output", "difference"], fontsize=10)
    middles = [column * step + SIDE / 2 for column in range(len(images))]
    axes.set_xticks(middles, [f"{error:.3g}" for error in errors], fontsize=10)
    axes.set_xlabel(error_name, fontsize=11, labelpad=6)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for column in range(len(images)):  # separates a white difference from the background
        frame = Rectangle((column * step, 2 * step), SIDE, SIDE, fill=False, edgecolor="0.75", linewidth=0.6)
        axes.add_patch(frame)
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), ERROR_COLORS), ax=axes, shrink=0.9, pad=0.015, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["−1: too dark", "0: right", "1: too bright"], fontsize=9)
    bar.set_label("output − image", fontsize=10)
    bar.outline.set_linewidth(0.5)
    axes.set_title(title, fontsize=13)
    return figure


def interpolations(images: np.ndarray, title: str, column_names: Sequence[str], column_label: str) -> Figure:
    """Draw straight lines and arcs between the same codes, the arc below the line.

    Args:
        images: [pairs, 2, columns, …] pictures; for each pair first the straight line, then the arc.
        title: written above.
        column_names: below.
        column_label: label of the columns.

    Returns:
        A figure with one axes.
    """
    pairs, _, columns = images.shape[:3]
    rows = np.asarray(images).reshape(2 * pairs, columns, *images.shape[3:])
    return traversals(rows, title, ["straight", "arc"] * pairs, column_names, column_label, group=2)


def nearest_neighbours(samples: np.ndarray, neighbours: np.ndarray, distances: np.ndarray, title: str) -> Figure:
    """Draw generated images, each with its nearest training image below.

    Args:
        samples: [n, …] pictures.
        neighbours: [n, …] pictures, the nearest training images.
        distances: [n], distances between the two, written below.
        title: written above.

    Returns:
        A figure with one axes.
    """
    names, numbers = ["generated", "nearest"], [f"{distance:.2f}" for distance in distances]
    return plots.image_rows(np.stack([samples, neighbours]), title, names, numbers, "distance between the two")
