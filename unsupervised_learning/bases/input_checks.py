"""Checks of what a user passes to a model: arguments of the constructor and of `compile`, images, latents, sample weights.

Each raises a ValueError of one line: what is accepted, then what was received. A tensor in a graph has no values yet, so only
its dtype and shape can be checked there.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

ROUNDING = 1e-6  # by how much resizing and rescaling may leave a range
FLOATS = ("float16", "bfloat16", "float32", "float64")
FINITE = float(np.finfo(np.float32).max)
MOST = 2**31 - 1  # the scripts' largest seed


def shown(value: Any) -> str:
    """Return a value as one line of limited length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}…"


# Arguments of constructors and of `compile`


def whole(name: str, value: Any, lowest: int = 1) -> int:
    """Return a whole number from `lowest` to `MOST` as int.

    Raises:
        ValueError: it is anything else.
    """
    try:
        found = lowest - 1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = lowest - 1
    if not lowest <= found <= MOST:
        raise ValueError(f"`{name}` must be a whole number from {lowest} to {MOST:,}. Received: {name}={shown(value)}")
    return found


def number(name: str, value: Any, wanted: str, accepts: Callable[[float], bool]) -> float:
    """Return as float a number that is finite, also in float32, and for which `accepts` is true.

    Raises:
        ValueError: it is anything else.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not abs(value) <= FINITE or not accepts(float(value)):
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={shown(value)}")
    return float(value)


def yes_or_no(name: str, value: Any) -> bool:
    """Return True or False as bool.

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}")
    return bool(value)


def one_of(name: str, value: Any, options: tuple) -> Any:
    """Return a value that is one of the options, which all have one type.

    Raises:
        ValueError: it is anything else.
    """
    if type(value) is not type(options[0]) or value not in options:
        raise ValueError(f"`{name}` must be one of {', '.join(map(str, options))}. Received: {name}={shown(value)}")
    return value


NOT_NEGATIVE = partial(number, wanted="a finite number not below 0", accepts=lambda value: value >= 0)
ARGUMENTS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("z_dim", "width", "generator_steps", "discriminator_every", "steps_per_execution"), whole),
    **dict.fromkeys(("regularization", "sparsity", "kl_weight", "init_stddev", "gamma_stddev"), NOT_NEGATIVE),
    **dict.fromkeys(("relu_heads", "mean_loss", "shared_normalization", "divide_twice", "run_eagerly"), yes_or_no),
    "jit_compile": lambda name, value: value if value in ("auto", None) else yes_or_no(name, value),
    "seed": partial(whole, lowest=0),
    "init_bias": partial(number, wanted="a finite number", accepts=lambda value: True),
    "discriminator_width": partial(number, wanted="a finite number above 0", accepts=lambda value: value > 0),
    "bn_decay": partial(number, wanted="a number of at least 0 and below 1", accepts=lambda value: 0 <= value < 1),
}


def argument(name: str, value: Any) -> Any:
    """Return an argument, checked if the table above has its name; numbers as int or float.

    Raises:
        ValueError: names the argument, what is accepted, and the value.
    """
    return ARGUMENTS[name](name, value) if name in ARGUMENTS else value


def optimizer(name: str, value: Any) -> keras.optimizers.Optimizer:
    """Return an optimizer, given itself, its name or its config.

    Raises:
        ValueError: anything else, or one that scales the loss.
    """
    try:
        found = keras.optimizers.get(value)
    except Exception:  # of many types, with messages of many lines
        found = None
    if not isinstance(found, keras.optimizers.Optimizer) or isinstance(found, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            f"`{name}` must be a Keras optimizer, but not LossScaleOptimizer, or its name or config. "
            f"Received: {name}={shown(value)}"
        )
    return found


def metric_names(name: str, metrics: Any) -> None:
    """Raise ValueError unless all names among the metrics, nested as Keras allows, are those of Keras metrics."""
    for one in keras.tree.flatten(metrics):
        try:
            known = not isinstance(one, str) or one in ("crossentropy", "ce") or keras.metrics.get(one) is not None
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"`{name}` must be Keras metrics or their names, as in ['mse']. Received: {name}={shown(metrics)}")


# Images and latents


@dataclass(frozen=True)
class Accepted:
    """The images, or the latents, that a model takes.

    Attributes:
        name: what they are called in messages.
        shapes: accepted shapes of one image or latent. All are reshaped to the first.
        lowest, highest: range of floats.
        from_bytes: converts float32 in 0…255 to this range; None if bytes are refused.
        multiple: their number must be a multiple of this.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    lowest: float = -FINITE
    highest: float = FINITE
    from_bytes: Callable[[Any], Any] | None = None
    multiple: int = 1

    def refused(self, received: str) -> ValueError:
        """Return the error for anything that is not accepted."""
        shapes = " or ".join(f"[{', '.join(map(str, ('n', *shape)))}]" for shape in self.shapes)
        kinds = f"uint8, bool, or floats in [{self.lowest:g}, {self.highest:g}]" if self.from_bytes else "finite floats"
        more = f", n a multiple of {self.multiple}" if self.multiple > 1 else ""
        return ValueError(f"`{self.name}` must be {shapes}, {kinds}{more}. Received: {received}")

    def checked(self, values: Any) -> Any:
        """Return values as float32 [n, *shapes[0]] in the range; unchanged if they already have this form.

        Args:
            values: a NumPy array, a tensor, a tensor in a graph, or nested lists.

        Raises:
            ValueError: another dtype, shape or range, NaN, or none at all.
        """
        values = as_array(values, self.refused)
        dtype, kind = dtype_of(values), f"{dtype_of(values)} {shape_of(values)}"
        fits = any(tf.TensorShape([None, *shape]).is_compatible_with(values.shape) for shape in self.shapes)
        if not fits or dtype not in (*FLOATS, *(("uint8", "bool") if self.from_bytes else ())):
            raise self.refused(kind)
        if values.shape[0] == 0 or (values.shape[0] or 0) % self.multiple:
            raise self.refused(kind)
        if not is_symbolic(values) and dtype in FLOATS:
            low, high = extremes(values)
            if not self.lowest - ROUNDING <= low <= high <= self.highest + ROUNDING:
                raise self.refused(f"{kind} " + ("with NaN" if math.isnan(low) else f"in [{low:g}, {high:g}]"))
        if dtype != "float32":
            values = keras.ops.cast(values, "float32") if is_tensor(values) else values.astype(np.float32)
        if self.from_bytes and dtype not in FLOATS:
            values = self.from_bytes(values * 255.0 if dtype == "bool" else values)
        if tuple(values.shape[1:]) == self.shapes[0]:
            return values
        return keras.ops.reshape(values, (-1, *self.shapes[0])) if is_tensor(values) else values.reshape(-1, *self.shapes[0])

    def good(self, values: tf.Tensor) -> tf.Tensor:
        """Return, inside a graph, whether all float32 values are in the range (NaN is not) and their number is accepted."""
        count = tf.shape(values)[0]
        inside = tf.reduce_all((values >= self.lowest - ROUNDING) & (values <= self.highest + ROUNDING))
        return inside & (count > 0) & (tf.math.floormod(count, self.multiple) == 0)


def weights(values: Any, images: int | None) -> Any:
    """Return sample weights as float32 [images].

    Raises:
        ValueError: another shape, not numbers, negative or infinite values, or NaN.
    """

    def refused(received: str) -> ValueError:
        return ValueError(f"`sample_weight` must be one finite number, not below 0, for each image. Received: {received}")

    values = as_array(values, refused)
    kind = f"{dtype_of(values)} {shape_of(values)}" + (f" for {images} images" if images else "")
    if dtype_of(values) not in FLOATS and "int" not in dtype_of(values):
        raise refused(kind)
    if not tf.TensorShape([images]).is_compatible_with(values.shape):
        raise refused(kind)
    if is_symbolic(values):
        return tf.cast(values, tf.float32)
    low, high = extremes(values)
    if not 0 <= low <= high < math.inf:
        raise refused(f"{kind} " + ("with NaN" if math.isnan(low) else f"in [{low:g}, {high:g}]"))
    return np.asarray(values).astype(np.float32)


def good_weights(values: tf.Tensor) -> tf.Tensor:
    """Return, inside a graph, whether all sample weights are finite and not below 0."""
    return tf.reduce_all((values >= 0) & (values < math.inf))


def as_array(values: Any, refused: Callable[[str], ValueError]) -> Any:
    """Return a tensor as it is, and anything else as a NumPy array.

    Raises:
        ValueError: neither a dense tensor nor a regular array.
    """
    if isinstance(values, tf.Tensor | keras.KerasTensor):
        return values
    if isinstance(values, tf.Variable | keras.Variable):
        return tf.convert_to_tensor(values)
    if values is None or isinstance(values, dict | str | bytes | tf.RaggedTensor | tf.SparseTensor):
        raise refused("None" if values is None else type(values).__name__)
    try:
        return np.asarray(values)
    except Exception as error:  # ragged lists; arrays of other libraries raise errors of their own
        raise refused(f"{type(values).__name__} that is not a regular array ({type(error).__name__})") from None


def is_tensor(values: Any) -> bool:
    """Return whether this is a tensor of TensorFlow's or Keras's."""
    return isinstance(values, tf.Tensor | keras.KerasTensor)


def is_symbolic(values: Any) -> bool:
    """Return whether this is a tensor without values: in a graph, or of a functional model."""
    return isinstance(values, keras.KerasTensor) or tf.is_symbolic_tensor(values)


def dtype_of(values: Any) -> str:
    """Return the name of the dtype of an array or a tensor."""
    dtype = values.dtype
    return str(getattr(dtype, "name", dtype))


def shape_of(values: Any) -> str:
    """Return the shape of an array or a tensor in brackets."""
    return str(list(values.shape)) if values.shape is not None and tf.TensorShape(values.shape).rank is not None else "[…]"


def extremes(values: Any) -> tuple[float, float]:
    """Return the lowest and the highest value; both are NaN if one value is."""
    values = np.asarray(values)
    return float(values.min()), float(values.max())
