"""The interactive part: the weights of an autoencoder or a VAE and some test images, for the page's own JavaScript.

The page draws, encodes, decodes and moves through training without Python. It holds a few values that Keras computed and
compares its own with them when it is opened.
"""

import html
from typing import Any

import numpy as np

from unsupervised_learning.compare import page
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.explore import embedded, interactive
from unsupervised_learning.explore.subject import AE, VAE, Found, Json, Part, Subject, label_names
from unsupervised_learning.figures import scatters
from unsupervised_learning.training import snapshots

SCRIPTS = ("net.js", "digit.js", "code.js", "model.js", "play.js")
IMAGES = 1_000  # test images that the page encodes; with each snapshot anew
CHECKED, DECODED = 50, 5  # test images with codes, and with outputs, from Keras
SLIDERS = 10  # latent dimensions with a slider: those with the highest `importance`
# Maximum characters of snapshots in a page, for one run and for several together. Weights take 0.45 million more for each run.
MOST_OF_SNAPSHOTS, MOST_OF_SEVERAL = 3_700_000, 5_000_000


def find(subject: Subject) -> Found:
    """The part for one run."""
    return Found({}, [], widget=widget([subject]))


def style() -> str:
    """The CSS of the part."""
    return page.web_file("explore", "play.css")


def widget(subjects: list[Subject]) -> str:
    """The part as HTML, for a page with `style()` and `interactive.style()`: runs side by side, on the same test images."""
    images = subjects[0].dataset.test.images[:IMAGES]
    most = MOST_OF_SNAPSHOTS if len(subjects) == 1 else MOST_OF_SEVERAL // len(subjects)
    content = {
        "models": [model(subject, most) for subject in subjects],
        "labels": subjects[0].labels[:IMAGES].tolist(),
        "names": label_names(subjects[0]),
        "colors": scatters.DIGIT_COLORS,
        "count": len(images),
        **embedded.sheet(images),
    }
    scripts = [interactive.script(), *(page.web_file("explore", name) for name in SCRIPTS)]
    return page.filled(
        "explore",
        "play.html",
        several=" several" if len(subjects) > 1 else "",
        data=embedded.json_text(content),
        script="\n".join(scripts),
    )


def model(subject: Subject, most: int) -> Json:
    """What the page needs of a model; its snapshots take at most `most` characters."""
    network = subject.model
    variables = list(network.variables_of_2016().values())
    inside = network.activation
    if subject.kind == VAE:
        head = "relu" if network.relu_heads else "linear"
        activations = {"encoder": [inside, inside], "heads": [head, head], "decoder": [inside, inside, "sigmoid"]}
    else:
        activations = {"encoder": [inside, inside, inside], "heads": [], "decoder": [inside, inside, "linear"]}
    return {
        "name": subject.run.path.resolve().name,
        "form": form(subject),
        "vae": subject.kind == VAE,
        "relu_heads": bool(getattr(network, "relu_heads", False)),
        "iterations": subject.run.results["iterations"],
        "z_dim": network.z_dim,
        "dimensions": sorted(subject.dimensions[:SLIDERS].tolist()),
        "shapes": [list(one.shape) for one in variables],
        "activations": activations,
        "weights": embedded.packed([one.numpy() for one in variables], np.float32),
        "snapshots": thinned(snapshots.read(subject.run.path), most),
        "projection": projection(subject.codes[:IMAGES]),
        "check": check(subject),
    }


def form(subject: Subject) -> str:
    """The kind of model in words."""
    settings = subject.run.config["settings"]
    kind = "autoencoder"
    if subject.kind == VAE:
        kind = "VAE, first form: relu on μ and log σ²" if subject.model.relu_heads else "VAE, fixed form"
        weight = subject.model.kl_weight
        kind += "" if weight == 1 else f", KL weight {weight:g}"
    return f"{kind}; 2016's own weights" if settings.get("restore_original") else kind


def thinned(taken: dict[int, dict[str, np.ndarray]], most: int) -> list[Json]:
    """Snapshots for the page; only evenly spaced ones if all would take more than `most` characters."""
    packed = [{"iteration": one, "weights": embedded.packed(list(of.values()), np.float16)} for one, of in taken.items()]
    fitting = most // max(len(one["weights"]) for one in packed) if packed else 0
    if len(packed) <= fitting:
        return packed
    return [packed[place] for place in np.linspace(0, len(packed) - 1, fitting).round().astype(int)]


def projection(codes: np.ndarray) -> Json | None:
    """The mean of codes [n, z_dim] and their first three principal directions; None if at most 3-D codes need none."""
    if codes.shape[1] <= 3:
        return None
    mean = codes.mean(axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(codes - mean, full_matrices=False)
    return {"mean": mean.tolist(), "directions": directions[:3].tolist()}


def check(subject: Subject) -> dict[str, Any]:
    """Codes and outputs of the first test images as Keras computes them."""
    images = to_unit_interval(subject.dataset.test.images[:CHECKED])
    encoded = subject.model.encode(images)
    heads = [np.asarray(head) for head in (encoded if subject.kind == VAE else [encoded])]
    return {
        "count": len(images),
        "decoded": min(DECODED, len(images)),
        "codes": embedded.packed(heads, np.float32),
        "outputs": embedded.packed([np.asarray(subject.model.decode(heads[0][:DECODED]))], np.float32),
    }


def document(subjects: list[Subject]) -> str:
    """A page of its own with several runs side by side."""
    names = ", ".join(subject.run.path.resolve().name for subject in subjects)
    rows = "".join(
        f"<tr><td>{html.escape(subject.run.path.resolve().name)}</td><td>{html.escape(form(subject))}</td>"
        f"<td>{subject.run.results['iterations']:,}</td></tr>"
        for subject in subjects
    )
    body = (
        "<p>One drawing goes through all the models at once. Each has its own column: its code for your drawing, what its "
        "decoder makes of that code, and where the code lies among those of test images.</p>"
        f"{widget(subjects)}"
        f"<table><thead><tr><th>run</th><th>model</th><th>iterations</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    css = page.web_file("explore", "page.css") + interactive.style() + style() + "body { max-width: 1250px; }"
    return page.document(f"Side by side: {names}", body, css)


PARTS = (
    Part(
        "play",
        "Play",
        "The whole model is in this page: encoder and decoder compute in your browser, on what you draw. The code is the few "
        "numbers between the two.",
        "Draw, then follow your digit from left to right: its code, the picture decoded from it, and its place among the codes "
        "of test digits. Then drag z and see what changes.",
        "Good: your digit comes back, and its nearest test digits are of the same kind. Bad: the picture is another digit; "
        "then look where its code lies.",
        (AE, VAE),
        find,
    ),
)
