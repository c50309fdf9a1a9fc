"""What `explore` looks at and what it finds: a finished run with its model and data, the parts of a look, their findings."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.evaluation import generated_images, likelihood, test_set
from unsupervised_learning.monitoring.event_files import courses_logged
from unsupervised_learning.monitoring.latent import codes
from unsupervised_learning.training.finished_run import FinishedRun

Json = dict[str, Any]
Tell = Callable[[str, int, int], None]  # what is being done, how much of it is done, how much there is

AE, VAE, GAN = "AutoEncoder", "VariationalAutoEncoder", "DCGAN"


class Picture(NamedTuple):
    """A figure of the page: its file's name without ending, what stands below it, and the figure, or a GIF's bytes."""

    name: str
    caption: str
    content: Figure | bytes


class Row(NamedTuple):
    """A measure of the page's tables; `beside` is what it is to be held against."""

    measure: str
    value: str
    beside: str
    reading: str


class Found(NamedTuple):
    """What a part found.

    Attributes:
        numbers: for evaluation.json.
        pictures: for the page, the folder of figures and TensorBoard.
        said: a sentence on this run with its numbers.
        rows: measures with what to think of them.
        widget: a piece of HTML for the page, trusted.
    """

    numbers: Json
    pictures: list[Picture]
    said: str = ""
    rows: tuple[Row, ...] = ()
    widget: str = ""


class Part(NamedTuple):
    """One section of the page.

    Attributes:
        name: by which --only and --skip choose it.
        title: the section's.
        shown, reading, judging: for a person who does not know these models: what is shown, how to read it, what good and bad
            look like.
        models: the names of those that it fits.
        find: does the work.
        reason: why it does not fit a run after all; an empty string if it does.
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
    """How much of what takes long.

    Attributes:
        draws: numbers of draws for the importance-weighted bound, rising.
        images: test images that the bound is taken of, at most.
        dots: codes in the interactive scatter.
        samples: images that a GAN makes to be judged; None for `generated_images`'s own number.
    """

    draws: tuple[int, ...]
    images: int
    dots: int
    samples: int | None


@dataclasses.dataclass
class Subject:
    """A finished run with its model and its data; what several parts need is computed once.

    Attributes:
        run: its folder, config.json and results.json.
        model: with trained weights.
        dataset: what it was trained on.
        seed: of every chance.
        sizes: of the parts that take long.
        cache_dir: where the classifier of digits is kept.
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
        """The model's class by name."""
        return type(self.model).__name__

    @property
    def labels(self) -> np.ndarray:
        """Of the test images, int [n]."""
        return self.dataset.test.labels.astype(int)

    @cached_property
    def images(self) -> np.ndarray:
        """The test images, float32 [n, 784] in [0, 1]."""
        return to_unit_interval(self.dataset.test.images)

    @cached_property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """A VAE's mu and log_var of the test images, [n, z_dim] each."""
        return test_set.posteriors(self.model, self.images)

    @cached_property
    def codes(self) -> np.ndarray:
        """The test images' codes [n, z_dim]; of a VAE their mu."""
        return self.posterior[0] if self.kind == VAE else codes(self.model, self.images)

    @cached_property
    def importance(self) -> np.ndarray:
        """By which dimensions are ranked, [z_dim]: a VAE's KL, nats; the variance of an autoencoder's codes."""
        if self.kind != VAE:
            return self.codes.var(axis=0, dtype=np.float64)
        return likelihood.kl_per_dimension(*self.posterior)

    @property
    def dimensions(self) -> np.ndarray:
        """Numbers of the dimensions, counted from 0, the most important first."""
        return np.argsort(-self.importance, kind="stable")

    @property
    def center(self) -> np.ndarray:
        """Where the codes' middle is, [z_dim]: the prior's mean, or the median of an autoencoder's codes."""
        return np.zeros(self.model.z_dim) if self.kind == VAE else np.median(self.codes, axis=0)

    @cached_property
    def gan_report(self) -> tuple[Json, dict[str, np.ndarray]]:
        """What `generated_images.report` says, and its arrays."""
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
        """Chance that has a name, so that a part finds the same whichever others there are."""
        return np.random.default_rng([self.seed, purpose])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes [..., z_dim] → pictures [..., 784] or [..., side, side, channels]; an autoencoder's may overshoot [0, 1]."""
        flat = np.asarray(codes, np.float32).reshape(-1, codes.shape[-1])
        pictures = np.asarray(self.model.decode(flat))
        return pictures.reshape(*codes.shape[:-1], *pictures.shape[1:])


def axis_names(z_dim: int) -> list[str]:
    """Names of the latent dimensions: z1, z2, …."""
    return [f"z{number}" for number in range(1, z_dim + 1)]


def label_names(subject: Subject) -> list[str]:
    """Names of the labels from 0 on: digits, or classes of other sets."""
    kind = "digit" if subject.dataset.name in ("mnist", "digits") else "class"
    return [f"{kind} {label}" for label in range(10)]
