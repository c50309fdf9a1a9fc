"""The two models without the training loop: compile, fit, evaluate, predict, save and load; sizes; losses."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import IMAGES, compiled
from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.vae import VariationalAutoEncoder

MODELS = [AutoEncoder, VariationalAutoEncoder]


def test_parameter_counts_match_2016():
    assert AutoEncoder().count_params() == 84_687
    assert VariationalAutoEncoder().count_params() == 84_840


@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize(("stddev", "bias", "given"), [(0.1, 0.1, {}), (0.02, 0.0, {"init_stddev": 0.02, "init_bias": 0.0})])
def test_initial_weights_match_the_published_runs_or_the_authors_newest_commit(model_class, stddev, bias, given):
    for name, variable in model_class(seed=4, **given).variables_of_2016().items():
        values = np.asarray(variable)
        if values.ndim == 1:
            np.testing.assert_array_equal(values, np.float32(bias), err_msg=name)
        else:
            assert np.abs(values).max() <= 2 * stddev, name  # truncated at two stddevs
            if values.size > 1000:
                assert values.std() == pytest.approx(stddev * 0.88, rel=0.05), name  # truncation shrinks it to 0.88
                assert abs(values.mean()) < stddev / 20, name


@pytest.mark.parametrize("model_class", MODELS)
def test_initial_weights_depend_on_the_seed_and_differ_between_layers(model_class):
    first, again, other = (model_class(seed=seed).get_weights() for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    square = [weights for weights in first if weights.shape == (50, 784)]
    assert square
    assert not np.array_equal(square[0], first[0].T)


@pytest.mark.slow
@pytest.mark.parametrize("model_class", MODELS)
def test_fit_evaluate_predict(model_class):
    model = compiled(model_class(seed=2))
    before = model.evaluate(IMAGES, verbose=0, return_dict=True)
    history = model.fit(IMAGES, batch_size=50, epochs=3, validation_data=(IMAGES[:100],), verbose=0).history
    after = model.evaluate(IMAGES, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"]
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) == set(before) | {f"val_{name}" for name in before}
    assert int(model.optimizer.iterations) == 18
    assert model.evaluate(IMAGES, verbose=0, return_dict=True) == after  # every evaluation uses the same noise
    prediction = model.predict(IMAGES, verbose=0)
    assert prediction.shape == (300, 784)
    assert np.isfinite(prediction).all()
    if model_class is VariationalAutoEncoder:
        assert prediction.min() >= 0
        assert prediction.max() <= 1


def test_fit_uses_the_given_optimizer():
    model = compiled(AutoEncoder())
    model.fit(IMAGES, batch_size=100, verbose=0)
    assert model.optimizer.name.startswith("adam")
    assert model.optimizer.epsilon == 1e-8
    assert int(model.optimizer.iterations) == -(-len(IMAGES) // 100)


@pytest.mark.parametrize("model_class", MODELS)
def test_encode_matches_the_encoder_after_weight_changes(model_class):
    model = model_class(seed=2)
    before = tf.nest.flatten(model.encode(IMAGES))
    model.encoder.trainable_variables[0].assign_add(tf.ones((784, 50)) * 0.01)
    expected, found = tf.nest.flatten(model.encoder(IMAGES)), tf.nest.flatten(model.encode(IMAGES))
    assert len(found) == len(expected)
    for ours, theirs, old in zip(found, expected, before, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        assert np.abs(np.asarray(ours) - old).max() > 1e-3


@pytest.mark.parametrize("build", [*MODELS, pytest.param(DCGAN, marks=pytest.mark.slow)])
def test_models_train_under_a_mixed_precision_policy(build):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build(seed=1)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.compile(*(layers.adam() for _ in range(2 if build is DCGAN else 1)))
    images = model.scale(tf.cast(255 * IMAGES[:8], tf.uint8)) if build is DCGAN else IMAGES[:8]
    assert model.compute_dtype == "bfloat16"
    step = tf.function(model.train_step)
    for _ in range(3):
        assert np.isfinite([float(loss) for loss in step(images).values()]).all()
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize("model_class", MODELS)
def test_from_config_rebuilds_the_model(model_class):
    model = model_class(z_dim=5, activation="elu", regularization=0.1, seed=9)
    again = model_class.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


@pytest.mark.slow
def test_saved_models_load_in_a_new_process_with_identical_outputs(tmp_path):
    """Also test the optimizers: one more training step gives the same weights."""
    np.save(tmp_path / "images.npy", IMAGES[:64])
    for model_class in MODELS:
        model = compiled(model_class(z_dim=4, seed=3))
        model.fit(IMAGES, batch_size=100, verbose=0)
        model.save(tmp_path / f"{model_class.__name__}.keras")
        np.save(tmp_path / f"{model_class.__name__}.npy", model.predict(IMAGES[:64], verbose=0))
        model.train_on_batch(IMAGES[:64])
        np.save(tmp_path / f"{model_class.__name__}_after.npy", model.predict(IMAGES[:64], verbose=0))
    program = f"""
from unsupervised_learning.start import prepare
prepare()
import keras
import numpy as np
from unsupervised_learning import autoencoder, vae
images = np.load("images.npy")
for name in {[model_class.__name__ for model_class in MODELS]}:
    model = keras.models.load_model(name + ".keras")
    np.testing.assert_array_equal(model.predict(images, verbose=0), np.load(name + ".npy"))
    model.train_on_batch(images)
    np.testing.assert_array_equal(model.predict(images, verbose=0), np.load(name + "_after.npy"))
print("identical")
"""
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "identical\n", done.stderr


@pytest.mark.parametrize("build", [*MODELS, DCGAN])
def test_models_are_registered_for_loading(build):
    assert keras.saving.get_registered_name(build) == f"unsupervised_learning>{build.__name__}"
