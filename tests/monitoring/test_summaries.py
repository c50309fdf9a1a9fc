"""The monitors' records: their values, when they are due, and that training does not change them afterwards."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import samples
from unsupervised_learning.monitoring.autoencoder import AutoEncoderMonitor
from unsupervised_learning.monitoring.gan import GANMonitor
from unsupervised_learning.monitoring.recorder import Recorder
from unsupervised_learning.monitoring.vae import VAEMonitor
from unsupervised_learning.training.loop import CompiledIterations, Schedule, pipeline
from unsupervised_learning.vae import VariationalAutoEncoder


@pytest.mark.parametrize(
    ("update_first", "due", "calls"),
    [
        (True, [1, 101, 201, 301], [(0, 1), (1, 100), (101, 100), (201, 100)]),
        (False, [0, 100, 200, 300], [(0, 100), (100, 100), (200, 100), (300, 1)]),
    ],
)
def test_records_are_due_before_or_after_the_update(update_first, due, calls):
    monitor = AutoEncoderMonitor(AutoEncoder())
    monitor.update_first = update_first
    assert [updates for updates in range(302) if monitor.due(100, updates)] == due
    assert list(Schedule(monitor, 1_000).calls(0, 301)) == calls
    assert [monitor.iteration_of(updates) for updates in due] == [0, 100, 200, 300]


@pytest.mark.parametrize("kl_weight", [1.0, 2.0])
def test_the_first_vae_logs_its_kl_three_nats_too_small_and_the_true_kl_separately(kl_weight):
    model = VariationalAutoEncoder(relu_heads=True, kl_weight=kl_weight, seed=1)
    model.compile(optimizer=layers.adam())
    model.optimizer.build(model.trainable_variables)
    images = tf.constant(np.random.default_rng(0).uniform(size=(32, 784)).astype(np.float32))
    plain, first = VAEMonitor(model).record(images), VAEMonitor(model, kl_constant=3.0).record(images)
    kl = float(tf.reduce_mean(plain.histograms["KL_Divergence"]))
    assert float(first.scalars["ours/KL_Divergence"]) == pytest.approx(kl, rel=1e-6)
    assert float(first.scalars["KL_Divergence"]) == pytest.approx(kl - 3, rel=1e-6)
    loss = float(plain.scalars["total_loss"])
    assert float(first.scalars["ours/total_loss"]) == loss
    assert float(first.scalars["total_loss"]) == pytest.approx(loss - 3 * kl_weight, rel=1e-6)
    assert float(first.scalars["Entropy_loss"]) == pytest.approx(float(tf.reduce_mean(plain.histograms["Entropy_loss"])))
    assert not {"KL_Divergence", "Entropy_loss"} & set(first.histograms)  # a tag has one type only


def test_vae_summary_noise_differs_from_training_noise():
    model = VariationalAutoEncoder(seed=1)
    model.compile(optimizer=layers.adam())
    images = tf.zeros((8, 784))
    assert not np.array_equal(model.training_noise(images), model.summary_noise(images))


def test_gan_summary_uses_the_z_of_the_update():
    model = DCGAN(seed=1)
    model.compile(layers.adam(), layers.adam())
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (4, 28, 28, 1)).astype(np.float32))
    latent = model.training_latent(4)
    model.train_step(images)
    np.testing.assert_array_equal(GANMonitor(model).record(images).histograms["z"], latent)


def test_tile_places_images_row_by_row():
    images = np.ones((16, 28, 28, 1), np.float32) * np.arange(16, dtype=np.float32).reshape(16, 1, 1, 1) / 16
    picture = samples.tile(images)
    assert picture.shape == (1, 56, 224, 1)
    assert picture[0, 0, 28, 0] == 1 / 16
    assert picture[0, 28, 0, 0] == 8 / 16


@pytest.mark.parametrize(("xla", "iterations"), [pytest.param(True, 5, marks=pytest.mark.slow), (False, 1)])
def test_a_record_keeps_its_values_while_training_continues(tmp_path, xla, iterations):
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    model, order = AutoEncoder(), BatchOrder(40, 8, seed=0)
    model.compile(optimizer=layers.adam())
    model.optimizer.build(model.trainable_variables)
    monitor = AutoEncoderMonitor(model)
    call = CompiledIterations(model, images, monitor.scale, xla)
    batches = iter(pipeline(images, order, Schedule(monitor, iterations), 0, 100))
    unused: Any = None
    record = Recorder(tmp_path, monitor, unused, order, unused).record
    kept = record(images[:8]).histograms
    before = {tag: np.copy(values) for tag, values in kept.items()}
    for _ in range(3):
        call.compiled(*next(batches))
    now = record(images[:8]).histograms
    for tag, values in kept.items():
        np.testing.assert_array_equal(values, before[tag], err_msg=tag)
        assert not np.array_equal(now[tag], before[tag]), tag
