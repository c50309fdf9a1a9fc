"""Which images make up each batch."""

import numpy as np
import pytest

from unsupervised_learning.data.batches import BatchOrder, InterleavedBatches
from unsupervised_learning.errors import RunError


def test_an_epoch_uses_no_image_twice_and_drops_the_remainder():
    order = BatchOrder(examples=55_000, batch_size=256, seed=0)
    assert order.batches_per_epoch == 214
    batches = order.indices(0, 3 * 214)
    assert (batches.shape, batches.dtype) == ((642, 256), np.int32)
    epochs = batches.reshape(3, 214 * 256)
    for epoch in epochs:
        assert len(np.unique(epoch)) == 214 * 256
        assert 0 <= epoch.min() <= epoch.max() < 55_000
    left_out = [set(range(55_000)) - set(epoch.tolist()) for epoch in epochs]
    assert len(left_out[0]) == 216
    assert left_out[0] != left_out[1]


def test_the_first_epoch_is_in_file_order_and_later_ones_are_shuffled_differently():
    batches = BatchOrder(100, 10, seed=1).indices(0, 30).reshape(3, 100)
    assert [sorted(epoch.tolist()) for epoch in batches] == [list(range(100))] * 3
    assert batches[0].tolist() == list(range(100))
    assert len({tuple(epoch) for epoch in batches.tolist()}) == 3
    assert (BatchOrder(100, 10, seed=2).indices(0, 30).reshape(3, 100)[1:] != batches[1:]).any(axis=1).all()


def test_pictures_are_shuffled_from_the_first_epoch_on():
    in_file_order, shuffled = (BatchOrder(100, 10, 1, file_order_first=first).indices(0, 20) for first in (True, False))
    assert sorted(shuffled[:10].ravel().tolist()) == list(range(100))
    assert shuffled[:10].ravel().tolist() != list(range(100))
    np.testing.assert_array_equal(in_file_order[10:], shuffled[10:])


def test_indices_depend_only_on_seed_and_iteration():
    whole = BatchOrder(103, 10, seed=5).indices(0, 60)
    order = BatchOrder(103, 10, seed=5)
    for start, count in [(59, 1), (0, 60), (7, 20), (25, 0), (9, 2), (10, 1), (9, 2), (0, 1)]:
        np.testing.assert_array_equal(order.indices(start, count), whole[start : start + count])
        np.testing.assert_array_equal(BatchOrder(103, 10, seed=5).indices(start, count), whole[start : start + count])


def test_order_is_unchanged_since_earlier_runs():
    """A change of the order would make every old checkpoint resume on other batches."""
    assert BatchOrder(8, 4, seed=0, file_order_first=False).indices(1, 2).tolist() == [[5, 0, 1, 7], [1, 3, 7, 6]]


def test_interleaved_batches_contain_consecutive_batches():
    """Test also across the end of an epoch, and from any first iteration."""
    order = InterleavedBatches(23, 4, seed=1, file_order_first=True, batches=3)
    assert order.images_each_iteration == 12
    one_by_one = BatchOrder(23, 4, seed=1).indices(0, 30)  # five batches an epoch
    found = order.indices(0, 10)
    assert found.shape == (10, 12)
    for i, rows in enumerate(found):
        for k in range(3):
            np.testing.assert_array_equal(rows[k::3], one_by_one[3 * i + k])
    np.testing.assert_array_equal(InterleavedBatches(23, 4, seed=1, file_order_first=True, batches=3).indices(7, 2), found[7:9])
    np.testing.assert_array_equal(InterleavedBatches(23, 4, 1, file_order_first=True, batches=1).indices(3, 5), one_by_one[3:8])


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_batch_size_out_of_range(batch_size):
    with pytest.raises(RunError, match=f"^there are 10 training images; .* --batch_size=10. Received: {batch_size}$"):
        BatchOrder(10, batch_size, seed=0)
    assert BatchOrder(10, 10, seed=0).batches_per_epoch == 1


def test_negative_seed_and_iterations():
    with pytest.raises(RunError, match="Received: seed=-1"):
        BatchOrder(10, 2, seed=-1)
    with pytest.raises(RunError, match="Received: start=-1, count=1"):
        BatchOrder(10, 2, seed=0).indices(-1, 1)
