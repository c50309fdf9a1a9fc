"""Paths through a latent space: along one dimension, between two codes, over a plane. NumPy in, codes out."""

import numpy as np


def traversal(codes: np.ndarray, dimensions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Vary one dimension of each code and keep the others.

    Args:
        codes: [n, z_dim].
        dimensions: [d], the dimensions to vary, counted from 0.
        values: [d, steps], the values of each dimension.

    Returns:
        [n, d, steps, z_dim].
    """
    codes, values = np.asarray(codes), np.asarray(values)
    moved = np.tile(codes[:, None, None], (1, *values.shape, 1))
    for row, dimension in enumerate(dimensions):
        moved[:, row, :, dimension] = values[row]
    return moved


def linear(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points on straight lines between codes [n, z_dim], at shares [steps] of the way: [n, steps, z_dim]."""
    start, end, shares = np.asarray(start)[:, None], np.asarray(end)[:, None], np.asarray(shares)[:, None]
    return start + shares * (end - start)


def spherical(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points on arcs around the origin ("slerp", Shoemake 1985), with the arguments and shape of `linear`.

    The angle and the norm change evenly. In many dimensions nearly all codes of a Gaussian lie at about the same distance from
    the origin, but the middle of a straight line between two codes lies closer to it (White 2016, arXiv:1609.04468, section
    2.1). Parallel codes give a straight line, as does a single dimension, which has no arcs. Between opposite codes there are
    many arcs; one of them is used.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    if start.shape[1] == 1:
        return linear(start, end, shares)
    lengths = [np.linalg.norm(codes, axis=1, keepdims=True) for codes in (start, end)]  # each [n, 1]
    first, last = (codes / np.where(norm > 0, norm, 1.0) for codes, norm in zip((start, end), lengths, strict=True))
    first, last = np.where(lengths[0] > 0, first, last), np.where(lengths[1] > 0, last, first)  # the origin has no direction
    cosine = np.clip(np.sum(first * last, axis=1, keepdims=True), -1.0, 1.0)
    # Initial direction of the arc: the component of `last` perpendicular to `first`.
    across = last - cosine * first
    size = np.linalg.norm(across, axis=1, keepdims=True)
    parallel = size[:, 0] < 1e-9
    across[parallel] = [_perpendicular(row) for row in first[parallel]] if parallel.any() else 0.0
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.arctan2(np.where(parallel[:, None], 0.0, size), cosine)[:, None] * np.asarray(shares)[:, None]  # [n, steps, 1]
    norms = linear(lengths[0], lengths[1], shares)  # [n, steps, 1]
    return norms * (np.cos(angle) * first[:, None] + np.sin(angle) * across[:, None])


def _perpendicular(direction: np.ndarray) -> np.ndarray:
    """Return a nonzero vector perpendicular to the given one."""
    axis = np.eye(len(direction))[np.abs(direction).argmin()]
    return axis - (axis @ direction) * direction


def plane(center: np.ndarray, dimensions: tuple[int, int], across: np.ndarray, upward: np.ndarray) -> np.ndarray:
    """Return a grid of codes that differ in two dimensions only.

    Args:
        center: [z_dim], the values of the other dimensions.
        dimensions: the two dimensions, counted from 0.
        across: [columns], values of the first.
        upward: [rows], values of the second.

    Returns:
        [rows, columns, z_dim].
    """
    codes = np.tile(np.asarray(center, np.float64), (len(upward), len(across), 1))
    codes[:, :, dimensions[0]] = np.asarray(across)
    codes[:, :, dimensions[1]] = np.asarray(upward)[:, None]
    return codes
