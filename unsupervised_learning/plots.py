"""The project's pictures: NumPy arrays in, matplotlib figures out. Writes nothing.

Figures are made from `matplotlib.figure.Figure`, not from pyplot: no window, no global state, no figure left open.

"Digits" below means [n, 784] or [n, 28, 28], floats in [0, 1] or uint8 in 0 … 255. Floats outside [0, 1] are clipped,
because the output of 2016's autoencoder is linear and overshoots. Wrong shapes, non-finite numbers and empty arrays
raise ValueError.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from sklearn.decomposition import PCA

SIDE = 28  # pixels along a side of an MNIST image

# One colour a digit, in the order of the post's jet map, dark blue to dark red. Jet itself gives neighbours that look
# alike; here the closest two are 39 apart in CIELAB (tab10's: 28), and 15 apart under deuteranopia (tab10's: 7).
DIGIT_COLORS = (
    "#1c1a6e",
    "#2f62f0",
    "#4fc3f7",
    "#00796b",
    "#2fbf4f",
    "#c6ea5a",
    "#f7c600",
    "#ff7f0e",
    "#e3202c",
    "#74101f",
)


def latent_scatter(codes: np.ndarray, labels: np.ndarray, title: str, axis_names: Sequence[str] | None = None) -> Figure:
    """Draw each code as a dot coloured by its digit: the post's latent-space figure, with a legend.

    Three dimensions give a 3-D scatter, two a plane, one a strip for each digit. More than three are projected on their
    first three principal components, and the axes say so. One unit is equally long on every axis, so distances can be
    compared.

    Args:
        codes: [n, d] finite floats, n and d at least 1.
        labels: [n] integers in 0 … 9.
        title: written above the axes.
        axis_names: d names; z1, z2, … by default. Not used when d > 3.

    Returns:
        A figure with one axes and a legend entry for each digit that occurs.

    Raises:
        ValueError: shapes that do not fit, codes that are not finite, labels outside 0 … 9.
    """
    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    if codes.ndim != 2 or codes.size == 0:
        raise ValueError(f"codes must be [n, d] with n and d at least 1. Received: codes.shape={codes.shape}")
    if not np.isfinite(codes).all():
        row = int(np.flatnonzero(~np.isfinite(codes).all(axis=1))[0])
        raise ValueError(f"codes must be finite. Received: codes[{row}]={codes[row]}")
    if labels.shape != codes.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be integers, one for each of the {len(codes)} codes. "
            f"Received: labels.shape={labels.shape}, labels.dtype={labels.dtype}"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"labels must lie in 0 … 9. Received: {labels.min()} … {labels.max()}")
    if axis_names is None:
        axis_names = [f"z{i + 1}" for i in range(codes.shape[1])]
    if len(axis_names) != codes.shape[1]:
        raise ValueError(f"axis_names must have {codes.shape[1]} names. Received: axis_names={axis_names}")

    if codes.shape[1] > 3:
        codes, axis_names = _first_principal_components(codes)

    figure = Figure(figsize=(9, 7), dpi=100)
    axes: Any  # 2-D or 3-D
    if codes.shape[1] == 3:
        axes = _scatter_3d(figure, codes, labels)
        axes.set_zlabel(axis_names[2], labelpad=6)
    elif codes.shape[1] == 2:
        axes = _scatter_2d(figure, codes, labels)
    else:
        axes = _strips(figure, codes[:, 0], labels)
    axes.set_xlabel(axis_names[0], labelpad=6)
    axes.set_ylabel(axis_names[1] if len(axis_names) > 1 else "", labelpad=6)
    axes.set_title(title, fontsize=14)

    entries = [
        Line2D([], [], linestyle="", marker="o", markersize=9, markeredgecolor="black", markeredgewidth=0.5, color=color)
        for color in np.array(DIGIT_COLORS)[np.unique(labels)]
    ]
    names = [f"digit {digit}" for digit in np.unique(labels)]
    figure.legend(entries, names, loc="center right", bbox_to_anchor=(0.985, 0.5), frameon=False, fontsize=11)
    return figure


def reconstructions(images: np.ndarray, reconstructions: np.ndarray, title: str, labels: np.ndarray | None = None) -> Figure:
    """Draw originals above their reconstructions, ten pairs a row.

    Args:
        images: n digits. Made for n up to 40; more make a taller figure.
        reconstructions: n digits, in the same order.
        title: written above the pairs.
        labels: [n], written above each pair; none by default.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: arrays that are not digits, or not n of each.
    """
    inputs, outputs = _as_squares(images, "images"), _as_squares(reconstructions, "reconstructions")
    if len(inputs) != len(outputs) or (labels is not None and len(labels) != len(inputs)):
        raise ValueError(
            "images, reconstructions and labels must be of one length. "
            f"Received: {len(inputs)}, {len(outputs)}, {None if labels is None else len(labels)}"
        )
    columns = min(10, len(inputs))
    rows = math.ceil(len(inputs) / columns)
    gap = 2  # pixels between an original and its reconstruction, and between columns
    space = 14 if labels is not None else 8  # pixels above each row of pairs; labels stand there
    row_height = space + 2 * SIDE + gap

    canvas = np.ones((rows * row_height, columns * (SIDE + gap) - gap))  # white paper
    middles = []  # of the rows "input", "output", "input", …, in pixels
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
    """Draw digits in a grid, in row-major order.

    Args:
        images: n digits.
        title: written above the grid.
        columns: at least 1; by default as near to a square as n allows.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: an array that is not digits, columns below 1.
    """
    squares = _as_squares(images, "images")
    if columns is None:
        columns = math.ceil(math.sqrt(len(squares)))
    if columns < 1:
        raise ValueError(f"columns must be at least 1. Received: columns={columns}")
    canvas = _tile(squares, min(columns, len(squares)), gap=1, background=0.5)
    figure, axes = _canvas_figure(canvas, title)
    axes.set_yticks([])
    return figure


def manifold(images: np.ndarray, axis_values: np.ndarray, title: str) -> Figure:
    """Draw what a decoder makes of a grid of codes, as in figure 4 of Kingma & Welling (2013).

    Args:
        images: [k, k, 784] or [k, k, 28, 28]; images[row, column] is decoded from z1 = axis_values[column],
            z2 = axis_values[row]. Drawn with z1 growing to the right and z2 growing upward.
        axis_values: [k], the codes along either axis.
        title: written above the grid.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: an array that is not k×k digits.
    """
    images, axis_values = np.asarray(images), np.asarray(axis_values)
    k = axis_values.size
    if axis_values.ndim != 1 or images.shape[:2] != (k, k):
        raise ValueError(
            "images must be [k, k, 784] and axis_values [k]. "
            f"Received: images.shape={images.shape}, axis_values.shape={axis_values.shape}"
        )
    upward = images[::-1]  # row 0 has the lowest z2 and belongs at the bottom
    squares = _as_squares(upward.reshape(k * k, *images.shape[2:]), "images")
    canvas = _tile(squares, columns=k, gap=0, background=0.0)  # no separators: the digits blend into each other
    figure, axes = _canvas_figure(canvas, title, extra_width=0.6)

    # At most nine numbers along an axis, first and last included: more would run into each other.
    shown = np.linspace(0, k - 1, min(k, 9)).round().astype(int)
    numbers = [f"{value:.3g}" for value in axis_values[shown]]
    axes.set_xticks((shown + 0.5) * SIDE, numbers, fontsize=9)
    axes.set_yticks((k - shown - 0.5) * SIDE, numbers, fontsize=9)
    axes.set_xlabel("z1")
    axes.set_ylabel("z2")
    return figure


def sprite(images: np.ndarray) -> np.ndarray:
    """Lay digits out as the one image that TensorBoard's projector cuts its thumbnails from.

    Args:
        images: n digits.

    Returns:
        uint8 [rows * 28, rows * 28], rows the smallest number with rows² ≥ n; row-major, cells left over black.

    Raises:
        ValueError: an array that is not digits.
    """
    squares = _as_squares(images, "images")
    rows = math.ceil(math.sqrt(len(squares)))
    cells = np.zeros((rows * rows, SIDE, SIDE), np.float32)
    cells[: len(squares)] = squares
    return np.round(_tile(cells, columns=rows, gap=0, background=0.0) * 255).astype(np.uint8)


def figure_to_rgb(figure: Figure) -> np.ndarray:
    """Render a figure to pixels, for TensorBoard's images.

    Returns:
        uint8 [height, width, 3].
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _first_principal_components(codes: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Project [n, d] codes on their first three principal components (fewer if n is); also name these."""
    pca = PCA(min(3, len(codes)), svd_solver="full")
    with np.errstate(divide="ignore", invalid="ignore"):  # a share of the variance is 0/0 when all codes are equal
        projected = pca.fit_transform(codes - codes[0])  # equal codes become exactly 0, not the mean's rounding errors
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return projected, [f"principal component {i + 1} ({share:.0%} of variance)" for i, share in enumerate(shares)]


def _limits(codes: np.ndarray) -> np.ndarray:
    """Return [d, 2] axis limits: each dimension's own middle, the same width for all."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    width = (high - low).max()
    if width <= 1e-6 * np.abs(codes).max():  # all codes equal up to rounding, e.g. a collapsed VAE: a unit box around them
        width = 1.0
    half = 0.53 * width  # 6 % more than the codes need, so that no dot is cut at the edge
    middle = (low + high) / 2
    return np.stack([middle - half, middle + half], axis=1)


def _dots(labels: np.ndarray, area: float) -> dict[str, Any]:
    """Return scatter's arguments for small dots, coloured by digit, with a thin darker edge of the same hue."""
    faces = to_rgba_array(DIGIT_COLORS)[labels]  # [n, 4]
    edges = faces * [0.45, 0.45, 0.45, 1.0]
    return {"s": area, "c": faces, "edgecolors": edges, "linewidths": 0.35}


def _scatter_3d(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Any:
    axes: Any  # matplotlib's type annotations lack the 3-D axes
    with rc_context({"grid.color": "0.88", "grid.linewidth": 0.7, "axes.edgecolor": "0.4"}):  # fixed when axes are made
        axes = figure.add_axes((0.0, 0.05, 0.86, 0.9), projection="3d")
    axes.view_init(elev=22, azim=-50)  # about the post's view
    axes.set_box_aspect((1, 1, 1), zoom=0.97)  # at 1 the label of a long-named axis leaves the figure
    limits = _limits(codes)
    axes.set(xlim=limits[0], ylim=limits[1], zlim=limits[2])
    for axis, grey in ((axes.xaxis, 0.97), (axes.yaxis, 0.945), (axes.zaxis, 0.96)):
        axis.set_pane_color((grey, grey, grey, 1.0))
        axis.set_major_locator(MaxNLocator(5))  # more numbers run into each other where axes meet
    # One scatter for all digits: matplotlib sorts dots by depth within a scatter, not between scatters.
    axes.scatter(*codes.T, depthshade=False, **_dots(labels, area=9))
    return axes


def _scatter_2d(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Axes:
    axes = figure.add_axes((0.09, 0.09, 0.75, 0.84))
    limits = _limits(codes)
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal", axisbelow=True)
    axes.grid(color="0.92")
    order = np.random.default_rng(0).permutation(len(codes))  # so that no digit lies on top because it came last
    axes.scatter(*codes[order].T, **_dots(labels[order], area=9))
    return axes


def _strips(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Axes:
    axes = figure.add_axes((0.1, 0.09, 0.74, 0.84))
    spread = np.random.default_rng(0).uniform(-0.36, 0.36, len(codes))  # so that equal codes do not hide each other
    axes.set(xlim=_limits(codes[:, None])[0], ylim=(9.6, -0.6), axisbelow=True)
    axes.set_yticks(range(10), [f"digit {digit}" for digit in range(10)])
    axes.grid(axis="x", color="0.92")
    axes.scatter(codes, labels + spread, **_dots(labels, area=9))
    return axes


def _as_squares(images: np.ndarray, name: str) -> np.ndarray:
    """Return digits as [n, 28, 28] floats in [0, 1]."""
    images = np.asarray(images)
    if images.ndim < 2 or len(images) == 0 or images.shape[1:] not in ((SIDE * SIDE,), (SIDE, SIDE)):
        raise ValueError(f"{name} must be [n, 784] or [n, 28, 28], n at least 1. Received: {name}.shape={images.shape}")
    squares = images.reshape(-1, SIDE, SIDE)
    if images.dtype == np.uint8:
        return squares / np.float32(255)
    if not np.isfinite(squares).all():
        raise ValueError(f"{name} must be finite. Received: {np.sum(~np.isfinite(squares))} values that are not")
    return np.clip(squares, 0.0, 1.0)


def _tile(squares: np.ndarray, columns: int, gap: int, background: float) -> np.ndarray:
    """Lay [n, 28, 28] out as one [height, width] image, row-major, `gap` pixels of background between neighbours."""
    rows = math.ceil(len(squares) / columns)
    pitch = SIDE + gap
    canvas = np.full((rows * pitch - gap, columns * pitch - gap), background, np.float32)
    for i, square in enumerate(squares):
        top, left = i // columns * pitch, i % columns * pitch
        canvas[top : top + SIDE, left : left + SIDE] = square
    return canvas


def _canvas_figure(canvas: np.ndarray, title: str, extra_width: float = 0.2) -> tuple[Figure, Axes]:
    """Show a grey image under a title, in a figure of its proportions; extra_width is inches for labels on the left."""
    inches = 8.0 * min(1.0, max(canvas.shape[1] / 280, 0.3))  # a row of ten digits is 8 inches wide, fewer are narrower
    height = inches * canvas.shape[0] / canvas.shape[1]
    width = max(inches + extra_width, 5.0)  # room for the title
    figure = Figure(figsize=(width, height + 0.7), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, extent=(0, canvas.shape[1], canvas.shape[0], 0))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=13)
    return figure, axes
