"""Paths through latent spaces, checked against known geometry."""

import numpy as np

from unsupervised_learning.evaluation import latent_paths

SHARES = np.linspace(0, 1, 5)


def test_traversal_changes_only_one_dimension():
    codes = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    moved = latent_paths.traversal(codes, np.array([2, 0]), np.array([[-1.0, 1.0], [7.0, 8.0]]))
    assert moved.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(moved[1, 0], [[4, 5, -1], [4, 5, 1]])
    np.testing.assert_array_equal(moved[0, 1], [[7, 2, 3], [8, 2, 3]])


def test_quarter_circle():
    arc = latent_paths.spherical(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([0, 1 / 3, 0.5, 1]))[0]
    expected = 2 * np.array([[1, 0], [np.sqrt(3) / 2, 0.5], [np.sqrt(0.5), np.sqrt(0.5)], [0, 1]])
    np.testing.assert_allclose(arc, expected, atol=1e-12)
    straight = latent_paths.linear(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([0.5]))[0]
    np.testing.assert_array_equal(straight, [[1, 1]])


def test_paths_start_and_end_at_the_codes():
    start, end = np.random.default_rng(0).normal(size=(2, 20, 7))
    for path in (latent_paths.linear, latent_paths.spherical):
        between = path(start, end, SHARES)
        assert between.shape == (20, 5, 7)
        np.testing.assert_allclose(between[:, 0], start, atol=1e-12)
        np.testing.assert_allclose(between[:, -1], end, atol=1e-12)


def test_arc_keeps_the_norm_and_turns_evenly():
    start, end = np.random.default_rng(1).normal(size=(2, 20, 7))
    start, end = (3 * codes / np.linalg.norm(codes, axis=1, keepdims=True) for codes in (start, end))
    between = latent_paths.spherical(start, end, SHARES)
    np.testing.assert_allclose(np.linalg.norm(between, axis=2), 3.0, atol=1e-12)
    cosines = np.sum(between[:, 1:] * between[:, :-1], axis=2) / 9
    np.testing.assert_allclose(cosines, np.tile(cosines[:, :1], 4), atol=1e-12)  # equal angles
    assert (np.linalg.norm(latent_paths.linear(start, end, np.array([0.5])), axis=2) < 3).all()


def test_norm_changes_evenly_along_an_arc():
    arc = latent_paths.spherical(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]]), SHARES)
    np.testing.assert_allclose(np.linalg.norm(arc, axis=2)[0], [1, 1.5, 2, 2.5, 3], atol=1e-12)


def test_arc_between_parallel_opposite_or_zero_codes():
    start = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    end = np.array([[2.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    arc = latent_paths.spherical(start, end, SHARES)
    np.testing.assert_allclose(arc[0], latent_paths.linear(start, end, SHARES)[0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(arc[1], axis=1), 1.0, atol=1e-12)  # half a circle, not through the origin
    np.testing.assert_allclose(arc[1, -1], [-1, 0], atol=1e-12)
    np.testing.assert_allclose(arc[2], np.outer(SHARES, [0, 2]), atol=1e-12)


def test_arc_in_one_dimension_is_a_straight_line():
    arc = latent_paths.spherical(np.array([[1.0]]), np.array([[-3.0]]), SHARES)
    np.testing.assert_allclose(arc[0, :, 0], [1, 0, -1, -2, -3], atol=1e-12)


def test_plane_has_the_first_dimension_across_and_the_second_upward():
    grid = latent_paths.plane(np.array([9.0, 8.0, 7.0]), (2, 0), np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0]))
    assert grid.shape == (2, 3, 3)
    np.testing.assert_array_equal(grid[1, 2], [-2, 8, 3])
    np.testing.assert_array_equal(grid[0, 0], [-1, 8, 1])
