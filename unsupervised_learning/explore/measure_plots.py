"""Figures of measurements: bars, histograms and curves. NumPy in, matplotlib figures out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from unsupervised_learning.figures.figure import Figure

BLUE, ORANGE, RED, GREEN = "#2f62f0", "#ff7f0e", "#e3202c", "#00796b"  # from `scatters.DIGIT_COLORS`
# For several curves: `scatters.DIGIT_COLORS`, ordered so that neighbours contrast.
SEVERAL = ("#2f62f0", "#ff7f0e", "#00796b", "#e3202c", "#4fc3f7", "#74101f", "#2fbf4f", "#1c1a6e", "#f7c600", "#777777")
MOST_PANELS = 12  # maximum number of histograms in a figure


def bars(values: np.ndarray, names: Sequence[str], title: str, label: str) -> Figure:
    """Draw a bar for each value.

    Args:
        values: [n].
        names: n names, written below the bars.
        title: written above.
        label: label of the value axis, with the unit.

    Returns:
        A figure with one axes.
    """
    values = np.asarray(values, np.float64)
    figure = Figure(figsize=(min(9.0, max(5.5, 0.55 * len(values) + 2)), 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.bar(range(len(values)), values, color=BLUE, width=0.7)
    if len(values) <= 20:
        axes.bar_label(drawn, [f"{value:.3g}" for value in values], fontsize=9, padding=2)
        axes.set_xticks(range(len(values)), names, fontsize=10)
    else:
        shown = np.linspace(0, len(values) - 1, 10).round().astype(int)
        axes.set_xticks(shown, [str(names[i]) for i in shown], fontsize=10)
    axes.margins(y=0.12)
    _dress(axes, "", label)
    axes.grid(visible=False, axis="x")
    figure.suptitle(title, fontsize=13)
    return figure


def beside_bars(values: Mapping[str, np.ndarray], title: str, label: str, level: float) -> Figure:
    """Draw the shares of ten classes for several sets of images, side by side.

    Args:
        values: name → [10].
        title: written above.
        label: label of the value axis.
        level: value marked by a dashed line.

    Returns:
        A figure with one axes.
    """
    figure = Figure(figsize=(7.5, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(values)
    for number, (color, (name, shares)) in enumerate(zip((ORANGE, "#9a9a9a", BLUE), values.items(), strict=False)):
        places = np.arange(len(shares)) + (number - (len(values) - 1) / 2) * width
        axes.bar(places, shares, width, color=color, label=name)
    axes.axhline(level, color="black", linestyle="--", linewidth=1)
    axes.set_xticks(range(10))
    axes.yaxis.set_major_formatter("{x:.0%}")
    _dress(axes, "digit", label)
    axes.grid(visible=False, axis="x")
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=13)
    return figure


def courses(
    curves: Mapping[str, Mapping[int, float]],
    title: str,
    label: str,
    log: bool = False,
    level: float | None = None,
    at: str = "",
) -> Figure:
    """Draw values over training iterations.

    Args:
        curves: name → iteration → value; each with at least one iteration.
        title: written above.
        label: label of the value axis, with the unit.
        log: whether that axis is logarithmic.
        level: value marked by a dashed line; by default none.
        at: label of that line.

    Returns:
        A figure with one axes.
    """
    figure = Figure(figsize=(7, 3.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, course) in enumerate(curves.items()):
        style: dict[str, Any] = {"linestyle": "-" if number < len(SEVERAL) else "--", "color": SEVERAL[number % len(SEVERAL)]}
        axes.plot(
            list(course), list(course.values()), linewidth=1.6, label=name, marker="o" if len(course) < 3 else "", **style
        )
    if level is not None:
        axes.axhline(level, color="black", linestyle="--", linewidth=1, label=at)
    if log:
        axes.set_yscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _dress(axes, "iteration", label)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=13)
    return figure


def beside_normal(codes: np.ndarray, title: str, names: Sequence[str]) -> Figure:
    """Draw a histogram of each dimension of the codes, with the standard normal density.

    Args:
        codes: [n, d]; at most the first 12 dimensions are drawn.
        title: written above.
        names: d names.

    Returns:
        A figure with one axes per dimension.
    """
    codes = np.asarray(codes, np.float64)[:, :MOST_PANELS]
    columns = min(3, codes.shape[1])
    rows = math.ceil(codes.shape[1] / columns)
    figure = Figure(figsize=(max(3.2 * columns, 5.5), 2.6 * rows + 0.6), dpi=110, layout="constrained")
    edge = max(4.0, float(np.ceil(np.abs(codes).max())))
    x = np.linspace(-edge, edge, 400)
    normal = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        if number >= codes.shape[1]:
            axes.set_visible(False)
            continue
        values = codes[:, number]
        axes.hist(values, bins=80, range=(-edge, edge), density=True, color=BLUE, alpha=0.45, label="codes of the test set")
        axes.plot(x, normal, color=ORANGE, linewidth=1.8, label="the prior, N(0, 1)")
        axes.set_title(f"{names[number]}: mean {values.mean():.2f}, sd {values.std():.2f}", fontsize=10)
        axes.set_yticks([])
        _dress(axes, "", "")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    figure.suptitle(title, fontsize=13)
    return figure


def histograms(values: Mapping[str, np.ndarray], title: str, label: str, bounds: tuple[float, float]) -> Figure:
    """Draw several overlaid histograms, each normalised to shares.

    Args:
        values: name → [n] numbers.
        title: written above.
        label: label of the values.
        bounds: limits of the axis.

    Returns:
        A figure with one axes.
    """
    figure = Figure(figsize=(7, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for color, (name, numbers) in zip((BLUE, GREEN, ORANGE, RED), values.items(), strict=False):
        weights = np.full(len(numbers), 1 / len(numbers))
        style: dict[str, Any] = {"bins": 40, "range": bounds, "weights": weights, "color": color}
        axes.hist(numbers, histtype="stepfilled", alpha=0.22, **style)
        axes.hist(numbers, histtype="step", linewidth=1.8, label=f"{name}: mean {np.mean(numbers):.2f}", **style)
    axes.set_xlim(*bounds)
    axes.yaxis.set_major_formatter("{x:.0%}")
    _dress(axes, label, "share of the images")
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=13)
    return figure


def bound_by_draws(bounds: Mapping[int, float], title: str) -> Figure:
    """Draw how the importance-weighted bound tightens with the number of draws (Burda et al. 2016, theorem 1).

    Args:
        bounds: draws → minus the bound, nats per image.
        title: written above.

    Returns:
        A figure with one axes.
    """
    figure = Figure(figsize=(6.4, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    draws = sorted(bounds)
    values = [bounds[k] for k in draws]
    axes.plot(draws, values, color=BLUE, marker="o", linewidth=1.8)
    for k, value in zip(draws, values, strict=True):
        name = f"{value:.2f}" + (" (the ELBO)" if k == 1 else "")
        axes.annotate(name, (k, value), (6, 6), textcoords="offset points", fontsize=10)
    axes.set_xscale("log")
    axes.set_xticks(draws, [f"{k:,}" for k in draws])
    axes.minorticks_off()
    axes.margins(x=0.16, y=0.2)
    _dress(axes, "draws of z per image, k", "minus the bound, nats per image")
    figure.suptitle(title, fontsize=13)
    return figure


def rate_distortion(points: Sequence[tuple[str, float, float]], title: str, chosen: int) -> Figure:
    """Draw models by their rate and distortion (Alemi et al. 2018, arXiv:1711.00464), with lines of equal ELBO.

    Args:
        points: name, rate (KL) and distortion (reconstruction) of each model, in nats per image.
        title: written above.
        chosen: index of the highlighted model.

    Returns:
        A figure with one axes.
    """
    figure = Figure(figsize=(6.8, 4.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    rates, distortions = (np.array([point[i] for point in points]) for i in (1, 2))
    width, height = max(np.ptp(rates), 1.0), max(np.ptp(distortions), 1.0)
    axes.set_xlim(max(0.0, rates.min() - 0.15 * width), rates.max() + 0.35 * width)
    axes.set_ylim(distortions.min() - 0.15 * height, distortions.max() + 0.15 * height)
    low, high = axes.get_xlim()
    order = np.argsort(rates)
    axes.plot(rates[order], distortions[order], color="0.6", linewidth=1.2, zorder=1)
    bottom, top = axes.get_ylim()
    totals: list[float] = []  # far enough apart for their labels
    for total in np.unique(np.round(rates + distortions, 1)):
        if not totals or total - totals[-1] > 0.1 * (top - bottom):
            totals.append(float(total))
    for total in totals:
        axes.plot([low, high], [total - low, total - high], color="0.75", linestyle=":", linewidth=1.1, zorder=0)
        inside = np.linspace(low, high, 200)
        inside = inside[(total - inside < top) & (total - inside > bottom + 0.05 * (top - bottom))]
        if len(inside):
            where = inside[-1] - 0.02 * (high - low)
            style: dict[str, Any] = {"fontsize": 8, "color": "0.4", "ha": "right", "va": "center"}
            style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            axes.annotate(f"−ELBO {total:.1f}", (where, total - where), **style)
    for number, (name, rate, distortion) in enumerate(points):
        color = ORANGE if number == chosen else BLUE
        axes.scatter([rate], [distortion], s=60, color=color, zorder=4 if number == chosen else 3, edgecolors="white")
        axes.annotate(name, (rate, distortion), (8, 6), textcoords="offset points", fontsize=10)
    _dress(axes, "rate: KL, nats per image", "distortion: reconstruction, nats per image")
    figure.suptitle(title, fontsize=13)
    return figure


def path_norms(norms: Mapping[str, np.ndarray], usual: np.ndarray, title: str, shares: np.ndarray) -> Figure:
    """Draw the distance from the origin along lines and arcs between codes, with the usual distance of codes.

    Args:
        norms: kind of path → [pairs, steps].
        usual: [n], norms of typical codes.
        title: written above.
        shares: [steps], fractions of the way.

    Returns:
        A figure with one axes.
    """
    figure = Figure(figsize=(7, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    low, high = np.quantile(usual, [0.05, 0.95])
    axes.axhspan(low, high, color="0.92", zorder=0, label="90% of the codes")
    # Apart also without colours: the first kind of path is dashed with squares, the second a plain line.
    looks = ((ORANGE, "--", "s"), (BLUE, "-", ""))
    for (color, style, marker), (name, paths) in zip(looks, norms.items(), strict=False):
        for number, path in enumerate(paths):
            shown = name if number == 0 else None
            axes.plot(shares, path, color=color, linestyle=style, marker=marker, markersize=4, linewidth=1.6, label=shown)
    axes.set_ylim(bottom=0)
    _dress(axes, "fraction of the way", "distance from the origin")
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(title, fontsize=13)
    return figure


def _dress(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label, fontsize=10)
    axes.set_ylabel(y_label, fontsize=10)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
