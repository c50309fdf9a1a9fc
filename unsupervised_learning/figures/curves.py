"""Figures of training curves: losses, and distributions of activations. NumPy arrays in, matplotlib figures out."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from unsupervised_learning.figures.figure import Figure

SMOOTHING = 0.9  # our choice: averages about ten logged losses
QUANTILES = (0.0, 0.0668, 0.1587, 0.3085, 0.5, 0.6915, 0.8413, 0.9332, 1.0)  # TensorBoard's: a normal's, every half sd


def gan_losses(courses: dict[str, dict[int, float]], title: str) -> Figure:
    """Draw a GAN's losses: the discriminator's loss and its two parts above, the generator's below.

    Each is drawn as logged, with a thin line, and smoothed (see `smoothed`). Non-finite values leave gaps.

    Args:
        courses: `discriminator_loss`, `discriminator_loss_real`, `discriminator_loss_fake` and `generator_loss`, each as
            iteration → nats, with at least one iteration.
        title: title of the figure.
    """
    figure = Figure(figsize=(7, 7), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    lines = [
        (above, "discriminator_loss_real", "#2f62f0", "on real images"),
        (above, "discriminator_loss_fake", "#2fbf4f", "on generated images"),
        (above, "discriminator_loss", "#e3202c", "their sum"),
        (below, "generator_loss", "#ff7f0e", "generator's loss"),
    ]
    for axes, name, color, label in lines:
        iterations, values = np.array(list(courses[name])), np.array(list(courses[name].values()))
        axes.plot(iterations, values, color=color, linewidth=0.6, alpha=0.35)
        axes.plot(iterations, smoothed(values), color=color, linewidth=1.8, label=label)
    equilibrium = 2 * math.log(2)
    label = f"equilibrium, 2 ln 2 = {equilibrium:.3f}"
    above.axhline(equilibrium, color="black", linewidth=1, linestyle="--", label=label)
    above.set_ylabel("discriminator's loss, nats", fontsize=11)
    below.set_ylabel("generator's loss, nats", fontsize=11)
    below.set_xlabel("iteration", fontsize=11)
    below.xaxis.set_major_formatter("{x:,.0f}")
    for axes in (above, below):
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        drawn = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
        if axes is below:
            drawn.append(Line2D([], [], color="0.5", linewidth=0.6, label="thin: as logged"))
            drawn.append(Line2D([], [], color="0.5", linewidth=1.8, label=f"thick: smoothed, {SMOOTHING}"))
        where = {"loc": "lower left", "bbox_to_anchor": (0, 1)}  # above the axes, so that it hides no line
        axes.legend(handles=drawn, frameon=False, fontsize=9, ncols=2, **where)
    figure.suptitle(title, fontsize=14)
    return figure


def losses_overlaid(courses: dict[str, dict[int, float]], title: str, label: str) -> Figure:
    """Draw one loss of several runs in one plot, as logged and smoothed, on a logarithmic scale.

    Args:
        courses: run name → iteration → loss above 0, with at least one iteration.
        title: title of the figure.
        label: label of the loss axis.
    """
    figure = Figure(figsize=(7, 4.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    for number, (name, course) in enumerate(courses.items()):
        iterations, values = np.array(list(course)), np.array(list(course.values()))
        axes.plot(iterations, values, color=f"C{number}", linewidth=0.6, alpha=0.35)
        marker = "o" if len(values) == 1 else None  # a line through one point cannot be seen
        drawn = smoothed(values, 0.6)  # 0.9 lags at the start
        axes.plot(iterations, drawn, color=f"C{number}", linewidth=1.6, marker=marker, label=name)
    axes.set_yscale("log")
    _dress(axes, label)
    axes.legend(frameon=False, fontsize=9)
    figure.suptitle(title, fontsize=13)
    return figure


def lines(courses: dict[str, dict[int, float]], title: str, label: str) -> Figure:
    """Draw numbers over iterations as they are, a line for each name.

    Args:
        courses: name → iteration → value, with at least one name.
        title: title of the figure.
        label: label of the value axis.
    """
    figure = Figure(figsize=(7, 3.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    for name, course in courses.items():
        axes.plot(list(course), list(course.values()), marker="o", markersize=3.5, linewidth=1.6, label=name)
    _dress(axes, label)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))  # beside the axes, so that it hides no line
    figure.suptitle(title, fontsize=13)
    return figure


def distributions(histograms: dict[str, dict[int, np.ndarray]], title: str) -> Figure:
    """Draw distributions over iterations like TensorBoard's distributions view: bands between quantiles, a panel per tag.

    The panels are one below the other, so that they stay large on a narrow screen.

    Args:
        histograms: tag → iteration → [buckets, 3] (left edge, right edge, count), with at least one iteration.
        title: title of the figure.
    """
    figure = Figure(figsize=(5.6, 2.7 * len(histograms) + 0.4), dpi=110, layout="constrained")
    for axes, (tag, course) in zip(np.atleast_1d(figure.subplots(len(histograms), 1)), histograms.items(), strict=True):
        iterations = np.array(list(course))
        bands = np.array([quantiles(buckets) for buckets in course.values()])  # [iterations, quantiles]
        for low in range(len(QUANTILES) // 2):
            axes.fill_between(iterations, bands[:, low], bands[:, -1 - low], color="#ff7043", alpha=0.22, linewidth=0)
        axes.plot(iterations, bands[:, len(QUANTILES) // 2], color="#d84315", linewidth=1.2)
        axes.set_title(tag, fontsize=10)
        _dress(axes, "")
    figure.suptitle(title, fontsize=13)
    return figure


def quantiles(buckets: np.ndarray) -> np.ndarray:
    """Return the `QUANTILES` of a histogram [n, 3] (left edge, right edge, count), interpolated linearly within buckets."""
    buckets = buckets[buckets[:, 2] > 0]
    if not len(buckets):
        return np.full(len(QUANTILES), np.nan)
    ends = np.cumsum(buckets[:, 2]) / buckets[:, 2].sum()
    # Both edges of each bucket with the shares below them, so that gaps between buckets become jumps.
    shares = np.column_stack([np.concatenate([[0.0], ends[:-1]]), ends]).ravel()
    return np.interp(QUANTILES, shares, buckets[:, :2].ravel())


def _dress(axes: Axes, label: str) -> None:
    axes.set_xlabel("iteration", fontsize=10)
    axes.set_ylabel(label, fontsize=10)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def smoothed(values: np.ndarray, weight: float = SMOOTHING) -> np.ndarray:
    """Smooth a scalar like TensorBoard: an exponential moving average with debiasing at the start.

    Args:
        values: [n] floats. Non-finite ones are skipped and left unchanged.
        weight: weight of the running average, in [0, 1).
    """
    result = np.array(values, np.float64)
    average = total = 0.0
    for i in np.flatnonzero(np.isfinite(result)):
        average = weight * average + (1 - weight) * result[i]
        total = weight * total + (1 - weight)
        result[i] = average / total
    return result
