"""The figures of the report: the author's files, and each figure of the post beside ours."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from unsupervised_learning import atomic_files
from unsupervised_learning.compare import page
from unsupervised_learning.compare.page import Exhibit, Pane
from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.figures import curves, scatters
from unsupervised_learning.figures.figure import Figure, figure_png
from unsupervised_learning.monitoring import event_files, hyperparameters
from unsupervised_learning.monitoring.dumps import read_dump
from unsupervised_learning.monitoring.tags import GAN_LOSSES
from unsupervised_learning.original.checkpoints import read_checkpoint
from unsupervised_learning.original.event_files import scalars
from unsupervised_learning.reproduce.experiments import EXPERIMENTS, Runs, as_published
from unsupervised_learning.training import run_directory
from unsupervised_learning.training.finished_run import FinishedRun
from unsupervised_learning.vae import VariationalAutoEncoder

RUN_3 = ("MNIST_AutoEncoder_logs", "ae_run3")  # the author's folder name, and the one in another collection of the files
WIDTH = 5.6  # inches
LOSS = {"AutoEncoder": "Loss", "VariationalAutoEncoder": "total_loss", "DCGAN": "Discriminator_loss"}  # tags
REFERENCE = {"AutoEncoder": "autoencoder", "VariationalAutoEncoder": "vae_fixed", "DCGAN": "gan"}
PICTURE = "figures/samples.png"
SHORTEST = 500  # iterations of the reference beside a run that logged only its start; our choice
CHECKPOINT_OF_FIXED = ("MNIST_VAE_logs_2/model.ckpt-100000", "vae/model.ckpt-100000")
# The author's files


class Originals:
    """Finds the author's files below a folder: clones of one or both repositories, or the same files in other folders.

    A file is identified by the end of its path, because collections name their folders differently.
    """

    def __init__(self, folder: Path | None):
        if folder is not None and not folder.is_dir():
            raise RunError(f"--original_logs must be a folder. Received: {folder}")
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []
        self.files = {f"/{path.relative_to(folder).as_posix()}": path for path in found if folder}

    def find(self, *ends: str) -> Path | None:
        """The first file with a path that ends in one of `ends`, which are tried in order."""
        found = (path for end in ends for name, path in self.files.items() if name.endswith(f"/{end}"))
        return next(found, None)

    def pane(self, caption: str, *ends: str, of: Callable[[Path], bytes] = Path.read_bytes) -> Pane:
        """A pane with the file that ends in one of `ends`; `of` turns its path into a PNG."""
        path = self.find(*ends)
        if path is None:
            return Pane(caption, None, f"no {ends[-1]} in --original_logs" if self.files else page.NO_ORIGINALS)
        return page.checked(caption, lambda: of(path))._replace(source="/".join(path.parts[-2:]))

    def event_files(self) -> dict[str, Path]:
        """The autoencoder's event files by run name."""
        runs = {
            re.search(r"/(?:ae_|MNIST_logs/)(run\d)/events\.out\.tfevents", name): path for name, path in self.files.items()
        }
        return {match[1]: path for match, path in runs.items() if match}


def legible_png(figure: Figure) -> bytes:
    """Encode a figure as PNG, drawn on smaller paper at a higher resolution, so that its text is legible on a phone."""
    width, height = figure.get_size_inches()
    smaller = min(WIDTH, width)
    for axes in figure.axes:
        axes.title.set_fontsize(10)  # the longest fits the paper
    figure.set_dpi(figure.dpi * width / smaller)
    figure.set_size_inches(smaller, height * smaller / width)
    return figure_png(figure)


def scatter_of(title: str) -> Callable[[Path], bytes]:
    """A function that draws a latent dump as the same scatter plot as ours, as PNG."""
    return lambda path: legible_png(scatters.latent_scatter(*read_dump(path), title))


def scatter_of_fixed(originals: Originals, data_dir: str | None) -> Pane:
    """Draw z of the author's fixed VAE, replayed on the test set because no dump of it was published."""
    caption, path = "2016: z sampled from its checkpoint", originals.find(*CHECKPOINT_OF_FIXED)
    if not (path and data_dir):
        return Pane(caption, None, "replaying its checkpoint needs --original_logs and --data_dir")
    dataset = mnist.load("mnist", data_dir)
    if not dataset.comparable:
        return Pane(caption, None, f"{dataset.source}: {dataset.note}")

    def draw() -> bytes:
        checkpoint = read_checkpoint(path)
        model = VariationalAutoEncoder(z_dim=checkpoint.z_dim)
        checkpoint.restore(model)
        mu, log_var = (np.asarray(head) for head in model.encoder(to_unit_interval(dataset.test.images)))
        latents = latent_draws.of_posterior(mu, log_var, np.random.default_rng(0))
        title = "VAE, fixed form, 2016: sampled z of the test set"
        return legible_png(scatters.latent_scatter(latents, dataset.test.labels, title))

    return page.checked(caption, draw)


# Figures


def exhibits(runs: Runs, originals: Originals, data_dir: str | None) -> Iterable[Exhibit]:
    """The post's figures beside ours, in the post's order.

    Shows the first seed; of the first VAE, the first seed with as many heads alive as in the published run.
    """
    autoencoder, first, fixed, gan, flowers = (
        runs[name][0] if runs[name] else None for name in ("autoencoder", "vae_first", "vae_fixed", "gan", "gan_flowers")
    )
    first = as_published(runs["vae_first"]) if runs["vae_first"] else None
    for iteration, name, when in ((0, "0", "before training"), (20_000, "20k", "after 20,000 iterations")):
        title = f"Autoencoder {when}: codes of the test set"
        yield Exhibit(
            f"autoencoder_scatter_{iteration}",
            f"The autoencoder's codes {when}",
            "One point per test image, coloured by digit. 2016's plot is drawn from the published dump in the same way.",
            [
                originals.pane(
                    "2016, run 3", *(f"{run_3}/checkpoint{iteration}.txt" for run_3 in RUN_3), of=scatter_of(f"2016: {title}")
                ),
                ours(autoencoder, lambda run, i=iteration, t=title: scatter_of(f"ours: {t}")(run.file(f"checkpoint{i}.txt"))),
                originals.pane("2016, as published", *(f"{run_3}/AutoEncoder_{name}.png" for run_3 in RUN_3)),
            ],
        )
    run_2 = runs["autoencoder_run2"][0] if runs["autoencoder_run2"] else None
    yield Exhibit(
        "autoencoder_loss",
        "The autoencoder's loss during training",
        "2016's curves come from its event files. Run 2 used a hundred times the published code's regularization and ended "
        "before iteration 12,000; one of our curves has its settings. Run 1 is left out: it averaged its loss differently.",
        [overlaid(originals, {"ours": autoencoder, "ours, run 2's settings": run_2}, tag) for tag in ("Loss", "Encoder_loss")],
    )
    yield Exhibit(
        "vae_first_scatter",
        "The first VAE's latents",
        "With relu on mu and log_var no mean is below zero. With log_var at 0 each posterior is as wide as the prior.",
        [
            originals.pane(
                "2016",
                *(f"{folder}/z_vae_output.csv" for folder in ("MNIST_VAE_logs_1", "vae_relu_heads")),
                of=scatter_of("VAE, first form, 2016: sampled z of the test set"),
            ),
            ours(
                first, lambda run: scatter_of("VAE, first form, ours: sampled z of the test set")(run.file("z_vae_output.csv"))
            ),
        ],
    )
    yield Exhibit(
        "vae_fixed_scatter",
        "The fixed VAE's latents",
        "Without the relu the digits separate, and log_var tells how precisely the code of each image is known.",
        [
            scatter_of_fixed(originals, data_dir),
            ours(
                fixed, lambda run: scatter_of("VAE, fixed form, ours: sampled z of the test set")(run.file("z_vae_output.csv"))
            ),
        ],
    )
    for name, form, run, published in (
        ("first", "first", first, "mu_var_gradient.png"),
        ("fixed", "fixed", fixed, "mu_logvar-gradient2.png"),
    ):
        yield Exhibit(
            f"vae_{name}_distributions",
            f"The distributions of mu and log_var while the {form} VAE trains",
            "As in TensorBoard's distributions view: bands between quantiles; the middle line is the median.",
            [originals.pane("2016, TensorBoard", published), ours(run, lambda run, form=form: distributions(run, form))],
        )
    yield Exhibit(
        "generated_digits",
        "Digits generated by the VAEs",
        "Decoded from z ~ N(0, 1).",
        [
            *(
                originals.pane(f"2016, {form} form", f"generated_{i}.png")
                for i, form in enumerate(["first"] * 2 + ["fixed"] * 2, 1)
            ),
            ours(first, lambda run: (run.path / "figures" / "samples.png").read_bytes(), "ours, first form"),
            ours(fixed, lambda run: (run.path / "figures" / "samples.png").read_bytes(), "ours, fixed form"),
        ],
    )
    trained = {name: EXPERIMENTS[name].iterations - 1 for name in ("gan", "gan_flowers")}
    yield Exhibit(
        "gan_losses",
        "The GAN's losses",
        f"2016: 64×64 faces, 16,800 iterations. Ours: 64×64 flowers, {trained['gan_flowers']:,} iterations, and 28×28 digits, "
        f"{trained['gan']:,} iterations. Compare the shapes of the curves, not their levels.",
        [
            originals.pane("2016, discriminator", "discriminatorLoss.png"),
            originals.pane("2016, on real images", "discriminatorRealLoss.png"),
            originals.pane("2016, on generated images", "discriminatorFakeLoss.png"),
            originals.pane("2016, generator", "GeneratorLoss.png"),
            ours(flowers, lambda run: gan_losses(run, "flowers"), "ours, flowers"),
            ours(gan, lambda run: gan_losses(run, "MNIST"), "ours, digits"),
        ],
    )
    yield Exhibit(
        "gan_flowers",
        "The GAN's flowers",
        "2016: 64×64 samples selected by the author. Ours: unselected samples from fixed z after "
        f"{trained['gan_flowers']:,} iterations, and eight of them during training.",
        [
            *(
                originals.pane("2016, flowers", f"GAN_Flowers/sample{i}.png", f"samples_flowers/sample{i}.png")
                for i in (1, 2, 3, 4, 10, 11, 16, 20)
            ),
            ours(flowers, lambda run: (run.path / "figures" / "samples.png").read_bytes()),
            ours(flowers, lambda run: (run.path / "figures" / "training.png").read_bytes(), "ours during training"),
        ],
    )
    yield Exhibit(
        "gan_samples",
        "The GAN's faces and digits",
        "2016: faces selected by the author. Ours: digits, at which 2016's first attempt failed: unselected samples from fixed "
        "z, and eight of them during training.",
        [
            *(originals.pane("2016, faces", f"epoch{epoch}_sample{i}.png") for epoch in (1, 3, 6, 15) for i in (1, 2)),
            ours(gan, lambda run: (run.path / "figures" / "samples.png").read_bytes()),
            ours(gan, lambda run: (run.path / "figures" / "training.png").read_bytes(), "ours during training"),
        ],
    )


def ours(run: FinishedRun | None, draw: Callable[[FinishedRun], bytes | None], caption: str = "ours") -> Pane:
    """A pane with a picture of our run, or the reason why there is none."""
    if run is None:
        return Pane(caption, None, "no such run in --logs_dir")
    pane = page.checked(f"{caption}, seed {run.seed}", lambda: draw(run), f"no event files in {run.path}")
    return pane._replace(source=str(run.path))


def distributions(run: FinishedRun, form: str) -> bytes | None:
    """Plot the distributions of mu and log_var over training; None without event files."""
    tags = {tag: event_files.logged(run.path, tag) for tag in ("encoder/log_var/activation", "encoder/mu/activation")}
    return legible_png(curves.distributions(tags, f"VAE, {form} form, ours")) if all(tags.values()) else None


def gan_losses(run: FinishedRun, images: str) -> bytes | None:
    """Plot the GAN's losses over training; None without event files."""
    courses = {name: event_files.scalars_logged(run.path, tag) for name, tag in GAN_LOSSES.items()}
    return legible_png(curves.gan_losses(courses, f"GAN, ours, on {images}")) if all(courses.values()) else None


def overlaid(originals: Originals, ours: dict[str, FinishedRun | None], tag: str) -> Pane:
    """Plot one autoencoder loss from the event files of 2016 and from ours."""
    courses = {}
    for name, path in originals.event_files().items():
        if scalars(path, "Encoder_loss"):  # run 1 logged a single, different loss
            courses[f"2016, {name}"] = scalars(path, tag)
    for name, run in ours.items():
        if run and (course := event_files.scalars_logged(run.path, tag)):
            courses[f"{name}, seed {run.seed}"] = course
    if not courses:
        return Pane("2016 and ours", None, "no event files in --original_logs, and no such run in --logs_dir")
    return Pane(tag, legible_png(curves.losses_overlaid(courses, f"Autoencoder: {tag}", tag)))


def unfinished(runs: Runs, logs_dir: Path) -> list[Exhibit]:
    """The runs that no claim uses and that logged a loss, each beside a finished run of the same model."""
    shown = []
    others = {name: why for name, why in runs.left_out.items() if name not in runs.duplicates}
    for number, (name, why) in enumerate(others.items()):
        folder = logs_dir / name
        try:
            model = json.loads((folder / "config.json").read_text())["model"]
            course = event_files.scalars_logged(folder, LOSS[model])
        except (*run_directory.UNREADABLE, RunError):  # a benchmark's file, or a damaged run: the list of runs says why
            continue
        course = {iteration: loss for iteration, loss in course.items() if loss > 0}
        if not course:
            continue
        reference = next(iter(runs[REFERENCE[model]]), None)
        panes = [loss_beside(course, reference, model, folder)]
        pictures = {"yours": folder, **({f"reference, seed {reference.seed}": reference.path} if reference else {})}
        for caption, path in pictures.items() if (folder / PICTURE).exists() else ():
            panes.append(page.checked(f"{caption}: from random z", (path / PICTURE).read_bytes)._replace(source=str(path)))
        text = f"Logged up to iteration {max(course):,}: {why}. {results_beside(folder, reference)}"
        shown.append(Exhibit(f"unfinished_{number}", name, text, panes))
    return shown


def loss_beside(course: dict[int, float], reference: FinishedRun | None, model: str, folder: Path) -> Pane:
    """Plot a run's loss beside a finished run's, which is shown for twice as many iterations: a short run alone is a dot."""
    tag, courses, source = LOSS[model], {}, str(folder)
    last = 2 * max(course) or SHORTEST
    if reference and (whole := event_files.scalars_logged(reference.path, tag)):
        until = {iteration: loss for iteration, loss in whole.items() if iteration <= last}
        courses[f"reference, seed {reference.seed}"] = until
        source += f"; reference: {reference.path}"
    png = legible_png(curves.losses_overlaid({**courses, "yours": course}, f"{model}: {tag}", tag))
    return Pane("yours", png, source=source)


def results_beside(folder: Path, reference: FinishedRun | None) -> str:
    """The test set's numbers of a run beside a finished run's, as text."""
    try:
        results = atomic_files.read_json(folder / "results.json")
        found = {name: float(results[name]) for name in hyperparameters.RESULTS if results.get(name) is not None}
    except run_directory.UNREADABLE:
        return "It has no results on the test set yet."
    parts = []
    for name, value in found.items():
        beside = reference.results.get(name) if reference else None
        parts.append(f"{hyperparameters.RESULTS[name]} {value:.4g}" + (f" (reference: {beside:.4g})" if beside else ""))
    return f"On its test set: {', '.join(parts)}." if parts else ""
