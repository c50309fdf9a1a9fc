"""What Keras requires of every model, apart from the models' own files: checks of data, metrics, saving, export.

Data are checked where Keras receives them: when a model is called, and in `fit`, `evaluate`, `predict` and the three
`…_on_batch`. An update checks nothing.
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from unsupervised_learning.bases import input_checks
from unsupervised_learning.bases.checked_batches import each_checked, is_batches, one_line_errors, passed
from unsupervised_learning.bases.input_checks import Accepted, shown

KERAS_ARGUMENTS = ("name", "dtype", "trainable", "autocast", "activity_regularizer")
SAMPLED_AT_ONCE = 256  # images; the GAN's activations for more would take gigabytes
REFUSED = {
    "loss": "its losses are built in",
    "loss_weights": "its losses are built in",
    "class_weight": "its images have no classes",
    "sample_weight": "its discriminator weighs all images alike",
    "metrics": "a generated image has no target",
    "weighted_metrics": "a generated image has no target",
    "auto_scale_loss": "its updates do not scale the loss",
}


def arguments_of(model_class: type[keras.Model]) -> tuple[str, ...]:
    """Return the names of the constructor's arguments, in order, without Keras's own."""
    return tuple(name for name in inspect.signature(model_class).parameters if name != "kwargs")


def checks_data(method: Callable) -> Callable:
    """Return a method of `keras.Model` that first checks its data, and answers errors in them in one line."""
    signature, name = inspect.signature(method), method.__name__

    @functools.wraps(method)
    def checked(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        with one_line_errors():
            if not bound.arguments.get("kwargs", {}).get("_use_cached_eval_dataset"):  # inside `fit`, which checked them
                bound.arguments.update(self.checked_data(name, bound.arguments))
            return method(*bound.args, **bound.kwargs)

    return checked


class ImageModel(keras.Model):
    """Base class of the models. A subclass sets `trackers`, and defines what is missing below.

    Args:
        keras_arguments: those of the constructor's arguments that are `keras.Model`'s, such as `name` and `dtype`.
        own_arguments: `locals()` of the constructor. Its own arguments are checked and become attributes.

    Attributes:
        trackers: metrics of the losses, in order.
        images_taken: the images that training and evaluation take.
        inputs_taken: what calling the model takes.
        takes_weights: whether `sample_weight` is honoured.
        batches_each_iteration: the number of images in a training batch must be a multiple of this.

    Raises:
        ValueError: an argument that is unknown or out of its range.
    """

    trackers: list
    images_taken: Any
    inputs_taken: Any
    output_shape: Any
    takes_weights = False
    batches_each_iteration = 1

    def __init__(self, keras_arguments: dict[str, Any], own_arguments: dict[str, Any]):
        unknown = {name: value for name, value in keras_arguments.items() if name not in KERAS_ARGUMENTS}
        if unknown:
            names = ", ".join((*arguments_of(type(self)), *KERAS_ARGUMENTS))
            raise ValueError(f"{type(self).__name__} takes the arguments {names}. Received: {shown(unknown)}")
        super().__init__(**keras_arguments)
        for name in own_arguments.keys() - {"self", "kwargs", "__class__"}:
            setattr(self, name, input_checks.argument(name, own_arguments[name]))

    def prior(self, n: int, random: np.random.Generator) -> np.ndarray:
        """Draw n latents, [n, z_dim]."""
        raise NotImplementedError

    def decode(self, latent: Any) -> tf.Tensor:
        """Return images for latents [n, z_dim]."""
        raise NotImplementedError

    def endpoints(self) -> dict[str, tuple[Callable, tuple[int, ...]]]:
        """Return the parts that `export` names: name → (function, shape of one input)."""
        raise NotImplementedError

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """Return n generated images: [n, 784], or of a GAN [n, side, side, channels], in [0, 1]; of an autoencoder unbounded.

        A seed always gives the same images; without one they vary.

        Raises:
            ValueError: n is not an integer of at least 1, or seed is not an integer of at least 0.
        """
        n, seed = input_checks.whole("n", n), None if seed is None else input_checks.whole("seed", seed, lowest=0)
        latents = self.prior(n, np.random.default_rng(seed)).astype(np.float32)
        return np.concatenate([self.decode(latents[i : i + SAMPLED_AT_ONCE]) for i in range(0, n, SAMPLED_AT_ONCE)])

    # Keras's verbs

    def __call__(self, inputs, *args, **kwargs):
        """Check the input, then call the model as Keras does."""
        return super().__call__(self.inputs_taken.checked(inputs), *args, **kwargs)

    fit = checks_data(keras.Model.fit)
    evaluate = checks_data(keras.Model.evaluate)
    predict = checks_data(keras.Model.predict)
    train_on_batch = checks_data(keras.Model.train_on_batch)
    test_on_batch = checks_data(keras.Model.test_on_batch)
    predict_on_batch = checks_data(keras.Model.predict_on_batch)

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **kwargs):
        """Set the optimizer, and metrics of the model's output; the losses are built in.

        Raises:
            ValueError: a loss is passed, `optimizer` is not a Keras optimizer, or loss scaling is requested.
        """
        self.refuse(loss=loss, loss_weights=loss_weights)
        scaled = kwargs.pop("auto_scale_loss", False) and self.dtype_policy.name == "mixed_float16"
        self.refuse(auto_scale_loss=True if scaled else None)
        given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        for name, value in given.items():
            input_checks.metric_names(name, value)
        for name in kwargs.keys() & {"steps_per_execution", "run_eagerly", "jit_compile"}:
            kwargs[name] = input_checks.argument(name, kwargs[name])
        super().compile(input_checks.optimizer("optimizer", optimizer), **given, auto_scale_loss=False, **kwargs)
        self.optimizer.build(self.trainable_variables)  # so that a model saved before it is trained can be loaded

    def compile_from_config(self, config):
        """Compile a loaded model."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def refuse(self, **given: Any) -> None:
        """Raise ValueError for the first argument that is not None, because this model has no use for it."""
        for name, value in given.items():
            if value is not None:
                raise ValueError(f"{type(self).__name__} takes no `{name}`: {REFUSED[name]}. Received: {name}={shown(value)}")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that `fit` and `evaluate` reset and report: the losses, and those given to `compile`."""
        given = self._compile_metrics  # Keras has no public name for it
        return [*self.trackers, *([] if given is None else [given])]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of what calling the model takes."""
        return (None, *self.inputs_taken.shapes[0])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in arguments_of(type(self))}}

    def save(self, filepath, *args, **kwargs):
        """Save as Keras does, but refuse its older HDF5 format, from which these models cannot be loaded.

        Raises:
            ValueError: the name ends in .h5 or .hdf5.
        """
        if os.fspath(filepath).lower().endswith((".h5", ".hdf5")):
            raise ValueError(
                f"`filepath` must end in .keras; `save_weights` takes .weights.h5. Received: filepath={os.fspath(filepath)}"
            )
        super().save(filepath, *args, **kwargs)

    def export(self, filepath, format="tf_saved_model", verbose=False):
        """Write a SavedModel for serving, which does not need this package: `tf.saved_model.load(filepath)`.

        Its endpoints take float32 and check nothing: `serve`, which calls the model, and one for each of its parts, by name.

        Raises:
            ValueError: another format.
        """
        if format != "tf_saved_model":
            raise ValueError(f"`format` must be tf_saved_model. Received: format={shown(format)}")
        archive = keras.export.ExportArchive()
        archive.track(self)
        for name, (function, shape) in {"serve": (self.call, self.inputs_taken.shapes[0]), **self.endpoints()}.items():
            archive.add_endpoint(name, function, input_signature=[tf.TensorSpec((None, *shape), tf.float32, "inputs")])
        archive.write_out(os.fspath(filepath), verbose=verbose)

    # Checks of the data

    def checked_data(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a Keras method that hold data, checked and converted; set the `mode` of callbacks."""
        x = given.get("x")
        if method.startswith("predict"):
            return {"x": each_checked(x, self.checked_inputs) if is_batches(x) else self.inputs_taken.checked(x)}
        self.refuse(class_weight=given.get("class_weight"))
        for callback in listed(given.get("callbacks")):
            # Keras knows the direction only of metrics given to `compile`. For all built-in losses, smaller is better.
            watched = str(getattr(callback, "monitor", "")).removeprefix("val_")
            if getattr(callback, "mode", "") == "auto" and watched in [tracker.name for tracker in self.trackers]:
                callback.mode = "min"
        images, k = self.images_taken, self.batches_each_iteration
        if method == "train_on_batch" or (method == "fit" and is_batches(x)):
            images = replace(images, multiple=k)
        found = self.checked_fields(images, x, given.get("y"), given.get("sample_weight"))
        if method == "fit" and k > 1 and not is_batches(x):
            batch_size = given.get("batch_size") or 32  # Keras's default
            count = int(len(found["x"]) * (1 - (given.get("validation_split") or 0)))  # as Keras splits
            if batch_size % k or count % k:
                raise ValueError(
                    f"`batch_size` must be a multiple of {k}, the batches per iteration, and so must the number of images. "
                    f"Received: batch_size={batch_size}, {count} images"
                )
        if given.get("validation_data") is not None:
            fields = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
            checked = self.checked_fields(self.images_taken, *fields)
            found["validation_data"] = checked["x"] if is_batches(fields[0]) else tuple(checked.values())
        return found

    def checked_fields(self, images: Accepted, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Check x, y and sample_weight; return them by name, in this order."""
        if not is_batches(x):
            return dict(zip(("x", "y", "sample_weight"), self.checked_arrays(images, x, y, sample_weight), strict=True))
        for name, value in {"y": y, "sample_weight": sample_weight}.items():
            if value is not None:
                raise ValueError(f"`{name}` must come from `x`, which yields batches. Received: {name}={shown(value)}")
        return {"x": each_checked(x, functools.partial(self.checked_batch, images)), "y": None, "sample_weight": None}

    def checked_arrays(self, images: Accepted, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
        """Check images, targets and weights. Targets are returned only where Keras needs them beside weights."""
        if sample_weight is not None and not self.takes_weights:
            self.refuse(sample_weight=sample_weight)
        x = images.checked(x)
        if y is not None:
            try:
                targets = images.checked(y)
                received = None if input_checks.is_symbolic(x) or np.array_equal(x, targets) else "other images"
            except ValueError as error:
                received = str(error).partition("Received: ")[2]
            if received:
                raise ValueError(f"`y` must be left out, or equal the images. Received: {received}")
        if sample_weight is None:
            return x, None, None
        return x, x, input_checks.weights(sample_weight, x.shape[0])

    def checked_batch(self, images: Accepted, batch: Any) -> tuple[Any, ...]:
        """Check one batch for training or evaluation. In a graph, values are checked as it runs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        checked = self.checked_arrays(images, x, y, sample_weight)
        if input_checks.is_symbolic(checked[0]):
            good = images.good(checked[0])
            if y is not None:
                good &= tf.reduce_all(images.checked(y) == checked[0])
            if sample_weight is not None:
                good &= input_checks.good_weights(checked[2])
            given = {"x": x, "y": y, "sample_weight": sample_weight}
            checked = passed(checked, good, functools.partial(self.checked_arrays, images), given)
        return checked if sample_weight is not None else checked[:1]

    def checked_inputs(self, batch: Any) -> tuple[Any]:
        """Check one batch for `predict`."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        checked = (self.inputs_taken.checked(x),)
        if input_checks.is_symbolic(checked[0]):
            checked = passed(checked, self.inputs_taken.good(checked[0]), self.inputs_taken.checked, {"values": x})
        return checked


def listed(callbacks: Any) -> Iterable[Any]:
    """Return as a list what `fit` takes as callbacks."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return callbacks if isinstance(callbacks, list | tuple) else [callbacks]
