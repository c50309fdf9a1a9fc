"""Run 2016's graphs beside our models, and train them to the end; includes the author's own if ORIGINAL_DIR is set."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.original.graphs import build_ae, build_vae, graph_def, meta
from tests.support import REPOSITORY, assert_refused
from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.original import author_runs, follow, running
from unsupervised_learning.original.author_runs import next_batches
from unsupervised_learning.original.description import describe
from unsupervised_learning.original.follow import Step, beyond, model_of
from unsupervised_learning.original.graph_files import read_graph
from unsupervised_learning.original.running import RunningGraph

ORIGINAL = "unsupervised_learning/original/__main__.py"
REAL, REAL_IDX = os.environ.get("ORIGINAL_DIR"), os.environ.get("MNIST_IDX_DIR")
STARTS = {"ae_run5/model.ckpt-20000": 100, "vae/model.ckpt-100000": 100, "vae_relu_heads/model.ckpt-100000": 100}
# The VAE's first form, because today's gradients of the fixed form's means use operations that 2016's graphs lack.
BUILDS = {"ae": (build_ae, {}), "vae": (build_vae, {"heads": "relu", "constant": 3.0, "batch": 256.0})}
pytestmark = pytest.mark.filterwarnings("ignore:Tensor.__iter__:DeprecationWarning")


@pytest.fixture(scope="module", params=BUILDS)
def file(request, tmp_path_factory) -> Path:
    """Write a `.meta` file with a graph like 2016's."""
    build, options = BUILDS[request.param]
    return meta(tmp_path_factory.mktemp("graph") / f"{request.param}.meta", graph_def(build, of_2016=True, **options))


def table_of(out: str) -> dict[str, list[float]]:
    """Parse the printed table into rows of numbers, by label."""
    rows = re.findall(r"^(up to [\d,]+ updates?|allowed up to [\d,]+) +(.*)$", out, re.MULTILINE)
    return {name: [float(cell.rstrip("%")) for cell in cells.split()] for name, cells in rows}


@pytest.mark.slow
def test_our_models_follow_a_graph_from_its_initialisers(file, idx_dir, tmp_path, run_script):
    run = run_script(ORIGINAL, "follow", str(file), f"--data_dir={idx_dir}", "--steps=12", f"--out={tmp_path / 'out'}")
    assert run.status == 0, run.out + run.err
    rows = table_of(run.out)
    assert rows["up to 1 update"][-1] == 0.0  # all weights are bitwise equal
    assert max(rows["up to 12 updates"][:-1]) < 1e-4
    assert "They agree within the tolerance." in run.out
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".png"]


@pytest.mark.slow
def test_from_a_checkpoint_all_weights_stay_equal(file, idx_dir, tmp_path, run_script):
    graph = read_graph(file)
    running = RunningGraph(graph, describe(graph), seed=1, as_it_stands=True)
    images = to_unit_interval(mnist.load("mnist", str(idx_dir)).train.images[:256])
    for _ in range(3):
        running.update(images)
    names = [*running.description.variables.values(), *(s for pair in running.description.slots.values() for s in pair)]
    tensors = dict(zip(names, running.session.run([f"{name}:0" for name in names]), strict=True))
    # At this iteration the powers of Adam's betas are zero, so the graph's Adam and ours compute the same.
    path = tmp_path / "model.ckpt-200000"
    tf.raw_ops.Save(filename=str(path), tensor_names=list(tensors), data=[tf.constant(value) for value in tensors.values()])
    given = [f"--checkpoint={path}", f"--data_dir={idx_dir}", "--steps=20", f"--out={tmp_path}"]
    run = run_script(ORIGINAL, "follow", str(file), *given)
    assert run.status == 0, run.out + run.err
    assert table_of(run.out)["up to 20 updates"][-2:] == [0.0, 0.0]  # norms, and the fraction of unequal weights
    build, options = BUILDS[file.stem]
    other = meta(tmp_path / "other.meta", graph_def(build, of_2016=True, **options, z_dim=2))
    assert_refused(run_script(ORIGINAL, "follow", str(other), *given), "checkpoint")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["regularization", "learning_rate"])
def test_a_model_with_other_settings_is_detected(file, setting, idx_dir, tmp_path, run_script, monkeypatch):
    def other(description):
        changed = {"regularization": 1.05 * description.regularization, "learning_rate": 1.0001 * description.learning_rate}
        return model_of(dataclasses.replace(description, **{setting: changed[setting]}))

    monkeypatch.setattr(follow, "model_of", other)
    run = run_script(ORIGINAL, "follow", str(file), f"--data_dir={idx_dir}", "--steps=10", f"--out={tmp_path}")
    assert run.status == 1, run.out + run.err
    assert re.search(r"They differ: beyond the tolerance after \d+ updates, by ", run.out)


def test_differences_beyond_the_tolerance():
    def step(updates, **differences):
        return Step(updates, {}, {}, {"reconstruction": 0.0, "kl": 0.0, "norms": 0.0, **differences}, 0.0)

    start = "VAE, from its initialisers"
    assert beyond(step(10, kl=4e-5), start) == []
    assert beyond(step(10, kl=6e-5), start) == ["kl"]
    assert beyond(step(11, kl=6e-5), start) == []
    assert beyond(step(100, reconstruction=2e-3, norms=1.0), start) == ["reconstruction", "norms"]
    assert beyond(step(100, reconstruction=np.nan), start) == ["reconstruction"]
    assert beyond(step(1_001, reconstruction=9.0), start) == []  # no tolerance after so many updates
    assert follow.relative(-1.0, 1.0) == 2.0
    assert follow.relative(0.0, 0.0) == 0.0
    assert follow.relative(np.inf, np.inf) == np.inf
    assert follow.relative(1e-3, -1e-3, 2.0) == 1e-3


def test_a_graph_that_tensorflow_rejects_is_refused(idx_dir, tmp_path, run_script):
    graph = graph_def(build_ae, of_2016=True)
    for node in graph.node:
        if node.op == "MatMul":
            del node.attr["T"]
    file = meta(tmp_path / "odd.meta", graph)
    for command in ("follow", "train"):
        run = run_script(ORIGINAL, command, str(file), f"--data_dir={idx_dir}", f"--out={tmp_path}", f"--logs_dir={tmp_path}")
        assert_refused(run, "TensorFlow cannot run this graph")


@pytest.mark.slow
def test_an_interrupted_training_of_a_graph_resumes_bit_for_bit(file, idx_dir, tmp_path, monkeypatch):
    """The graph's own noise included, which comes from a running stream inside TensorFlow's operation."""
    monkeypatch.setattr(author_runs, "SAVED", 3)
    update, left = running.RunningGraph.update, [5]

    def interrupted(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        update(*arguments)

    def weights(name):
        author_runs.train(str(file), 2, 9, str(idx_dir), tmp_path / name)
        (folder,) = (tmp_path / name / "original_2016").iterdir()
        assert not (folder / author_runs.STATE).exists()
        return [value.numpy() for value in keras.models.load_model(folder / "model.keras", compile=False).weights]

    monkeypatch.setattr(running.RunningGraph, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weights("stopped")
    left[0] = 6  # what is left after the third update
    resumed = weights("stopped")
    left[0] = 9
    for one, other in zip(resumed, weights("whole"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_signal_stops_the_training_of_a_graph_after_a_save(file, idx_dir, tmp_path, monkeypatch, capsys):
    update = running.RunningGraph.update

    def stopping(*arguments):
        update(*arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(running.RunningGraph, "update", stopping)
    assert author_runs.train(str(file), 2, 9, str(idx_dir), tmp_path) == 128 + signal.SIGTERM
    assert "Stopped and saved at iteration 1. To resume, rerun: " in capsys.readouterr().out
    (folder,) = (tmp_path / "original_2016").iterdir()
    with np.load(folder / author_runs.STATE) as saved:
        assert saved["done"] == 1


@pytest.mark.slow
def test_a_damaged_state_is_named(file, idx_dir, tmp_path, run_script):
    given = ["--max_iterations=6", f"--data_dir={idx_dir}", f"--logs_dir={tmp_path / 'a'}"]
    assert run_script(ORIGINAL, "train", str(file), *given).status == 0
    (folder,) = (tmp_path / "a" / "original_2016").iterdir()
    (folder / "results.json").unlink()
    for content in (b"", b"PK\x03\x04", b"x" * 100):
        (folder / author_runs.STATE).write_bytes(content)
        assert_refused(run_script(ORIGINAL, "train", str(file), *given), "state.npz is not the state of this graph's run")


@pytest.mark.slow
def test_training_a_graph_to_the_end(file, idx_dir, tmp_path, run_script):
    def trained(name, *more):
        given = ["--max_iterations=6", f"--data_dir={idx_dir}", f"--logs_dir={tmp_path / name}", *more]
        run = run_script(ORIGINAL, "train", str(file), *given)
        assert run.status == 0, run.out + run.err
        (folder,) = (tmp_path / name / "original_2016").iterdir()
        return run, folder, json.loads((folder / "results.json").read_text())

    _, folder, results = trained("a")
    assert {path.name for path in folder.iterdir()} == {"results.json", "config.json", "model.keras", "lock"}
    assert results["iterations"] == 6
    again, _, _ = trained("a")
    assert "Finished already" in again.out
    given = f"--data_dir={idx_dir}", f"--logs_dir={tmp_path / 'a'}"
    longer = run_script(ORIGINAL, "train", str(file), "--max_iterations=9", *given)
    assert_refused(longer, "holds a finished run of 6 iterations", "--max_iterations=9")
    for name, more, same in (("b", [], True), ("c", ["--seed=1"], False)):
        _, _, other = trained(name, *more)
        measures = [key for key in results if key != "training_seconds"]
        assert all(results[key] == other[key] for key in measures) == same


def test_batches_follow_2016s_order():
    batches = next_batches(11, 3, seed=5)
    epochs = [np.concatenate([next(batches) for _ in range(3)]) for _ in range(3)]
    assert epochs[0].tolist() == list(range(9))  # the remainder is dropped
    order, random = np.arange(11), np.random.RandomState(5)
    for epoch in epochs[1:]:
        random.shuffle(order)  # shuffles the previous order
        assert epoch.tolist() == order[:9].tolist()


# The author's own graphs


@pytest.mark.slow
@pytest.mark.skipif(not (REAL and REAL_IDX), reason="ORIGINAL_DIR or MNIST_IDX_DIR is not set")
@pytest.mark.parametrize(
    ("name", "from_checkpoint"),
    # The first VAE's initialisers are those of the fixed one.
    [*((name, True) for name in STARTS), *((name, False) for name in STARTS if "relu" not in name)],
)
def test_the_authors_graphs(name, from_checkpoint, tmp_path):
    """Runs in a process of its own, so that TensorFlow uses one thread."""
    command = [sys.executable, "-m", "unsupervised_learning.original", "follow", f"{REAL}/{name}.meta"]
    given = [f"--data_dir={REAL_IDX}", f"--steps={STARTS[name]}", f"--out={tmp_path}"]
    if from_checkpoint:
        given.append(f"--checkpoint={REAL}/{name}")
    run = subprocess.run([*command, *given], cwd=REPOSITORY, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stdout + run.stderr
    *losses, norms, unequal = table_of(run.stdout)[f"up to {STARTS[name]} updates"]
    if from_checkpoint:
        assert max(losses) < 2e-6
        assert (norms, unequal) == (0.0, 0.0)
    elif "ae" in name[:2]:
        assert max(losses) < 5e-6
    else:
        assert losses[0] < 1e-3
        assert losses[1] < 5e-3
        early = table_of(run.stdout)["up to 10 updates"]
        assert early[0] < 1e-6
        assert early[1] < 5e-5
