"""The content of the figures in `measure_plots`."""

import math
from typing import Any

import numpy as np
import pytest

from unsupervised_learning.explore import measure_plots


def patches(axes: Any) -> list[Any]:  # Any: matplotlib types them by their base class only
    return list(axes.patches)


def texts(figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_bars_have_heights_and_labels_of_their_values():
    figure = measure_plots.bars(np.array([0.5, 2.0]), ["z1", "z2"], "a title", "nats")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in patches(axes)] == [0.5, 2.0]
    assert texts(figure) == "0.5 2"
    assert axes.get_ylabel() == "nats"


def test_few_of_many_bars_are_named():
    figure = measure_plots.bars(np.arange(100.0), [f"z{i}" for i in range(100)], "", "")
    (axes,) = figure.axes
    assert len(axes.get_xticks()) == 10
    assert texts(figure) == ""
    assert figure.get_size_inches()[0] <= 9


def test_each_course_has_a_line_and_a_legend_entry():
    figure = measure_plots.courses({"z1": {0: 0.0, 1000: 1.0}, "z2": {0: 0.5}}, "a title", "nats")
    (axes,) = figure.axes
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == ["z1", "z2"]
    assert np.asarray(lines[0].get_ydata()).tolist() == [0.0, 1.0]
    assert lines[1].get_marker() == "o"  # a line through a single point would be invisible
    assert lines[0].get_color() != lines[1].get_color()


def test_beside_normal_draws_the_density_in_a_limited_number_of_panels():
    codes = np.random.default_rng(0).normal(size=(1000, 15))
    figure = measure_plots.beside_normal(codes, "a title", [f"z{i}" for i in range(15)])
    assert len([axes for axes in figure.axes if axes.get_visible()]) == measure_plots.MOST_PANELS
    curve = figure.axes[0].get_lines()[0]
    x, y = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
    np.testing.assert_allclose(y, np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))
    assert f"mean {codes[:, 0].mean():.2f}" in figure.axes[0].get_title()


def test_histograms_show_shares():
    values = {"real": np.array([0.1, 0.1, 0.9]), "generated": np.array([0.5])}
    (axes,) = measure_plots.histograms(values, "", "probability", (0, 1)).axes
    assert axes.get_xlim() == (0, 1)
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["real: mean 0.37", "generated: mean 0.50"]
    tops = [np.max(patch.get_xy()[:, 1]) for patch in patches(axes)]
    np.testing.assert_allclose(tops, [2 / 3, 2 / 3, 1, 1])


def test_bounds_are_sorted_by_draws():
    figure = measure_plots.bound_by_draws({50: 130.6, 1: 133.7}, "a title")
    (axes,) = figure.axes
    assert np.asarray(axes.get_lines()[0].get_xdata()).tolist() == [1, 50]
    assert "133.70 (the ELBO)" in texts(figure)
    assert "130.60" in texts(figure)


def test_rate_distortion_draws_lines_of_equal_sum():
    points = [("kl_weight 0.1", 20.0, 110.0), ("kl_weight 1", 8.0, 125.0), ("", 8.1, 125.5), ("kl_weight 10", 1.0, 170.0)]
    figure = measure_plots.rate_distortion(points, "a title", chosen=1)
    (axes,) = figure.axes
    assert {"kl_weight 0.1", "kl_weight 1", "kl_weight 10"} <= {text.get_text() for text in axes.texts}
    dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert dotted
    for line in dotted:
        sums = np.asarray(line.get_xdata()) + np.asarray(line.get_ydata())
        assert sums[0] == sums[1]
    dots: list[Any] = list(axes.collections)
    colors = [one.get_facecolors()[0].tolist() for one in dots]
    assert [color == colors[1] for color in colors] == [False, True, False, False]


def test_beside_bars_draws_each_set():
    figure = measure_plots.beside_bars({"generated": np.full(10, 0.1), "real": np.arange(10) / 45}, "", "share", 0.1)
    (axes,) = figure.axes
    assert len(axes.patches) == 20
    assert axes.get_legend_handles_labels()[1] == ["generated", "real"]


def test_path_norms_draws_paths_and_the_usual_band():
    norms = {"straight": np.array([[2.0, 1.0, 2.0]]), "arc": np.array([[2.0, 2.0, 2.0]])}
    (axes,) = measure_plots.path_norms(norms, np.linspace(1, 3, 101), "", np.array([0, 0.5, 1])).axes
    assert [line.get_label() for line in axes.get_lines()] == ["straight", "arc"]
    (band,) = patches(axes)
    assert [band.get_y(), band.get_y() + band.get_height()] == pytest.approx([1.1, 2.9])
