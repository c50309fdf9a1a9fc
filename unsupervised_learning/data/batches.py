"""The order of the training images: which images make up each batch."""

from collections.abc import Iterator

import numpy as np

from unsupervised_learning.errors import RunError


class BatchOrder:
    """Selects the training images of each batch, depending only on seed and iteration.

    As in `next_batch` of 2016, the first epoch uses file order, each later epoch a new random order, and an incomplete last
    batch is dropped (55,000 / 256 = 214 batches). Departs from 2016: an epoch's order is drawn from (seed, epoch) instead of
    one running stream, because a resumed run must find its place without replaying.
    Not thread-safe: it caches the last epoch's order.

    Args:
        examples: number of training images.
        batch_size: images per batch.
        seed: seed of the shuffling.
        file_order_first: use file order in the first epoch. False for pictures, which may be sorted into folders by class.
    """

    def __init__(self, examples: int, batch_size: int, seed: int, file_order_first: bool = True):
        if not 1 <= batch_size <= examples:
            there = f"there are {examples:,} training images"
            raise RunError(
                f"{there}; expected a batch size of at most that, as --batch_size={examples}. Received: {batch_size}"
            )
        if seed < 0:
            raise RunError(f"expected a seed of 0 or more. Received: {seed=}")
        self.batches_per_epoch = examples // batch_size
        self.batch_size = self.images_each_iteration = batch_size
        self._examples, self._seed, self._file_order_first = examples, seed, file_order_first
        self._last = (-1, np.empty(0, np.int32))  # the last requested epoch and its order

    def indices(self, start: int, count: int) -> np.ndarray:
        """Return int32 [count, batch_size]: rows of the training images for iterations start..start+count-1."""
        if start < 0 or count < 0:
            raise RunError(f"expected iterations of 0 or more. Received: {start=}, {count=}")
        batches = np.empty((count, self.batch_size), np.int32)
        last_epoch, order = self._last
        for row in range(count):
            epoch, batch = divmod(start + row, self.batches_per_epoch)
            if epoch != last_epoch:
                order, last_epoch = self._order_of(epoch), epoch
            batches[row] = order[batch * self.batch_size : (batch + 1) * self.batch_size]
        self._last = (last_epoch, order)
        return batches

    def _order_of(self, epoch: int) -> np.ndarray:
        if epoch == 0 and self._file_order_first:
            return np.arange(self._examples, dtype=np.int32)
        return np.random.default_rng([self._seed, epoch]).permutation(self._examples).astype(np.int32)


class InterleavedBatches(BatchOrder):
    """The batches of `BatchOrder`, several per iteration, as from the queue in `FlowersGAN.py` of 2016.

    With k = `batches`, iteration i takes batches i · k to i · k + k − 1, across epochs if necessary. Their images are
    interleaved: the first of each batch, then the second of each, and so on. So a contiguous share of them is an equal share
    of each batch.
    """

    def __init__(self, examples: int, batch_size: int, seed: int, file_order_first: bool, batches: int):
        super().__init__(examples, batch_size, seed, file_order_first)
        self.batches, self.images_each_iteration = batches, batches * batch_size

    def indices(self, start: int, count: int) -> np.ndarray:
        """Return int32 [count, batch_size * batches]: rows of the training images for iterations start..start+count-1."""
        one_by_one = super().indices(start * self.batches, count * self.batches)
        of_iterations = one_by_one.reshape(count, self.batches, self.batch_size)
        return of_iterations.swapaxes(1, 2).reshape(count, self.images_each_iteration)


def next_batches(examples: int, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the image indices [batch_size] of successive batches of `next_batch` in 2016.

    The first epoch uses file order. Before each later epoch, the previous order is shuffled again. An incomplete last batch is
    dropped. Source: mnist.py of TensorFlow 0.9, which used NumPy's global random stream.
    """
    order, random = np.arange(examples), np.random.RandomState(seed)
    while True:
        for start in range(0, examples - batch_size + 1, batch_size):
            yield order[start : start + batch_size].copy()
        random.shuffle(order)
