"""What a model's code has to know where several replicas of it share each batch: nothing, but for these three functions.

Under a `tf.distribute` strategy the same step runs in each replica, on its share of the batch's rows. A loss there is the
replica's share of the loss, so that the shares, and their gradients, add up to the whole batch's. Anywhere else there is one
replica, and these functions give back what they get.
"""

from typing import TypeVar

import tensorflow as tf

Structure = TypeVar("Structure")


def count() -> int:
    """Replicas that share a batch here; 1 outside a strategy's replicas."""
    return 1 if tf.distribute.in_cross_replica_context() else tf.distribute.get_strategy().num_replicas_in_sync


def number() -> tf.Tensor:
    """Which of them this is, from 0; a scalar, int32."""
    context = tf.distribute.get_replica_context()
    return tf.cast(context.replica_id_in_sync_group, tf.int32)


def share(values: tf.Tensor) -> tf.Tensor:
    """Of the whole batch's rows this replica's: [batch, …] → [batch / replicas, …]."""
    if count() == 1:
        return values
    rows = tf.shape(values)[0] // count()
    return values[number() * rows : (number() + 1) * rows]


def whole(shares: Structure) -> Structure:
    """The whole batch's values from each replica's, the same in all of them.

    Args:
        shares: a tensor, or lists and dicts of tensors: the replica's rows [batch / replicas, …], or a scalar share of a sum.

    Returns:
        As `shares`, but all the rows [batch, …], or the sum; with a gradient.
    """
    if count() == 1:
        return shares
    padded = tf.nest.map_structure(_at_its_place, shares)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, padded)


def _at_its_place(rows: tf.Tensor) -> tf.Tensor:
    """The replica's rows among zeros for those of the others, which an all-reduce fills in exactly; a scalar as it is."""
    rows = tf.convert_to_tensor(rows)
    if not rows.shape.rank:
        return rows
    before = number() * tf.shape(rows)[0]
    after = (count() - 1 - number()) * tf.shape(rows)[0]
    return tf.pad(rows, tf.stack([tf.stack([before, after]), *[tf.zeros(2, tf.int32)] * (rows.shape.rank - 1)]))
