"""Event files: TensorBoard's histogram format, and truncation when a run is resumed."""

import os

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.histogram import summary_v2
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from tests.support import read_events
from unsupervised_learning.monitoring.event_files import discard_from, histogram_pb


@pytest.fixture
def logs_dir(tmp_path):
    """A folder with one event file: a scalar at iterations 0, 10, … 90."""
    writer = tf.summary.create_file_writer(str(tmp_path))
    for step in range(0, 100, 10):
        with writer.as_default(step=step):
            tf.summary.experimental.write_raw_pb(scalar_pb("loss", step / 10).SerializeToString())
    writer.close()
    return tmp_path


def steps(folder) -> list[int]:
    return sorted(read_events(folder)["scalars", "loss"])


def test_discard_from_keeps_earlier_events(logs_dir):
    discard_from(logs_dir, 40)
    assert steps(logs_dir) == [0, 10, 20, 30]
    discard_from(logs_dir, 35)
    assert steps(logs_dir) == [0, 10, 20, 30]
    assert [path.name[:6] for path in logs_dir.iterdir()] == ["events"]


def test_discard_from_deletes_an_empty_file(logs_dir):
    discard_from(logs_dir, 0)
    assert not list(logs_dir.iterdir())


def test_discard_from_handles_a_truncated_file(logs_dir):
    (path,) = logs_dir.iterdir()
    os.truncate(path, path.stat().st_size - 5)  # inside the event of iteration 90
    discard_from(logs_dir, 60)
    assert steps(logs_dir) == [0, 10, 20, 30, 40, 50]


def test_discard_from_leaves_foreign_files_alone(logs_dir):
    foreign = {"events.out.tfevents.1461210930.host": b"2016's", "events.out.tfevents.9.host.9.9.v2": b"not an event file"}
    for name, content in foreign.items():
        (logs_dir / name).write_bytes(content)
    (logs_dir / "events.out.tfevents.8.folder.v2").mkdir()
    discard_from(logs_dir, 0)
    assert {path.name: path.read_bytes() for path in logs_dir.iterdir() if path.is_file()} == foreign


@pytest.mark.parametrize(
    "values", [np.random.default_rng(0).normal(size=(50, 30)), np.full(7, 2.5), np.arange(31.0), np.ones(())]
)
def test_histogram_matches_tensorboards(values):
    ours, theirs = (make(("tag"), values.astype(np.float32)) for make in (histogram_pb, summary_v2.histogram_pb))
    assert ours.value[0].metadata == theirs.value[0].metadata
    found, expected = (tensor_util.make_ndarray(summary.value[0].tensor) for summary in (ours, theirs))
    np.testing.assert_allclose(found[:, :2], expected[:, :2], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[:, 2], expected[:, 2])


@pytest.mark.parametrize("values", [[1.0, np.nextafter(np.float32(1), np.float32(2))], [-3e38, 3e38], [0.0, 1e-45]])
def test_histogram_of_two_extreme_or_nearly_equal_values(values):
    summary = histogram_pb("tag", np.array(values, np.float32))
    counted = tensor_util.make_ndarray(summary.value[0].tensor)
    assert counted[0, 2] == counted[-1, 2] == 1
    assert counted[:, 2].sum() == 2
    assert (counted[0, 0], counted[-1, 1]) == tuple(np.array(values, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_histogram_of_non_finite_values_is_empty(bad):
    summary = histogram_pb("tag", np.array([0.0, bad, 1.0], np.float32))
    assert tensor_util.make_ndarray(summary.value[0].tensor)[:, 2].sum() == 0
