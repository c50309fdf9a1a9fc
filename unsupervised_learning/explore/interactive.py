"""An interactive latent scatter as self-contained HTML: a canvas and a script (`web/scatter.js`, also used by `play`).

Mouse: drag to rotate (2-D: to move), click and then scroll to zoom, point at a dot to see its image. Touch: drag with one
finger, pinch, tap. Keyboard: arrows, + and −, 0 to reset, N and P for the next and the previous image. The legend's buttons
hide and show labels.
"""

import html
from collections.abc import Sequence

import numpy as np

from unsupervised_learning.compare import page
from unsupervised_learning.explore import embedded
from unsupervised_learning.figures import scatters

GREYS = 16  # grey levels of the images: four bits per pixel, for a quarter of the bytes
DIGITS = 3  # decimals of the codes


def style() -> str:
    """The CSS that a page with a scatter needs."""
    return page.web_file("explore", "scatter.css")


def script() -> str:
    """The JavaScript of the scatter; it defines `play.scatter` and starts nothing."""
    return page.web_file("explore", "scatter.js")


class Scatter(str):
    """HTML of a scatter, which a notebook shows in a frame of its own."""

    def __repr__(self) -> str:
        return f"Scatter({len(self):,} characters of HTML)"

    def _repr_html_(self) -> str:
        whole = html.escape(page.document("Codes", self, style() + "h1 { display: none; } body { padding: 0; }"))
        return f'<iframe srcdoc="{whole}" title="Scatter of codes" width="100%" height="860" style="border: 0"></iframe>'


def scatter(
    codes: np.ndarray,
    labels: np.ndarray,
    images: np.ndarray,
    axis_names: Sequence[str],
    label_names: Sequence[str] | None = None,
) -> Scatter:
    """The scatter as HTML, for a page with `style()`; at most one per page.

    Args:
        codes: [n, 2] or [n, 3] finite floats.
        labels: [n] integers, from 0 up to 9.
        images: n digits, the encoded images.
        axis_names: names of the dimensions.
        label_names: names of the labels from 0 on; "digit 0", … by default.

    Returns:
        HTML with buttons, a canvas, a script, and JSON that holds the data and the images as one PNG. A notebook shows it.

    Raises:
        ValueError: arrays with invalid shapes or values.
    """
    codes, labels = np.asarray(codes, np.float64), np.asarray(labels, int)
    if codes.shape[1:] not in ((2,), (3,)) or not len(codes) or not np.isfinite(codes).all():
        raise ValueError(f"codes must be [n, 2] or [n, 3] finite floats. Received: codes.shape={codes.shape}")
    if len(labels) != len(codes) or len(images) != len(codes) or labels.min() < 0 or labels.max() > 9:
        raise ValueError(
            f"each of {len(codes)} codes must have one label in 0 … 9 and one image. Received: {len(labels)} labels from "
            f"{labels.min()} to {labels.max()}, {len(images)} images"
        )
    names = list(label_names or (f"digit {digit}" for digit in range(10)))
    content = {
        "codes": [[round(float(value), DIGITS) for value in code] for code in codes],
        "labels": labels.tolist(),
        "names": names,
        "colors": scatters.DIGIT_COLORS,
        "axes": list(axis_names),
        **embedded.sheet(images, GREYS),
    }
    legend = "".join(
        f'<button type="button" data-label="{label}" aria-pressed="true">'
        f'<span class="dot" style="background:{scatters.DIGIT_COLORS[label]}"></span>{html.escape(names[label])}</button>'
        for label in np.unique(labels)
    )
    solid = codes.shape[1] == 3
    acts = {
        "in": "+",
        "out": "−",
        "reset": "reset",
        "next": "next image",
        "all": "all / none",
        **({"turn": "rotate"} if solid else {}),
    }
    spoken = {"in": ' aria-label="zoom in"', "out": ' aria-label="zoom out"'}
    bar = "".join(f'<button type="button" data-act="{act}"{spoken.get(act, "")}>{name}</button>' for act, name in acts.items())
    return Scatter(
        page.filled(
            "explore",
            "scatter.html",
            legend=legend,
            count=f"{len(codes):,}",
            dragging="rotate" if solid else "move",
            bar=bar,
            data=embedded.json_text(content),
            script=script(),
        )
    )
