"""The two models without the training loop: compile, fit, evaluate, predict, save and load; sizes; losses."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.vae import VariationalAutoEncoder

MODELS = [AutoEncoder, VariationalAutoEncoder]
IMAGES = (np.random.default_rng(1).random((300, 784)) ** 4).astype(np.float32)


def compiled(model):
    model.compile(optimizer=layers.adam())
    return model


def test_parameter_counts_match_2016():
    assert AutoEncoder().count_params() == 84_687
    assert VariationalAutoEncoder().count_params() == 84_840


@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize(("stddev", "bias", "given"), [(0.1, 0.1, {}), (0.02, 0.0, {"init_stddev": 0.02, "init_bias": 0.0})])
def test_initial_weights_match_the_published_runs_or_the_newest_commit(model_class, stddev, bias, given):
    for name, variable in model_class(seed=4, **given).variables_of_2016().items():
        values = np.asarray(variable)
        if values.ndim == 1:
            np.testing.assert_array_equal(values, np.float32(bias), err_msg=name)
        else:
            assert np.abs(values).max() <= 2 * stddev, name  # truncated at two stddevs
            if values.size > 1000:
                assert values.std() == pytest.approx(stddev * 0.88, rel=0.05), name  # truncation shrinks it to 0.88
                assert abs(values.mean()) < stddev / 20, name


def test_mean_loss_divides_the_sum_by_the_batch_size():
    summed, averaged = (AutoEncoder(seed=1, mean_loss=mean).objective(tf.constant(IMAGES)) for mean in (False, True))
    assert float(averaged["reconstruction"]) == pytest.approx(float(summed["reconstruction"]) / len(IMAGES), rel=1e-6)
    assert float(averaged["regularization"]) == float(summed["regularization"])


@pytest.mark.parametrize("model_class", MODELS)
def test_initial_weights_depend_on_the_seed_and_differ_between_layers(model_class):
    first, again, other = (model_class(seed=seed).get_weights() for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    square = [weights for weights in first if weights.shape == (50, 784)]
    assert square
    assert not np.array_equal(square[0], first[0].T)


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


@pytest.mark.parametrize("model_class", MODELS)
def test_unknown_activation_is_refused(model_class):
    with pytest.raises(ValueError, match=r"relu, elu, lrelu, tanh, sigmoid, linear. Received: activation='swish'"):
        model_class(activation="swish")


@pytest.mark.parametrize("name", list(layers.ACTIVATIONS))
def test_activations(name):
    x = np.array([-3.0, -0.5, 0.0, 2.0], np.float32)
    expected = {
        "relu": np.maximum(x, 0),
        "elu": np.where(x > 0, x, np.expm1(x)),
        "lrelu": np.maximum(0.2 * x, x),
        "tanh": np.tanh(x),
        "sigmoid": 1 / (1 + np.exp(-x)),
        "linear": x,
    }
    np.testing.assert_allclose(layers.activation_named(name)(tf.constant(x)), expected[name], rtol=1e-6)
    assert VariationalAutoEncoder(activation=name)(IMAGES[:2]).shape == (2, 784)


def test_autoencoder_loss_matches_numpy():
    model = AutoEncoder(regularization=0.5, seed=1)
    output = np.asarray(model(IMAGES), np.float64)
    reconstruction = ((output - IMAGES) ** 2).sum() / 2 / 784
    regularization = sum((np.asarray(v, np.float64) ** 2).sum() / 2 for v in model.trainable_variables)
    objective = {name: float(value) for name, value in model.objective(tf.constant(IMAGES)).items()}
    assert objective["reconstruction"] == pytest.approx(reconstruction, rel=1e-5)
    assert objective["regularization"] == pytest.approx(regularization, rel=1e-5)
    assert objective["loss"] == pytest.approx(reconstruction + 0.5 * regularization, rel=1e-5)


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


def test_sparsity_adds_the_absolute_codes_to_the_loss():
    model, plain = AutoEncoder(sparsity=0.5, seed=1), AutoEncoder(seed=1)
    images = tf.constant(IMAGES)
    codes = np.abs(np.asarray(model.encoder(images), np.float64)).sum()
    difference = float(model.objective(images)["loss"]) - float(plain.objective(images)["loss"])
    assert difference == pytest.approx(0.5 * codes, rel=1e-4)


def test_autoencoder_evaluation_is_scaled_to_256_for_any_batch_size():
    model = compiled(AutoEncoder(seed=1))
    mse = np.mean((np.asarray(model(IMAGES), np.float64) - IMAGES) ** 2)
    for batch_size in (7, 300):  # 7: a last batch of 6
        values = model.evaluate(IMAGES, batch_size=batch_size, verbose=0, return_dict=True)
        assert values["reconstruction"] == pytest.approx(128 * mse, rel=1e-5)
        assert values["loss"] == pytest.approx(values["reconstruction"] + 1e-4 * values["regularization"], rel=1e-6)


def test_vae_loss_matches_numpy():
    model = VariationalAutoEncoder(kl_weight=3.0, regularization=0.01, seed=1)
    for variable in model.trainable_variables:  # scale up, as initial values are near zero
        variable.assign(variable * 4)
    noise = np.random.default_rng(5).standard_normal((300, 3)).astype(np.float32)
    mu, log_var = (np.asarray(head, np.float64) for head in model.encoder(IMAGES))
    logits = np.asarray(model.decoder((mu + np.exp(log_var / 2) * noise).astype(np.float32)), np.float64)
    reconstruction = (np.logaddexp(0, logits) - IMAGES * logits).sum(axis=1)
    kl = -0.5 * (1 + log_var - mu**2 - np.exp(log_var)).sum(axis=1)
    regularization = sum((np.asarray(v, np.float64) ** 2).sum() / 2 for v in model.trainable_variables)
    objective = model.objective(tf.constant(IMAGES), tf.constant(noise))
    np.testing.assert_allclose(objective["reconstruction"], reconstruction, rtol=1e-4)
    np.testing.assert_allclose(objective["kl"], kl, rtol=1e-3, atol=1e-5)
    expected = (reconstruction + 3.0 * kl).mean() + 0.01 * regularization
    assert float(objective["loss"]) == pytest.approx(expected, rel=1e-5)


def test_vae_evaluation_averages_over_images_not_batches():
    model = compiled(VariationalAutoEncoder(seed=1))
    uneven = model.evaluate(IMAGES[:100], batch_size=99, verbose=0, return_dict=True)
    whole = model.evaluate(IMAGES[:100], batch_size=100, verbose=0, return_dict=True)
    assert uneven["kl"] == pytest.approx(whole["kl"], rel=1e-4)  # noise-free; would differ with equal weights per batch


def test_relu_heads_are_never_negative():
    heads = VariationalAutoEncoder(relu_heads=True).encoder(IMAGES)
    assert min(float(tf.reduce_min(head)) for head in heads) == 0.0
    heads = VariationalAutoEncoder().encoder(IMAGES)
    assert min(float(tf.reduce_min(head)) for head in heads) < 0.0


def test_noise_depends_on_seed_stream_and_position():
    def noise(seed, stream, position):
        return layers.named_noise((20_000, 3), seed, stream, tf.constant(position)).numpy()

    base = noise(0, layers.TRAINING_NOISE, 7)
    np.testing.assert_array_equal(base, noise(0, layers.TRAINING_NOISE, 7))
    for other in (noise(1, 1, 7), noise(0, layers.EVALUATION_NOISE, 7), noise(0, layers.TRAINING_NOISE, 8)):
        assert abs(np.corrcoef(base.ravel(), other.ravel())[0, 1]) < 0.05
    assert abs(base.mean()) < 0.02
    assert base.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("build", [*MODELS, DCGAN])
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


def test_models_are_registered_for_loading():
    assert keras.saving.get_registered_name(AutoEncoder) == "unsupervised_learning>AutoEncoder"
