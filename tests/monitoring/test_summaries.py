import os
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.histogram import summary_v2
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from tests.support import read_events
from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import summaries
from unsupervised_learning.training.loop import Experiment, IterationLoop, pipeline
from unsupervised_learning.vae import VariationalAutoEncoder


@pytest.fixture
def logs_dir(tmp_path):
    """An event file with one scalar at 0, 10, … 90."""
    writer = tf.summary.create_file_writer(str(tmp_path))
    for step in range(0, 100, 10):
        with writer.as_default(step=step):
            tf.summary.experimental.write_raw_pb(scalar_pb("loss", step / 10).SerializeToString())
    writer.close()
    return tmp_path


def steps(folder) -> list[int]:
    return sorted(read_events(folder)["scalars", "loss"])


def test_discard_from_keeps_what_is_before(logs_dir):
    summaries.discard_from(logs_dir, 40)
    assert steps(logs_dir) == [0, 10, 20, 30]
    summaries.discard_from(logs_dir, 35)
    assert steps(logs_dir) == [0, 10, 20, 30]
    assert [path.name[:6] for path in logs_dir.iterdir()] == ["events"]


def test_discard_from_removes_a_file_with_nothing_left(logs_dir):
    summaries.discard_from(logs_dir, 0)
    assert not list(logs_dir.iterdir())


def test_discard_from_survives_a_file_that_a_killed_process_left(logs_dir):
    (path,) = logs_dir.iterdir()
    os.truncate(path, path.stat().st_size - 5)  # in the middle of 90
    summaries.discard_from(logs_dir, 60)
    assert steps(logs_dir) == [0, 10, 20, 30, 40, 50]


def test_discard_from_leaves_what_is_not_ours(logs_dir):
    foreign = {"events.out.tfevents.1461210930.host": b"2016's", "events.out.tfevents.9.host.9.9.v2": b"not an event file"}
    for name, content in foreign.items():
        (logs_dir / name).write_bytes(content)
    (logs_dir / "events.out.tfevents.8.folder.v2").mkdir()
    summaries.discard_from(logs_dir, 0)
    assert {path.name: path.read_bytes() for path in logs_dir.iterdir() if path.is_file()} == foreign


@pytest.mark.parametrize(
    ("update_first", "due", "calls"),
    [
        (True, [1, 101, 201, 301], [(0, 1), (1, 100), (101, 100), (201, 100)]),
        (False, [0, 100, 200, 300], [(0, 100), (100, 100), (200, 100), (300, 1)]),
    ],
)
def test_summaries_are_due_before_or_after_the_update(update_first, due, calls):
    unused: Any = None
    experiment = Experiment("", unused, unused, 100, unused, unused, update_first=update_first)
    assert [updates for updates in range(302) if experiment.due(100, updates)] == due
    assert list(experiment.calls(0, 301)) == calls
    assert [experiment.iteration_of(updates) for updates in due] == [0, 100, 200, 300]


@pytest.mark.parametrize("kl_weight", [1.0, 2.0])
def test_the_first_vae_logs_its_kl_three_nats_too_small_and_the_true_one_beside_it(kl_weight):
    model = VariationalAutoEncoder(relu_heads=True, kl_weight=kl_weight, seed=1)
    model.compile(optimizer=layers.adam())
    model.optimizer.build(model.trainable_variables)
    images = tf.constant(np.random.default_rng(0).uniform(size=(32, 784)).astype(np.float32))
    plain, first = summaries.vae_record(model, images), summaries.vae_record(model, images, kl_constant=3.0)
    kl = float(tf.reduce_mean(plain.histograms["KL_Divergence"]))
    assert float(first.scalars["ours/KL_Divergence"]) == pytest.approx(kl, rel=1e-6)
    assert float(first.scalars["KL_Divergence"]) == pytest.approx(kl - 3, rel=1e-6)
    loss = float(plain.scalars["total_loss"])
    assert float(first.scalars["ours/total_loss"]) == loss
    assert float(first.scalars["total_loss"]) == pytest.approx(loss - 3 * kl_weight, rel=1e-6)
    assert float(first.scalars["Entropy_loss"]) == pytest.approx(float(tf.reduce_mean(plain.histograms["Entropy_loss"])))
    assert not {"KL_Divergence", "Entropy_loss"} & set(first.histograms)  # a tag is of one kind


def test_a_vaes_summary_draws_noise_of_its_own():
    model = VariationalAutoEncoder(seed=1)
    model.compile(optimizer=layers.adam())
    images = tf.zeros((8, 784))
    assert not np.array_equal(model.training_noise(images), model.summary_noise(images))


def test_a_gans_summary_takes_the_z_of_the_update():
    model = DCGAN(seed=1)
    model.compile(layers.adam(), layers.adam())
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (4, 28, 28, 1)).astype(np.float32))
    latent = model.training_latent(4)
    model.train_step(images)
    np.testing.assert_array_equal(summaries.gan_record(model, images).histograms["z"], latent)


def test_tile_places_images_row_by_row():
    images = np.ones((16, 28, 28, 1), np.float32) * np.arange(16, dtype=np.float32).reshape(16, 1, 1, 1) / 16
    picture = summaries.tile(images)
    assert picture.shape == (1, 56, 224, 1)
    assert picture[0, 0, 28, 0] == 1 / 16
    assert picture[0, 28, 0, 0] == 8 / 16


@pytest.mark.parametrize(
    "values", [np.random.default_rng(0).normal(size=(50, 30)), np.full(7, 2.5), np.arange(31.0), np.ones(())]
)
def test_histograms_are_tensorboards(values):
    ours, theirs = (make(("tag"), values.astype(np.float32)) for make in (summaries.histogram_pb, summary_v2.histogram_pb))
    assert ours.value[0].metadata == theirs.value[0].metadata
    found, expected = (tensor_util.make_ndarray(summary.value[0].tensor) for summary in (ours, theirs))
    np.testing.assert_allclose(found[:, :2], expected[:, :2], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[:, 2], expected[:, 2])


@pytest.mark.parametrize("values", [[1.0, np.nextafter(np.float32(1), np.float32(2))], [-3e38, 3e38], [0.0, 1e-45]])
def test_a_histogram_takes_any_two_numbers(values):
    summary = summaries.histogram_pb("tag", np.array(values, np.float32))
    counted = tensor_util.make_ndarray(summary.value[0].tensor)
    assert counted[0, 2] == counted[-1, 2] == 1
    assert counted[:, 2].sum() == 2
    assert (counted[0, 0], counted[-1, 1]) == tuple(np.array(values, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_histogram_of_what_is_not_finite_counts_nothing(bad):
    summary = summaries.histogram_pb("tag", np.array([0.0, bad, 1.0], np.float32))
    assert tensor_util.make_ndarray(summary.value[0].tensor)[:, 2].sum() == 0


@pytest.mark.parametrize(("jit_compile", "iterations"), [(True, 5), (False, 1)])
def test_what_is_to_be_written_keeps_its_values_while_training_goes_on(tmp_path, jit_compile, iterations):
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    model, order = AutoEncoder(), BatchOrder(40, 8, seed=0)
    model.compile(optimizer=layers.adam())
    model.optimizer.build(model.trainable_variables)
    unused: Any = None
    experiment = Experiment(
        "", mnist.as_vectors, summaries.autoencoder_record, iterations, unused, unused, jit_compile=jit_compile
    )
    loop = IterationLoop(model, images, experiment)
    loop.make_train_function()
    batches = iter(pipeline(images, order, experiment, 0, 100))
    record = summaries.Summaries(tmp_path, model, unused, experiment, order, unused).record
    kept = record(images[:8]).histograms
    before = {tag: np.copy(values) for tag, values in kept.items()}
    for _ in range(3):
        loop.train_function(batches)
    now = record(images[:8]).histograms
    for tag, values in kept.items():
        np.testing.assert_array_equal(values, before[tag], err_msg=tag)
        assert not np.array_equal(now[tag], before[tag]), tag
