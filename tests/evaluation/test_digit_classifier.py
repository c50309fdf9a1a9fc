"""The classifier: it learns deterministically, from training images only; and its cached file."""

import dataclasses
import io
import json
import os
from typing import Any

import numpy as np
import pytest

from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import Dataset, Split, to_unit_interval
from unsupervised_learning.evaluation import digit_classifier

WIDTH = digit_classifier.ARCHITECTURE["features"]


@pytest.fixture(scope="module")
def bars(idx_dir) -> Dataset:
    return mnist.load("mnist", str(idx_dir))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setitem(digit_classifier.TRAINING, "updates", 5)


@pytest.fixture(scope="module")
def trained(bars) -> digit_classifier.DigitClassifier:
    """A classifier trained with seed 0 for 80 updates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(digit_classifier.TRAINING, "updates", 80)
        return digit_classifier.train(bars)


def weights(classifier: digit_classifier.DigitClassifier) -> list[list]:
    return [weight.tolist() for weight in classifier.network.get_weights()]


def test_learns(bars, trained):
    images, labels = bars.test.images, bars.test.labels
    features, probabilities = trained.features_and_probabilities(images)
    assert features.shape == (100, WIDTH)
    assert features.min() == 0  # relu
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    right = np.mean(probabilities.argmax(axis=1) == labels)
    assert right > 0.9
    assert trained.accuracy == right
    kernel, bias = trained.network.layers[-1].get_weights()
    logits = features @ kernel + bias  # holds only if the features are the last hidden layer's
    odds = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert np.log(probabilities) == pytest.approx(odds, abs=1e-3)


@pytest.mark.slow
def test_accuracy_on_scikit_learns_digits():
    accuracy = digit_classifier.train(mnist.load("digits")).accuracy
    assert accuracy is not None
    assert accuracy > 0.95  # a linear classifier reaches .93 on these 297 images


@pytest.mark.slow
def test_training_is_deterministic_for_a_seed(bars, quick):
    first, second = digit_classifier.train(bars, seed=1), digit_classifier.train(bars, seed=1)
    assert weights(first) == weights(second)
    assert weights(first) != weights(digit_classifier.train(bars, seed=2))


@pytest.mark.slow
def test_learns_from_training_images_only(bars, quick):
    held = Split(255 - bars.test.images, 9 - bars.test.labels)
    other = dataclasses.replace(bars, test=held, validation=held)
    assert weights(digit_classifier.train(bars)) == weights(digit_classifier.train(other))
    empty = Split(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    assert digit_classifier.train(dataclasses.replace(bars, test=empty)).accuracy is None


def test_works_with_three_images(bars, quick):
    few = dataclasses.replace(bars, train=Split(bars.train.images[:3], bars.train.labels[:3]))
    assert digit_classifier.train(few).accuracy is not None


@pytest.mark.slow
def test_accepted_image_formats(bars, trained):
    images = bars.test.images
    expected = trained.features(images)
    for same in (images[..., None], to_unit_interval(images), to_unit_interval(images).reshape(-1, 28, 28)):
        assert np.array_equal(trained.features(same), expected)
    assert trained.features(images[:0]).shape == (0, WIDTH)
    assert trained.probabilities(images[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 64, 64, 3), np.uint8), r"images.shape=\(2, 64, 64, 3\)"),
        (np.full((2, 784), 255.0), "float64 from 0.0 to 255.0"),
        (np.full((2, 784), np.nan), "float64 from nan to nan"),
        (np.zeros((2, 784), np.int64), "int64"),
    ],
)
def test_refuses_other_images(images, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        digit_classifier.as_input(images)


# The cache


def test_cached_classifier_is_read_again(bars, quick, tmp_path, monkeypatch):
    told = []
    first = digit_classifier.of(bars, str(tmp_path / "new" / "folder"), 4, lambda *step: told.append(step))
    assert told == [("training the classifier", update, 5) for update in range(1, 6)]
    (path,) = (tmp_path / "new" / "folder").iterdir()
    assert path.name == f"classifier-{digit_classifier.fingerprint(bars, 4)}.npz"
    monkeypatch.setattr(digit_classifier, "train", None)
    second = digit_classifier.of(bars, str(tmp_path / "new" / "folder"), 4)
    assert weights(first) == weights(second)
    assert np.array_equal(first.features(bars.test.images), second.features(bars.test.images))
    assert first.describe() == second.describe() == json.loads(json.dumps(first.describe()))


def test_fingerprint(bars, monkeypatch):
    names = {digit_classifier.fingerprint(bars, 0), digit_classifier.fingerprint(bars, 1)}
    names.add(digit_classifier.fingerprint(dataclasses.replace(bars, checksum="other"), 0))
    for settings, name in ((digit_classifier.ARCHITECTURE, "features"), (digit_classifier.TRAINING, "updates")):
        monkeypatch.setitem(settings, name, 7)
        names.add(digit_classifier.fingerprint(bars, 0))
    assert len(names) == 5


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def archive(**arrays: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"no archive",
        lambda whole: whole[:-100],
        lambda whole: whole[:2000] + bytes(100) + whole[2100:],
        lambda whole: archive(accuracy=np.array(0.5)),
        lambda whole: archive(accuracy=np.array(0.5), **{f"weight_{i}": np.zeros(3) for i in range(8)}),
        lambda whole: archive(accuracy=np.array(Bomb(), dtype=object)),
        lambda whole: archive(**{**dict(np.load(io.BytesIO(whole))), "weight_7": np.full(10, np.nan)}),
        lambda whole: archive(**{**dict(np.load(io.BytesIO(whole))), "accuracy": np.array(["high"])}),
    ],
    ids=["empty", "no archive", "truncated", "overwritten", "no weights", "other shapes", "pickled", "not finite", "no number"],
)
def test_a_damaged_file_is_replaced(damage, bars, trained, tmp_path, monkeypatch, capsys):
    trainings = []
    monkeypatch.setattr(digit_classifier, "train", lambda *arguments: trainings.append(arguments) or trained)
    monkeypatch.chdir(tmp_path)
    digit_classifier.of(bars, str(tmp_path / "cache"))
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    capsys.readouterr()
    assert digit_classifier.of(bars, str(tmp_path / "cache")) is trained
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"WARNING: {path}: ")
    assert lines[0].endswith("Training it again")
    assert list((tmp_path / "cache").iterdir()) == [path]
    assert not (tmp_path / "exploded").exists()
    assert weights(digit_classifier.of(bars, str(tmp_path / "cache"))) == weights(trained)
    assert len(trainings) == 2
    assert capsys.readouterr().err == ""


def test_warns_if_the_cache_is_not_writable(bars, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(digit_classifier, "train", lambda *_: trained)
    (tmp_path / "file").touch()
    assert digit_classifier.of(bars, str(tmp_path / "file")) is trained
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: cannot cache the classifier in '{tmp_path / 'file'}': ")


def test_leaves_no_partial_file(bars, trained, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(digit_classifier, "train", lambda *_: trained)
    monkeypatch.setattr(os, "replace", full)
    digit_classifier.of(bars, str(tmp_path))
    assert not list(tmp_path.iterdir())
