"""The GAN's summaries during training, and the outputs of a finished run."""

import io
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from unsupervised_learning.atomic_files import Json, write_atomically
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.evaluation import gan_diagnostics, latent_draws, latent_paths
from unsupervised_learning.evaluation.gan_diagnostics import FIRST_LAYERS, NEAR_ZERO, NEAR_ZERO_PATIENCE
from unsupervised_learning.figures import curves, plots
from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring.event_files import pictures_logged, scalars_logged
from unsupervised_learning.monitoring.monitor import Extras, Monitor, Record, save_model, write_figures
from unsupervised_learning.monitoring.samples import GRID, tile
from unsupervised_learning.monitoring.tags import FIXED_GRID, GAN_LOSSES, GRADIENT_NORM
from unsupervised_learning.original.runs import GAN_CADENCE

LAST = 100  # final losses are means over the last 100 records: the last 1,000 iterations with a record every 10


class GANMonitor(Monitor):
    """Monitor of the GAN. Its records show the state after the iteration's update, for the same z."""

    name = "GAN"
    extras_every = 100  # our choice

    def __init__(self, model: DCGAN):
        self.model, self.near_zero = model, NearZeroWarning()
        self.record_every, self.checkpoint_every = GAN_CADENCE[model.recipe]

    def line(self, losses: dict[str, float]) -> str:
        """Format the losses so that they fit 80 columns: D with its parts on real and on generated images, and G."""
        real, fake, both = (losses[f"discriminator_loss{part}"] for part in ("_real", "_fake", ""))
        return f"D {both:.3g} ({real:.2g} + {fake:.2g})  G {losses['generator_loss']:.3g}"

    def scale(self, images: tf.Tensor) -> tf.Tensor:
        """Convert uint8 [batch, …] to [batch, side, side, channels] in the generator's range."""
        return self.model.scale(images)

    def record(self, images: tf.Tensor) -> Record:
        """Compute the values of 2016's GAN tags for the images [batch · k, side, side, channels] and z of the update just made.

        Tags follow TensorFlow 0.x: the discriminator's activations are under `discriminator/` for real images and under
        `discriminator_1/`, its second call, for fake ones. Both probabilities are under `discriminator/`, as in 2016. The
        layer names (`h_0`, …) are our choice, because 2016's are not recorded.

        Departs from 2016: a recipe that takes fresh real images for each update drew another batch for its summary. Ours uses
        the iteration's first batch, because then the batches do not depend on when summaries are written.
        """
        model = self.model
        images = model.separate(images)[0]
        latent = model.training_latent(tf.shape(images)[0], model.iterations - 1)
        trace = gan_diagnostics.trace(model, images, latent)
        activations = {f"generator/{name}": value for name, value in trace.generated.items() if name != "image"}
        for network, values in (("discriminator", trace.on_real), ("discriminator_1", trace.on_fake)):
            activations |= {f"{network}/{name}": value for name, value in values.items() if name.startswith("h_")}
        activations["discriminator/disc_real_prob"] = tf.sigmoid(trace.on_real["logit"])
        activations["discriminator/disc_fake_prob"] = tf.sigmoid(trace.on_fake["logit"])
        return Record(
            scalars={
                **{tag: trace.losses[name] for name, tag in GAN_LOSSES.items()},
                **{f"{name}/sparsity": tf.nn.zero_fraction(value) for name, value in activations.items()},
                **{f"{GRADIENT_NORM}/{network}": tf.norm(trace.gradients[name]) for network, name in FIRST_LAYERS.items()},
            },
            histograms={
                "z": latent,
                **{f"{name}/activation": value for name, value in activations.items()},
                **{name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()},
                **{f"{name}/gradient": gradient for name, gradient in trace.gradients.items()},
            },
            images={
                "image_real": model.as_pictures(images[:2]),
                "image_generated": model.as_pictures(trace.generated["image"][:2]),
            },
        )

    def extras(self, dataset: Dataset | None, iteration: int) -> Extras:
        """Generate images from a fixed z, with the moving statistics."""
        return Extras({}, {FIXED_GRID: tile(self.model.sample(GRID, seed=0))})

    def watch(self, iteration: int, losses: dict[str, float]) -> None:
        """Warn once when the discriminator's loss stays near zero."""
        self.near_zero.watch(iteration, losses["discriminator_loss"])

    def write_outputs(self, logs_dir: Path, dataset: Dataset | None, seed: int | None = None) -> Json:
        """Write the outputs of a finished run and return the results. Some figures need the run's event files.

        Args:
            logs_dir: the run's folder.
            dataset: not used.
            seed: seed of z; by default the model's, and 0 for the grid of samples.
        """
        model = self.model
        own = model.seed if seed is None else seed
        latents = latent_draws.of_gan(20, model.z_dim, np.random.default_rng(own))
        for number, image in enumerate(np.asarray(model.decode(latents))):
            write_atomically(logs_dir / f"{number}pred_image.png", plots.png(image))  # 2016's files
        samples = model.sample(GRID, seed or 0)
        figures = {
            "samples": plots.image_grid(samples, "Images generated from z ~ U(−1, 1)"),
            "interpolation": interpolation(model, latents[:12]),
        }
        for dim in (25, 50, 75):  # 2016's dimensions, counted from 0
            if dim < model.z_dim:
                figures[f"walk_{dim}"] = walk_of_2016(model, latents[:6], dim, own)
                figures[f"walk_{dim}_even"] = walk(model, latents[:6], dim)
        courses = {name: scalars_logged(logs_dir, tag) for name, tag in GAN_LOSSES.items()}
        logged = all(courses.values())
        if logged:
            figures["losses"] = curves.gan_losses(courses, "GAN: losses in training")
        pictures = pictures_logged(logs_dir, FIXED_GRID)
        if pictures:
            figures["training"] = through_training(pictures, model.side)
        write_figures(logs_dir, figures)
        if pictures:
            write_atomically(logs_dir / "figures" / "training.gif", plots.training_gif(pictures))
        if model.compiled:  # a model loaded only to draw images must not overwrite model.keras, which includes the optimizers
            save_model(logs_dir, model)
        variables = {"generator": model.generator.trainable_variables, "discriminator": model.discriminator_variables}
        return {
            **{f"{name}_parameters": parameter_count(trained) for name, trained in variables.items()},
            **({name: float(np.mean(list(course.values())[-LAST:])) for name, course in courses.items()} if logged else {}),
        }

    def table(self, results: Json) -> str:
        """Format the losses, in nats, next to their equilibrium values, where D is ½ everywhere."""
        half = math.log(2)
        equilibrium = {"discriminator_loss_real": half, "discriminator_loss_fake": half, "discriminator_loss": 2 * half}
        lines = [f"{f'mean of the last {LAST} logged':<28}{'this run':>12}{'equilibrium':>14}"]
        for name in GAN_LOSSES:
            if name in results:
                beside = f"{equilibrium[name]:.4g}" if name in equilibrium else "–"
                lines.append(f"{name:<28}{results[name]:>12.4g}{beside:>14}")
        return "\n".join(lines)


class NearZeroWarning:
    """Warns once when the discriminator's loss stays near zero: the author's sign that a GAN has failed.

    The discriminator then recognizes every fake image, and the generator's gradients vanish.
    """

    def __init__(self):
        self.last_above: int | None = None  # last iteration with a loss that was not near zero
        self.warned = False

    def watch(self, iteration: int, loss: float) -> None:
        """Check the loss of the latest update, after `iteration` iterations."""
        if self.last_above is None:
            self.last_above = iteration - 1  # training started or resumed here
        if not loss < NEAR_ZERO:
            self.last_above = iteration
        elif iteration - self.last_above >= NEAR_ZERO_PATIENCE and not self.warned:
            self.warned = True
            tqdm.write(
                f"WARNING: the discriminator's loss has been below {NEAR_ZERO} for {NEAR_ZERO_PATIENCE} iterations ({loss:.2g} "
                f"at {iteration:,}; equilibrium is 1.386). It recognizes every fake image, in 2016 the sign of a failed run."
            )


def through_training(pictures: dict[int, bytes], side: int) -> Figure:
    """Draw the first row of a grid of images at up to seven points in training.

    Args:
        pictures: iteration → the grid as PNG; at least one.
        side: height and width of an image in the grid, in pixels.
    """
    iterations = np.array(sorted(pictures))
    wanted = np.array([0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1]) * iterations[-1]  # our choice: early changes are larger
    chosen = iterations[sorted({int(np.abs(iterations - moment).argmin()) for moment in wanted})]
    grids = [
        np.asarray(Image.open(io.BytesIO(pictures[iteration])))[:side] for iteration in chosen
    ]  # [side, columns · side, channels], or [side, columns · side] if grey
    channels = grids[0][0, 0].size
    rows = np.stack([grid.reshape(side, -1, side, channels).swapaxes(0, 1) for grid in grids])
    names = [f"iteration {iteration:,}" for iteration in chosen]
    columns = [str(number) for number in range(rows.shape[1])]
    return plots.image_rows(rows, "Images of the same z through training", names, columns, "number of z")


def walk(
    model: DCGAN, latents: np.ndarray, dimension: int, values: np.ndarray | None = None, along: str = "from −1 to 1"
) -> Figure:
    """Draw one row of images per z, with one dimension of z varied across the columns.

    Args:
        model: supplies the generator.
        latents: z [n, z_dim], in (−1, 1).
        dimension: dimension to vary, counted from 0.
        values: [columns]; by default eleven even steps from −1 to 1, the generator's training range.
        along: description of the values, for the title.
    """
    values = np.linspace(-1, 1, 11, dtype=np.float32) if values is None else values
    moved = latent_paths.traversal(latents, np.array([dimension]), values[None])[:, 0]  # [n, columns, z_dim]
    names = [f"image {number}" for number in range(len(latents))]  # z of <number>pred_image.png, changed in one dimension
    columns, label = [f"{value:.1f}".replace("-", "−") for value in values], f"value of dimension {dimension}"
    title = f"Dimension {dimension} of z {along}"
    return plots.image_rows(decoded(model, moved), title, names, columns, label, columns_above=True)


def walk_of_2016(model: DCGAN, latents: np.ndarray, dimension: int, seed: int) -> Figure:
    """Draw the walk of 2016's `FlowersGAN.py`: one dimension set to ten sorted draws of 10 · N(0, 1).

    Most of these lie far outside (−1, 1), the generator's training range.

    Departs from 2016: several z share the ten values, because a single one, as in 2016, shows little.
    """
    draws = np.sort(10 * np.random.default_rng([seed, dimension]).standard_normal(10)).astype(np.float32)
    return walk(model, latents, dimension, draws, "at ten draws of 10 · N(0, 1)")


def interpolation(model: DCGAN, latents: np.ndarray) -> Figure:
    """Draw images along straight lines from each even row of latents [n, z_dim] to the next row."""
    shares = np.linspace(0, 1, 11, dtype=np.float32)
    between = latent_paths.linear(latents[0::2], latents[1::2], shares)  # [n / 2, 11, z_dim]
    names = [f"image {number}" for number in range(len(latents))]
    columns, label = [f"{share:.1f}" for share in shares], "share of the way from the left image's z to the right one's"
    title = "Straight lines from one random z to another"
    return plots.image_rows(decoded(model, between), title, names[0::2], columns, label, row_ends=names[1::2])


def decoded(model: DCGAN, latents: np.ndarray) -> np.ndarray:
    """Decode z [rows, columns, z_dim] to pictures [rows, columns, side, side, channels]."""
    rows, columns, z_dim = latents.shape
    pictures = np.asarray(model.decode(latents.reshape(-1, z_dim)))
    return pictures.reshape(rows, columns, *pictures.shape[1:])


def parameter_count(variables: list[keras.Variable]) -> int:
    """Return the total number of scalars in the variables."""
    return sum(int(np.prod(variable.shape)) for variable in variables)
