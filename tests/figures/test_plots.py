"""Contents of each figure, and its pixels where they are known."""

from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from mpl_toolkits.mplot3d import Axes3D

from unsupervised_learning.figures import plots, scatters


def some_codes(n: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).normal(size=(n, dimensions)).astype(np.float32), np.arange(n) % 10


def some_digits(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(n, 784)).astype(np.float32)


def only_axes(figure) -> Axes:
    (axes,) = figure.axes
    return axes


def legend_entries(figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def shown_image(figure) -> np.ndarray:
    (image,) = only_axes(figure).images
    return np.asarray(image.get_array())


def z_label(axes: Any) -> str:  # Any: mplot3d carries no types
    return axes.get_zlabel()


class TestLatentScatter:
    def test_three_dimensions(self):
        codes, labels = some_codes(50, 3)
        figure = scatters.latent_scatter(codes, labels, "a title", axis_names=["a", "b", "c"])
        axes = only_axes(figure)
        assert isinstance(axes, Axes3D)
        assert axes.get_title() == "a title"
        assert [axes.get_xlabel(), axes.get_ylabel(), z_label(axes)] == ["a", "b", "c"]
        assert legend_entries(figure) == [f"digit {digit}" for digit in range(10)]

    def test_two_dimensions(self):
        codes, labels = some_codes(50, 2)
        axes = only_axes(scatters.latent_scatter(codes, labels, "a title"))
        assert not isinstance(axes, Axes3D)
        assert [axes.get_xlabel(), axes.get_ylabel()] == ["z1", "z2"]
        assert axes.get_aspect() == 1

    def test_one_dimension_gives_a_strip_for_each_digit(self):
        codes, labels = some_codes(50, 1)
        axes = only_axes(scatters.latent_scatter(codes, labels, "a title"))
        drawn = np.asarray(axes.collections[0].get_offsets())
        np.testing.assert_allclose(drawn[:, 0], codes[:, 0])
        np.testing.assert_array_equal(np.round(drawn[:, 1]), labels)

    def test_more_dimensions_are_projected_and_the_axes_are_labelled_accordingly(self):
        codes, labels = some_codes(50, 5)
        codes[:, 3] *= 1e4  # nearly all of the variance
        axes = only_axes(scatters.latent_scatter(codes, labels, "a title"))
        assert isinstance(axes, Axes3D)
        assert axes.get_xlabel() == "principal component 1 (100% of variance)"
        assert z_label(axes).startswith("principal component 3")

    def test_a_digits_colour_does_not_depend_on_the_other_digits(self):
        codes, _ = some_codes(20, 2)
        figure = scatters.latent_scatter(codes, np.full(20, 7), "only sevens")
        assert not figure.legends  # no legend for a single label
        drawn = np.asarray(only_axes(figure).collections[0].get_facecolor())
        np.testing.assert_allclose(drawn[0, :3], scatters.to_rgba_array(scatters.DIGIT_COLORS)[7, :3])

    @pytest.mark.parametrize("dimensions", [2, 3])
    def test_axes_have_the_same_scale_and_contain_every_dot(self, dimensions):
        codes, labels = some_codes(50, dimensions)
        codes[:, 0] *= 20
        axes = only_axes(scatters.latent_scatter(codes, labels, "a title"))
        limits = np.array([getattr(axes, f"get_{name}lim")() for name in "xyz"[:dimensions]])
        widths = limits[:, 1] - limits[:, 0]
        np.testing.assert_allclose(widths, widths[0], rtol=1e-6)
        assert (codes > limits[:, 0]).all()
        assert (codes < limits[:, 1]).all()

    @pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 20])
    @pytest.mark.parametrize("n", [1, 2, 30])
    def test_draws_collapsed_codes(self, dimensions, n):
        figure = scatters.latent_scatter(np.full((n, dimensions), 0.1, np.float32), np.arange(n) % 10, "collapsed")
        assert plots.figure_to_rgb(figure).std() > 0

    def test_draws_codes_that_differ_only_by_rounding(self):
        codes = np.full((30, 2), 1000.0)
        codes[::2] += 1e-9
        axes = only_axes(scatters.latent_scatter(codes, np.arange(30) % 10, "collapsed"))
        assert np.ptp(axes.get_xlim()) > 0.9

    @pytest.mark.parametrize(
        ("codes", "labels", "received"),
        [
            (np.zeros(5), np.zeros(5, int), r"codes.shape=\(5,\)"),
            (np.zeros((0, 3)), np.zeros(0, int), r"codes.shape=\(0, 3\)"),
            (np.array([[0.0, 0.0], [0.0, np.nan]]), np.zeros(2, int), r"codes\[1\]=\[ 0. nan\]"),
            (np.zeros((5, 2)), np.zeros(4, int), r"labels.shape=\(4,\)"),
            (np.zeros((5, 2)), np.zeros(5), "labels.dtype=float64"),
            (np.zeros((5, 2)), np.full(5, 10), "10 … 10"),
            (np.zeros((5, 2)), np.full(5, -1), "-1 … -1"),
        ],
    )
    def test_refuses_invalid_codes_and_labels(self, codes, labels, received):
        with pytest.raises(ValueError, match=f"Received: .*{received}"):
            scatters.latent_scatter(codes, labels, "a title")

    def test_refuses_a_wrong_number_of_axis_names(self):
        codes, labels = some_codes(10, 3)
        with pytest.raises(ValueError, match=r"Received: axis_names=\['a'\]"):
            scatters.latent_scatter(codes, labels, "a title", axis_names=["a"])


class TestReconstructions:
    @pytest.mark.parametrize(("n", "rows"), [(1, 1), (10, 1), (11, 2), (40, 4)])
    def test_rows_are_labelled(self, n, rows):
        figure = plots.reconstructions(some_digits(n), some_digits(n), "a title")
        axes = only_axes(figure)
        assert [label.get_text() for label in axes.get_yticklabels()] == ["input", "output"] * rows
        assert axes.get_title() == "a title"

    def test_originals_are_above_their_reconstructions(self):
        originals, outputs = some_digits(12), 1 - some_digits(12)
        canvas = shown_image(plots.reconstructions(originals, outputs, "a title"))
        # The twelfth pair is the second of the second row. A row consists of 8 blank, 28, 2 blank and 28 pixels.
        top, left = 66 + 8, 30
        np.testing.assert_array_equal(canvas[top : top + 28, left : left + 28], originals[11].reshape(28, 28))
        np.testing.assert_array_equal(canvas[top + 30 : top + 58, left : left + 28], outputs[11].reshape(28, 28))

    def test_clips_for_display(self):
        canvas = shown_image(plots.reconstructions(some_digits(2), 3 * some_digits(2) - 1, "a title"))
        assert canvas.min() == 0
        assert canvas.max() == 1

    def test_labels_are_above_the_pairs(self):
        figure = plots.reconstructions(some_digits(3), some_digits(3), "a title", labels=np.array([7, 2, 1]))
        assert [text.get_text() for text in only_axes(figure).texts] == ["7", "2", "1"]

    def test_refuses_arrays_of_different_lengths(self):
        with pytest.raises(ValueError, match="Received: 3, 2, None"):
            plots.reconstructions(some_digits(3), some_digits(2), "a title")


class TestImageGrid:
    @pytest.mark.parametrize(("n", "columns", "shape"), [(9, None, (3, 3)), (5, None, (2, 3)), (5, 2, (3, 2)), (2, 9, (1, 2))])
    def test_shape(self, n, columns, shape):
        canvas = shown_image(plots.image_grid(some_digits(n), "a title", columns))
        assert canvas.shape == (29 * shape[0] - 1, 29 * shape[1] - 1)

    def test_is_row_major(self):
        digits = some_digits(5)
        canvas = shown_image(plots.image_grid(digits, "a title"))
        np.testing.assert_array_equal(canvas[29:57, 29:57], digits[4].reshape(28, 28))

    @pytest.mark.parametrize(("channels", "shape"), [(1, (129, 194)), (3, (131, 198, 3))])
    def test_accepts_pictures_of_any_size(self, channels, shape):
        pictures = np.random.default_rng(0).uniform(size=(6, 64, 64, channels)).astype(np.float32)
        canvas = shown_image(plots.image_grid(pictures, "a title", columns=3))
        assert canvas.shape == shape
        gap = 1 if channels == 1 else 3
        np.testing.assert_array_equal(canvas[64 + gap :, 64 + gap : 128 + gap], pictures[4].squeeze())

    def test_colour_in_bytes(self):
        canvas = shown_image(plots.image_grid(np.full((1, 8, 8, 3), [255, 51, 0], np.uint8), "a title"))
        np.testing.assert_allclose(canvas[3, 4], [1.0, 0.2, 0.0])

    def test_refuses_0_columns(self):
        with pytest.raises(ValueError, match="Received: columns=0"):
            plots.image_grid(some_digits(5), "a title", columns=0)

    @pytest.mark.parametrize("shape", [(784,), (0, 784), (3, 100), (3, 28, 29), (3, 64, 64), (3, 64, 64, 2), (0, 64, 64, 3)])
    def test_refuses_shapes_that_are_not_pictures(self, shape):
        with pytest.raises(ValueError, match=r"Received: images\.shape="):
            plots.image_grid(np.zeros(shape), "a title")

    def test_refuses_non_finite_pixels(self):
        with pytest.raises(ValueError, match="Received: 784 values"):
            plots.image_grid(np.full((1, 784), np.nan), "a title")


class TestImageRows:
    PICTURES = np.random.default_rng(0).uniform(size=(2, 3, 64, 64, 3))

    def test_rows_and_columns_are_labelled(self):
        figure = plots.image_rows(self.PICTURES, "a title", ["a", "b"], ["0", "½", "1"], "x", row_ends=["c", "d"])
        axes = only_axes(figure)
        assert [axes.get_title(), axes.get_xlabel()] == ["a title", "x"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
        np.testing.assert_allclose(axes.get_yticks(), [32, 99], atol=1)  # the rows' middles, in pixels
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "½", "1"]
        (right,) = axes.child_axes
        assert [label.get_text() for label in right.get_yticklabels()] == ["c", "d"]
        np.testing.assert_array_equal(shown_image(figure)[67:, 67:131], self.PICTURES[1, 1].astype(np.float32))

    @pytest.mark.parametrize("rows", [["a"], ["a", "b", "c"]])
    def test_refuses_a_wrong_number_of_names(self, rows):
        with pytest.raises(ValueError, match=r"Received: images.shape=\(2, 3, 64, 64, 3\), row_names="):
            plots.image_rows(self.PICTURES, "a title", rows, ["0", "½", "1"], "x")
        with pytest.raises(ValueError, match="row_ends="):
            plots.image_rows(self.PICTURES, "a title", ["a", "b"], ["0", "½", "1"], "x", row_ends=rows)


class TestManifold:
    def test_z1_grows_to_the_right_and_z2_upward(self):
        images = np.zeros((3, 3, 784))
        images[0, 2] = 1.0  # lowest z2, highest z1: bottom right
        figure = plots.manifold(images, np.array([-1.5, 0.0, 1.5]), "a title")
        expected = np.zeros((84, 84))
        expected[56:, 56:] = 1
        np.testing.assert_array_equal(shown_image(figure), expected)

        axes = only_axes(figure)
        assert [axes.get_xlabel(), axes.get_ylabel()] == ["z1", "z2"]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["-1.5", "0", "1.5"]
        ticks = zip(axes.get_yticks(), [label.get_text() for label in axes.get_yticklabels()], strict=True)
        assert dict(ticks) == {70: "-1.5", 42: "0", 14: "1.5"}  # in pixels from the top

    def test_axes_can_have_other_names_and_separate_values(self):
        values = np.array([-1.5, 0.0, 1.5])
        axes = only_axes(plots.manifold(np.zeros((3, 3, 784)), values, "a title", ("z2", "z7"), 10 * values))
        assert [axes.get_xlabel(), axes.get_ylabel()] == ["z2", "z7"]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["-1.5", "0", "1.5"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["-15", "0", "15"]

    def test_many_steps_have_few_tick_labels(self):
        axes = only_axes(plots.manifold(np.zeros((20, 20, 784)), np.linspace(-3, 3, 20), "a title"))
        numbers = [label.get_text() for label in axes.get_xticklabels()]
        assert len(numbers) == 9
        assert (numbers[0], numbers[-1]) == ("-3", "3")

    def test_refuses_shapes_that_do_not_match(self):
        with pytest.raises(ValueError, match=r"Received: images.shape=\(3, 2, 784\), axis_values.shape=\(3,\)"):
            plots.manifold(np.zeros((3, 2, 784)), np.zeros(3), "a title")
        with pytest.raises(ValueError, match=r"axis_values.shape=\(3,\), upward_values.shape=\(4,\)"):
            plots.manifold(np.zeros((3, 3, 784)), np.zeros(3), "a title", upward_values=np.zeros(4))


class TestSprite:
    def test_places_each_image_in_row_major_order(self):
        images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
        sheet = plots.sprite(images)
        assert sheet.shape == (84, 84)
        assert sheet.dtype == np.uint8
        for i in range(9):
            cell = sheet[i // 3 * 28 : (i // 3 + 1) * 28, i % 3 * 28 : (i % 3 + 1) * 28]
            np.testing.assert_array_equal(cell, images[i] if i < 7 else 0)

    def test_refuses_pictures_that_are_not_digits(self):
        with pytest.raises(ValueError, match=r"must be 28×28 and grey. Received: images\.shape=\(3, 64, 64, 3\)"):
            plots.sprite(np.zeros((3, 64, 64, 3)))

    @pytest.mark.parametrize(("n", "rows"), [(1, 1), (2, 2), (4, 2), (5, 3), (100, 10)])
    def test_is_the_smallest_square(self, n, rows):
        assert plots.sprite(some_digits(n)).shape == (28 * rows, 28 * rows)

    def test_floats_and_bytes_agree(self):
        images = np.arange(256, dtype=np.uint8).repeat(49).reshape(16, 784)
        np.testing.assert_array_equal(plots.sprite(images / 255), plots.sprite(images))


class TestFigureToRgb:
    def test_renders_the_figure(self):
        codes, labels = some_codes(50, 3)
        figure = scatters.latent_scatter(codes, labels, "a title")
        pixels = plots.figure_to_rgb(figure)
        width, height = figure.get_size_inches() * figure.dpi
        assert pixels.shape == (height, width, 3)
        assert pixels.dtype == np.uint8
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20  # not blank

    def test_leaves_no_figure_open(self):
        plots.figure_to_rgb(plots.image_grid(some_digits(4), "a title"))
        assert pyplot.get_fignums() == []
