"""Evaluation of a trained GAN: quality and variety of its images, copying of training images, and D's probabilities.

Samples, and the same number of real images, are each compared with one reference set of other real images. Comparison by
content uses a *space* of features, named in the report: for digits the penultimate layer of a classifier (`digit_classifier`),
for pictures the discriminator's last hidden layer, averaged over its 4×4 positions, and for both the first principal components
of the pixels. Each run has its own discriminator, so runs cannot be compared with each other in its space.

Samples are generated with the moving statistics, as everywhere in this project, and rounded to bytes, like real images. The
seed determines all random numbers.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA

from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.evaluation import digit_classifier, gan_diagnostics, latent_draws, sample_quality
from unsupervised_learning.evaluation.digit_classifier import DigitClassifier, Progress
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.original.runs import GAN

Json = dict[str, Any]
Arrays = dict[str, np.ndarray]

# Our choice, by image height: a minute or two on two cores.
SAMPLES = {28: 10_000, 64: 2_000}
QUERIES = {28: 2_000, 64: 500}  # samples to find the nearest training images of
CANDIDATES = 60_000  # largest number of training images to search
CANDIDATES_OF_DISCRIMINATOR = 10_000  # fewer, because the discriminator takes 10 ms per image
SHOWN = 100  # samples returned as images
COMPONENTS = 64  # principal components of the pixels, as in `gan_notes`
GRADIENT_BATCHES = 10
AT_ONCE = 64  # images per call of the networks: 2016's batch size


class Images(NamedTuple):
    """The images to compare, each uint8 [n, height, width] or [n, height, width, 3].

    Attributes:
        train, test: images of the data set.
        reference: training images that samples and real images are compared with.
        real: the same number of other training images.
        made: the same number of samples.
    """

    train: np.ndarray
    test: np.ndarray
    reference: np.ndarray
    real: np.ndarray
    made: np.ndarray


class Space(NamedTuple):
    """A description of features, the function from uint8 images to float32 [n, d], and how many training images to search."""

    what: str
    apply: Callable[[np.ndarray], np.ndarray]
    candidates: int


def report(
    model: DCGAN,
    dataset: Dataset,
    courses: Arrays | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
    cache_dir: str | None = None,
    progress: Progress | None = None,
) -> tuple[Json, Arrays]:
    """Measure a trained GAN.

    Args:
        model: model with trained weights; compiled or not.
        dataset: its training data set.
        courses: iterations and logged values, [n, 2] each, of `discriminator_loss`, `gradient_norm_generator` and
            `gradient_norm_discriminator`; None if not available.
        samples: number of images to generate; by default 10,000 at 28×28 and 2,000 at 64×64. At most half of the training
            images.
        seed: seed of z, of the choice of real images, and of the classifier.
        cache_dir: cache folder of the classifier; see `cache_folder`.
        progress: called with a description of the task, the steps done and the total number of steps.

    Returns:
        Numbers for JSON, and arrays for figures. A measure of both samples and real images is {"samples": …, "real": …}. A
        measure that is not available is None, with the reason under its name in `left_out`.

        - `spaces`, by name: a description, `what`; `frechet`; `kernel`, with its standard deviation over blocks; `precision`,
          `recall`, `density` and `coverage`: see `sample_quality`
        - `nearest_training_image`, in pixels and in a space: median distances to it; `ratio` of the samples' to the real
          images': 0 for copies, 1 for new images as good as real ones, more for bad ones; `copies`, the share of samples closer
          to a training image than 99 % of real images are. Real images are the test images or, without a test set, training
          images, excluding each image itself from its search
        - `labels`: predictions of the classifier: `shares` of the ten kinds; total variation and KL (nats) from uniform; total
          variation from the training labels; `confidence`, the mean of the largest probability; `classifier_score`
        - `classifier`: its accuracy on the test images, architecture and training settings
        - `discriminator`: mean and quantiles of D's probabilities that training images, test images and samples are real, each
          in separate batches with batch statistics, as in training; samples are judged before rounding
        - `first_layer_gradient_norms`: gradients of each network's own loss, mean and sd over 10 batches of training images
        - `discriminator_loss_near_zero`: the share of logged iterations with the discriminator's loss near zero
        - `diversity`: mean Euclidean distance between two images, with pixels in [0, 1]

        The arrays: `samples`, the first 100, uint8. `nearest_<where>`, indices of the training images nearest to the samples,
        with `nearest_distance_<where>` and `nearest_distance_real_<where>`; `<where>` is `pixels` or a space.
        `label_shares_samples`, `label_shares_real`, [10]. `probability_train`, `probability_test`, `probability_samples`.
        `discriminator_loss` and `gradient_norm_<network>`, [n, 2]: logged iterations and values.

    Raises:
        ValueError: if the images do not have the model's size, there are too few, or the generated ones are not finite.
    """
    train = dataset.train.images
    shape = (model.side, model.side, model.channels)
    wanted = SAMPLES[model.side] if samples is None else samples
    if (*train.shape[1:], 1)[:3] != shape or train.dtype != np.uint8:  # grey images may lack the last axis, as MNIST's do
        raise ValueError(f"images must be bytes [n, {', '.join(map(str, shape))}]. Received: {train.dtype} {train.shape}")
    if wanted < 2 or len(train) < 4:
        raise ValueError(f"needs at least 2 samples and 4 training images. Received: {wanted} and {len(train)}")
    tell = progress or (lambda what, done, total: None)
    count = min(wanted, len(train) // 2)
    order = np.random.default_rng([seed, 1]).permutation(len(train))
    made, probability_samples = generate(model, count, seed, tell)
    reference, real = np.array(train[order[:count]]), np.array(train[order[count : 2 * count]])
    images = Images(train, dataset.test.images, reference, real, made.reshape(reference.shape))

    numbers: Json = {"samples": count, "seed": seed}
    arrays: Arrays = {"samples": images.made[:SHOWN], "probability_samples": probability_samples}
    left_out: dict[str, str] = {}
    spaces = {"pixel_pca": pixel_space(images)}
    nearest_in: dict[str, Space | None] = {"pixels": None}
    if model.side == digit_classifier.SIDE:
        classifier = digit_classifier.of(dataset, cache_dir, seed, tell)
        numbers["classifier"] = classifier.describe()
        numbers["labels"], shares = labels(classifier, images, dataset.train.labels)
        arrays |= shares
        width = digit_classifier.ARCHITECTURE["features"]
        what = f"penultimate layer of a classifier trained on the training images, {width} numbers"
        nearest_in["classifier"] = spaces["classifier"] = Space(what, classifier.features, CANDIDATES)
    else:
        numbers["classifier"] = numbers["labels"] = None
        left_out["labels"] = "a classifier is trained for 28×28 only"
        nearest_in["discriminator"] = spaces["discriminator"] = discriminator_space(model)

    numbers["spaces"] = {}
    for number, (name, space) in enumerate(spaces.items()):
        tell("comparing samples with real images", number, len(spaces))
        numbers["spaces"][name], reasons = compared(space, images)
        left_out |= {f"spaces/{name}/{measure}": why for measure, why in reasons.items()}
    tell("comparing samples with real images", len(spaces), len(spaces))

    queries = min(count, QUERIES[model.side])
    of_nearest: Json = {"samples": queries}
    for name, space in nearest_in.items():
        of_nearest[name], found = nearest_training_images(space, images, queries, seed, tell)
        arrays |= {f"{key}_{name}": value for key, value in found.items()}
        if of_nearest[name]["ratio"] is None:
            left_out[f"nearest_training_image/{name}/ratio"] = "most real images have an exact copy among the training images"

    numbers["nearest_training_image"] = of_nearest
    pair_distances = ({"diversity": sample_quality.pair_distance(as_pixels(some))} for some in (images.made, images.real))
    numbers |= by_set(*pair_distances)
    rows = np.random.default_rng([seed, 2]).permutation(len(images.test))[:count]
    of_real = {"train": images.reference, "test": images.test[rows]}
    for number, (name, some) in enumerate(of_real.items()):
        tell("asking the discriminator", number, len(of_real))
        if len(some):
            arrays[f"probability_{name}"] = judged(model, some)
        else:
            left_out[f"discriminator/{name}"] = "the data set has no test images"
    tell("asking the discriminator", len(of_real), len(of_real))
    probabilities = {name: arrays.get(f"probability_{name}") for name in ("train", "test", "samples")}
    numbers["discriminator"] = {
        name: None if values is None else sample_quality.spread(values) for name, values in probabilities.items()
    }
    numbers["first_layer_gradient_norms"] = gradient_norms(model, images.reference, seed, tell)
    arrays |= courses or {}
    numbers["discriminator_loss_near_zero"] = None
    if "discriminator_loss" in arrays:
        numbers["discriminator_loss_near_zero"] = near_zero(arrays["discriminator_loss"][:, 1])
    else:
        left_out["discriminator_loss_near_zero"] = "the run has no event files"
    return {**numbers, "left_out": left_out}, arrays


# Images


def generate(model: DCGAN, count: int, seed: int, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Generate images, uint8 [count, side, side, channels], and D's probabilities for them before rounding, [count].

    Raises:
        ValueError: if the images are not finite.
    """
    latents = latent_draws.of_gan(count, model.z_dim, np.random.default_rng(seed))
    made = np.empty((count, model.side, model.side, model.channels), np.uint8)
    probability = np.empty(count, np.float32)
    with model.statistics_left_alone():
        apply = tf.function(
            lambda z: (model.decode(z), probability_of(model.discriminator_of_fake, model(z))), reduce_retracing=True
        )
        for batch in batches(count):
            pictures, probability[batch] = (value.numpy() for value in apply(tf.constant(latents[batch])))
            if not np.isfinite(pictures).all():
                raise ValueError("the model's images are not finite: its weights are unusable")
            made[batch] = np.rint(pictures * 255)
            progress("making samples", batch.stop, count)
    return made, probability


def batches(count: int) -> Iterator[slice]:
    """Return slices of nearly equal size, at most 64 rows: a small last batch would have unusual batch statistics."""
    edges = np.linspace(0, count, -(-count // AT_ONCE) + 1).round().astype(int)
    return (slice(start, stop) for start, stop in itertools.pairwise(edges))


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Convert uint8 [n, …] to float32 [n, pixels] in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) * np.float32(1 / 255)


def by_set(of_made: Json, of_real: Json) -> Json:
    """Return each measure of the samples and of the same number of real images: name → {"samples": …, "real": …}."""
    return {name: {"samples": of_made[name], "real": of_real[name]} for name in of_made}


# Spaces


def pixel_space(images: Images) -> Space:
    """Return the space of the first principal components of the pixels, fitted on both sets of real images together."""
    pixels = as_pixels(np.concatenate([images.reference, images.real]))
    components = min(COMPONENTS, len(pixels) - 1)
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(pixels)
    what = f"first {components} principal components of the pixels, fitted on {len(pixels):,} training images"
    return Space(what, lambda some: pca.transform(as_pixels(some)).astype(np.float32), CANDIDATES)


def discriminator_space(model: DCGAN) -> Space:
    """Return the space of the discriminator's last hidden layer, with moving statistics, independent of an image's batch."""

    @tf.function(reduce_retracing=True)
    def of_batch(images):
        return tf.reduce_mean(model.discriminator(model.scale(images), training=False)[1], axis=(1, 2))

    def apply(images: np.ndarray) -> np.ndarray:
        return np.concatenate([of_batch(tf.constant(images[batch])).numpy() for batch in batches(len(images))])

    width = model.discriminator.outputs[1].shape[-1]
    what = f"the run's own discriminator, its last hidden layer averaged over its 4×4 places, {width} numbers"
    return Space(what, apply, CANDIDATES_OF_DISCRIMINATOR)


def compared(space: Space, images: Images) -> tuple[Json, dict[str, str]]:
    """Compute the measures in a space, and the reasons for missing ones."""
    reference, real, made = (space.apply(some) for some in (images.reference, images.real, images.made))

    def measured(some: np.ndarray) -> Json:
        kernel = sample_quality.kernel_distance(some, reference)._asdict()
        overlap = sample_quality.neighbourhoods(reference, some) if enough else {}
        return {"frechet": sample_quality.frechet(some, reference), "kernel": kernel, **overlap}

    enough = len(made) >= sample_quality.FEWEST
    missing = () if enough else ("precision", "recall", "density", "coverage")
    found = {"what": space.what, **by_set(measured(made), measured(real)), **dict.fromkeys(missing)}
    return found, dict.fromkeys(missing, f"needs {sample_quality.FEWEST} samples; there are {len(made)}")


# Labels


def labels(classifier: DigitClassifier, images: Images, training_labels: np.ndarray) -> tuple[Json, Arrays]:
    """Classify samples and real images: return the measures, and arrays of the shares of each kind."""
    uniform, trained = np.full(10, 0.1), sample_quality.label_shares(training_labels)
    arrays: Arrays = {}

    def measured(name: str, some: np.ndarray) -> Json:
        probabilities = classifier.probabilities(some)
        shares = arrays[f"label_shares_{name}"] = sample_quality.label_shares(probabilities.argmax(axis=1))
        return {
            "shares": shares.tolist(),
            "total_variation_from_uniform": sample_quality.total_variation(shares, uniform),
            "divergence_from_uniform": sample_quality.divergence_from_uniform(shares),
            "total_variation_from_training_labels": sample_quality.total_variation(shares, trained),
            "confidence": float(probabilities.max(axis=1).mean()),
            "classifier_score": sample_quality.classifier_score(probabilities),
        }

    return by_set(measured("samples", images.made), measured("real", images.real)), arrays


# Copies


def nearest_training_images(
    space: Space | None, images: Images, queries: int, seed: int, progress: Progress
) -> tuple[Json, Arrays]:
    """Compare how close samples and real images are to training images, in a space, or in pixels if it is None."""
    candidates = images.train[: CANDIDATES if space is None else space.candidates]
    random = np.random.default_rng([seed, 3])
    if len(images.test):
        held = "test images"
        real, itself = images.test[random.permutation(len(images.test))[:queries]], None
    else:
        held = "training images, not counting each as its own neighbour"
        itself = random.permutation(len(candidates))[:queries]
        real = candidates[itself]
    made = images.made[:queries]
    read = as_pixels
    if space is not None:
        candidates, real, made = space.apply(candidates), space.apply(real), space.apply(made)
        read = np.asarray

    def search(some: np.ndarray, what: str, itself: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        return sample_quality.nearest(
            some, candidates, read, itself, lambda done, total: progress(f"training images nearest to {what}", done, total)
        )

    index, distance = search(made, "samples")
    _, distance_real = search(real, "real images", itself)
    medians = {"samples": float(np.median(distance)), "real": float(np.median(distance_real))}
    numbers = {
        "median_distance": medians,
        "ratio": medians["samples"] / medians["real"] if medians["real"] else None,
        "copies": float(np.mean(distance < np.quantile(distance_real, 0.01))),
        "training_images": len(candidates),
        "real_images": held,
    }
    return numbers, {"nearest": index, "nearest_distance": distance, "nearest_distance_real": distance_real}


# The discriminator, and training


def probability_of(discriminator: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Return D's probability that images in the generator's range are real, with batch statistics: [batch]."""
    return tf.sigmoid(discriminator(images, training=True)[0])[:, 0]


def judged(model: DCGAN, images: np.ndarray) -> np.ndarray:
    """Return D's probabilities for uint8 images [n, …], computed in batches: float32 [n]."""
    with model.statistics_left_alone():
        apply = tf.function(lambda some: probability_of(model.discriminator, model.scale(some)), reduce_retracing=True)
        return np.concatenate([apply(tf.constant(images[batch])).numpy() for batch in batches(len(images))])


def gradient_norms(model: DCGAN, images: np.ndarray, seed: int, progress: Progress) -> Json:
    """Measure the gradient norms of both networks' first layers, on batches of uint8 real images [n, …] and of random z."""
    size = min(GAN[model.recipe]["batch_size"], len(images))
    random = np.random.default_rng([seed, 4])

    @tf.function
    def norms(batch, latents):
        gradients = gan_diagnostics.trace(model, model.scale(batch), latents).gradients
        return [tf.norm(gradients[name]) for name in gan_diagnostics.FIRST_LAYERS.values()]

    found = []
    for number in range(GRADIENT_BATCHES):
        batch = images[random.permutation(len(images))[:size]]
        latents = latent_draws.of_gan(size, model.z_dim, random)
        found.append([float(norm) for norm in norms(tf.constant(batch), tf.constant(latents))])
        progress("gradients", number + 1, GRADIENT_BATCHES)
    numbers = {
        network: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}
        for network, values in zip(gan_diagnostics.FIRST_LAYERS, zip(*found, strict=True), strict=True)
    }
    return {**numbers, "batches": GRADIENT_BATCHES, "batch_size": size}


def near_zero(losses: np.ndarray) -> Json:
    """Return how often the discriminator's loss [n] was near zero, the author's sign of a failed GAN."""
    threshold = gan_diagnostics.NEAR_ZERO
    return {"share": float(np.mean(losses < threshold)), "threshold": threshold, "logged": len(losses)}
