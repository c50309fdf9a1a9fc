"""The interactive part for a GAN: its generator, which the page's own JavaScript runs in a worker."""

import base64
from typing import Any

import keras
import numpy as np

from unsupervised_learning.compare import page
from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.explore import embedded
from unsupervised_learning.explore.subject import GAN, Found, Json, Part, Subject
from unsupervised_learning.monitoring.event_files import pictures_logged
from unsupervised_learning.monitoring.tags import FIXED_GRID

MOST_WEIGHTS = 2_000_000  # of a generator in a page: 16 bits each, and base64 adds a third
SLIDERS = 8  # dimensions of z with a slider: those that change the image most
PROBES = 4  # z to find these dimensions with
CHECKED = 4  # images that the page compares with Keras's
MOST_FRAMES, MOST_OF_FRAMES = 16, 1_600_000  # pictures of the training strip, and their characters
PROBING, CHECKING = 20, 21  # purposes of random numbers; `gan_parts` uses 10 to 12


def find(subject: Subject) -> Found:
    """The part for a run."""
    generator = subject.model.generator
    z = latent_draws.of_gan(CHECKED, subject.model.z_dim, subject.random(CHECKING))
    layers, arrays = folded(generator)
    content = {
        "side": subject.model.side,
        "z_dim": subject.model.z_dim,
        "lowest": subject.model.form.lowest,
        "highest": subject.model.form.highest,
        "factor": subject.model.image_factor,
        "layers": layers,
        "weights": embedded.packed(arrays, np.float16),
        "dimensions": strongest(subject),
        "check": {
            "count": CHECKED,
            "z": embedded.packed([z], np.float32),
            "images": embedded.packed([subject.decode(z)], np.float32),
        },
        "frames": frames(pictures_logged(subject.run.path, FIXED_GRID)),
        "worker": "\n".join(page.web_file("explore", name) for name in ("net.js", "generator.js")),
    }
    script = "\n".join(page.web_file("explore", name) for name in ("net.js", "digit.js", "generator.js", "gan.js"))
    return Found(
        {"dimensions": [dimension + 1 for dimension in content["dimensions"]]},
        [],
        widget=page.filled(
            "explore", "gan.html", count=str(subject.model.z_dim), data=embedded.json_text(content), script=script
        ),
    )


def folded(generator: keras.Model) -> tuple[list[Json], list[np.ndarray]]:
    """The generator's layers, each with batch normalization's moving statistics folded into its weights.

    Returns:
        For each layer its kind, sizes and activation; and kernel and bias of each layer in turn.
    """
    layers: list[Json] = []
    arrays: list[np.ndarray] = []
    for layer in generator.layers:
        if isinstance(layer, keras.layers.Dense):
            kernel, bias = (np.asarray(one, np.float64) for one in layer.get_weights())
            layers.append({"kind": "dense", "in": kernel.shape[0], "out": kernel.shape[1], "activation": "linear"})
            arrays += [kernel, bias]
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            kernel, bias = (np.asarray(one, np.float64) for one in layer.get_weights())  # [5, 5, out, in]
            side, wide = int(layer.input.shape[1]), int(layer.output.shape[1])
            size, _, out, of = kernel.shape
            # Keras's "same": the full output has (side − 1) · 2 + size rows, of which the first few are left out.
            before = max(0, (side - 1) * 2 + size - wide) // 2
            sizes = {"side": side, "wide": wide, "in": of, "out": out, "size": size, "before": before}
            layers.append({"kind": "deconv", **sizes, "activation": "linear"})
            arrays += [kernel.transpose(0, 1, 3, 2), bias]  # [5, 5, in, out]
        elif isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (np.asarray(one, np.float64) for one in layer.get_weights())
            factor = gamma / np.sqrt(variance + layer.epsilon)  # [channels]
            copies = arrays[-1].size // factor.size  # a dense layer's outputs are [rows, columns, channels]
            arrays[-1] = (arrays[-1] - np.tile(mean, copies)) * np.tile(factor, copies) + np.tile(beta, copies)
            arrays[-2] = arrays[-2] * np.tile(factor, copies)
        elif isinstance(layer, keras.layers.Activation):
            layers[-1]["activation"] = str(layer.get_config()["activation"]) if layer.name == "image" else "relu"
    return layers, arrays


def strongest(subject: Subject) -> list[int]:
    """The dimensions of z that change the image most when they go from −1 to 1, in order."""
    z = latent_draws.of_gan(PROBES, subject.model.z_dim, subject.random(PROBING))
    changes = []
    for dimension in range(subject.model.z_dim):
        ends = np.repeat(z[None], 2, axis=0)
        ends[0, :, dimension], ends[1, :, dimension] = -1, 1
        low, high = subject.decode(ends)
        changes.append(float(np.abs(high - low).mean()))
    return np.argsort(-np.array(changes), kind="stable")[:SLIDERS].tolist()


def frames(grids: dict[int, bytes]) -> list[dict[str, Any]]:
    """Pictures of the same z at several iterations, for the training strip."""
    iterations = list(grids)
    most = min(MOST_FRAMES, MOST_OF_FRAMES * 3 // 4 // max(map(len, grids.values()), default=1))
    kept = np.unique(np.linspace(0, len(iterations) - 1, min(most, len(iterations))).round().astype(int))
    return [
        {"iteration": one, "picture": f"data:image/png;base64,{base64.b64encode(grids[one]).decode()}"}
        for one in (iterations[place] for place in kept)
    ]


def too_large(subject: Subject) -> str:
    """Tell why the page cannot hold the generator; an empty string if it can."""
    weights = subject.model.generator.count_params()
    return (
        ""
        if weights <= MOST_WEIGHTS
        else f"the page holds generators of up to {MOST_WEIGHTS:,} weights, those of 28×28 images; this one has {weights:,}"
    )


PARTS = (
    Part(
        "play",
        "Play",
        "The generator is in this page: it computes in your browser. It turns random numbers, z, into an image; it has no "
        "encoder, so one cannot ask it for the z of a drawing.",
        "Draw new z, then move single numbers of it, then walk from one z to another. Below, the same 64 z during training.",
        "Good: every z gives a digit, and small steps change it little. Bad: many z give the same digit, or strokes that form "
        "no digit.",
        (GAN,),
        find,
        too_large,
    ),
)
