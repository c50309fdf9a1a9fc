"""Data that arrive in batches: each batch is checked as it comes, in a data pipeline's graph too."""

import re
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

OURS = re.compile(r"ValueError: (`\w+` must .*Received: .*)")  # a check's message inside TensorFlow's


def is_batches(data: Any) -> bool:
    """Return whether `data` yields batches: a data set, a `PyDataset`, a generator or another iterator."""
    return isinstance(data, tf.data.Dataset | keras.utils.PyDataset) or hasattr(data, "__next__")


def each_checked(data: Any, check: Callable[[Any], tuple]) -> Any:
    """Return data that yield the same batches after `check`."""
    if isinstance(data, tf.data.Dataset):
        return data.map(tf.autograph.experimental.do_not_convert(lambda *fields: check(fields)))
    if isinstance(data, keras.utils.PyDataset):
        return CheckedBatches(data, check)
    return (check(batch) for batch in data)


def passed(checked: tuple, good: tf.Tensor, check: Callable, given: dict[str, Any]) -> tuple:
    """Return tensors of a graph that are computed only if `good`; otherwise `check`, given the values, raises its error."""
    given = {name: value for name, value in given.items() if value is not None}

    def fail(*values) -> bool:
        check(**dict(zip(given, values, strict=True)))
        return True

    fine = tf.cond(good, lambda: tf.constant(True), lambda: tf.numpy_function(fail, list(given.values()), tf.bool))
    with tf.control_dependencies([fine]):
        return tuple(None if one is None else tf.identity(one) for one in checked)


class CheckedBatches(keras.utils.PyDataset):
    """A `PyDataset` whose batches are checked as they come."""

    def __init__(self, data: keras.utils.PyDataset, check: Callable[[Any], tuple]):
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self.data, self.check = data, check
        self.on_epoch_begin, self.on_epoch_end = data.on_epoch_begin, data.on_epoch_end

    def __getitem__(self, index):
        return self.check(self.data[index])

    @property
    def num_batches(self):
        """Number of batches; None for endless data."""
        return self.data.num_batches


@contextmanager
def one_line_errors():
    """Context that turns a check's ValueError, which TensorFlow wraps in a traceback, back into a ValueError of one line."""
    try:
        yield
    except tf.errors.OpError as error:
        found = OURS.search(str(error))
        if not found:
            raise
        raise ValueError(found[1]) from None
