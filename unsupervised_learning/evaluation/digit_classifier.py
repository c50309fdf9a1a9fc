"""A small convolutional classifier of ten kinds of image, used to evaluate generated digits.

Published FIDs and KIDs use the features of an Inception network trained on photographs, which would have to be downloaded and
has never seen a digit. This network is trained on the run's own training images in less than a minute, deterministically, and
cached. Distances in its feature space compare generators for the same data set with each other and with real images, but not
with published numbers.
"""

import hashlib
import io
import json
import pathlib
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning import errors
from unsupervised_learning.atomic_files import written_anew
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.data.dataset import Dataset, cache_folder

# All our choice; accuracy is 98.8 % on MNIST's test images. 28×28 → 14×14 → 7×7 → features → logits. Batches are shifted by up
# to a pixel in each direction and half of the features are dropped, to avoid overfitting scikit-learn's few digits.
ARCHITECTURE = {"channels": [16, 32], "kernel_size": 5, "strides": 2, "activation": "relu", "features": 64, "classes": 10}
TRAINING = {"updates": 1_500, "batch_size": 128, "learning_rate": 2e-3, "schedule": "cosine", "shift": 1, "dropout": 0.5}
FORMAT = 1  # increase it if the meaning of a cached file changes
SIDE = 28
AT_ONCE = 1_000  # images per call of the network

# Called with a description of the task, the steps done and the total number of steps.
Progress = Callable[[str, int, int], None]


class DigitClassifier:
    """A trained classifier.

    Images are [n, 28, 28], [n, 28, 28, 1] or [n, 784], uint8 or floats in [0, 1].

    Attributes:
        network: [batch, 28, 28, 1] in [0, 1] → features [batch, 64] and logits [batch, 10].
        accuracy: accuracy on the test images; None if there are none.
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.network = build(seed)
        self.accuracy: float | None = None
        self._apply = tf.function(lambda images: self.network(images, training=False), reduce_retracing=True)

    def features_and_probabilities(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the activations of the penultimate layer, float32 [n, 64] ≥ 0, and class probabilities, float32 [n, 10]."""
        features, probabilities = [np.zeros((0, ARCHITECTURE["features"]), np.float32)], [np.zeros((0, 10), np.float32)]
        for start in range(0, len(images), AT_ONCE):
            feature, logit = self._apply(tf.constant(as_input(images[start : start + AT_ONCE])))
            features.append(feature.numpy())
            probabilities.append(tf.nn.softmax(logit).numpy())
        return np.concatenate(features), np.concatenate(probabilities)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return the activations of the penultimate layer, float32 [n, 64]."""
        return self.features_and_probabilities(images)[0]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the class probabilities, float32 [n, 10]."""
        return self.features_and_probabilities(images)[1]

    def describe(self) -> dict[str, Any]:
        """Return accuracy, size and settings, for a report."""
        settings = {"architecture": ARCHITECTURE, "training": TRAINING, "seed": self.seed}
        return {"test_accuracy": self.accuracy, "parameters": self.network.count_params(), **settings}


def of(dataset: Dataset, cache_dir: str | None = None, seed: int = 0, progress: Progress | None = None) -> DigitClassifier:
    """Return the classifier of a data set from the cache folder, or train and cache it.

    If the cached file is damaged or the folder is not writable, it warns on stderr and trains; the result is the same.

    Args:
        dataset: data set of 28×28 images, with at least one for training.
        cache_dir: the folder; see `cache_folder`.
        seed: seed of the initial weights and the batches.
        progress: called after every update.
    """
    folder = cache_folder(cache_dir)
    name = f"classifier-{fingerprint(dataset, seed)}.npz"
    if kept := read(folder / name, seed):
        return kept
    classifier = train(dataset, seed, progress)
    try:
        write(folder / name, classifier)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        errors.warn(f"cannot cache the classifier in {str(folder)!r}: {errors.reason(error)}; every run will train it again")
    return classifier


def fingerprint(dataset: Dataset, seed: int) -> str:
    """Return a hash of everything that determines the weights: data, network, training settings and seed."""
    return hashlib.sha256(json.dumps([FORMAT, ARCHITECTURE, TRAINING, dataset.checksum, seed]).encode()).hexdigest()


def build(seed: int) -> keras.Model:
    """Return the untrained network, in float32 at any Keras precision policy."""
    random = keras.random.SeedGenerator(seed)

    def start() -> keras.initializers.Initializer:
        return keras.initializers.HeNormal(seed=random)

    images = x = keras.Input((SIDE, SIDE, 1))
    for channels in ARCHITECTURE["channels"]:
        x = keras.layers.Conv2D(
            channels,
            ARCHITECTURE["kernel_size"],
            ARCHITECTURE["strides"],
            padding="same",
            activation=ARCHITECTURE["activation"],
            kernel_initializer=start(),
            dtype="float32",
        )(x)
    x = keras.layers.Flatten(dtype="float32")(x)  # [batch, 1568]
    features = keras.layers.Dense(
        ARCHITECTURE["features"], ARCHITECTURE["activation"], kernel_initializer=start(), dtype="float32"
    )(x)
    logits = keras.layers.Dense(ARCHITECTURE["classes"], kernel_initializer=start(), dtype="float32")(features)
    return keras.Model(images, [features, logits], name="digit_classifier")


def train(dataset: Dataset, seed: int = 0, progress: Progress | None = None) -> DigitClassifier:
    """Train on the training images only. Reproducible on one machine.

    Each call makes one update, so that arithmetic always runs in the same order.
    """
    classifier = DigitClassifier(seed)
    images, labels = dataset.train.images, dataset.train.labels
    order = BatchOrder(len(images), min(TRAINING["batch_size"], len(images)), seed)
    dropped = keras.layers.Dropout(TRAINING["dropout"], seed=seed, dtype="float32")(classifier.network.outputs[0])
    model = keras.Model(classifier.network.inputs, classifier.network.layers[-1](dropped))
    rate = keras.optimizers.schedules.CosineDecay(TRAINING["learning_rate"], TRAINING["updates"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    shifts = np.random.default_rng([seed, 1]).integers(-TRAINING["shift"], TRAINING["shift"] + 1, (TRAINING["updates"], 2))
    for update, shift in enumerate(shifts):
        (batch,) = order.indices(update, 1)
        model.train_on_batch(np.roll(as_input(images[batch]), shift, axis=(1, 2)), labels[batch].astype(np.int32))
        if progress:
            progress("training the classifier", update + 1, TRAINING["updates"])
    if len(dataset.test.labels):
        found = classifier.probabilities(dataset.test.images).argmax(axis=1)
        classifier.accuracy = float(np.mean(found == dataset.test.labels))
    return classifier


def as_input(images: np.ndarray) -> np.ndarray:
    """Convert images in any form that `DigitClassifier` accepts to float32 [n, 28, 28, 1] in [0, 1].

    Raises:
        ValueError: for any other array.
    """
    if images.shape[1:] not in ((SIDE, SIDE), (SIDE, SIDE, 1), (SIDE * SIDE,)):
        raise ValueError(f"images must be [n, 28, 28], [n, 28, 28, 1] or [n, 784]. Received: images.shape={images.shape}")
    images = images.reshape(-1, SIDE, SIDE, 1)
    if images.dtype == np.uint8:
        return images.astype(np.float32) * np.float32(1 / 255)
    if images.dtype.kind != "f" or not (images.min(initial=0) >= 0 and images.max(initial=0) <= 1):  # also true for NaN
        raise ValueError(
            "images must be bytes, or floats in [0, 1]. "
            f"Received: {images.dtype} from {images.min(initial=0)} to {images.max(initial=0)}"
        )
    return images.astype(np.float32)


# The cached file


def write(path: pathlib.Path, classifier: DigitClassifier) -> None:
    """Write a classifier atomically: to a name unique to this process, then renamed."""
    weights = {f"weight_{number}": value for number, value in enumerate(classifier.network.get_weights())}
    content = io.BytesIO()
    np.savez(content, accuracy=np.nan if classifier.accuracy is None else classifier.accuracy, **weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_anew(path, f"{path.name}.{uuid.uuid4().hex}.new") as new:
        new.write_bytes(content.getvalue())


def read(path: pathlib.Path, seed: int) -> DigitClassifier | None:
    """Read a cached classifier, without unpickling. Return None if there is none, or if it is damaged, with a warning."""
    classifier = DigitClassifier(seed)
    shapes = [weight.shape for weight in classifier.network.get_weights()]
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            weights, accuracy = [kept[f"weight_{number}"] for number in range(len(shapes))], float(kept["accuracy"])
        if [weight.shape for weight in weights] != shapes or not all(np.isfinite(weight).all() for weight in weights):
            raise ValueError("its weights do not fit this network")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        errors.warn(f"{path}: {errors.reason(error)}; expected a cached classifier. Training it again")
        return None
    classifier.network.set_weights(weights)
    classifier.accuracy = None if np.isnan(accuracy) else accuracy
    return classifier
