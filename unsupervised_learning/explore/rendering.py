"""Writes the findings on a run as a self-contained HTML page, as figure files and for TensorBoard."""

import base64
import html
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from unsupervised_learning.compare import page
from unsupervised_learning.explore import interactive, play
from unsupervised_learning.explore.subject import AE, GAN, VAE, Found, Json, Part, Picture, Subject
from unsupervised_learning.figures.figure import Figure, figure_png
from unsupervised_learning.monitoring import event_files

HEAD = ("measure", "this run", "to compare", "meaning")
MOST_IN_A_LIST = 20  # longer lists of numbers become no tags
# The numbers that TensorBoard shows, under `ours/explore/`; all are in evaluation.json.
MAIN = (
    *("reconstructions/mean", "codes/codes/knn_accuracy", "codes/pca/knn_accuracy", "codes/codes/silhouette"),
    *("dimensions/kl", "dimensions/active_units/count", "prior/mutual_information", "prior/marginal_kl"),
    *("likelihood/bounds/1/negative_bound", "quality/spaces/classifier/frechet/samples", "quality/diversity/samples"),
    *("classes/labels/confidence/samples", "classes/labels/total_variation_from_uniform/samples", "neighbours/pixels/copies"),
)
TITLES = {AE: "Autoencoder", VAE: "VAE", GAN: "GAN"}
MODELS = {  # short explanations
    AE: "An autoencoder compresses each image into a few numbers, its code, and reconstructs the image from them. It is "
    "trained only to reproduce its input, and so learns which few numbers describe an image best.",
    VAE: "A variational autoencoder compresses each image into a few noisy numbers, its code, and reconstructs the image from "
    "them. Training also keeps the codes close to a normal distribution, so that codes drawn from it decode to new images.",
    GAN: "A generative adversarial network consists of two competing networks: a generator that makes images from random "
    "numbers and a discriminator that tries to tell them from real ones. Each is trained against the other.",
}


def encoded(picture: Picture) -> bytes:
    """The bytes of a picture, as PNG or GIF."""
    return figure_png(picture.content) if isinstance(picture.content, Figure) else picture.content


def file_name(picture: Picture) -> str:
    """The file name of a picture."""
    return f"{picture.name}.{'png' if isinstance(picture.content, Figure) else 'gif'}"


def document(subject: Subject, found: dict[str, tuple[Part, Found]], files: dict[str, bytes], left_out: dict[str, str]) -> str:
    """The HTML page.

    Args:
        subject: the run.
        found: parts and their findings by part name, in order.
        files: contents of the pictures by file name.
        left_out: reasons why other parts do not apply, by part name.
    """
    title = f"{TITLES[subject.kind]}: {subject.run.path.resolve().name}"
    contents = "".join(f'<li><a href="#{name}">{html.escape(part.title)}</a></li>' for name, (part, _) in found.items())
    sections = "".join(section(part, finding, files) for part, finding in found.values())
    missing = "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in left_out.items())
    body = [
        f"<p>{html.escape(MODELS[subject.kind])}</p>",
        explained(run_facts(subject)),
        f"<nav aria-label=contents><ul>{contents}</ul></nav>",
        sections,
        f"<h2>Left out</h2><ul>{missing}</ul>" if missing else "",
        f"<p class=muted>All random numbers, except in the interactive parts, come from seed {subject.seed}: the same flags "
        "give the same measures, which are also in <code>evaluation.json</code>. Nats are units of information; one nat is "
        "1.44 bits.</p>",
    ]
    return page.document(title, "".join(body), page.web_file("explore", "page.css") + interactive.style() + play.style())


def run_facts(subject: Subject) -> dict[str, str]:
    """Data, length, settings and command of the run."""
    described = subject.run.config["data"]
    sizes = subject.dataset.describe()["sizes"]
    settings = ", ".join(f"{name} {value}" for name, value in subject.run.config["settings"].items())
    return {
        "Data": f"{described['name']}: {sizes['train']:,} training and {sizes['test']:,} test images",
        "Training": f"{subject.run.results['iterations']:,} iterations",
        "Settings": settings,
        "Command": str(subject.run.config.get("command", "not recorded")),
    }


def explained(texts: dict[str, str]) -> str:
    """Names and texts as an HTML description list."""
    return f'<dl class="how">{"".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in texts.items())}</dl>'


def section(part: Part, finding: Found, files: dict[str, bytes]) -> str:
    """A section of the page: explanation, summary, figures and measures."""
    how = {"What it shows": part.shown, "How to read it": part.reading, "Good and bad": part.judging}
    summary = f'<p class="run"><strong>This run.</strong> {html.escape(finding.summary)}</p>' if finding.summary else ""
    rows = [tuple(row) for row in finding.rows]
    figures = "".join(pane(picture, files[file_name(picture)]) for picture in finding.pictures)
    return (
        f'<section id="{part.name}"><h2>{html.escape(part.title)}</h2>{explained(how)}{summary}'
        f"{finding.widget}"
        f'<div class="panes">{figures}</div>{page.html_table(HEAD, rows) if rows else ""}</section>'
    )


def pane(picture: Picture, content: bytes) -> str:
    """A picture with its caption."""
    image = Image.open(io.BytesIO(content))
    source = f"data:image/{(image.format or 'png').lower()};base64,{base64.b64encode(content).decode()}"
    caption = html.escape(picture.caption)
    return (
        f'<figure><img src="{source}" width="{image.width}" height="{image.height}" alt="{caption}" loading="lazy">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


# TensorBoard


def write_events(folder: Path, iteration: int, found: dict[str, tuple[Part, Found]], files: dict[str, bytes]) -> None:
    """Write the main numbers and all figures to an event file of their own, at the iteration of the weights."""
    summaries = []
    for name, (_, finding) in found.items():
        for tag, value in scalars(finding.numbers, name).items():
            if tag in MAIN:
                summaries.append(scalar_pb(f"ours/explore/{tag}", value))
        for picture in finding.pictures:
            content = files[file_name(picture)]
            width, height = Image.open(io.BytesIO(content)).size
            strings = np.array([str(width).encode(), str(height).encode(), content], object)
            summaries.append(event_files.image_pb(f"ours/explore/{name}/{picture.name}", strings))
    event_files.write_once(folder / f"events.out.tfevents.{time.time():010.0f}.explore.v2", iteration, summaries)


def scalars(numbers: Any, tag: str) -> dict[str, float]:
    """Flatten nested JSON numbers to tags such as tag/key/1; long lists are left out.

    Rows of a list are numbered from 1, or by their k.
    """
    if isinstance(numbers, bool | str) or numbers is None:
        return {}
    if isinstance(numbers, int | float):
        return {tag: float(numbers)}
    if isinstance(numbers, list):
        if len(numbers) > MOST_IN_A_LIST:
            return {}
        numbers = {
            str(value["k"] if isinstance(value, dict) and "k" in value else number): value
            for number, value in enumerate(numbers, start=1)
        }
    return {one: value for key, of_key in numbers.items() for one, value in scalars(of_key, f"{tag}/{key}").items()}


def evaluation(subject: Subject, found: dict[str, tuple[Part, Found]], left_out: dict[str, str]) -> Json:
    """The content of evaluation.json."""
    described = subject.run.config["data"]
    return {
        "run": {
            "model": subject.kind,
            "iterations": subject.run.results["iterations"],
            "data": {"name": described["name"], "checksum": described["checksum"]},
            "settings": subject.run.config["settings"],
        },
        "seed": subject.seed,
        "parts": {name: finding.numbers for name, (_, finding) in found.items()},
        "left_out": left_out,
    }
