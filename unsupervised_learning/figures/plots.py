"""The project's pictures: NumPy arrays in, matplotlib figures out; beside them plain PNG and GIF, as bytes. Writes nothing.

Figures are made from `matplotlib.figure.Figure`, not from pyplot: no window, no global state, no figure left open.

"Pictures" below means [n, height, width, channels] with 1 or 3 channels, [n, 28, 28] or [n, 784], floats in [0, 1] or uint8
in 0 … 255; "digits" are pictures that are 28×28 and grey. Floats outside [0, 1] are clipped, because the output of 2016's
autoencoder is linear and overshoots. Wrong shapes, non-finite numbers and empty arrays raise ValueError.
"""

import io
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
from PIL import Image, ImageDraw, ImageFont
from sklearn.decomposition import PCA

SIDE = 28  # pixels along a side of an MNIST image
GIF_FRAMES = 100  # at most

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
        codes, axis_names = first_principal_components(codes)

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
    """Draw pictures in a grid, in row-major order.

    Args:
        images: n pictures.
        title: written above the grid.
        columns: at least 1; by default as near to a square as n allows.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: an array that is not pictures, columns below 1.
    """
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
    """Draw pictures in rows and columns that have names: walks through a latent space, one a row.

    Args:
        images: [rows, columns, …] pictures, with both dimensions at least 1.
        title: written above the pictures.
        row_names: a name for each row, written on its left.
        column_names: a name for each column, written below.
        column_label: what the columns' names are, written below them.
        row_ends: a name for each row, written on its right; none by default.
        columns_above: write the columns' names and label above the pictures.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: an array that is not pictures, or names that are not one for each row and column.
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
    """Draw what a decoder makes of a grid of codes, as in figure 4 of Kingma & Welling (2013).

    Args:
        images: [k, k, 784] or [k, k, 28, 28]; images[row, column] is decoded from z1 = axis_values[column],
            z2 = axis_values[row]. Drawn with z1 growing to the right and z2 growing upward.
        axis_values: [k], the codes along either axis.
        title: written above the grid.
        axis_names: of the two dimensions.
        upward_values: [k], the codes along the second axis where they are others.

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
    upward_values = axis_values if upward_values is None else upward_values
    axes.set_xticks((shown + 0.5) * SIDE, [f"{value:.3g}" for value in axis_values[shown]], fontsize=9)
    axes.set_yticks((k - shown - 0.5) * SIDE, [f"{value:.3g}" for value in upward_values[shown]], fontsize=9)
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    return figure


def png(image: np.ndarray) -> bytes:
    """One of `pictures`, as [height, width, channels], at its own size as PNG."""
    picture = _as_pictures(np.asarray(image)[None], "image")[0]
    encoded = io.BytesIO()
    Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(encoded, format="PNG")
    return encoded.getvalue()


def training_gif(pictures: dict[int, bytes]) -> bytes:
    """A GIF of one picture through training, with the iteration written above; ten frames a second, the last for three.

    Args:
        pictures: iteration → PNG, at least one, all of one size. Of more than 100, 100 are taken, evenly, the first and the
            last included.
    """
    iterations = sorted(pictures)
    chosen = np.linspace(0, len(iterations) - 1, min(len(iterations), GIF_FRAMES)).round().astype(int)
    frames = [_captioned(pictures[iterations[i]], f"iteration {iterations[i]:,}") for i in chosen]
    encoded = io.BytesIO()
    durations = [100] * (len(frames) - 1) + [3_000]  # ms
    frames[0].save(encoded, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return encoded.getvalue()


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


def first_principal_components(codes: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Project codes [n, d] on their first three principal components (fewer if n is): [n, 3]; also name these."""
    pca = PCA(min(3, len(codes)), svd_solver="full")
    with np.errstate(divide="ignore", invalid="ignore"):  # a share of the variance is 0/0 when all codes are equal
        projected = pca.fit_transform(codes - codes[0])  # equal codes become exactly 0, not the mean's rounding errors
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return projected, [f"principal component {i + 1} ({share:.0%} of variance)" for i, share in enumerate(shares)]


def equal_limits(codes: np.ndarray) -> np.ndarray:
    """Axis limits [d, 2] for codes [n, d]: each dimension's own middle, the same width for all."""
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
    limits = equal_limits(codes)
    axes.set(xlim=limits[0], ylim=limits[1], zlim=limits[2])
    for axis, grey in ((axes.xaxis, 0.97), (axes.yaxis, 0.945), (axes.zaxis, 0.96)):
        axis.set_pane_color((grey, grey, grey, 1.0))
        axis.set_major_locator(MaxNLocator(5))  # more numbers run into each other where axes meet
    # One scatter for all digits: matplotlib sorts dots by depth within a scatter, not between scatters.
    axes.scatter(*codes.T, depthshade=False, **_dots(labels, area=9))
    return axes


def _scatter_2d(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Axes:
    axes = figure.add_axes((0.09, 0.09, 0.75, 0.84))
    limits = equal_limits(codes)
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal", axisbelow=True)
    axes.grid(color="0.92")
    order = np.random.default_rng(0).permutation(len(codes))  # so that no digit lies on top because it came last
    axes.scatter(*codes[order].T, **_dots(labels[order], area=9))
    return axes


def _strips(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Axes:
    axes = figure.add_axes((0.1, 0.09, 0.74, 0.84))
    spread = np.random.default_rng(0).uniform(-0.36, 0.36, len(codes))  # so that equal codes do not hide each other
    axes.set(xlim=equal_limits(codes[:, None])[0], ylim=(9.6, -0.6), axisbelow=True)
    axes.set_yticks(range(10), [f"digit {digit}" for digit in range(10)])
    axes.grid(axis="x", color="0.92")
    axes.scatter(codes, labels + spread, **_dots(labels, area=9))
    return axes


def _as_pictures(images: np.ndarray, name: str) -> np.ndarray:
    """Return pictures as floats in [0, 1]: grey ones [n, height, width], coloured ones [n, height, width, 3]."""
    images = np.asarray(images)
    if images.shape[1:] in ((SIDE * SIDE,), (SIDE, SIDE)):
        pictures = images.reshape(-1, SIDE, SIDE)
    elif images.ndim == 4 and images.shape[3] in (1, 3):
        pictures = images[..., 0] if images.shape[3] == 1 else images
    else:
        pictures = images[:0]
    if pictures.size == 0:
        raise ValueError(
            f"{name} must be [n, height, width, 1 or 3], [n, 28, 28] or [n, 784], n at least 1. "
            f"Received: {name}.shape={images.shape}"
        )
    if images.dtype == np.uint8:
        return pictures / np.float32(255)
    if not np.isfinite(pictures).all():
        raise ValueError(f"{name} must be finite. Received: {np.sum(~np.isfinite(pictures))} values that are not")
    return np.clip(pictures, 0.0, 1.0)


def _as_squares(images: np.ndarray, name: str) -> np.ndarray:
    """Return digits as [n, 28, 28] floats in [0, 1]."""
    squares = _as_pictures(images, name)
    if squares.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"{name} must be 28×28 and grey. Received: {name}.shape={np.shape(images)}")
    return squares


def _captioned(encoded: bytes, caption: str) -> Image.Image:
    """A PNG with a caption in a white margin above; a small one doubled, so that the caption can be read.

    In 16 greys or 64 colours, which a GIF keeps in a fraction of the bytes.
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
    # The colours are found in a sixteenth of the pixels: in all of them it takes half a second.
    few = framed.resize((framed.width // 4, framed.height // 4), Image.Resampling.NEAREST)
    palette = few.quantize(64, Image.Quantize.MEDIANCUT)
    return framed.quantize(palette=palette, dither=Image.Dither.NONE)


def _tile(pictures: np.ndarray, columns: int, gap: int, background: float) -> np.ndarray:
    """Lay [n, h, w] or [n, h, w, 3] out as one [height, width] or [height, width, 3], row-major, `gap` pixels between two."""
    height, width, *channels = pictures.shape[1:]
    rows = math.ceil(len(pictures) / columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *channels), background, np.float32)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def _separated(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Lay pictures out with lines between them that show: thin grey ones between grey pictures, white between coloured."""
    grey = pictures.ndim == 3
    return _tile(pictures, columns, gap=1 if grey else 3, background=0.5 if grey else 1.0)


def _canvas_figure(canvas: np.ndarray, title: str, extra_width: float = 0.2, extra_height: float = 0.7) -> tuple[Figure, Axes]:
    """Show an image under a title, in a figure of its proportions; the extras are inches for labels and the title."""
    inches = 8.0 * min(1.0, max(canvas.shape[1] / 280, 0.3))  # a row of ten digits is 8 inches wide, fewer are narrower
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


def figure_png(figure: Figure) -> bytes:
    """A figure as PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
