"""The GAN's networks, losses and updates."""

import math
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.golden.gan_trajectories import first_attempt_settings
from unsupervised_learning import layers, losses
from unsupervised_learning.evaluation import gan_diagnostics
from unsupervised_learning.gan import DCGAN, LOSSES


def build(**arguments) -> DCGAN:
    model = DCGAN(**arguments)
    model.compile(layers.adam(2e-4, beta1=0.5), layers.adam(2e-4, beta1=0.5))
    return model


def first_attempt(**arguments) -> DCGAN:
    return build(recipe="first_attempt", **{**first_attempt_settings(), **arguments})


def batch(model: DCGAN, size: int = 4) -> tuple[tf.Tensor, tf.Tensor]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (size, model.side, model.side, model.channels)).astype(np.uint8)
    return model.scale(tf.constant(images)), tf.constant(random.uniform(-1, 1, (size, model.z_dim)).astype(np.float32))


def parameters(variables: list[keras.Variable]) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def values(model: DCGAN) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in model.variables_of_2016().items()}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}


# The networks


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"side": 64, "channels": 3}, (5_135_363, 4_316_545)),  # 2016's DCGAN
        (
            {"recipe": "first_attempt", "shared_normalization": False},
            (1_439_489, 1_031_937),
        ),  # 2016's first attempt: two batch normalizations
        ({"recipe": "first_attempt"}, (1_439_489, 1_031_041)),  # one, as in our early runs
        ({}, (1_440_385, 1_030_913)),  # our 28×28: the first attempt's sizes, with the recipe's normalization
    ],
    ids=["64x64", "first attempt", "first attempt, shared", "28x28"],
)
def test_parameter_counts(arguments, expected):
    model = DCGAN(**arguments)
    assert (parameters(model.generator.trainable_variables), parameters(model.discriminator_variables)) == expected


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (64, 3)])
def test_shapes_and_ranges(side, channels):
    model = DCGAN(side=side, channels=channels)
    images = model(tf.random.stateless_uniform((2, 100), (0, 0), -1, 1))
    assert images.shape == (2, side, side, channels)
    assert -1 <= float(tf.reduce_min(images)) < 0 < float(tf.reduce_max(images)) <= 1
    logit, feature = model.discriminator(images)
    assert logit.shape == (2, 1)
    assert feature.shape == (2, 4, 4, 512 if side == 64 else 256)


def test_sizes_of_each_scale():
    model = DCGAN()
    shapes = [layer.output.shape[1:] for layer in model.generator.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert shapes == [(7, 7, 128), (14, 14, 64), (28, 28, 1)]
    shapes = [layer.output.shape[1:] for layer in model.discriminator.layers if isinstance(layer, keras.layers.Conv2D)]
    assert shapes == [(14, 14, 64), (7, 7, 128), (4, 4, 256)]


def test_normalizations_of_the_recipes():
    def normalized(model):
        layers_ = model.generator.layers + model.discriminator.layers
        return [layer.name for layer in layers_ if isinstance(layer, layers.BatchNormalization)]

    assert normalized(DCGAN()) == ["gen_bn0", "gen_bn2", "gen_bn3", "disc_bn1", "disc_bn2"]
    assert normalized(DCGAN(recipe="first_attempt")) == ["disc_bn0", "disc_bn1", "disc_bn2"]
    assert DCGAN(recipe="first_attempt").generator.layers[-1].activation is keras.activations.sigmoid


def test_discriminator_of_fake_shares_all_weights_but_normalization():
    model = first_attempt()
    real, fake = ({layer.name: layer for layer in network.layers if layer.weights} for network in networks(model))
    assert real.keys() & fake.keys() == {"conv0", "conv1", "conv2", "fc_3"}
    assert all(real[name] is fake[name] for name in real.keys() & fake.keys())
    assert fake.keys() - real.keys() == {"disc_bn0_1", "disc_bn1_1", "disc_bn2_1"}
    one = build()
    assert one.discriminator_of_fake is one.discriminator


def networks(model: DCGAN) -> tuple[keras.Model, keras.Model]:
    return model.discriminator, model.discriminator_of_fake


def test_initial_weights():
    start = values(DCGAN(init_stddev=0.05, seed=1))
    assert np.std(start["generator/W_2"]) == pytest.approx(0.05 * 0.8796, rel=0.01)  # a normal truncated at two stddevs
    assert np.abs(start["generator/W_2"]).max() <= 0.1
    assert np.std(start["generator/gen_bn2/gamma"]) == pytest.approx(0.02, rel=0.3)
    assert np.mean(start["generator/gen_bn2/gamma"]) == pytest.approx(1, abs=0.01)
    assert not any(start[name].any() for name in start if "/b_" in name or name.endswith("beta"))
    again, other = values(DCGAN(init_stddev=0.05, seed=1)), values(DCGAN(init_stddev=0.05, seed=2))
    assert not changed(start, again)
    assert changed(start, other) == {"generator", "discriminator"}
    assert not np.array_equal(start["generator/W_3"].ravel()[:9], start["discriminator/W_conv1"].ravel()[:9])


def test_xavier_follows_the_2016_formula():
    assert layers.conv_stddev("xavier", 0.02, 128, 256) == math.sqrt(2 / 384)
    start = values(build(initializer="xavier"))
    assert np.std(start["discriminator/W_conv2"]) == pytest.approx(math.sqrt(2 / 384) * 0.8796, rel=0.01)
    assert np.std(start["generator/W_0"]) == pytest.approx(0.02 * 0.8796, rel=0.01)  # dense layers ignore `xavier`


def test_initial_weights_of_the_first_attempt():
    """As its `weight_variable` did: weights with stddev 0.1, biases 0.1; gamma 1 and beta 0 in both normalizations."""
    start = values(first_attempt())
    assert len(start) == 28
    for name, value in start.items():
        if value.ndim > 1:
            assert np.std(value) == pytest.approx(0.1 * 0.8796, rel=0.05), name
            assert np.abs(value).max() <= 0.2, name
        else:
            expected = 1.0 if name.endswith("gamma") else 0.0 if name.endswith("beta") else 0.1
            np.testing.assert_array_equal(value, np.float32(expected), err_msg=name)
    assert first_attempt().discriminator_of_fake.get_layer("disc_bn2_1").momentum == 0.1


def test_discriminator_width_halves_the_weights():
    narrow = parameters(DCGAN(discriminator_width=0.7).discriminator_variables)
    assert narrow == pytest.approx(1_030_913 / 2, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 32}, "`side` must be one of 64, 28. Received: side=32"),
        ({"recipe": "wgan"}, "`recipe` must be one of dcgan, first_attempt. Received: recipe='wgan'"),
        ({"recipe": "first_attempt", "side": 64, "channels": 3}, "28×28 grey images. Received: side=64, channels=3"),
        ({"real_batches": "new"}, "`real_batches` must be one of shared, fresh. Received: real_batches='new'"),
        ({"initializer": "he"}, "`initializer` must be one of truncated_normal, xavier. Received: initializer='he'"),
        ({"feature_matching": "most"}, "`feature_matching` must be a number not below 0, or only. Received: 'most'"),
        ({"feature_matching": "-1"}, "Received: '-1'"),
        ({"feature_matching": "nan"}, "Received: 'nan'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the message is asserted below)
        DCGAN(**arguments)
    assert message in str(error.value)


# Images in and out


def test_scale_and_as_pictures_are_inverse():
    images = tf.constant(np.linspace(0, 255, 784).astype(np.uint8).reshape(1, 28, 28))
    expected = np.asarray(images, np.float32)[..., None] / 255
    for model, low, high in ((DCGAN(), -1, 1), (first_attempt(), 0, 1), (first_attempt(divide_twice=True), 0, 1 / 255)):
        scaled = model.scale(images)
        assert scaled.shape == (1, 28, 28, 1)
        assert float(tf.reduce_min(scaled)) == pytest.approx(low)
        assert float(tf.reduce_max(scaled)) == pytest.approx(high)
        np.testing.assert_allclose(model.as_pictures(scaled), expected, atol=1e-6)


@pytest.mark.parametrize("make", [build, first_attempt])
def test_saved_model_has_the_same_outputs(make, tmp_path):
    model = make(z_dim=7, seed=3)
    images, latent = batch(model)
    model.update(images, latent)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, DCGAN)
    np.testing.assert_array_equal(loaded.decode(latent), model.decode(latent))
    for network, same in zip(networks(loaded), networks(model), strict=True):
        np.testing.assert_array_equal(network(images)[0], same(images)[0])


def test_uncompiled_model_can_be_saved(tmp_path):
    DCGAN(z_dim=2).save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").compiled


# The losses


def test_adversarial_cross_entropy_by_hand():
    logits = tf.constant([[0.0], [math.log(3)]])  # probabilities 1/2 and 3/4
    real = [math.log(2), math.log(4 / 3)]
    fake = [math.log(2), math.log(4)]
    assert losses.adversarial_cross_entropy(logits, real=True).numpy() == pytest.approx(real)
    assert losses.adversarial_cross_entropy(logits, real=False).numpy() == pytest.approx(fake)


def test_feature_matching_by_hand():
    first, second = tf.ones((3, 2, 2, 5)), tf.zeros((3, 2, 2, 5))
    assert losses.feature_matching(first, second, 64 * 64).numpy() == pytest.approx([2 * 2 * 5 / 2 / 4096] * 3)
    assert not losses.feature_matching(first, first, 64 * 64).numpy().any()


def test_generator_loss_for_each_kind_of_feature_matching():
    adversarial, features = build(feature_matching="0"), build(feature_matching="only")
    both = build()
    images, latent = batch(both)
    found = [
        float(gan_diagnostics.trace(model, images, latent).losses["generator_loss"]) for model in (adversarial, features, both)
    ]
    assert found[2] == pytest.approx(found[0] + found[1], rel=1e-5)
    assert min(found[:2]) > 0


def test_first_attempt_minimises_half_of_the_discriminators_loss():
    model = first_attempt()
    logits = tf.constant([[0.0]])
    found = model.discriminator_losses(logits, logits)
    assert float(found["discriminator_loss"]) == pytest.approx(2 * math.log(2))
    assert float(found["objective"]) == pytest.approx(math.log(2))
    assert float(build().discriminator_losses(logits, logits)["objective"]) == pytest.approx(2 * math.log(2))


# The updates


@pytest.mark.parametrize("settings", [{}, {"generator_steps": 1}, {"real_batches": "fresh"}, {"recipe": "first_attempt"}])
def test_update_equals_plain_update(settings):
    """Gradients agree up to rounding. Not tested with Adam, which turns rounding errors into full steps."""
    if "recipe" in settings:
        settings |= {**first_attempt_settings(), "discriminator_every": 1}
    shared, plain = DCGAN(seed=6, **settings), DCGAN(seed=6, **settings)
    images, latent = batch(shared, 4 * shared.batches_each_iteration)
    before = values(shared)
    for model, update in ((shared, shared.update), (plain, plain.plain_update)):
        model.compile(keras.optimizers.SGD(1e-3), keras.optimizers.SGD(1e-3))
        update(images, latent[:4])
    after, expected = values(shared), values(plain)
    assert changed(before, after) == {"generator", "discriminator"}
    for name in after:
        np.testing.assert_allclose(after[name], expected[name], rtol=1e-4, atol=1e-6, err_msg=name)
    for ours, theirs in zip(shared.trackers, plain.trackers, strict=True):
        np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-4, err_msg=ours.name)
    assert int(shared.iterations) == int(plain.iterations) == 1


def test_both_normalization_sets_train_with_separate_statistics():
    model = first_attempt(discriminator_every=1)
    images, latent = batch(model)
    before = values(model)
    model.update(images, latent)
    after = values(model)
    for name in before:
        if name.endswith(("beta", "gamma")):
            assert not np.array_equal(before[name], after[name]), name
    means = [network.get_layer(name).moving_mean.numpy() for network, name in zip(networks(model), BN0, strict=True)]
    assert means[0].any()
    assert means[1].any()
    assert not np.array_equal(*means)


BN0 = ("disc_bn0", "disc_bn0_1")


def test_separate_splits_an_iterations_images_into_batches():
    model = build(real_batches="fresh")
    assert model.batches_each_iteration == 3
    assert build().batches_each_iteration == build(real_batches="fresh", generator_steps=1).batches_each_iteration - 1 == 1
    rows = tf.range(6.0)[:, None, None, None] * tf.ones((6, 28, 28, 1))  # two images per batch
    assert [batch[:, 0, 0, 0].numpy().tolist() for batch in model.separate(rows)] == [[0, 3], [1, 4], [2, 5]]
    assert model.separate(rows[:3])[2].shape == (1, 28, 28, 1)  # a replica's share contains an equal share of each batch


def test_each_update_gets_its_own_fresh_batch(monkeypatch):
    model = build(real_batches="fresh")
    seen = []
    monkeypatch.setattr(model, "update_discriminator", lambda images, fake: seen.append(float(images[0, 0, 0, 0])))
    monkeypatch.setattr(model, "update_generator", lambda feature_real, fake, tape: None)
    monkeypatch.setattr(model, "feature_of_real", lambda images: seen.append(float(images[0, 0, 0, 0])))
    images = tf.constant([1.0, 2.0, 3.0] * 4)[:, None, None, None] * tf.ones((12, 28, 28, 1))
    model.update(images, batch(model)[1])
    assert seen == [1, 2, 3]


def test_identical_fresh_batches_equal_a_shared_batch():
    shared, fresh = build(), build(real_batches="fresh")
    images, latent = batch(shared)
    shared.update(images, latent)
    fresh.update(tf.repeat(images, 3, axis=0), latent)
    for name, value in values(shared).items():
        np.testing.assert_array_equal(value, values(fresh)[name], err_msg=name)


def test_nothing_is_computed_twice(monkeypatch):
    calls: Counter = Counter()
    model = build()
    for network in (model.generator, model.discriminator):
        original = network.call

        def counted(*args, original=original, name=network.name, **kwargs):
            calls[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(network, "call", counted)
    model.update(*batch(model))
    # Generator: a forward pass for each of its two updates; the first also serves the discriminator's update. Discriminator:
    # real and fake in its own update, real once for both updates of the generator, and fake in each of them.
    assert calls == {"generator": 2, "discriminator": 5}


@pytest.mark.slow
def test_discriminator_is_updated_every_n_iterations():
    model = first_attempt(discriminator_every=2)
    images, latent = batch(model)
    update = tf.function(model.update)
    turns = []
    for _ in range(4):
        before = values(model)
        update(images, latent)
        turns.append(changed(before, values(model)))
    assert turns == [{"generator", "discriminator"}, {"generator"}] * 2
    assert int(model.iterations) == 4
    assert int(model.generator_optimizer.iterations) == 4
    assert int(model.discriminator_optimizer.iterations) == 2
    assert float(model.trackers[2].result()) > 0  # the loss of the last update is kept


def test_latents_depend_only_on_seed_and_iteration():
    model, same, other = build(seed=1), build(seed=1), build(seed=2)
    first = model.training_latent(64).numpy()
    assert first.shape == (64, 100)
    assert -1 <= first.min() < -0.99 < 0.99 < first.max() < 1
    np.testing.assert_array_equal(first, same.training_latent(64))
    assert not np.array_equal(first, other.training_latent(64))
    model.iterations.assign_add(1)
    assert not np.array_equal(first, model.training_latent(64))


def test_moving_statistics():
    model = build(bn_decay=0.75, generator_steps=1)
    layer = model.generator.get_layer("gen_bn0")
    inputs = np.random.default_rng(0).normal(3, 2, (5, 4, 4, 256)).astype(np.float32)
    outputs = layer(inputs, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * inputs.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, 0.75 + 0.25 * inputs.var((0, 1, 2)), rtol=1e-4)
    normalized = (inputs - inputs.mean((0, 1, 2))) / np.sqrt(inputs.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(outputs, normalized * layer.gamma.numpy(), atol=1e-4)
    moving = (inputs - layer.moving_mean.numpy()) / np.sqrt(layer.moving_variance.numpy() + 1e-5)
    np.testing.assert_allclose(layer(inputs), moving * layer.gamma.numpy(), rtol=1e-3, atol=1e-4)


def test_trace_changes_nothing():
    model = build()
    images, latent = batch(model)
    before = [variable.numpy() for variable in model.variables]
    first = gan_diagnostics.trace(model, images, latent)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    assert set(first.losses) == set(LOSSES)
    assert first.gradients.keys() == model.variables_of_2016().keys()
    assert set(first.generated) == {"h_0", "h_2", "h_3", "image"}
    assert set(first.on_real) == set(first.on_fake) == {"h_0", "h_1", "h_2", "feature", "logit"}
    model.update(images, latent)  # this updates the statistics again
    assert model.generator.get_layer("gen_bn0").moving_mean.numpy().any()
