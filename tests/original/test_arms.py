"""`original arms`: the table's statistics on made-up runs, and a short run of every arm from the author's graph."""

import json
import os
from pathlib import Path

import pytest

from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import statistics
from unsupervised_learning.original import arms

MNIST = os.environ.get("MNIST_IDX_DIR")
ORIGINAL = os.environ.get("ORIGINAL_DIR")


def record(arm: str, seed: int, loss: float, iterations: int = 6_001, recipe: str = "fixed") -> dict:
    last_five = {str(1_000 * number): loss + number - 4 for number in range(2, 7)}
    return {
        "arm": arm,
        "seed": seed,
        "recipe": recipe,
        "iterations": iterations,
        "course": {"1000": 999.0, **last_five, "6001": 999.0},
    }


def kept(folder: Path, losses: dict[str, list[float]]) -> Path:
    for arm, values in losses.items():
        for seed, loss in enumerate(values):
            (folder / f"{arm}_seed{seed}.json").write_text(json.dumps(record(arm, seed, loss)))
    return folder


def row_of(table: str, arm: str) -> str:
    return next(line for line in table.splitlines() if f"(`{arm}`)" in line)


def test_a_runs_loss_is_the_mean_of_its_last_five_multiples_of_a_thousand():
    assert arms.loss_of(record("ours", 0, 134.0)) == 134.0


def test_arms_are_compared_with_the_graph_unpaired_and_paired(tmp_path):
    graph, ours = [133.2, 133.9, 134.1, 133.0], [134.0, 134.5, 134.2, 133.9]
    row = row_of(arms.table(arms.read(kept(tmp_path, {"graph": graph, "ours": ours}))), "ours")
    assert row.split(" | ")[-2:] == [
        str(statistics.difference(ours, graph, arms.EQUAL["vae"])),
        f"{statistics.paired_difference(ours, graph, arms.EQUAL['vae'])} (n = 4) |",
    ]


@pytest.mark.parametrize(
    ("shifts", "verdict"),
    [
        ([0.01, -0.02, 0.01, 0.0], "equal within ±0.3"),
        ([0.9, 1.0, 1.1, 1.0], "differs"),
        ([1.0, -1.0, 0.8, -0.7], "open"),
        ([0.1, 0.11, 0.09, 0.1], "equal within ±0.3"),  # not 0, but too small to matter
    ],
)
def test_the_verdict_follows_from_the_interval(tmp_path, shifts, verdict):
    graph = [133.0, 134.0, 135.0, 133.5]
    folder = kept(tmp_path, {"graph": graph, "ours": [loss + shift for loss, shift in zip(graph, shifts, strict=True)]})
    assert row_of(arms.table(arms.read(folder)), "ours").endswith(f": {verdict} (n = 4) |")


def test_only_seeds_of_both_arms_are_paired(tmp_path):
    folder = kept(tmp_path, {"graph": [133.0, 134.0, 135.0], "ours": [133.1, 134.12, 135.08, 200.0]})
    assert "equal within ±0.3 (n = 3) |" in row_of(arms.table(arms.read(folder)), "ours")


def test_fewer_than_three_runs_have_no_interval(tmp_path):
    folder = kept(tmp_path, {"graph": [133.0, 134.0], "ours": [133.1, 134.1]})
    assert row_of(arms.table(arms.read(folder)), "ours").endswith("| – | – |")


def test_our_noise_is_compared_with_all_other_noise(tmp_path):
    losses = {
        "graph": [133.0, 134.0, 135.0, 140.0],
        "ours": [133.5, 134.4, 135.6],
        "numpy_order": [133.7, 134.6, 135.4],
        "no_xla": [133.2, 134.2, 135.4],
    }
    said = arms.table(arms.read(kept(tmp_path, losses))).splitlines()[-1]
    ours, other = losses["ours"] + losses["numpy_order"], losses["graph"] + losses["no_xla"]
    assert said == (
        "Our noise (`ours`, `numpy_order`, n = 6) minus other noise (`graph`, `no_xla`, n = 7): "
        f"{statistics.difference(ours, other, arms.EQUAL['vae'])}."
    )


def test_runs_of_different_lengths_are_refused(tmp_path):
    kept(tmp_path, {"ours": [133.0]})
    (tmp_path / "ours_seed1.json").write_text(json.dumps(record("ours", 1, 134.0, iterations=100)))
    with pytest.raises(RunError, match=r"runs of equal length. Received: .*6001"):
        arms.read(tmp_path)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds no runs"):
        arms.read(tmp_path)


@pytest.mark.parametrize("missing", ["arm", "seed", "recipe", "iterations", "course"])
def test_a_damaged_record_is_refused(tmp_path, missing):
    damaged = {name: value for name, value in record("ours", 0, 134.0).items() if name != missing}
    (tmp_path / "ours_seed0.json").write_text(json.dumps(damaged))
    with pytest.raises(RunError, match=f"ours_seed0.json is not a record of a run: .*{missing}"):
        arms.read(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not (ORIGINAL and MNIST), reason="needs the author's files in $ORIGINAL_DIR and MNIST in $MNIST_IDX_DIR")
def test_arms_differ_only_in_what_they_change(tmp_path):
    """200 updates stay within the first epoch, which both orders take in file order; other noise gives a similar run."""
    found = {}
    for arm in ("graph", "ours", "numpy_order"):
        assert arms.arms(f"{ORIGINAL}/vae/model.ckpt-100000.meta", arm, 3, 200, MNIST, tmp_path) == 0
        found[arm] = json.loads((tmp_path / "arms" / "fixed" / f"{arm}_seed3.json").read_text())["course"]["200"]
    assert arms.arms(f"{ORIGINAL}/vae/model.ckpt-100000.meta", "ours", 3, 200, MNIST, tmp_path) == 0  # finished already
    with pytest.raises(RunError, match=r"holds a run of 200 iterations\. Received: --max_iterations=100"):
        arms.arms(f"{ORIGINAL}/vae/model.ckpt-100000.meta", "ours", 3, 100, MNIST, tmp_path)
    ours = found["ours"]
    assert found["numpy_order"] == ours
    assert 0 < abs(found["graph"] - ours) < 5, found
