"""Snapshots of the weights: when they are taken and what they hold. Those of killed runs: tests/test_faults.py."""

from pathlib import Path

import numpy as np
import pytest

from tests.support import assert_refused, uncompiled
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.errors import RunError
from unsupervised_learning.training import snapshots


@pytest.mark.parametrize(
    ("count", "last", "expected"),
    [
        (16, 100_001, (0, 10, 18, 34, 63, 117, 215, 398, 736, 1359, 2512, 4642, 8577, 15849, 29287, 54117)),
        (3, 1_000, (0, 10, 100)),
        (16, 4, (0,)),
        (1, 100, (0,)),
        (0, 100, ()),
    ],
)
def test_iterations_are_evenly_spaced_on_a_logarithmic_scale(count, last, expected):
    assert snapshots.iterations(count, last) == expected


def test_a_snapshot_holds_the_weights(tmp_path):
    model = AutoEncoder(z_dim=2)
    snapshots.Snapshots(model, tmp_path, 3, 1_000).take(100)
    snapshots.Snapshots(model, tmp_path, 3, 1_000).take(101)  # not due
    (found,) = snapshots.read(tmp_path).items()
    assert found[0] == 100
    assert found[1].keys() == model.variables_of_2016().keys()
    for name, variable in model.variables_of_2016().items():
        np.testing.assert_array_equal(found[1][name], variable.numpy().astype(np.float16))


def test_all_snapshots_of_a_published_size_fit_into_the_limit():
    assert len(snapshots.Snapshots(AutoEncoder(), Path(), 16, 20_001).iterations) == 16
    assert 10 < len(snapshots.Snapshots(AutoEncoder(), Path(), 1000, 20_001).iterations) < 20
    assert not snapshots.Snapshots(object(), Path(), 0, 20_001).iterations  # a GAN's


def test_a_damaged_snapshot_is_refused(tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "weights-10.npz").write_bytes(b"dear")
    with pytest.raises(RunError, match=r"weights-10\.npz is not a snapshot"):
        snapshots.read(tmp_path)


@pytest.mark.slow
def test_no_snapshots_on_request(idx_dir, tmp_path, run_script):
    assert run_script("train_ae.py", *uncompiled(idx_dir, tmp_path, "--max_iterations=2", "--snapshots=0")).status == 0
    assert not (tmp_path / "snapshots").exists()
    assert_refused(run_script("train_ae.py", *uncompiled(idx_dir, tmp_path, "--snapshots=-1")), "snapshots")
