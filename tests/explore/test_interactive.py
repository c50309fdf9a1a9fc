"""The HTML of the interactive scatter. Its script is tested by test_browser.py."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from tests.support import Tags
from unsupervised_learning.compare import page
from unsupervised_learning.explore import interactive
from unsupervised_learning.figures import scatters


def random_codes(n=30, dimensions=3):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (n, 28, 28)).astype(np.uint8)
    return random.normal(size=(n, dimensions)), np.arange(n) % 10, images


def data_of(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_html_holds_codes_labels_and_images():
    codes, labels, images = random_codes()
    text = interactive.scatter(codes, labels, images, ["z1", "z2", "z3"])
    data = data_of(text)
    np.testing.assert_allclose(data["codes"], codes, atol=0.0005)
    assert data["labels"] == labels.tolist()
    assert data["axes"] == ["z1", "z2", "z3"]
    assert tuple(data["colors"]) == scatters.DIGIT_COLORS
    picture = Image.open(io.BytesIO(base64.b64decode(data["sprite"].removeprefix("data:image/png;base64,"))))
    sheet = np.asarray(picture.convert("L")).astype(int)
    for number in (0, 7, 29):
        row, column = divmod(number, data["columns"])
        cell = sheet[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
        assert np.abs(cell - images[number].astype(int)).max() <= 9  # 16 grey levels: half a level is 255 / 30


def test_html_is_well_formed_and_self_contained():
    for dimensions in (2, 3):
        codes, labels, images = random_codes(dimensions=dimensions)
        names = ["z1", "z2", "z3"][:dimensions]
        text = page.document("a title", interactive.scatter(codes, labels, images, names), interactive.style())
        tags = Tags(text).seen
        assert not [attributes for _, attributes in tags if "src" in attributes or "href" in attributes]
        assert "http" not in text
        assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", text)
        buttons = [attributes for tag, attributes in tags if tag == "button"]
        assert [button["data-label"] for button in buttons if "data-label" in button] == [str(label) for label in range(10)]
        assert ("turn" in [button.get("data-act") for button in buttons]) == (dimensions == 3)
        assert {attributes.get("tabindex") for tag, attributes in tags if tag == "canvas"} == {"0", None}


def test_names_are_escaped_in_html_and_in_json():
    codes, labels, images = random_codes(3)
    evil = ["</script><script>alert(1)</script>", "<b>&", '"quoted"', *"3456789"]
    text = interactive.scatter(codes, labels, images, ["<i>", "z2", "z3"], evil)
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert data_of(text)["names"] == evil
    assert Tags(text)


def test_only_labels_that_occur_get_a_button():
    codes, _, images = random_codes(4)
    text = interactive.scatter(codes, np.array([1, 1, 8, 8]), images, ["z1", "z2", "z3"])
    assert re.findall(r'data-label="(\d)"', text) == ["1", "8"]


def test_html_is_small():
    random = np.random.default_rng(0)
    digits = np.zeros((3000, 28, 28), np.uint8)
    digits[:, 8:20, 10:18] = random.integers(0, 256, (3000, 12, 8))  # as many nonzero pixels as a digit
    text = interactive.scatter(random.normal(size=(3000, 3)), np.arange(3000) % 10, digits, ["z1", "z2", "z3"])
    assert len(text) < 3 * 2**20


@pytest.mark.parametrize(
    ("codes", "labels", "message"),
    [
        (np.zeros((3, 4)), np.zeros(3, int), r"codes.shape=\(3, 4\)"),
        (np.full((3, 2), np.nan), np.zeros(3, int), "finite"),
        (np.zeros((3, 2)), np.full(3, 10), "0 … 9"),
        (np.zeros((3, 2)), np.zeros(2, int), "2 labels"),
    ],
)
def test_invalid_arrays_are_refused(codes, labels, message):
    with pytest.raises(ValueError, match=message):
        interactive.scatter(codes, labels, np.zeros((3, 28, 28), np.uint8), ["z1", "z2"])


def test_a_notebook_shows_the_scatter_in_a_frame():
    codes, labels, images = random_codes()
    scatter = interactive.scatter(codes, labels, images, ["z1", "z2", "z3"])
    assert "\n" not in repr(scatter)
    (tag, attributes), *others = Tags(scatter._repr_html_()).seen
    assert (tag, others) == ("iframe", [])
    assert scatter in attributes["srcdoc"]  # unescaped by the parser
    assert interactive.style() in attributes["srcdoc"]
