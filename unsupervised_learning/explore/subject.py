"""Data types of `explore`: a run with its model and data, the parts of an evaluation, and their findings."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.evaluation import generated_images, likelihood, test_set
from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.monitoring.event_files import courses_logged
from unsupervised_learning.monitoring.latent import codes
from unsupervised_learning.training.finished_run import FinishedRun

Json = dict[str, Any]
Tell = Callable[[str, int, int], None]  # task, amount done, total amount

AE, VAE, GAN = "AutoEncoder", "VariationalAutoEncoder", "DCGAN"


class Picture(NamedTuple):
    """A figure of the page: file name without ending, caption, and a matplotlib figure or the bytes of a GIF."""

    name: str
    caption: str
    content: Figure | bytes


class Row(NamedTuple):
    """A row of the page's tables; `comparison` is a value to compare with, `reading` explains the measure."""

    measure: str
    value: str
    comparison: str
    reading: str


class Found(NamedTuple):
    """The findings of a part.

    Attributes:
        numbers: for evaluation.json.
        pictures: for the page, the folder of figures and TensorBoard.
        summary: one or two sentences on this run with its numbers.
        rows: measures and their explanations.
        widget: trusted HTML for the page.
    """

    numbers: Json
    pictures: list[Picture]
    summary: str = ""
    rows: tuple[Row, ...] = ()
    widget: str = ""


class Part(NamedTuple):
    """One section of the page.

    Attributes:
        name: used by --only and --skip.
        title: heading of the section.
        shown, reading, judging: what is shown, how to read it, what good and bad look like; for readers new to these models.
        models: class names of the models that it applies to.
        find: computes the findings.
        reason: tells why the part does not apply to a run; an empty string if it does.
    """

    name: str
    title: str
    shown: str
    reading: str
    judging: str
    models: tuple[str, ...]
    find: Callable[["Subject"], Found]
    reason: Callable[["Subject"], str] = lambda subject: ""


class Sizes(NamedTuple):
    """Sizes of the slow computations.

    Attributes:
        draws: increasing numbers of draws for the importance-weighted bound.
        images: maximum number of test images for that bound.
        dots: maximum number of codes in the interactive scatter.
        samples: number of images that a GAN generates to be judged; None for the default of `generated_images`.
    """

    draws: tuple[int, ...]
    images: int
    dots: int
    samples: int | None


@dataclasses.dataclass
class Subject:
    """A finished run with its model and data; computes once what several parts need.

    Attributes:
        run: its folder, config.json and results.json.
        model: the trained model.
        dataset: the data it was trained on.
        seed: seed of all random numbers.
        sizes: sizes of the slow computations.
        cache_dir: folder that caches the digit classifier.
        tell: shows progress.
    """

    run: FinishedRun
    model: Any
    dataset: Dataset
    seed: int
    sizes: Sizes
    cache_dir: str | None = None
    tell: Tell = lambda what, done, total: None

    @property
    def kind(self) -> str:
        """Class name of the model."""
        return type(self.model).__name__

    @property
    def labels(self) -> np.ndarray:
        """Labels of the test images, int [n]."""
        return self.dataset.test.labels.astype(int)

    @property
    def labelled(self) -> bool:
        """Whether the test images have labels: all are 0 if none are known."""
        return len(np.unique(self.labels)) > 1

    @cached_property
    def images(self) -> np.ndarray:
        """The test images, float32 [n, 784] in [0, 1]."""
        return to_unit_interval(self.dataset.test.images)

    @cached_property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """mu and log_var of the test images (VAE), [n, z_dim] each."""
        return test_set.posteriors(self.model, self.images)

    @cached_property
    def codes(self) -> np.ndarray:
        """Codes of the test images, [n, z_dim]; mu for a VAE."""
        return self.posterior[0] if self.kind == VAE else codes(self.model, self.images)

    @cached_property
    def importance(self) -> np.ndarray:
        """Importance of each dimension, [z_dim]: KL in nats for a VAE, variance of the codes for an autoencoder."""
        if self.kind != VAE:
            return self.codes.var(axis=0, dtype=np.float64)
        return likelihood.kl_per_dimension(*self.posterior)

    @property
    def dimensions(self) -> np.ndarray:
        """Indices of the dimensions, sorted by decreasing `importance`."""
        return np.argsort(-self.importance, kind="stable")

    @property
    def center(self) -> np.ndarray:
        """Center of the codes, [z_dim]: the prior's mean for a VAE, the median of the codes for an autoencoder."""
        return np.zeros(self.model.z_dim) if self.kind == VAE else np.median(self.codes, axis=0)

    @cached_property
    def gan_report(self) -> tuple[Json, dict[str, np.ndarray]]:
        """The numbers and arrays of `generated_images.report`."""
        return generated_images.report(
            self.model,
            self.dataset,
            courses_logged(self.run.path),
            samples=self.sizes.samples,
            seed=self.seed,
            cache_dir=self.cache_dir,
            progress=self.tell,
        )

    def random(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that results do not depend on which other parts run."""
        return np.random.default_rng([self.seed, purpose])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes [..., z_dim] to [..., 784] or [..., side, side, channels]; an autoencoder may leave [0, 1]."""
        flat = np.asarray(codes, np.float32).reshape(-1, codes.shape[-1])
        pictures = np.asarray(self.model.decode(flat))
        return pictures.reshape(*codes.shape[:-1], *pictures.shape[1:])


def axis_names(z_dim: int) -> list[str]:
    """Names of the latent dimensions: z1, z2, …."""
    return [f"z{number}" for number in range(1, z_dim + 1)]


def label_names(subject: Subject) -> list[str]:
    """Names of the labels 0 to 9: digits, or classes for other data sets. Without labels, they are all "image"."""
    if not subject.labelled:
        return ["image"] * 10
    kind = "digit" if subject.dataset.name in ("mnist", "digits") else "class"
    return [f"{kind} {label}" for label in range(10)]
