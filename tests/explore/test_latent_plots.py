"""The content of the figures in `latent_plots`."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from unsupervised_learning.explore import latent_plots


def frames(axes) -> list[tuple[float, float]]:
    """The lower left corners of the outlines."""
    return [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]


def test_traversals_outline_the_image_nearest_to_each_rows_code():
    images = np.zeros((2, 3, 784))
    figure = latent_plots.traversals(images, "a title", ["a", "b"], ["1", "2", "3"], "value", own=np.array([2, 0]))
    (axes,) = figure.axes
    left, right, bottom, _ = axes.images[0].get_extent()
    assert left == 0
    column, row = right / 3, bottom / 2
    assert frames(axes) == [(2 * column - 0.5, -0.5), (-0.5, row - 0.5)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_title() == "a title"


def test_traversals_set_groups_apart():
    figure = latent_plots.traversals(np.zeros((6, 2, 784)), "", list("abcdef"), ["1", "2"], "", group=2)
    (axes,) = figure.axes
    height = axes.images[0].get_extent()[2] / 6
    assert [np.asarray(line.get_ydata())[0] for line in axes.get_lines()] == [2 * height - 0.5, 4 * height - 0.5]


def test_error_maps_are_white_if_right_blue_if_too_bright_and_red_if_too_dark():
    images, outputs = np.full((1, 784), 0.5), np.full((1, 784), 0.5)
    outputs[0, 0], outputs[0, 1] = 1.5, -0.5  # an autoencoder may leave [0, 1]
    figure = latent_plots.error_maps(images, outputs, np.array([0.125]), "an error", "a title")
    axes, bar = figure.axes
    canvas = np.asarray(axes.images[0].get_array())
    top = 2 * (28 + latent_plots.GAP)
    bright, dark, right = canvas[top, 0], canvas[top, 1], canvas[top, 2]
    assert bright[2] > bright[0] + 0.2
    assert dark[0] > dark[2] + 0.2
    assert right.min() > 0.95
    assert canvas[28 + latent_plots.GAP, 0].tolist() == [1, 1, 1]  # the output itself is clipped
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.125"]
    assert bar.get_ylabel() == "output − image"
    assert axes.get_xlabel() == "an error"


def test_error_maps_refuse_other_shapes():
    with pytest.raises(ValueError, match=r"\(2, 784\), \(1, 784\), \(2,\)"):
        latent_plots.error_maps(np.zeros((2, 784)), np.zeros((1, 784)), np.zeros(2), "", "")


def test_interpolations_show_the_line_above_the_arc():
    images = np.zeros((3, 2, 4, 784))
    images[1, 1, 3] = 1.0  # the end of the second pair's arc
    (axes,) = latent_plots.interpolations(images, "", list("abcd"), "share").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["straight", "arc"] * 3
    canvas = np.asarray(axes.images[0].get_array())
    rows, columns = np.where(canvas == 1.0)
    assert rows.min() // 29 == 3
    assert columns.min() // 29 == 3


def test_neighbours_are_below_their_samples():
    samples, neighbours = np.zeros((3, 28, 28), np.uint8), np.zeros((3, 28, 28), np.uint8)
    neighbours[2] = 255
    (axes,) = latent_plots.nearest_neighbours(samples, neighbours, np.array([0.5, 0.25, 3]), "a title").axes
    rows, columns = np.where(np.asarray(axes.images[0].get_array()) == 1.0)
    assert (rows.min() // 29, columns.min() // 29) == (1, 2)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.50", "0.25", "3.00"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["generated", "nearest"]
