"""Each model behaves like a Keras model. docs/keras.md lists what is expected, with the tests of this file.

What is refused must be refused in one line that says what was received, and before anything is trained or written.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import unsupervised_learning
from tests.support import REPOSITORY
from unsupervised_learning import DCGAN, AutoEncoder, VariationalAutoEncoder, gan_networks, layers, registration
from unsupervised_learning.bases import input_checks

BYTES = (np.random.default_rng(0).random((12, 28, 28)) ** 4 * 255).astype(np.uint8)
FLOATS = BYTES.reshape(-1, 784) * np.float32(1 / 255)  # [12, 784] in [0, 1]


class Kind(NamedTuple):
    """A model's class, small arguments for it, what `compile` takes, and its losses."""

    build: Any
    arguments: dict[str, Any]
    optimizers: int
    losses: tuple[str, ...]

    def new(self, **more):
        return self.build(**{**self.arguments, "seed": 3, **more})

    def compiled(self, **more):
        """Return a new model, compiled to run eagerly unless told otherwise: tracing would take most of the time."""
        model = self.new()
        model.compile(*(layers.adam() for _ in range(self.optimizers)), **{"run_eagerly": True, **more})
        return model

    def scaled(self, images: np.ndarray) -> np.ndarray:
        """Return bytes as the floats that the model takes."""
        return np.asarray(self.new().images_taken.checked(images))


KINDS = [
    Kind(AutoEncoder, {"z_dim": 2, "width": 6}, 1, ("loss", "reconstruction", "regularization")),
    Kind(VariationalAutoEncoder, {"z_dim": 2, "width": 6}, 1, ("loss", "reconstruction", "kl", "regularization")),
    Kind(
        DCGAN,
        {"z_dim": 2, "discriminator_width": 0.5},
        2,
        ("discriminator_loss_real", "discriminator_loss_fake", "discriminator_loss", "generator_loss"),
    ),
]
DENSE = KINDS[:2]
GAN = KINDS[2]


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """Give the GAN few channels, with which its tests take a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(gan_networks.CHANNELS, 28, (16, 8, 4))
        yield


@pytest.fixture(params=KINDS, ids=lambda kind: kind.build.__name__, scope="module")
def kind(request) -> Kind:
    return request.param


@pytest.fixture(params=DENSE, ids=lambda kind: kind.build.__name__, scope="module")
def dense(request) -> Kind:
    return request.param


@pytest.fixture(scope="module")
def ready(kind, narrow) -> keras.Model:
    """A compiled model, which the tests that use it do not train."""
    return kind.compiled()


def refused(call: Callable, *parts: str) -> None:
    """Assert that a call is refused in one line with these parts."""
    with pytest.raises(ValueError, match="Received: ") as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    for part in parts:
        assert part in message, message


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [np.array(variable) for variable in model.trainable_variables]


def assert_equal(first: list[np.ndarray], second: list[np.ndarray], equal: bool = True) -> None:
    same = [np.array_equal(one, other) for one, other in zip(first, second, strict=True)]
    assert all(same) if equal else not all(same)


# The constructor


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True, None, float("nan"), [3], 2**40])
def test_z_dim_must_be_a_whole_number(kind, value):
    refused(lambda: kind.build(z_dim=value), "`z_dim` must be a whole number", f"z_dim={value!r}")


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", None, True, 1e300, 10**400])
def test_loss_weights_and_stddevs_must_be_finite_and_not_negative(kind, value):
    names = {AutoEncoder: ("regularization", "sparsity"), VariationalAutoEncoder: ("kl_weight",), DCGAN: ("gamma_stddev",)}
    for name in ("init_stddev", *names[kind.build]):
        refused(lambda name=name: kind.build(**{name: value}), f"`{name}` must be a finite number not below 0", f"{name}=")


@pytest.mark.parametrize(
    ("build", "name", "value"),
    [
        (AutoEncoder, "width", 0),
        (AutoEncoder, "seed", -1),
        (DCGAN, "seed", 2**70),
        (AutoEncoder, "mean_loss", 1),
        (AutoEncoder, "activation", [1]),
        (AutoEncoder, "init_bias", float("nan")),
        (VariationalAutoEncoder, "relu_heads", "no"),
        (VariationalAutoEncoder, "activation", None),
        (DCGAN, "side", 28.0),
        (DCGAN, "side", [28]),
        (DCGAN, "channels", 2),
        (DCGAN, "recipe", {}),
        (DCGAN, "bn_decay", 1),
        (DCGAN, "discriminator_width", 0),
        (DCGAN, "discriminator_every", 0),
        (DCGAN, "generator_steps", 0.5),
        (DCGAN, "real_batches", None),
        (DCGAN, "initializer", []),
        (DCGAN, "feature_matching", None),
        (DCGAN, "feature_matching", True),
        (DCGAN, "divide_twice", "yes"),
    ],
)
def test_other_arguments_are_checked(build, name, value):
    refused(lambda: build(**{name: value}), f"`{name}` must be ", str(value))


@pytest.mark.parametrize("unknown", [{"zdim": 3}, {"inputs": 1, "outputs": 2}, {"learning_rate": 0.1}])
def test_unknown_arguments_are_refused(kind, unknown):
    refused(lambda: kind.build(**unknown), "takes the arguments ", "z_dim", str(unknown))
    kind.new()  # Keras has not turned the class into a functional model


def test_numpy_numbers_are_accepted(kind):
    model = kind.new(z_dim=np.int64(4), init_stddev=np.float32(0.5), seed=np.uint8(7))
    assert (type(model.z_dim), type(model.init_stddev), type(model.seed)) == (int, float, int)
    assert kind.build.from_config(model.get_config()).get_config() == model.get_config()


def test_shapes_are_known_before_any_data(kind):
    model = kind.new()
    pictures = (None, 28, 28, 1)
    assert model.input_shape == ((None, 2) if kind is GAN else (None, 784))
    assert model.output_shape == (pictures if kind is GAN else (None, 784))
    model.summary(print_fn=lambda line: None)


# compile


def test_optimizers_are_accepted_as_objects_names_and_configs(kind):
    for given in ("adam", {"class_name": "SGD", "config": {"learning_rate": 0.5}}, keras.optimizers.SGD):
        model = kind.new()
        model.compile(*(given() if callable(given) else given for _ in range(kind.optimizers)))
        assert isinstance(model.optimizer, keras.optimizers.Adam if given == "adam" else keras.optimizers.SGD)


@pytest.mark.parametrize("optimizer", ["adamm", None, 5, [], {}, {"class_name": "x"}, keras.optimizers.Adam, len])
def test_invalid_optimizers_are_refused(kind, optimizer):
    refused(lambda: kind.new().compile(*[optimizer] * kind.optimizers), "optimizer` must be a Keras optimizer")


def test_an_optimizer_for_each_network_is_needed():
    one = layers.adam()
    refused(lambda: GAN.new().compile(one, one), "its own optimizer")
    with pytest.raises(TypeError, match="discriminator_optimizer"):
        GAN.new().compile("adam")
    model = GAN.new()
    model.compile("adam", "adam")
    assert model.generator_optimizer is not model.discriminator_optimizer


def test_losses_are_refused(kind):
    for given in ({"loss": "mse"}, {"loss_weights": [1.0]}, {"loss": {"a": "mse"}}):
        refused(lambda given=given: kind.compiled(**given), f"takes no `{next(iter(given))}`", "built in")


@pytest.mark.parametrize(
    "given", [{"steps_per_execution": 0}, {"steps_per_execution": 2.5}, {"jit_compile": "yes"}, {"run_eagerly": 1}]
)
def test_other_arguments_of_compile_are_checked(kind, given):
    ((name, value),) = given.items()
    refused(lambda: kind.compiled(**given), f"`{name}` must be ", f"{name}={value!r}")


def test_unknown_metrics_are_refused_by_compile(dense):
    refused(lambda: dense.compiled(metrics=["mse", "meen"]), "`metrics` must be Keras metrics", "meen")
    refused(lambda: dense.compiled(weighted_metrics="meen"), "`weighted_metrics` must be Keras metrics")


def test_the_gan_takes_no_metrics():
    for name in ("metrics", "weighted_metrics"):
        refused(lambda name=name: GAN.compiled(**{name: ["mse"]}), f"takes no `{name}`", "no target")


def test_the_loss_is_not_scaled_under_mixed_float16(kind):
    """An optimizer that scales the loss would divide gradients by a scale that the updates never multiplied by."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = kind.compiled()
        assert not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        refused(lambda: kind.compiled(auto_scale_loss=True), "takes no `auto_scale_loss`")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    scaling = [keras.optimizers.LossScaleOptimizer(layers.adam()) for _ in range(kind.optimizers)]
    refused(lambda: kind.new().compile(*scaling), "not LossScaleOptimizer")


# Data


SAME = {
    "uint8 [n, 28, 28]": BYTES,
    "uint8 [n, 28, 28, 1]": BYTES[..., None],
    "a tensor of uint8": tf.constant(BYTES),
    "a variable": tf.Variable(tf.constant(BYTES)),
    "keras.ops": keras.ops.convert_to_tensor(BYTES),
}


@pytest.mark.parametrize("images", SAME.values(), ids=SAME.keys())
def test_bytes_are_accepted_in_each_shape(kind, images):
    taken = kind.new().images_taken
    np.testing.assert_array_equal(taken.checked(images), taken.checked(BYTES))
    assert tuple(taken.checked(images).shape[1:]) == taken.shapes[0]
    assert input_checks.dtype_of(taken.checked(images)) == "float32"


def test_bytes_and_floats_are_the_same_images(kind, ready):
    for of_bytes, of_floats in ((BYTES, kind.scaled(BYTES)), (BYTES > 99, kind.scaled(255 * (BYTES > 99).astype(np.uint8)))):
        assert ready.test_on_batch(of_bytes) == ready.test_on_batch(of_floats)


def test_floats_are_accepted_in_each_precision(kind):
    taken, images = kind.new().images_taken, kind.scaled(255 * (BYTES > 99).astype(np.uint8))  # exact in each precision
    for dtype in ("float16", "float32", "float64"):
        np.testing.assert_array_equal(taken.checked(images.astype(dtype)), images)
    np.testing.assert_array_equal(taken.checked(tf.cast(images, tf.bfloat16)), images)
    np.testing.assert_array_equal(taken.checked(images.tolist()), images)
    assert taken.checked(images) is images  # nothing is copied without need


def test_rounding_errors_outside_the_range_are_accepted(kind):
    taken = kind.new().images_taken
    brightest = np.full((1, *taken.shapes[0]), taken.highest, np.float32)
    taken.checked(brightest + np.float32(5e-7))
    refused(lambda: taken.checked(brightest + np.float32(1e-4)), f"in [{taken.highest + 1e-4:g}")


ODD = {
    "floats in 0…255": (BYTES.astype(np.float32), "float32 [12, 28, 28] in [0, 2"),
    "below the range": (FLOATS.reshape(-1, 28, 28) - 2, "in [-2, "),
    "NaN": (np.full((2, 28, 28), np.nan), "float64 [2, 28, 28] with NaN"),
    "one NaN": (np.where(np.arange(784) == 5, np.nan, FLOATS).reshape(-1, 28, 28), "with NaN"),
    "infinity": (np.full((2, 28, 28), np.inf), "in [inf, inf]"),
    "complex": (np.zeros((2, 28, 28), complex), "complex128 [2, 28, 28]"),
    "int64": (np.zeros((2, 28, 28), int), "int64 [2, 28, 28]"),
    "strings": (np.full((2, 28, 28), "a"), "str32 [2, 28, 28]"),
    "objects": (np.full((2, 28, 28), None), "object [2, 28, 28]"),
    "a ragged list": ([[1.0], [1.0, 2.0]], "list that is not a regular array"),
    "a ragged tensor": (tf.ragged.constant([[1.0], [1.0, 2.0]]), "RaggedTensor"),
    "a dictionary": ({"x": BYTES}, "dict"),
    "a string": ("images.npy", "str"),
    "a number": (3, "int64 []"),
    "nothing": (None, "None"),
    "other sizes": (np.zeros((2, 32, 32), np.uint8), "uint8 [2, 32, 32]"),
    "colours": (np.zeros((2, 28, 28, 3), np.uint8), "uint8 [2, 28, 28, 3]"),
    "one image without a batch": (BYTES[0], "uint8 [28, 28]"),
    "a vector": (FLOATS[0], "float32 [784]"),
    "no image": (BYTES[:0], "uint8 [0, 28, 28]"),
    "a list of arrays": ([BYTES], "uint8 [1, 12, 28, 28]"),
}
VERBS = ("fit", "evaluate", "train_on_batch", "test_on_batch")


@pytest.mark.parametrize(("images", "received"), ODD.values(), ids=ODD.keys())
def test_invalid_images_are_refused_by_every_method(kind, ready, images, received):
    before = weights_of(ready)
    verbs = [getattr(ready, verb) for verb in VERBS]
    if kind is not GAN:
        verbs += [ready, ready.predict, ready.predict_on_batch, ready.encode, ready.reconstruct]
    for verb in verbs:
        refused(lambda verb=verb: verb(images), "`images` must be [n, ", "uint8, bool, or floats in [", received)
    refused(lambda: ready.fit(BYTES, validation_data=(images,)), received)
    assert_equal(weights_of(ready), before)


LATENTS = {
    "NaN": np.full((2, 2), np.nan),
    "infinity": np.full((2, 2), np.inf),
    "whole numbers": np.zeros((2, 2), int),
    "another z_dim": np.zeros((2, 3)),
    "one without a batch": np.zeros(2),
    "none": np.zeros((0, 2)),
    "ragged": [[1.0], [1.0, 2.0]],
}


@pytest.mark.parametrize("latents", LATENTS.values(), ids=LATENTS.keys())
def test_invalid_latents_are_refused(kind, ready, latents):
    for verb in (ready.decode, *([ready, ready.predict, ready.predict_on_batch] if kind is GAN else [])):
        refused(lambda verb=verb: verb(latents), "`latents` must be [n, 2], finite floats")


def test_a_functional_model_can_contain_the_model(kind):
    """A model can be part of a functional model, which does not see values, only shapes and dtypes."""
    model = kind.new()
    inputs = keras.Input(model.input_shape[1:])
    assert keras.Model(inputs, model(inputs)).output_shape == model.output_shape
    refused(lambda: model(keras.Input((5,))), "float32 [None, 5]")
    if kind is not GAN:
        pictures = keras.Input((28, 28), dtype="uint8")
        np.testing.assert_allclose(keras.Model(pictures, model(pictures))(BYTES), model(BYTES), rtol=1e-5, atol=1e-6)


class Batches(keras.utils.PyDataset):
    """Batches as a `PyDataset`."""

    def __init__(self, batches, **arguments):
        super().__init__(**arguments)
        self.batches, self.epochs = batches, 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_end(self):
        self.epochs += 1


def forms(*batches) -> dict[str, Callable[[], Any]]:
    """Return name → function to make the same batches as each kind of data that Keras takes."""
    signature = tf.nest.map_structure(lambda one: tf.TensorSpec((None, *one.shape[1:]), one.dtype), batches[0])
    return {
        "tf.data": lambda: tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature),
        "a generator": lambda: (batch for batch in batches),
        "an iterator": lambda: iter(batches),
        "PyDataset": lambda: Batches(batches),
        "PyDataset with workers": lambda: Batches(batches, workers=2),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", forms(BYTES))
def test_batches_are_checked_and_converted_as_they_come(kind, ready, name):
    expected = ready.evaluate(BYTES, batch_size=6, verbose=0)
    images, other = BYTES.astype(np.float32), np.zeros((6, 20, 20), np.uint8)
    for batches in ([BYTES[:6], BYTES[6:]], [kind.scaled(BYTES[:6]), kind.scaled(BYTES[6:])]):
        np.testing.assert_allclose(ready.evaluate(forms(*batches)[name](), steps=2, verbose=0), expected, rtol=1e-6)
    refused(lambda: ready.evaluate(forms(images)[name](), verbose=0), "`images` must be", "float32 [12, 28, 28] in [0, 2")
    refused(lambda: ready.evaluate(forms(other)[name](), verbose=0), "20, 20]")
    labels = np.arange(12)
    refused(lambda: ready.evaluate(forms((BYTES, labels))[name](), verbose=0), "`y` must be left out, or equal the images")
    refused(lambda: ready.evaluate(forms((BYTES, BYTES[::-1]))[name](), verbose=0), "`y` must be", "other images")
    refused(lambda: ready.evaluate(forms(BYTES)[name](), BYTES, verbose=0), "`y` must come from `x`")


def test_data_sets_are_checked_under_xla_too(dense):
    """XLA drops assertions, so the check has to lie outside of the step."""
    model = dense.compiled(run_eagerly=False, jit_compile=True)
    data = tf.data.Dataset.from_tensor_slices(BYTES.astype(np.float32)).batch(6)
    refused(lambda: model.evaluate(data, verbose=0), "`images` must be", "in [0, 2")


def test_predict_takes_data_sets(kind, ready):
    inputs = np.random.default_rng(0).uniform(0, 1, (6, *ready.input_shape[1:])).astype(np.float32)
    expected = ready.predict(inputs, verbose=0)
    data = tf.data.Dataset.from_tensor_slices(inputs)
    np.testing.assert_allclose(ready.predict(data.batch(3), verbose=0), expected, rtol=1e-5, atol=1e-6)
    refused(lambda: ready.predict(data.map(lambda one: one * np.inf).batch(3), verbose=0), "must be [n, ", "Received: ")


def test_hooks_of_a_pydataset_are_called(ready):
    data = Batches([BYTES[:6], BYTES[6:]])
    ready.evaluate(data, verbose=0)
    assert data.epochs > 0


def test_the_target_is_the_input(kind, ready):
    expected = ready.evaluate(BYTES, verbose=0)
    assert ready.evaluate(BYTES, BYTES, verbose=0) == ready.evaluate(BYTES, kind.scaled(BYTES), verbose=0) == expected
    for verb in VERBS:
        refused(lambda verb=verb: getattr(ready, verb)(BYTES, np.arange(12)), "`y` must be left out", "int64 [12]")
        refused(lambda verb=verb: getattr(ready, verb)(BYTES, BYTES[::-1]), "`y` must be left out", "other images")
    refused(lambda: ready.fit(BYTES, validation_data=(BYTES, np.arange(12))), "`y` must be left out")


def test_class_weights_are_refused(kind, ready):
    for verb in ("fit", "train_on_batch"):
        refused(lambda verb=verb: getattr(ready, verb)(BYTES, class_weight={0: 1.0}), "takes no `class_weight`")


def test_fresh_real_batches_need_a_batch_size_that_is_a_multiple_of_3():
    model = DCGAN(**GAN.arguments, real_batches="fresh")
    model.compile("adam", "adam", run_eagerly=True)
    assert set(model.fit(BYTES, batch_size=6, verbose=0).history) == set(GAN.losses)
    for call in (
        lambda: model.fit(BYTES, verbose=0),  # Keras's 32
        lambda: model.fit(BYTES[:10], batch_size=6, verbose=0),
        lambda: model.fit(BYTES, batch_size=6, validation_split=0.1, verbose=0),
        lambda: model.fit(iter([BYTES[:4]]), shuffle=False, verbose=0),
        lambda: model.fit(tf.data.Dataset.from_tensor_slices(BYTES).batch(4), shuffle=False, verbose=0),
        lambda: model.train_on_batch(BYTES[:4]),
    ):
        refused(call, "multiple of 3")
    assert model.evaluate(BYTES[:4], verbose=0)  # an evaluation takes each image once


# Sample weights


def test_sample_weights_of_one_change_nothing(dense):
    plain, weighted = dense.compiled(), dense.compiled()
    for model, given in ((plain, {}), (weighted, {"sample_weight": np.ones(12)})):
        model.fit(BYTES, batch_size=6, verbose=0, shuffle=False, **given)
    assert_equal(weights_of(plain), weights_of(weighted))
    assert plain.evaluate(BYTES, verbose=0) == weighted.evaluate(BYTES, sample_weight=np.ones(12), verbose=0)


def test_a_sample_weight_of_zero_leaves_an_image_out(dense):
    """The autoencoder sums over the batch. The VAE's mean still divides by the number of images, as Keras's losses do."""
    model, half = dense.compiled(), np.repeat([1.0, 0.0], 6)
    share = 0.5 if dense.build is VariationalAutoEncoder else 1.0
    images, noise = tf.constant(FLOATS), [np.ones((12, 2), np.float32)] if dense.build is VariationalAutoEncoder else []
    whole = model.objective(images, *noise, weights=tf.constant(half, tf.float32))
    part = model.objective(images[:6], *[one[:6] for one in noise])
    of_data = [float(one["loss"] - model.regularization * one["regularization"]) for one in (whole, part)]
    assert of_data[0] == pytest.approx(share * of_data[1], rel=1e-5)


def test_sample_weights_weigh_the_losses(dense):
    """Twice the weight is twice the loss, and twice the gradient."""
    model = dense.compiled()
    once, twice = (model.test_on_batch(BYTES, sample_weight=np.full(12, w), return_dict=True) for w in (1.0, 2.0))
    assert twice["reconstruction"] == pytest.approx(2 * once["reconstruction"], rel=1e-6)
    assert twice["regularization"] == once["regularization"]
    data = tf.data.Dataset.from_tensors((BYTES, BYTES, np.full(12, 2.0)))
    assert model.evaluate(data, verbose=0, return_dict=True) == pytest.approx(twice)
    found = model.fit(BYTES, verbose=0, validation_data=(BYTES, BYTES, np.full(12, 2.0))).history
    after = model.evaluate(BYTES, verbose=0, return_dict=True)
    assert found["val_reconstruction"][0] == pytest.approx(2 * after["reconstruction"], rel=1e-6)


@pytest.mark.parametrize("weights", [np.ones(3), -np.ones(12), np.full(12, np.nan), np.full(12, np.inf), ["a"] * 12, 1.0])
def test_invalid_sample_weights_are_refused(dense, weights):
    model = dense.compiled()
    for verb in VERBS:
        refused(
            lambda verb=verb: getattr(model, verb)(BYTES, sample_weight=weights), "`sample_weight` must be one finite number"
        )


def test_sample_weights_in_data_sets_are_checked(dense):
    data = tf.data.Dataset.from_tensors((BYTES, BYTES, -np.ones(12)))
    refused(lambda: dense.compiled().evaluate(data, verbose=0), "`sample_weight` must be", "in [-1, -1]")


def test_the_gan_refuses_sample_weights():
    model = GAN.compiled()
    for verb in VERBS:
        refused(lambda verb=verb: getattr(model, verb)(BYTES, sample_weight=np.ones(12)), "takes no `sample_weight`")


# Metrics, evaluation, callbacks


def test_metrics_compare_the_output_with_the_images(dense):
    model = dense.compiled(metrics=["mse"], weighted_metrics=[keras.metrics.MeanAbsoluteError(name="distance")])
    weights, expected = np.arange(12.0), np.asarray(model(BYTES))
    of_image = np.abs(expected - FLOATS).mean(axis=1)
    found = model.evaluate(BYTES, sample_weight=weights, batch_size=5, verbose=0, return_dict=True)
    assert found["mse"] == pytest.approx(np.mean((expected - FLOATS) ** 2), rel=1e-5)
    assert found["distance"] == pytest.approx((weights * of_image).sum() / weights.sum(), rel=1e-5)
    history = model.fit(BYTES, batch_size=12, validation_data=(BYTES,), verbose=0).history
    assert history["mse"][0] == pytest.approx(found["mse"], rel=1e-5)  # before the update, like the losses
    assert history["val_mse"][0] != history["mse"][0]
    assert set(history) == {f"{prefix}{name}" for name in (*dense.losses, "mse", "distance") for prefix in ("", "val_")}
    assert model.train_on_batch(BYTES, return_dict=True).keys() == found.keys()


@pytest.mark.slow
def test_fit_reports_validation_losses(kind):
    model = kind.compiled()
    history = model.fit(BYTES, batch_size=6, validation_data=(BYTES,), epochs=2, verbose=0).history
    assert set(history) == {f"{prefix}{name}" for name in kind.losses for prefix in ("", "val_")}
    assert np.isfinite(list(history.values())).all()
    assert model.evaluate(BYTES, batch_size=6, verbose=0, return_dict=True) == {
        name: history[f"val_{name}"][-1] for name in kind.losses
    }
    assert set(model.fit(BYTES, validation_split=0.5, verbose=0).history) == set(history)


def test_the_gan_is_evaluated_on_fixed_latents():
    """In inference mode: nothing changes, and the training losses that `fit` reports stay."""
    model = GAN.compiled()
    trained = model.train_on_batch(BYTES[:6], return_dict=True)
    before = [np.array(one) for one in model.variables]
    first, again = (model.evaluate(BYTES, batch_size=5, verbose=0, return_dict=True) for _ in range(2))
    assert first == again
    assert first["discriminator_loss"] == pytest.approx(first["discriminator_loss_real"] + first["discriminator_loss_fake"])
    assert_equal([np.array(one) for one in model.variables], before)
    assert {metric.name: float(metric.result()) for metric in model.metrics} == pytest.approx(trained)
    real = np.concatenate(
        [np.asarray(model.discriminator(kind_images, training=False)[0]) for kind_images in [GAN.scaled(BYTES)]]
    )
    assert first["discriminator_loss_real"] == pytest.approx(np.logaddexp(0, -real).mean(), rel=1e-5)


def test_evaluation_of_the_gan_does_not_depend_on_the_batch_size():
    model = DCGAN(**GAN.arguments, feature_matching="only")
    model.compile("adam", "adam", run_eagerly=True)
    z = [layers.named_uniform((6, 2), 0, layers.EVALUATION_NOISE, tf.constant(position)) for position in (0, 6)]
    images = model.images_taken.checked(BYTES)
    features = [
        model.discriminator(one, training=False)[1] for one in (images, model.generator(tf.concat(z, 0), training=False))
    ]
    expected = 64 * np.square(features[0] - features[1]).sum() / 2 / 784 / 12 * 0.1
    assert model.evaluate(BYTES, batch_size=6, verbose=0, return_dict=True)["generator_loss"] == pytest.approx(
        expected, rel=1e-4
    )


def test_evaluation_metrics_are_in_no_checkpoint(tmp_path):
    """Checkpoints of runs from before there was an evaluation have none of them, and must still be restored whole."""
    model = GAN.compiled()
    model.evaluate(BYTES, verbose=0)
    names = [name for name, _ in tf.train.list_variables(tf.train.Checkpoint(model=model).save(str(tmp_path / "state")))]
    assert any(name.startswith("model/iterations") for name in names)
    assert not [name for name in names if re.search(r"evaluation|/count|/total", name)]


@pytest.mark.slow
def test_the_direction_of_losses_is_known(kind):
    model = kind.compiled()
    for name in (f"val_{kind.losses[-1]}", kind.losses[0]):
        callbacks = [
            keras.callbacks.EarlyStopping(monitor=name, patience=5),
            keras.callbacks.ReduceLROnPlateau(monitor=name, patience=5),
        ]
        model.fit(BYTES, validation_data=(BYTES,), callbacks=callbacks, verbose=0)
        assert [callback.monitor_op for callback in callbacks] == [keras.ops.less] * 2
    chosen = keras.callbacks.EarlyStopping(monitor=kind.losses[0], mode="max", patience=5)
    model.fit(BYTES, callbacks=chosen, verbose=0)
    assert chosen.monitor_op is keras.ops.greater


@pytest.mark.slow
def test_callbacks(kind, tmp_path):
    """The usual callbacks of Keras, in one `fit`: the rate falls and training stops because no improvement is large enough."""
    model, watched = kind.compiled(), f"val_{kind.losses[-1]}"
    arguments = {"monitor": watched, "min_delta": 1e9, "patience": 1}
    callbacks = [
        keras.callbacks.EarlyStopping(**arguments, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(**{**arguments, "min_delta": 1e9}, factor=0.5, cooldown=0),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor=watched, save_best_only=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "all.weights.h5", save_weights_only=True),
        keras.callbacks.TensorBoard(tmp_path / "events"),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(BYTES, validation_data=(BYTES,), epochs=9, callbacks=callbacks, verbose=0).history
    assert len(history["loss" if kind is not GAN else "generator_loss"]) == 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0005)
    assert list((tmp_path / "events").rglob("events.out.tfevents.*"))
    best = keras.models.load_model(tmp_path / "best.keras")
    best.run_eagerly = True
    found = best.evaluate(BYTES, verbose=0, return_dict=True)[kind.losses[-1]]
    assert found == pytest.approx(min(history[watched]), rel=1e-5)
    other = kind.new(seed=9)
    other.load_weights(tmp_path / "all.weights.h5")


# Saving


@pytest.mark.slow
def test_a_loaded_model_trains_on_like_the_saved_one(kind, tmp_path):
    model = kind.compiled()
    model.fit(BYTES, batch_size=6, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is kind.build
    for one in (model, loaded):
        one.run_eagerly = True
        one.fit(BYTES, batch_size=6, verbose=0, shuffle=False)
    assert_equal(weights_of(model), weights_of(loaded), equal=True)
    assert model.evaluate(BYTES, verbose=0) == loaded.evaluate(BYTES, verbose=0)


def test_metrics_and_steps_are_saved(dense, tmp_path):
    dense.compiled(metrics=["mse"], steps_per_execution=3).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.steps_per_execution == 3
    assert loaded.evaluate(BYTES, verbose=0, return_dict=True).keys() == {*dense.losses, "mse"}


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "model.H5"])
def test_hdf5_is_refused(kind, tmp_path, name):
    for filepath in (tmp_path / name, str(tmp_path / name)):
        refused(lambda filepath=filepath: kind.new().save(filepath), "must end in .keras", name)
    assert not list(tmp_path.iterdir())


def test_weights_are_saved_and_loaded(kind, tmp_path):
    model, other = kind.new(), kind.new(seed=4)
    model.save_weights(tmp_path / "model.weights.h5")
    assert_equal(weights_of(model), weights_of(other), equal=False)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_equal(weights_of(model), weights_of(other))


def test_clone_model(kind):
    model = kind.new()
    clone = keras.models.clone_model(model)
    assert type(clone) is kind.build
    assert clone.get_config() == model.get_config()
    assert_equal(weights_of(clone), weights_of(model))  # from the same seed


def exported(kind: Kind, model: keras.Model, folder: Path) -> dict[str, np.ndarray]:
    """Export a model; return the name of each endpoint with inputs and expected outputs, written beside the SavedModel."""
    model.export(folder / "served")
    images, latents = kind.scaled(BYTES), np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype(np.float32)
    if kind is GAN:
        parts = {"serve": (latents, model(latents)), "generator": (latents, model.generator(latents))}
        parts["discriminator"] = (images, model.discriminator(images))
    else:
        parts = {"serve": (images, model(images)), "encoder": (images, model.encode(images))}
        parts["decoder"] = (latents, model.decode(latents))
    arrays = {}
    for name, (inputs, outputs) in parts.items():
        arrays[f"{name}.inputs"] = inputs
        arrays |= {f"{name}.{i}": np.asarray(one) for i, one in enumerate(tf.nest.flatten(outputs))}
    np.savez(folder / "expected.npz", **arrays)
    return arrays


SERVE = """
import sys
import numpy as np
import tensorflow as tf
for folder in sys.argv[1:]:
    served, expected = tf.saved_model.load(folder + "/served"), np.load(folder + "/expected.npz")
    for name in {key.split(".")[0] for key in expected}:
        for outputs in (getattr(served, name)(expected[f"{name}.inputs"]),):
            for i, one in enumerate(tf.nest.flatten(outputs)):
                np.testing.assert_allclose(one, expected[f"{name}.{i}"], rtol=1e-4, atol=1e-5)
    assert {"serve", "serving_default"} <= set(served.signatures)
assert "unsupervised_learning" not in sys.modules
print("served")
"""


@pytest.mark.slow
def test_exported_models_are_served_without_this_package(tmp_path):
    folders = []
    for kind in KINDS:
        model = kind.compiled()
        model.fit(BYTES, batch_size=6, verbose=0)
        folders.append(tmp_path / kind.build.__name__)
        folders[-1].mkdir()
        exported(kind, model, folders[-1])
    done = run(SERVE, *map(str, folders), cwd=tmp_path)
    assert done.stdout == "served\n", done.stderr


@pytest.mark.slow
def test_export_names_the_parts(kind, tmp_path):
    model = kind.new()
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    parts = {"generator", "discriminator"} if kind is GAN else {"encoder", "decoder"}
    assert set(served.signatures) == {"serve", "serving_default", *parts}
    refused(lambda: model.export(tmp_path / "other", format="onnx"), "`format` must be tf_saved_model", "onnx")
    assert not (tmp_path / "other").exists()


# Beyond Keras


def test_sample(kind):
    model = kind.new()
    images = model.sample(3, seed=1)
    assert isinstance(images, np.ndarray)
    assert images.shape == (3, *model.output_shape[1:])
    np.testing.assert_array_equal(images, model.sample(3, seed=1))
    assert not np.array_equal(images, model.sample(3, seed=2))
    assert not np.array_equal(model.sample(3), model.sample(3))
    if kind.build is not AutoEncoder:
        assert images.min() >= 0
        assert images.max() <= 1
    for n in (0, -1, 2.5, "3", None, True):
        refused(lambda n=n: model.sample(n), "`n` must be a whole number")
    for seed in (-1, 0.5, "a"):
        refused(lambda seed=seed: model.sample(1, seed=seed), "`seed` must be a whole number")


def test_samples_do_not_depend_on_how_many_are_drawn(dense):
    model = dense.new()
    assert model.sample(600, seed=0).shape == (600, 784)
    np.testing.assert_allclose(model.sample(300, seed=0)[:200], model.sample(200, seed=0), rtol=1e-5, atol=1e-6)


def test_reconstruct_returns_the_shape_it_is_given(dense):
    model = dense.new()
    for images in (BYTES, BYTES[..., None], FLOATS, FLOATS.tolist(), tf.constant(BYTES), BYTES > 99):
        assert model.reconstruct(images).shape == np.shape(images)
    np.testing.assert_array_equal(model.reconstruct(FLOATS), model(FLOATS))


# Execution


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"steps_per_execution": 2}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_execution_modes_agree(dense, given):
    plain, other = dense.compiled(run_eagerly=False), dense.compiled(**{"run_eagerly": False, **given})
    for model in (plain, other):
        model.fit(BYTES, batch_size=3, epochs=2, verbose=0, shuffle=False)
    assert int(other.iterations) == 8
    tolerance = 2e-2 if "jit_compile" in given and dense.build is VariationalAutoEncoder else 1e-4  # XLA draws other noise
    for one, expected in zip(weights_of(other), weights_of(plain), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-3, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"steps_per_execution": 2}, {"jit_compile": True}], ids=str)
def test_execution_modes_agree_for_the_gan(given):
    plain, other = GAN.compiled(), GAN.compiled(**{"run_eagerly": False, **given})
    for model in (plain, other):
        model.fit(BYTES, batch_size=3, epochs=1, verbose=0, shuffle=False)
    assert int(plain.iterations) == int(other.iterations) == 4
    losses = [model.evaluate(BYTES, verbose=0) for model in (plain, other)]
    np.testing.assert_allclose(*losses, rtol=0.05)


# Imports and other backends


def run(program: str, *arguments: str, cwd: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess:
    whole = {
        "PATH": "",
        "HOME": tempfile.gettempdir(),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, env=whole, capture_output=True, text=True, check=False
    )


def test_models_are_imported_from_the_package_when_used():
    program = """
import sys
import unsupervised_learning
assert {"AutoEncoder", "VariationalAutoEncoder", "DCGAN"} <= set(dir(unsupervised_learning))
assert not {"keras", "tensorflow", "numpy"} & set(sys.modules)
"""
    done = run(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert unsupervised_learning.DCGAN is DCGAN
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        _ = unsupervised_learning.GAN  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.slow
@pytest.mark.parametrize("order", [("unsupervised_learning", "keras"), ("keras", "unsupervised_learning")], ids="-".join)
def test_load_model_needs_only_the_package(tmp_path, order, monkeypatch):
    monkeypatch.setitem(gan_networks.CHANNELS, 28, (256, 128, 64))  # as in the other process
    for kind in KINDS:
        kind.compiled().save(tmp_path / f"{kind.build.__name__}.keras")
    program = f"""
import {order[0]}, {order[1]}
for name in ("AutoEncoder", "VariationalAutoEncoder", "DCGAN"):
    assert type(keras.saving.load_model({str(tmp_path)!r} + f"/{{name}}.keras")).__name__ == name
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_keras_has_stand_ins_for_models_not_yet_imported(monkeypatch, tmp_path):
    """The hook by itself; the test above has the real thing."""
    known, hook = keras.saving.get_custom_objects(), registration.WithKeras()
    GAN.new().save(tmp_path / "model.keras")
    monkeypatch.delitem(known, "unsupervised_learning>DCGAN")
    spec = hook.find_spec("keras")
    assert hook.find_spec("kerass") is None
    assert spec is not None
    assert spec.loader is not None
    cell: Any = spec.loader.exec_module.__closure__
    monkeypatch.setattr(cell[0], "cell_contents", lambda module: None)  # not Keras a second time
    spec.loader.exec_module(keras)
    assert isinstance(known["unsupervised_learning>DCGAN"], registration.StandIn)
    assert known["unsupervised_learning>AutoEncoder"] is AutoEncoder
    assert type(keras.saving.load_model(tmp_path / "model.keras")) is DCGAN


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_another_backend_is_refused_before_anything_is_written(backend, tmp_path):
    """By a script with one line, by the package when the models or Keras are imported; nothing is written."""
    for command in (["train_vae.py", f"--logs_dir={tmp_path / 'run'}"], ["-m", "unsupervised_learning.compare"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=REPOSITORY,
            env={"PATH": "", "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        name = command[0] if len(command) == 2 and command[0] != "-m" else "compare"
        assert done.stderr == (
            f"{name}: error: the models need Keras's TensorFlow backend: set KERAS_BACKEND=tensorflow. Received: {backend}\n"
        )
    assert not list(tmp_path.iterdir())
    for program in ("from unsupervised_learning import DCGAN", "import unsupervised_learning, keras"):
        done = run(program, KERAS_BACKEND=backend)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("ImportError: the models need Keras's TensorFlow backend")


def test_the_backend_in_keras_json_is_respected(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert registration.configured_backend() == "tensorflow"
    for text, expected in (('{"backend": "jax"}', "jax"), ("{", "tensorflow"), ("[]", "tensorflow"), ("{}", "tensorflow")):
        (tmp_path / "keras.json").write_text(text)
        assert registration.configured_backend() == expected
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="Received: jax"):
        registration.register()


@pytest.mark.slow
def test_scripts_are_silent_if_keras_is_imported_first(tmp_path):
    """TensorFlow's lines at `import keras` are not ours to stop; those that would follow are."""
    program = """
import sys
import keras
print("imported", file=sys.stderr, flush=True)
import runpy
sys.path.insert(0, "")
runpy.run_path("train_ae.py", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "--dataset=digits", "--max_iterations=2", f"--logs_dir={tmp_path / 'run'}"],
        cwd=REPOSITORY,
        env={"PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.split("imported\n")[1] == ""


def test_the_table_names_tests_that_exist():
    text = (REPOSITORY / "docs" / "keras.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named
    assert named <= set(globals())
    tests = {name for name in globals() if name.startswith("test_")}
    assert tests - named == {"test_the_table_names_tests_that_exist"}
    elsewhere = re.findall(r"`([\w/]+\.py)::(test_\w+)`", text)
    assert len(elsewhere) > 10
    for file, name in elsewhere:
        assert f"def {name}(" in (REPOSITORY / file).read_text(), (file, name)
