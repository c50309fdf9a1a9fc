import numpy as np
import pytest

from unsupervised_learning.figures import curves, plots


class TestGanLosses:
    def test_two_panels(self):
        names = ("discriminator_loss_real", "discriminator_loss_fake", "discriminator_loss", "generator_loss")
        courses = {name: {10 * i: (i * 7 % 5) / 5 for i in range(50)} for name in names}
        courses["generator_loss"][100] = np.nan
        figure = curves.gan_losses(courses, "a title")
        above, below = figure.axes
        assert [above.get_ylabel(), below.get_ylabel()] == ["discriminator's loss, nats", "generator's loss, nats"]
        assert below.get_xlabel() == "iteration"
        assert len(above.get_lines()) == 3 * 2 + 1
        np.testing.assert_allclose(np.asarray(above.get_lines()[-1].get_ydata()), 1.386, atol=1e-3)
        raw, smooth = below.get_lines()
        np.testing.assert_array_equal(np.asarray(raw.get_ydata()), list(courses["generator_loss"].values()))
        assert np.nanstd(np.asarray(smooth.get_ydata())[10:]) < np.nanstd(np.asarray(raw.get_ydata())[10:]) / 2
        assert plots.figure_to_rgb(figure).std() > 0

    def test_smoothing_matches_tensorboards(self):
        np.testing.assert_allclose(curves.smoothed(np.array([2.0, 4.0]), 0.5), [2.0, (2.0 / 4 + 4.0 / 2) / (1 / 4 + 1 / 2)])
        np.testing.assert_allclose(curves.smoothed(np.full(20, 3.0)), 3.0)
        np.testing.assert_allclose(curves.smoothed(np.array([1.0, np.nan, 1.0])), [1.0, np.nan, 1.0])


class TestLossesOverlaid:
    def test_draws_each_run_raw_and_smoothed(self):
        courses = {"2016": {0: 80.0, 100: 6.0, 200: 5.0}, "ours": {0: 79.0, 100: 7.0}}
        axes = curves.losses_overlaid(courses, "a title", "loss").axes[0]
        assert axes.get_legend_handles_labels()[1] == ["2016", "ours"]
        assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("iteration", "loss", "log")
        assert [np.asarray(line.get_xdata()).tolist() for line in axes.get_lines()] == [[0, 100, 200]] * 2 + [[0, 100]] * 2


class TestDistributions:
    def test_quantiles_match_those_of_the_values(self):
        values = np.random.default_rng(0).normal(size=100_000)
        counts, edges = np.histogram(values, 1000)
        found = curves.quantiles(np.column_stack([edges[:-1], edges[1:], counts]))
        np.testing.assert_allclose(found, np.quantile(values, curves.QUANTILES), atol=0.01)
        assert found[4] == pytest.approx(0, abs=0.02)
        np.testing.assert_allclose(found[2], -1, atol=0.02)

    def test_quantiles_of_equal_values_and_of_none(self):
        buckets = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 50.0]])
        assert curves.quantiles(buckets).tolist() == [2.0] * 9
        assert np.isnan(curves.quantiles(np.zeros((3, 3)))).all()

    def test_draws_a_panel_for_each_tag(self):
        course = {step: np.array([[-1.0, 0.0, 5.0], [0.0, 1.0 + step, 5.0]]) for step in (0, 500, 1000)}
        figure = curves.distributions({"mu": course, "log_var": course}, "a title")
        assert [axes.get_title() for axes in figure.axes] == ["mu", "log_var"]
        assert figure.axes[0].get_ylim()[1] > 1000
        assert plots.figure_to_rgb(figure).std() > 0


def test_lines_are_drawn_as_they_are():
    courses = {"one": {0: -3.0, 100: 2.0}, "other": {0: 0.0, 50: 1.0, 100: 4.0}}
    figure = curves.lines(courses, "a title", "nats")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("iteration", "nats", "linear")
    drawn = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.get_lines()}
    assert drawn == {name: [[iteration, value] for iteration, value in course.items()] for name, course in courses.items()}


def test_a_figure_shows_itself_in_a_notebook():
    figure = curves.lines({"one": {0: 1.0, 1: 2.0}}, "a title", "label")
    assert figure._repr_png_().startswith(b"\x89PNG")
