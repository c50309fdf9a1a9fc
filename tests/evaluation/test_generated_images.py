"""The report on a GAN, for a copying generator, a collapsed generator and other cases with known answers."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import Dataset, Split
from unsupervised_learning.evaluation import digit_classifier, generated_images, sample_quality
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring.event_files import courses_logged
from unsupervised_learning.monitoring.gan import GANMonitor

COUNT = 120
NONE = Split(np.zeros((0, 64, 64, 3), np.uint8), np.zeros(0, np.uint8))


class Scripted(DCGAN):
    """A generator that returns the stored image selected by z's first dimension, without using the networks."""

    images: np.ndarray

    def call(self, latent):
        number = tf.cast((latent[:, 0] + 1) / 2 * len(self.images), tf.int32)
        return self.scale(tf.gather(tf.constant(self.images), number))


def scripted(images: np.ndarray, **arguments) -> Scripted:
    model = Scripted(**arguments)
    model.images = images
    return model


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return mnist.load("digits")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory, digits) -> str:
    """Cache with a classifier of 150 updates instead of 1,500, under the name of the full one."""
    folder = tmp_path_factory.mktemp("cache")
    name = f"classifier-{digit_classifier.fingerprint(digits, 0)}.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(digit_classifier.TRAINING, "updates", 150)
        digit_classifier.write(folder / name, digit_classifier.train(digits))
    return str(folder)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(generated_images, "GRADIENT_BATCHES", 2)
    monkeypatch.setitem(generated_images.QUERIES, 28, 100)


@pytest.fixture
def without_gradients(monkeypatch):
    """Skip the gradients, which take seconds to compile."""
    monkeypatch.setattr(generated_images, "gradient_norms", lambda *_: None)


@pytest.fixture(scope="module")
def copied(digits, cache_dir):
    """Report on a generator that copies training images.

    The classifier takes one image at a time, so that equal images have equal features: in a larger batch the rounding of a
    row's matrix product depends on its place and on the number of rows.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digit_classifier, "AT_ONCE", 1)
        patch.setattr(generated_images, "gradient_norms", lambda *_: None)
        patch.setitem(generated_images.QUERIES, 28, 100)
        return generated_images.report(scripted(digits.train.images), digits, samples=COUNT, cache_dir=cache_dir)


@pytest.mark.slow
def test_detects_a_copying_generator(copied, digits):
    numbers, arrays = copied
    for where in ("pixels", "classifier"):
        found = numbers["nearest_training_image"][where]
        assert found["median_distance"]["samples"] == 0
        assert found["median_distance"]["real"] > 0
        assert (found["ratio"], found["copies"], found["training_images"]) == (0, 1, 1375)
        assert found["real_images"] == "test images"
        assert set(arrays[f"nearest_distance_{where}"]) == {0}
        assert arrays[f"nearest_distance_real_{where}"].min() > 0
    shown = digits.train.images[arrays["nearest_pixels"]]
    assert np.array_equal(arrays["samples"], shown)


@pytest.mark.slow
def test_copies_score_like_real_images(copied):
    numbers, _ = copied
    assert numbers["samples"] == COUNT
    assert numbers["left_out"] == {"discriminator_loss_near_zero": "the run has no event files"}
    assert numbers["classifier"]["test_accuracy"] > 0.8
    for space in numbers["spaces"].values():
        assert space["frechet"]["samples"] == pytest.approx(space["frechet"]["real"], rel=0.5)
        for name in ("precision", "recall", "density", "coverage"):
            assert space[name]["samples"] == pytest.approx(space[name]["real"], abs=0.2)
    assert numbers["diversity"]["samples"] == pytest.approx(numbers["diversity"]["real"], rel=0.1)
    assert numbers["labels"]["confidence"]["samples"] == pytest.approx(numbers["labels"]["confidence"]["real"], abs=0.1)


@pytest.mark.slow
def test_detects_a_collapsed_generator(digits, cache_dir, without_gradients):
    model = scripted(digits.test.images[:1])
    numbers, arrays = generated_images.report(model, digits, samples=COUNT, cache_dir=cache_dir)
    labels = numbers["labels"]
    assert labels["total_variation_from_uniform"]["samples"] == pytest.approx(0.9)
    assert labels["total_variation_from_uniform"]["real"] < 0.2
    assert labels["divergence_from_uniform"]["samples"] == pytest.approx(math.log(10))
    assert labels["classifier_score"]["samples"] == pytest.approx(1, abs=1e-4)
    assert labels["classifier_score"]["real"] > 4
    assert sorted(arrays["label_shares_samples"]) == [0] * 9 + [1]
    assert labels["shares"]["samples"] == arrays["label_shares_samples"].tolist()
    assert numbers["diversity"]["samples"] == 0
    assert numbers["nearest_training_image"]["pixels"]["copies"] == 0  # a test image
    for space in numbers["spaces"].values():
        assert space["recall"]["samples"] == 0
        assert space["coverage"]["samples"] < 0.2
        assert space["frechet"]["samples"] > 5 * space["frechet"]["real"]
        assert space["kernel"]["samples"]["mean"] > abs(space["kernel"]["real"]["mean"])


@pytest.fixture(scope="module")
def model() -> DCGAN:
    return DCGAN(seed=1)


@pytest.mark.slow
def test_is_reproducible_and_leaves_the_model_unchanged(model, digits, cache_dir):
    few = dataclasses.replace(digits, train=Split(digits.train.images[:40], digits.train.labels[:40]))
    before = [variable.numpy() for variable in model.variables]
    told = []
    reports = [
        generated_images.report(model, few, cache_dir=cache_dir, progress=lambda *step: told.append(step)) for _ in range(2)
    ]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.variables, strict=True))
    (numbers, arrays), (again, arrays_again) = reports
    assert json.dumps(numbers, allow_nan=False) == json.dumps(again, allow_nan=False)
    assert arrays.keys() == arrays_again.keys()
    assert all(np.array_equal(arrays[name], arrays_again[name]) for name in arrays)
    assert all(0 <= done <= total for _, done, total in told)
    assert {what for what, done, total in told if done == total} == {what for what, _, _ in told}  # all done


def test_images_match_the_models_decode(model):
    made, _ = generated_images.generate(model, 70, 5, lambda *_: None)
    latents = np.random.default_rng(5).uniform(-1, 1, (70, 100)).astype(np.float32)
    assert np.abs(made / 255 - np.asarray(model.decode(latents))).max() < 0.51 / 255


def test_discriminator_probabilities():
    model = DCGAN(seed=1)
    dense = model.discriminator.layers[-1]
    dense.set_weights([np.zeros_like(dense.get_weights()[0]), np.array([math.log(3)])])
    images = np.random.default_rng(0).integers(0, 256, (100, 28, 28), np.uint8)
    assert generated_images.judged(model, images) == pytest.approx(np.full(100, 0.75))
    assert generated_images.generate(model, 65, 0, lambda *_: None)[1] == pytest.approx(np.full(65, 0.75))


def test_the_discriminator_uses_batch_statistics(model):
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    with model.statistics_left_alone():
        logits = model.discriminator(model.scale(images), training=True)[0][:, 0]
    assert generated_images.judged(model, images) == pytest.approx(tf.sigmoid(logits).numpy(), rel=1e-4)


def test_batches_have_nearly_equal_size():
    for count in (1, 2, 64, 65, 1000):
        sizes = [batch.stop - batch.start for batch in generated_images.batches(count)]
        assert sum(sizes) == count
        assert max(sizes) <= 64
        assert max(sizes) - min(sizes) <= 1
        assert len(sizes) == math.ceil(count / 64)


@pytest.mark.slow
def test_gradient_norms_match_the_logged_ones(model, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28), np.uint8)
    random = np.random.default_rng([3, 4])
    expected = []
    for _ in range(2):
        batch = images[random.permutation(8)]
        latents = random.uniform(-1, 1, (8, 100)).astype(np.float32)
        monkeypatch.setattr(model, "training_latent", lambda size, iteration, latents=latents: tf.constant(latents))
        expected.append(GANMonitor(model).record(model.scale(batch)).scalars)
    found = generated_images.gradient_norms(model, images, 3, lambda *_: None)
    for network in ("generator", "discriminator"):
        norms = [float(scalars[f"ours/first_layer_gradient_norm/{network}"]) for scalars in expected]
        assert found[network]["mean"] == pytest.approx(np.mean(norms), rel=1e-3)
        assert found[network]["sd"] == pytest.approx(np.std(norms, ddof=1), rel=1e-2)
        assert norms[0] > 0
    assert (found["batches"], found["batch_size"]) == (2, 8)


def write_events(folder: Path, losses: list[float]) -> Path:
    writer = tf.summary.create_file_writer(str(folder))
    for number, loss in enumerate(losses):
        with writer.as_default(step=10 * number):
            for tag, value in (("Discriminator_loss", loss), ("ours/first_layer_gradient_norm/generator", 2 * loss)):
                tf.summary.experimental.write_raw_pb(scalar_pb(tag, value).SerializeToString())
    writer.close()
    return folder


def test_loss_near_zero(tmp_path):
    arrays = courses_logged(write_events(tmp_path, [1.4, 0.05, 0.01, 0.5]))
    numbers = generated_images.near_zero(arrays["discriminator_loss"][:, 1])
    assert numbers == {"share": 0.5, "threshold": 0.1, "logged": 4}
    assert arrays["discriminator_loss"] == pytest.approx(np.array([[0, 1.4], [10, 0.05], [20, 0.01], [30, 0.5]]))
    assert arrays["gradient_norm_generator"][:, 1] == pytest.approx([2.8, 0.1, 0.02, 1])
    assert "gradient_norm_discriminator" not in arrays


def test_no_event_files(tmp_path):
    assert courses_logged(tmp_path) == {}


# Pictures, and small data sets


def pictures(count: int) -> Dataset:
    random = np.random.default_rng(0)
    shades = random.integers(0, 200, (count, 1, 1, 3)) + random.integers(0, 50, (count, 64, 64, 3))
    return Dataset("pictures", "", "", Split(shades.astype(np.uint8), np.zeros(count, np.uint8)), NONE, NONE, "", False)


@pytest.mark.slow
def test_pictures(without_gradients):
    dataset = pictures(26)
    model = scripted(dataset.train.images, side=64, channels=3)
    numbers, arrays = generated_images.report(model, dataset)
    json.dumps(numbers, allow_nan=False)
    assert numbers["samples"] == 13
    assert numbers["labels"] is numbers["classifier"] is numbers["discriminator"]["test"] is None
    assert numbers["left_out"].keys() == {"labels", "discriminator/test", "discriminator_loss_near_zero"}
    assert numbers["spaces"]["discriminator"]["what"].startswith("the run's own discriminator")
    assert numbers["spaces"]["pixel_pca"]["what"].startswith("first 25 principal components of the pixels")
    for where in ("pixels", "discriminator"):
        found = numbers["nearest_training_image"][where]
        assert found["median_distance"]["samples"] == pytest.approx(0, abs=1e-6)
        assert found["median_distance"]["real"] > 1e-6  # no image counts as its own neighbour
        assert found["real_images"].startswith("training images")
    assert np.array_equal(dataset.train.images[arrays["nearest_pixels"]], arrays["samples"])


@pytest.mark.slow
def test_few_images(cache_dir, digits, without_gradients):
    few = Dataset(
        "digits", "", digits.checksum, Split(digits.train.images[:10], digits.train.labels[:10]), NONE, NONE, "", False
    )
    numbers, _ = generated_images.report(DCGAN(), few, cache_dir=cache_dir)
    json.dumps(numbers, allow_nan=False)
    assert numbers["samples"] == 5
    for space in ("pixel_pca", "classifier"):
        assert numbers["spaces"][space]["precision"] is None
        assert numbers["spaces"][space]["frechet"]["samples"] > 0
        assert numbers["left_out"][f"spaces/{space}/precision"] == "needs 6 samples; there are 5"


def test_refuses_wrong_sizes_too_few_images_and_non_finite_images(digits):
    with pytest.raises(ValueError, match=r"bytes \[n, 28, 28, 1\]. Received: uint8 \(26, 64, 64, 3\)"):
        generated_images.report(DCGAN(), pictures(26))
    with pytest.raises(ValueError, match="Received: 1 and 1375"):
        generated_images.report(DCGAN(), digits, samples=1)
    model = DCGAN()
    model.generator.layers[1].kernel.assign(np.full((100, 4096), np.nan))
    with pytest.raises(ValueError, match="images are not finite"):
        generated_images.report(model, digits, samples=10)


def test_discriminator_space_averages_over_positions(model):
    space = generated_images.discriminator_space(model)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    hidden = np.asarray(model.discriminator(model.scale(images), training=False)[1])
    assert space.apply(images) == pytest.approx(hidden.reshape(3, 16, 256).mean(axis=1), abs=1e-5)


def test_pixel_space(digits):
    some = digits.train.images
    images = generated_images.Images(some, some, some[:50], some[50:100], some[:50])
    codes = generated_images.pixel_space(images).apply(some[:100])
    assert codes.shape == (100, 64)
    assert codes.mean(axis=0) == pytest.approx(0, abs=1e-4)  # fitted on both sets together
    pixels = some[:100].reshape(100, -1) / 255
    expected = np.linalg.svd(pixels - pixels.mean(axis=0), compute_uv=False)[:10]
    assert np.linalg.norm(codes, axis=0)[:10] == pytest.approx(expected, rel=0.01)
    assert sample_quality.frechet(codes, codes[::-1]) == pytest.approx(0, abs=1e-3)
