"""The project's image figures: NumPy arrays in; matplotlib figures, PNG or GIF bytes, or pixels out. Writes no files.

Figures are created from `matplotlib.figure.Figure`, not pyplot: no window, no global state, no figure left open.

"Pictures" below are [n, height, width, channels] with 1 or 3 channels, [n, 28, 28] or [n, 784], floats in [0, 1] or uint8.
"Digits" are grey pictures of 28×28 pixels. Floats outside [0, 1] are clipped, because the output of 2016's autoencoder is
linear and overshoots. Wrong shapes, numbers of names or labels, non-finite numbers and empty arrays raise ValueError. A figure
has one axes.
"""

import io
import math
from collections.abc import Sequence

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageDraw, ImageFont

from unsupervised_learning.figures.figure import Figure

SIDE = 28  # pixels along a side of an MNIST image
GIF_FRAMES = 100  # maximum


def reconstructions(images: np.ndarray, reconstructions: np.ndarray, title: str, labels: np.ndarray | None = None) -> Figure:
    """Draw originals above their reconstructions, ten pairs per row.

    Args:
        images: n digits.
        reconstructions: n digits, in the same order.
        title: title of the figure.
        labels: [n], written above each pair; none by default.
    """
    inputs, outputs = _as_squares(images, "images"), _as_squares(reconstructions, "reconstructions")
    if len(inputs) != len(outputs) or (labels is not None and len(labels) != len(inputs)):
        raise ValueError(
            "images, reconstructions and labels must have the same length. "
            f"Received: {len(inputs)}, {len(outputs)}, {None if labels is None else len(labels)}"
        )
    columns = min(10, len(inputs))
    rows = math.ceil(len(inputs) / columns)
    gap = 2  # pixels between an original and its reconstruction, and between columns
    space = 14 if labels is not None else 8  # pixels above each row of pairs, room for the labels
    row_height = space + 2 * SIDE + gap

    canvas = np.ones((rows * row_height, columns * (SIDE + gap) - gap))  # white
    middles = []  # centres of the rows "input", "output", "input", …, in pixels
    for i, (original, output) in enumerate(zip(inputs, outputs, strict=True)):
        top, left = i // columns * row_height + space, i % columns * (SIDE + gap)
        canvas[top : top + SIDE, left : left + SIDE] = original
        canvas[top + SIDE + gap : top + 2 * SIDE + gap, left : left + SIDE] = output
        if i % columns == 0:
            middles += [top + SIDE / 2, top + SIDE + gap + SIDE / 2]

    figure, axes = _canvas_figure(canvas, title, extra_width=0.9)
    axes.set_yticks(middles, ["input", "output"] * rows, fontsize=10)
    if labels is not None:
        for i, label in enumerate(labels):
            x, y = i % columns * (SIDE + gap) + SIDE / 2, i // columns * row_height + space - 2
            axes.text(x, y, str(label), ha="center", va="bottom", fontsize=10)
    return figure


def image_grid(images: np.ndarray, title: str, columns: int | None = None) -> Figure:
    """Draw pictures in a grid, in row-major order, by default as close to a square as possible."""
    pictures = _as_pictures(images, "images")
    if columns is None:
        columns = math.ceil(math.sqrt(len(pictures)))
    if columns < 1:
        raise ValueError(f"columns must be at least 1. Received: columns={columns}")
    figure, axes = _canvas_figure(_separated(pictures, min(columns, len(pictures))), title)
    axes.set_yticks([])
    return figure


def image_rows(
    images: np.ndarray,
    title: str,
    row_names: Sequence[str],
    column_names: Sequence[str],
    column_label: str,
    row_ends: Sequence[str] | None = None,
    columns_above: bool = False,
) -> Figure:
    """Draw pictures in labelled rows and columns, such as walks through a latent space, one per row.

    Args:
        images: [rows, columns, …] pictures, with both dimensions at least 1.
        title: title of the figure.
        row_names: a name for each row, on its left.
        column_names: a name for each column.
        column_label: axis label for the column names.
        row_ends: a name for each row, on its right; none by default.
        columns_above: put the column names and label above the pictures, not below.
    """
    images = np.asarray(images)
    rows, columns = len(row_names), len(column_names)
    if images.shape[:2] != (rows, columns) or (row_ends is not None and len(row_ends) != rows):
        raise ValueError(
            "images must be [rows, columns, …] with a name for each row and column. Received: "
            f"images.shape={images.shape}, row_names={row_names}, column_names={column_names}, row_ends={row_ends}"
        )
    pictures = _as_pictures(images.reshape(rows * columns, *images.shape[2:]), "images")
    canvas = _separated(pictures, columns)
    extra_width = 1.1 if row_ends is None else 2.0
    figure, axes = _canvas_figure(canvas, title, extra_width, extra_height=1.1)
    middles = (np.arange(rows) + 0.5) * canvas.shape[0] / rows
    axes.set_xticks((np.arange(columns) + 0.5) * canvas.shape[1] / columns, column_names, fontsize=10)
    axes.set_yticks(middles, row_names, fontsize=10)
    axes.set_xlabel(column_label, fontsize=11, labelpad=6)
    if columns_above:
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.tick_params(length=0)
    if row_ends is not None:
        right = axes.secondary_yaxis("right")
        right.set_yticks(middles, row_ends, fontsize=10)
        right.tick_params(length=0)
        right.spines[:].set_visible(False)
    return figure


def manifold(
    images: np.ndarray,
    axis_values: np.ndarray,
    title: str,
    axis_names: tuple[str, str] = ("z1", "z2"),
    upward_values: np.ndarray | None = None,
) -> Figure:
    """Draw images decoded from a grid of codes, as in figure 4 of Kingma & Welling (2013).

    Args:
        images: [k, k, 784] or [k, k, 28, 28]; images[row, column] is decoded from z1 = axis_values[column] and
            z2 = axis_values[row]. z1 increases to the right and z2 upward.
        axis_values: [k], the codes along both axes.
        title: title of the figure.
        axis_names: names of the two dimensions.
        upward_values: [k], the codes along the second axis if they differ.
    """
    images, axis_values = np.asarray(images), np.asarray(axis_values)
    upward_values = axis_values if upward_values is None else np.asarray(upward_values)
    k = axis_values.size
    if axis_values.shape != (k,) or upward_values.shape != (k,) or images.shape[:2] != (k, k):
        raise ValueError(
            "images must be [k, k, 784], axis_values and upward_values [k]. Received: "
            f"images.shape={images.shape}, axis_values.shape={axis_values.shape}, upward_values.shape={upward_values.shape}"
        )
    upward = images[::-1]  # row 0 has the lowest z2 and goes to the bottom
    squares = _as_squares(upward.reshape(k * k, *images.shape[2:]), "images")
    canvas = _tile(squares, columns=k, gap=0, background=0.0)  # no separators: the digits blend into each other
    figure, axes = _canvas_figure(canvas, title, extra_width=0.6)

    # At most nine tick labels per axis, including the first and last: more would overlap.
    shown = np.linspace(0, k - 1, min(k, 9)).round().astype(int)
    axes.set_xticks((shown + 0.5) * SIDE, [f"{value:.3g}" for value in axis_values[shown]], fontsize=9)
    axes.set_yticks((k - shown - 0.5) * SIDE, [f"{value:.3g}" for value in upward_values[shown]], fontsize=9)
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    return figure


def png(image: np.ndarray) -> bytes:
    """Encode one picture [height, width, channels] as PNG, at its original size."""
    picture = _as_pictures(np.asarray(image)[None], "image")[0]
    encoded = io.BytesIO()
    Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(encoded, format="PNG")
    return encoded.getvalue()


def training_gif(pictures: dict[int, bytes]) -> bytes:
    """Encode a GIF of one picture through training, captioned with the iteration: ten frames per second, the last for 3 s.

    Args:
        pictures: iteration → PNG, at least one, all of the same size. If there are more than 100, 100 evenly spaced ones are
            used, including the first and the last.
    """
    iterations = sorted(pictures)
    chosen = np.linspace(0, len(iterations) - 1, min(len(iterations), GIF_FRAMES)).round().astype(int)
    frames = [_captioned(pictures[iterations[i]], f"iteration {iterations[i]:,}") for i in chosen]
    encoded = io.BytesIO()
    durations = [100] * (len(frames) - 1) + [3_000]  # ms
    frames[0].save(encoded, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return encoded.getvalue()


def sprite(images: np.ndarray) -> np.ndarray:
    """Tile n digits into one sprite image for TensorBoard's projector.

    The result is uint8 [rows * 28, rows * 28] with the smallest rows such that rows² ≥ n, in row-major order. Unused cells are
    black.
    """
    squares = _as_squares(images, "images")
    rows = math.ceil(math.sqrt(len(squares)))
    cells = np.zeros((rows * rows, SIDE, SIDE), np.float32)
    cells[: len(squares)] = squares
    return np.round(_tile(cells, columns=rows, gap=0, background=0.0) * 255).astype(np.uint8)


def figure_to_rgb(figure: matplotlib.figure.Figure) -> np.ndarray:
    """Render a figure to pixels, uint8 [height, width, 3], for TensorBoard's images."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _as_pictures(images: np.ndarray, name: str) -> np.ndarray:
    """Return pictures as floats in [0, 1]: [n, height, width] if grey, [n, height, width, 3] if coloured."""
    images = np.asarray(images)
    if images.shape[1:] in ((SIDE * SIDE,), (SIDE, SIDE)):
        pictures = images.reshape(-1, SIDE, SIDE)
    elif images.ndim == 4 and images.shape[3] in (1, 3):
        pictures = images[..., 0] if images.shape[3] == 1 else images
    else:
        pictures = images[:0]
    if pictures.size == 0:
        raise ValueError(
            f"{name} must be [n, height, width, 1 or 3], [n, 28, 28] or [n, 784], with n at least 1. "
            f"Received: {name}.shape={images.shape}"
        )
    if images.dtype == np.uint8:
        return pictures / np.float32(255)
    if not np.isfinite(pictures).all():
        raise ValueError(f"{name} must be finite. Received: {np.sum(~np.isfinite(pictures))} values that are not finite")
    return np.clip(pictures, 0.0, 1.0)


def _as_squares(images: np.ndarray, name: str) -> np.ndarray:
    """Return digits as [n, 28, 28] floats in [0, 1]."""
    squares = _as_pictures(images, name)
    if squares.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"{name} must be 28×28 and grey. Received: {name}.shape={np.shape(images)}")
    return squares


def _captioned(encoded: bytes, caption: str) -> Image.Image:
    """Add a caption in a white margin above a PNG. Small pictures are doubled in size, so that the caption is readable.

    Colours are reduced to 16 greys or 64 colours, which makes a GIF much smaller.
    """
    picture = Image.open(io.BytesIO(encoded))
    if picture.width < 400:
        picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    margin = 36
    framed = Image.new(picture.mode, (picture.width, picture.height + margin), "white")
    framed.paste(picture, (0, margin))
    font = ImageFont.load_default(size=22)
    ImageDraw.Draw(framed).text((picture.width / 2, margin / 2), caption, "black", font, anchor="mm")
    if framed.mode == "L":
        return framed.point([round(grey / 17) * 17 for grey in range(256)])
    # The palette is computed from a sixteenth of the pixels: all of them would take half a second.
    few = framed.resize((framed.width // 4, framed.height // 4), Image.Resampling.NEAREST)
    palette = few.quantize(64, Image.Quantize.MEDIANCUT)
    return framed.quantize(palette=palette, dither=Image.Dither.NONE)


def _tile(pictures: np.ndarray, columns: int, gap: int, background: float) -> np.ndarray:
    """Tile [n, h, w] or [n, h, w, 3] into [height, width] or [height, width, 3] in row-major order, `gap` pixels apart."""
    height, width, *channels = pictures.shape[1:]
    rows = math.ceil(len(pictures) / columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *channels), background, np.float32)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def _separated(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Tile pictures with visible separators: thin grey lines between grey pictures, white ones between coloured pictures."""
    grey = pictures.ndim == 3
    return _tile(pictures, columns, gap=1 if grey else 3, background=0.5 if grey else 1.0)


def _canvas_figure(canvas: np.ndarray, title: str, extra_width: float = 0.2, extra_height: float = 0.7) -> tuple[Figure, Axes]:
    """Show an image under a title, in its aspect ratio. `extra_width` and `extra_height` are inches for labels and title."""
    inches = 8.0 * min(1.0, max(canvas.shape[1] / 280, 0.3))  # a row of ten digits is 8 inches wide
    height = inches * canvas.shape[0] / canvas.shape[1]
    width = max(inches + extra_width, 5.0)  # room for the title
    figure = Figure(figsize=(width, height + extra_height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, extent=(0, canvas.shape[1], canvas.shape[0], 0))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=13)
    return figure, axes
