"""The frames of the rotating GIF."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unsupervised_learning.explore import rotation
from unsupervised_learning.figures import scatters


def rotating_gif(codes, labels, frames=6) -> Any:  # Any: Pillow's types do not declare frames
    return Image.open(io.BytesIO(rotation.rotating_scatter(codes, labels, "a title", ["z1", "z2", "z3"], frames)))


def colored(frame: Image.Image, color: str) -> np.ndarray:
    """Positions (x, y) of the pixels with a colour, without the legend: [n, 2]."""
    pixels = np.asarray(frame.convert("RGB"))[:, : rotation.SIDE]
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((pixels == wanted).all(axis=2))[:, ::-1]


def test_gif_turns_once_and_loops():
    random = np.random.default_rng(0)
    gif = rotating_gif(random.normal(size=(50, 3)), np.arange(50) % 10)
    assert gif.n_frames == 6
    assert gif.info["loop"] == 0
    assert gif.info["duration"] == rotation.FRAME_MS
    frames = []
    for number in range(6):
        gif.seek(number)
        frames.append(np.asarray(gif.convert("RGB")).astype(int))
    changes = [np.abs(frames[i] - frames[(i + 1) % 6]).mean() for i in range(6)]
    assert min(changes) > 0.5  # no jump from the last frame to the first
    assert max(changes) < 2 * min(changes)


def test_half_a_turn_mirrors_a_point():
    """Two corners fix the box; the point with label 8 is at the upper end of z1."""
    corners = np.array([[-1, -1, -1], [1, 1, 1], [1, 0, 0]], float)
    gif = rotating_gif(corners, np.array([0, 0, 8]), frames=4)
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
    gif = rotating_gif(codes, labels, frames=1).convert("RGB")
    present = {f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in gif.getcolors(2**20)}
    assert set(scatters.DIGIT_COLORS) <= present


def test_nearer_dots_cover_farther_ones():
    """The eye is above, on the negative side of z2; points nearer to it are drawn last."""
    codes = np.array([[0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], float)
    order = rotation._projected(codes, 0.0)[1].argsort()
    assert order[-1] in (0, 3)
    assert rotation._projected(np.array([[0, -1.0, 0]]), 0.0)[1] > rotation._projected(np.array([[0, 1.0, 0]]), 0.0)[1]


def test_codes_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"codes.shape=\(5, 2\)"):
        rotating_gif(np.zeros((5, 2)), np.zeros(5, int))


def test_identical_codes_can_be_drawn():
    assert rotating_gif(np.zeros((3, 3)), np.zeros(3, int), frames=2).n_frames == 2
