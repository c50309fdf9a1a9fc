"""Arrays, JSON and images as text inside a page, for its JavaScript."""

import base64
import io
import json
import math
from typing import Any

import numpy as np
from PIL import Image

from unsupervised_learning.figures import plots


def packed(arrays: list[np.ndarray], dtype: type[np.floating]) -> str:
    """The values of the arrays, one after the other, little-endian, in base64."""
    flat = np.concatenate([np.ravel(array) for array in arrays]) if arrays else np.zeros(0)
    with np.errstate(over="ignore"):  # a weight beyond float16's range becomes infinite
        return base64.b64encode(flat.astype(np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def json_text(content: Any) -> str:
    """Content as JSON that can stand inside a `<script>`: no text in it can end the element."""
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def sheet(images: np.ndarray, greys: int = 256) -> dict[str, Any]:
    """Digits in one picture, row by row: its data URL, the number of columns, and the side of a digit in pixels.

    Args:
        images: n digits.
        greys: grey levels; 16 take four bits per pixel, for a quarter of the bytes.
    """
    picture = Image.fromarray(plots.sprite(images))
    bits = {}
    if greys < 256:
        picture = picture.point([round(grey * (greys - 1) / 255) for grey in range(256)])
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette([round(level * 255 / (greys - 1)) for level in range(greys) for _ in range(3)])
        bits = {"bits": math.ceil(math.log2(greys))}
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG", optimize=True, **bits)
    source = f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"
    return {"sprite": source, "columns": math.ceil(math.sqrt(len(images))), "side": plots.SIDE}
