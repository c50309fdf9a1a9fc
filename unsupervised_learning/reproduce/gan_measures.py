"""Measures for the GAN notes: samples compared with training images, and the discriminator's loss over training."""

import math
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.evaluation.gan_diagnostics import NEAR_ZERO, NEAR_ZERO_PATIENCE
from unsupervised_learning.evaluation.sample_quality import frechet
from unsupervised_learning.gan import DCGAN

SAMPLES, SAMPLE_BATCH = 2_000, 100  # our choice, as are the neighbours, components, LAST and EARLY
FEW_SAMPLES = 200  # with --quick
COMPONENTS, NEIGHBOURS = 64, 5
LAST = 100  # iterations that count as "at the end"
EARLY = 1 / 4  # fraction of the iterations that counts as "early"
EQUILIBRIUM = 2 * math.log(2)


def coverage(labels: np.ndarray) -> float:
    """Entropy of labels [n], 0 … 9, divided by ln 10: 1 if all ten digits are equally frequent, 0 if there is only one."""
    shares = np.bincount(labels, minlength=10) / len(labels)
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))) / math.log(10))


class Yardstick:
    """The training images (pixels in [0, 1]) as a reference for generated ones.

    Attributes:
        pca: first 64 principal components of the training images.
        reference: codes [n, 64] of n training images; n is 2,000, or half of the images if that is less.
        floor: Fréchet distance between `reference` and n other training images.
        classifier: nearest-neighbour classifier of codes.
        accuracy: test-set accuracy of the classifier.
    """

    def __init__(self, dataset: Dataset):
        images = to_unit_interval(dataset.train.images)
        self.pca = PCA(min(COMPONENTS, len(images)), svd_solver="covariance_eigh").fit(images)
        codes = self.pca.transform(images)
        order = np.random.default_rng(0).permutation(len(codes))
        count = min(SAMPLES, len(codes) // 2)
        self.reference = codes[order[:count]]
        self.floor = frechet(codes[order[count : 2 * count]], self.reference)
        self.classifier = KNeighborsClassifier(min(NEIGHBOURS, len(codes))).fit(codes, dataset.train.labels)
        test_codes = self.pca.transform(to_unit_interval(dataset.test.images))
        self.accuracy = float(self.classifier.score(test_codes, dataset.test.labels))

    def measure(self, samples: np.ndarray, batch_samples: np.ndarray) -> dict[str, float]:
        """Measure samples [n, 784] made with moving statistics, and the same samples made with batch statistics."""
        codes = self.pca.transform(samples)
        return {
            "frechet": frechet(codes, self.reference),
            "frechet_batch_statistics": frechet(self.pca.transform(batch_samples), self.reference),
            "coverage": coverage(self.classifier.predict(codes)),
        }


def sample(model: DCGAN, count: int, batch_statistics: bool = False) -> np.ndarray:
    """Generate images [count, 784] in [0, 1] from fixed z, with the moving statistics or those of batches of 100."""
    latents = latent_draws.of_gan(count, model.z_dim, np.random.default_rng(0))
    with model.statistics_left_alone():
        batches = [
            model.as_pictures(model.generator(latents[i : i + SAMPLE_BATCH], training=batch_statistics))
            for i in range(0, count, SAMPLE_BATCH)
        ]
    return np.concatenate(batches).reshape(count, -1)


def course_measures(course: np.ndarray, iterations: int) -> dict[str, Any]:
    """Summarise the discriminator's loss over training, given as (iteration, loss) [n, 2]; {} if no loss is finite.

    `near_zero_from` is the first iteration after which the loss stayed near zero for 100 iterations, if any.
    """
    course = course[np.isfinite(course[:, 1])]
    if not len(course):
        return {}
    step, loss = course.T
    early = loss[step <= iterations * EARLY]  # empty if the first event files were deleted
    near, patience = loss < NEAR_ZERO, NEAR_ZERO_PATIENCE
    stays = [i for i in step if i + patience <= step[-1] and near[(step >= i) & (step <= i + patience)].all()]
    return {
        "discriminator_loss": float(loss[step > step[-1] - LAST].mean()),
        **({"early_discriminator_loss": float(early.mean())} if len(early) else {}),
        "near_zero_share": float(near.mean()),
        **({"near_zero_from": int(stays[0])} if stays else {}),
    }
