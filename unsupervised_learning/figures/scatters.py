"""The post's latent-space figure: codes as dots, coloured by digit. NumPy arrays in, matplotlib figures out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from sklearn.decomposition import PCA

from unsupervised_learning.figures.figure import Figure

# One colour per digit, ordered like the post's jet map, dark blue to dark red. Adjacent jet colours look alike; here the
# closest two are 39 apart in CIELAB (tab10: 28), and 15 under deuteranopia (tab10: 7).
DIGIT_COLORS = ("#1c1a6e", "#2f62f0", "#4fc3f7", "#00796b", "#2fbf4f", "#c6ea5a", "#f7c600", "#ff7f0e", "#e3202c", "#74101f")


def latent_scatter(codes: np.ndarray, labels: np.ndarray, title: str, axis_names: Sequence[str] | None = None) -> Figure:
    """Draw each code as a dot coloured by its digit: the post's latent-space figure, with a legend.

    Three dimensions give a 3-D scatter, two a 2-D scatter, and one a strip per digit. More are projected onto their first three
    principal components, as the axis labels state. All axes have the same scale, so distances can be compared.

    Args:
        codes: [n, d] finite floats, n and d at least 1.
        labels: [n] integers in 0 … 9.
        title: title of the figure.
        axis_names: d names; z1, z2, … by default. Not used if d > 3.

    Raises:
        ValueError: if shapes do not match, codes are not finite, or labels are outside 0 … 9.
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

    if len(np.unique(labels)) < 2:  # data without labels
        return figure
    entries = [
        Line2D([], [], linestyle="", marker="o", markersize=9, markeredgecolor="black", markeredgewidth=0.5, color=color)
        for color in np.array(DIGIT_COLORS)[np.unique(labels)]
    ]
    names = [f"digit {digit}" for digit in np.unique(labels)]
    figure.legend(entries, names, loc="center right", bbox_to_anchor=(0.985, 0.5), frameon=False, fontsize=11)
    return figure


def first_principal_components(codes: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Project codes [n, d] onto their first min(3, n) principal components: return [n, min(3, n)] and axis names."""
    pca = PCA(min(3, len(codes)), svd_solver="full")
    with np.errstate(divide="ignore", invalid="ignore"):  # the explained variance is 0/0 if all codes are equal
        projected = pca.fit_transform(codes - codes[0])  # equal codes become exactly 0, without rounding errors of the mean
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return projected, [f"principal component {i + 1} ({share:.0%} of variance)" for i, share in enumerate(shares)]


def equal_limits(codes: np.ndarray) -> np.ndarray:
    """Return axis limits [d, 2] for codes [n, d]: centred in each dimension, with the same width for all."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    width = (high - low).max()
    if width <= 1e-6 * np.abs(codes).max():  # all codes equal up to rounding, e.g. in a collapsed VAE: use a unit box
        width = 1.0
    half = 0.53 * width  # a margin of 6 %, so that no dot is cut off at the edge
    middle = (low + high) / 2
    return np.stack([middle - half, middle + half], axis=1)


def _dots(labels: np.ndarray, area: float) -> dict[str, Any]:
    """Return arguments of `scatter` for small dots, coloured by digit, with a thin darker edge of the same hue."""
    faces = to_rgba_array(DIGIT_COLORS)[labels]  # [n, 4]
    edges = faces * [0.45, 0.45, 0.45, 1.0]
    return {"s": area, "c": faces, "edgecolors": edges, "linewidths": 0.35}


def _scatter_3d(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Any:
    axes: Any  # matplotlib's type annotations lack the 3-D axes
    with rc_context({"grid.color": "0.88", "grid.linewidth": 0.7, "axes.edgecolor": "0.4"}):  # read at creation of axes
        axes = figure.add_axes((0.0, 0.05, 0.86, 0.9), projection="3d")
    axes.view_init(elev=22, azim=-50)  # roughly the post's view
    axes.set_box_aspect((1, 1, 1), zoom=0.97)  # at 1, a long axis label extends beyond the figure
    limits = equal_limits(codes)
    axes.set(xlim=limits[0], ylim=limits[1], zlim=limits[2])
    for axis, grey in ((axes.xaxis, 0.97), (axes.yaxis, 0.945), (axes.zaxis, 0.96)):
        axis.set_pane_color((grey, grey, grey, 1.0))
        axis.set_major_locator(MaxNLocator(5))  # more tick labels would overlap where axes meet
    # One scatter for all digits, because matplotlib sorts dots by depth only within a scatter.
    axes.scatter(*codes.T, depthshade=False, **_dots(labels, area=9))
    return axes


def _scatter_2d(figure: Figure, codes: np.ndarray, labels: np.ndarray) -> Axes:
    axes = figure.add_axes((0.09, 0.09, 0.75, 0.84))
    limits = equal_limits(codes)
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal", axisbelow=True)
    axes.grid(color="0.92")
    order = np.random.default_rng(0).permutation(len(codes))  # so that no digit covers the others because it comes last
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
