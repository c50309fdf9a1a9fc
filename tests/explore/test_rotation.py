"""rotation.py: the frames of the GIF."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unsupervised_learning.explore import rotation
from unsupervised_learning.figures import scatters


def turning(codes, labels, frames=6) -> Any:  # Pillow's types know no frames
    return Image.open(io.BytesIO(rotation.rotating_scatter(codes, labels, "a title", ["z1", "z2", "z3"], frames)))


def colored(frame: Image.Image, color: str) -> np.ndarray:
    """Where, in the scatter itself, a pixel has a colour: [n, 2] of x and y."""
    pixels = np.asarray(frame.convert("RGB"))[:, : rotation.SIDE]
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((pixels == wanted).all(axis=2))[:, ::-1]


def test_it_has_its_frames_turns_once_and_repeats():
    random = np.random.default_rng(0)
    gif = turning(random.normal(size=(50, 3)), np.arange(50) % 10)
    assert gif.n_frames == 6
    assert gif.info["loop"] == 0
    assert gif.info["duration"] == rotation.FRAME_MS
    frames = []
    for number in range(6):
        gif.seek(number)
        frames.append(np.asarray(gif.convert("RGB")).astype(int))
    changes = [np.abs(frames[i] - frames[(i + 1) % 6]).mean() for i in range(6)]
    assert min(changes) > 0.5  # also from the last to the first: it goes on, and does not jump
    assert max(changes) < 2 * min(changes)


def test_half_a_turn_mirrors_a_point_and_the_axis_keeps_its_height():
    """The corners fix the box; the point of label 8 is at the right end of z1."""
    corners = np.array([[-1, -1, -1], [1, 1, 1], [1, 0, 0]], float)
    gif = turning(corners, np.array([0, 0, 8]), frames=4)
    red = scatters.DIGIT_COLORS[8]
    places = []
    for number in (0, 2):
        gif.seek(number)
        shades = [rotation._mixed(red, white, 1.0) for white in rotation.LEVELS]
        found = np.concatenate([colored(gif, shade) for shade in shades])
        assert len(found) > 5
        places.append(found.mean(axis=0))
    middle = rotation.SIDE / 2
    assert places[0][0] - middle == pytest.approx(middle - places[1][0], abs=1.5)
    assert abs(places[0][0] - middle) > 20


def test_each_label_has_its_own_color():
    codes, labels = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 10
    gif = turning(codes, labels, frames=1).convert("RGB")
    present = {f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in gif.getcolors(2**20)}
    assert set(scatters.DIGIT_COLORS) <= present


def test_nearer_dots_cover_those_behind():
    """Seen from z2's negative side and above, of two points in one line of sight the near one is drawn."""
    codes = np.array([[0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], float)
    order = rotation._projected(codes, 0.0)[1].argsort()
    assert order[-1] in (0, 3)
    assert rotation._projected(np.array([[0, -1.0, 0]]), 0.0)[1] > rotation._projected(np.array([[0, 1.0, 0]]), 0.0)[1]


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"codes.shape=\(5, 2\)"):
        turning(np.zeros((5, 2)), np.zeros(5, int))


def test_equal_codes_are_drawn():
    assert turning(np.zeros((3, 3)), np.zeros(3, int), frames=2).n_frames == 2
