"""What a run leaves in its logs_dir beside checkpoints and event files: dumps, figures, the model, and results.json.

Each file but the projector's appears whole or not at all: it is written under another name and then renamed.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import keras
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from unsupervised_learning.atomic_files import Json, write_atomically, written_anew
from unsupervised_learning.autoencoder import PIXELS, AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.evaluation import test_set
from unsupervised_learning.figures import curves, plots, scatters
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import summaries
from unsupervised_learning.monitoring.writer_thread import Background
from unsupervised_learning.vae import VariationalAutoEncoder

LAST = 100  # iterations logged whose mean stands for a GAN's losses at the end; with a record every 10, the last 1,000

# The original's results on MNIST's test set, by replaying its checkpoints: the autoencoder's run 5 at 20,000, both VAEs at
# 100,000. Losses in nats but for the autoencoder's L2, which is l2_loss / 784 of a batch of 256.
RESULTS_OF_2016 = {
    "autoencoder": {"test_l2": 4.447, "test_mse": 0.03474, "knn_accuracy": 0.819, "silhouette": 0.117},
    "vae_first": {"reconstruction": 161.0, "kl": 13.9, "negative_elbo": 174.85, "knn_accuracy": 0.719},
    "vae_fixed": {"reconstruction": 125.1, "kl": 8.59, "negative_elbo": 133.65, "knn_accuracy": 0.840},
}


def figure_png(figure: Figure) -> bytes:
    """A figure as PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG."""
    write_atomically(path, figure_png(figure))


def write_table(path: Path, columns: tuple[np.ndarray, np.ndarray], line: str) -> None:
    """Write codes [n, d] and labels [n] as n lines of d + 1 numbers, `line` being the format of one.

    As `numpy.savetxt`, which formats line by line and takes twice as long.
    """
    table = np.column_stack(columns).astype(np.float64)
    write_atomically(path, (line * len(table)) % tuple(table.ravel().tolist()))


def dump_codes(logs_dir: Path, model: AutoEncoder, dataset: mnist.Dataset, iteration: int, background: Background) -> None:
    """2016's `checkpoint<step>.txt`: the test images' codes and labels, before that iteration's update."""
    codes = summaries.codes(model, dataset.test.vectors)
    line = " ".join(["%.18e"] * (model.z_dim + 1)) + "\n"  # numpy.savetxt's own
    background.do(write_table, logs_dir / f"checkpoint{iteration}.txt", (codes, dataset.test.labels), line)


def write_autoencoder(logs_dir: Path, model: AutoEncoder, dataset: mnist.Dataset) -> Json:
    """Everything a finished autoencoder's run leaves; returns the results."""
    images = mnist.to_unit_interval(dataset.test.images)
    report, codes = test_set.autoencoder_report(model, images, dataset.test.labels)
    figures = {"latent_scatter": scatters.latent_scatter(codes, dataset.test.labels, "Autoencoder: codes of the test set")}
    start = logs_dir / "checkpoint0.txt"
    if start.exists():
        at_start = np.loadtxt(start, ndmin=2)
        title = "Autoencoder: codes of the test set before training"
        figures["latent_scatter_0"] = scatters.latent_scatter(at_start[:, :-1], at_start[:, -1].astype(int), title)
    if model.z_dim == 2:
        values = np.linspace(-0.95, 0.95, 20)  # tanh's codes lie in (-1, 1)
        figures["manifold"] = manifold(model.decoder, values, "Autoencoder: images decoded over the code")
    write_common(logs_dir, model, dataset, codes, figures)
    pca = baseline(dataset, model.z_dim)
    if pca and model.activation == "linear":
        train_images = mnist.to_unit_interval(dataset.train.images)
        report["pca_subspace_cosine"] = test_set.pca_subspace_cosine(model.decoder, train_images, model.z_dim)
    return {**report, **pca, **beside_2016("autoencoder", model, dataset)}


def write_vae(logs_dir: Path, model: VariationalAutoEncoder, dataset: mnist.Dataset) -> Json:
    """Everything a finished VAE's run leaves; returns the results."""
    images, labels = mnist.to_unit_interval(dataset.test.images), dataset.test.labels
    report, mu, log_var = test_set.vae_report(model, images, labels)
    noise = np.random.default_rng(model.seed).standard_normal(mu.shape)
    latents = mu + np.exp(log_var / 2) * noise
    # 2016's file: sampled z and the label as a float, in Python 2's 12 digits.
    write_table(logs_dir / "z_vae_output.csv", (latents, labels), ",".join(["%.12g"] * model.z_dim + ["%.1f\n"]))
    figures = {
        "latent_scatter": scatters.latent_scatter(latents, labels, "VAE: sampled z of the test set"),
        "latent_scatter_mu": scatters.latent_scatter(mu, labels, "VAE: mean of z, test set"),
    }
    if model.z_dim == 2:
        # Evenly spaced in the prior's probability (Kingma & Welling 2013, figure 4).
        values = np.array([NormalDist().inv_cdf(p) for p in np.linspace(0.02, 0.98, 20)])
        figures["manifold"] = manifold(model.decode, values, "VAE: images decoded over the latent plane")
    write_common(logs_dir, model, dataset, mu, figures)
    form = "vae_first" if model.relu_heads else "vae_fixed"
    return {**report, **baseline(dataset, model.z_dim), **beside_2016(form, model, dataset)}


def write_gan(logs_dir: Path, model: DCGAN, dataset: mnist.Dataset | None, seed: int | None = None) -> Json:
    """Everything a finished GAN's run leaves; returns the results. Needs no data; what comes from event files needs these.

    `seed` draws other z than a run's own: by default those of the model's seed, and for the grid of samples those that all
    runs show.
    """
    own = model.seed if seed is None else seed
    latents = np.random.default_rng(own).uniform(-1, 1, (20, model.z_dim)).astype(np.float32)
    for number, image in enumerate(np.asarray(model.decode(latents))):
        write_atomically(logs_dir / f"{number}pred_image.png", plots.png(image))  # 2016's files
    samples = summaries.decoded_samples(model, seed=seed or 0)
    figures = {
        "samples": plots.image_grid(samples, "Images generated from z ~ U(−1, 1)"),
        "interpolation": interpolation(model, latents[:12]),
    }
    for dim in (25, 50, 75):  # 2016's, counted from 0
        if dim < model.z_dim:
            figures[f"walk_{dim}"] = walk_of_2016(model, latents[:6], dim, own)
            figures[f"walk_{dim}_even"] = walk(model, latents[:6], dim)
    courses = {name: summaries.scalars_logged(logs_dir, tag) for name, tag in summaries.GAN_LOSSES.items()}
    logged = all(courses.values())
    if logged:
        figures["losses"] = curves.gan_losses(courses, "GAN: losses in training")
    pictures = summaries.pictures_logged(logs_dir, summaries.FIXED_GRID)
    if pictures:
        figures["training"] = through_training(pictures, model.side)
    write_figures(logs_dir, figures)
    if pictures:
        write_atomically(logs_dir / "figures" / "training.gif", plots.training_gif(pictures))
    if model.compiled:  # not where images are only drawn: a finished run's model.keras has the optimizers too
        save_model(logs_dir, model)
    variables = {"generator": model.generator.trainable_variables, "discriminator": model.discriminator_variables}
    return {
        **{f"{name}_parameters": parameters(trained) for name, trained in variables.items()},
        **({name: float(np.mean(list(course.values())[-LAST:])) for name, course in courses.items()} if logged else {}),
    }


def through_training(pictures: dict[int, bytes], side: int) -> Figure:
    """The first row of a grid of images of that height and width, as it was at up to seven moments of training.

    Args:
        pictures: iteration → the grid as PNG; at least one.
        side: of an image in the grid.
    """
    iterations = np.array(sorted(pictures))
    wanted = np.array([0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1]) * iterations[-1]  # our choice: early changes are the larger
    chosen = iterations[sorted({int(np.abs(iterations - moment).argmin()) for moment in wanted})]
    grids = [
        np.asarray(Image.open(io.BytesIO(pictures[iteration])))[:side] for iteration in chosen
    ]  # [side, columns · side, channels]
    rows = np.stack([grid.reshape(side, -1, side, *grid.shape[2:]).swapaxes(0, 1) for grid in grids])
    names = [f"iteration {iteration:,}" for iteration in chosen]
    columns = [str(number) for number in range(rows.shape[1])]
    return plots.image_rows(rows, "Images of the same z through training", names, columns, "number of z")


def walk(
    model: DCGAN, latents: np.ndarray, dimension: int, values: np.ndarray | None = None, along: str = "from −1 to 1"
) -> Figure:
    """Images from z [n, z_dim], a row each, with one dimension of z taking one value after the other across the columns.

    Args:
        model: whose generator makes them.
        latents: z [n, z_dim], in (−1, 1).
        dimension: that changes, counted from 0.
        values: [columns]; by default eleven even steps from −1 to 1, the range that the generator was trained on.
        along: what the values are, for the title.
    """
    values = np.linspace(-1, 1, 11, dtype=np.float32) if values is None else values
    moved = np.repeat(latents[:, None], len(values), axis=1)  # [n, columns, z_dim]
    moved[:, :, dimension] = values
    names = [f"image {number}" for number in range(len(latents))]  # z is that of <number>pred_image.png but in one dimension
    columns, label = [f"{value:.1f}".replace("-", "−") for value in values], f"value of dimension {dimension}"
    title = f"Dimension {dimension} of z {along}"
    return plots.image_rows(decoded(model, moved), title, names, columns, label, columns_above=True)


def walk_of_2016(model: DCGAN, latents: np.ndarray, dimension: int, seed: int) -> Figure:
    """The walk of 2016's `FlowersGAN.py`: ten copies of z, with the dimension set to ten sorted draws of 10 · N(0, 1).

    Most of these lie far outside (−1, 1), the range that the generator was trained on.

    Departs from 2016: several z go along the same ten values, because one says little; 2016 walked from a single z.
    """
    draws = np.sort(10 * np.random.default_rng([seed, dimension]).standard_normal(10)).astype(np.float32)
    return walk(model, latents, dimension, draws, "at ten draws of 10 · N(0, 1)")


def interpolation(model: DCGAN, latents: np.ndarray) -> Figure:
    """Images along the straight lines from the first z of [n, z_dim] to the second, from the third to the fourth and so on."""
    shares = np.linspace(0, 1, 11, dtype=np.float32)
    start, end = latents[0::2, None], latents[1::2, None]
    between = start + shares[:, None] * (end - start)  # [n / 2, 11, z_dim]
    names = [f"image {number}" for number in range(len(latents))]
    columns, label = [f"{share:.1f}" for share in shares], "share of the way from the left image's z to the right one's"
    title = "Straight lines from one random z to another"
    return plots.image_rows(decoded(model, between), title, names[0::2], columns, label, row_ends=names[1::2])


def decoded(model: DCGAN, latents: np.ndarray) -> np.ndarray:
    """Z [rows, columns, z_dim] → pictures [rows, columns, side, side, channels]."""
    rows, columns, z_dim = latents.shape
    pictures = np.asarray(model.decode(latents.reshape(-1, z_dim)))
    return pictures.reshape(rows, columns, *pictures.shape[1:])


def parameters(variables: list[keras.Variable]) -> int:
    """How many numbers they hold."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def write_common(
    logs_dir: Path,
    model: AutoEncoder | VariationalAutoEncoder,
    dataset: mnist.Dataset,
    latents: np.ndarray,
    figures: dict[str, Figure],
) -> None:
    """The model, the projector's files, and the figures that both models have beside the given ones."""
    shown = mnist.to_unit_interval(dataset.test.images[:40])
    figures["reconstructions"] = plots.reconstructions(shown, np.asarray(model(shown)), "Test images and their reconstructions")
    prior = "z ~ N(0, 1)" if isinstance(model, VariationalAutoEncoder) else "codes drawn evenly from (−1, 1)"
    figures["samples"] = plots.image_grid(summaries.decoded_samples(model), f"Images decoded from {prior}")
    write_figures(logs_dir, figures)
    summaries.write_projector(logs_dir, latents, dataset.test)
    save_model(logs_dir, model)


def write_figures(logs_dir: Path, figures: dict[str, Figure]) -> None:
    """Write each to `figures/` under its name."""
    folder = logs_dir / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_figure(folder / f"{name}.png", figure)


def save_model(logs_dir: Path, model: keras.Model) -> None:
    """Save the model for `keras.models.load_model`."""
    with written_anew(logs_dir / "model.keras") as new:
        model.save(new)


def manifold(decode: Callable, values: np.ndarray, title: str) -> Figure:
    """Images decoded at each point of the grid values × values of a two-dimensional latent."""
    latents = np.stack(np.meshgrid(values, values, indexing="xy"), axis=-1).reshape(-1, 2)  # z1 across, z2 upwards
    images = np.asarray(decode(latents.astype(np.float32)))
    return plots.manifold(images.reshape(len(values), len(values), -1), values, title)


def baseline(dataset: mnist.Dataset, components: int) -> Json:
    """PCA with as many components, fitted on the training images; nothing where it has no so many."""
    if components > min(len(dataset.train.images), PIXELS):
        return {}
    train, test = mnist.to_unit_interval(dataset.train.images), mnist.to_unit_interval(dataset.test.images)
    return {"pca": test_set.pca_baseline(train, test, dataset.test.labels, components)}


def beside_2016(form: str, model: AutoEncoder | VariationalAutoEncoder, dataset: mnist.Dataset) -> Json:
    """The original's numbers, where the data, the arithmetic and the size of the code make them comparable."""
    comparable = dataset.comparable and model.compute_dtype == "float32" and model.z_dim == 3
    return {"original_2016": RESULTS_OF_2016[form]} if comparable else {}


def table(results: Json) -> str:
    """The results as lines for the terminal, beside 2016's and PCA's where there are any; a GAN's beside equilibrium."""
    if "generator_parameters" in results:
        return gan_table(results)
    original, pca = results.get("original_2016", {}), results.get("pca", {})
    lines = [f"{'test set':<28}{'this run':>12}{'2016':>12}{'PCA':>12}"]
    for name in ("test_l2", "test_mse", "reconstruction", "kl", "negative_elbo", "knn_accuracy", "silhouette"):
        if results.get(name) is not None:
            cells = [results[name], original.get(name), pca.get(name)]
            lines.append(f"{name:<28}" + "".join(f"{'' if cell is None else f'{cell:.4g}':>12}" for cell in cells))
    return "\n".join(lines)


def gan_table(results: Json) -> str:
    """A GAN's losses, in nats, beside those where neither network wins: D is ½ everywhere."""
    half = math.log(2)
    equilibrium = {"discriminator_loss_real": half, "discriminator_loss_fake": half, "discriminator_loss": 2 * half}
    lines = [f"{f'mean of the last {LAST} logged':<28}{'this run':>12}{'equilibrium':>14}"]
    for name in summaries.GAN_LOSSES:
        if name in results:
            beside = f"{equilibrium[name]:.4g}" if name in equilibrium else "–"
            lines.append(f"{name:<28}{results[name]:>12.4g}{beside:>14}")
    return "\n".join(lines)
