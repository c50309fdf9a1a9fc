"""Read, replay, resume from and write 2016 artefacts, including the author's own if ORIGINAL_DIR is set."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

from tests.support import assert_refused, assert_same, final_weights, old_event_file, uncompiled
from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.data.dataset import as_vectors
from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring.dumps import check_dump, read_dump
from unsupervised_learning.original.checkpoints import name_of_2016, read_checkpoint, slots, updates_of, write_checkpoint
from unsupervised_learning.vae import VariationalAutoEncoder

EXPLORE = "unsupervised_learning/explore/__main__.py"
ORIGINAL = "unsupervised_learning/original/__main__.py"
REAL, REAL_IDX = Path(os.environ.get("ORIGINAL_DIR", "")), os.environ.get("MNIST_IDX_DIR")
real_artefacts = pytest.mark.skipif(
    not (os.environ.get("ORIGINAL_DIR") and REAL_IDX), reason="ORIGINAL_DIR or MNIST_IDX_DIR is not set"
)


def trained(build, steps=3, **settings):
    """Return a compiled model after some updates on noise."""
    model = build(**settings)
    model.compile(optimizer=layers.adam())
    images = np.random.default_rng(0).uniform(size=(8, 784)).astype(np.float32)
    for _ in range(steps):
        model.train_step((tf.constant(images),))
    return model


def state(model):
    return {
        **{name: variable.numpy() for name, variable in model.variables_of_2016().items()},
        **{f"{name}/{i}": slot.numpy() for name, pair in slots(model).items() for i, slot in enumerate(pair)},
        "iteration": int(model.optimizer.iterations),
    }


def save(path, tensors):
    tf.raw_ops.Save(filename=str(path), tensor_names=list(tensors), data=[tf.constant(value) for value in tensors.values()])
    return path


def stored(path):
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


# Checkpoints


@pytest.mark.parametrize(
    ("build", "settings"),
    [(AutoEncoder, {}), (AutoEncoder, {"z_dim": 2}), (VariationalAutoEncoder, {}), (VariationalAutoEncoder, {"z_dim": 5})],
)
def test_written_checkpoints_can_be_read(tmp_path, build, settings):
    model = trained(build, **settings)
    file = "model.ckpt-3" if build is AutoEncoder else "model.ckpt-2"  # the VAE saves after an iteration's update
    assert name_of_2016(model) == file
    write_checkpoint(model, tmp_path / file)
    assert [path.name for path in tmp_path.iterdir()] == [file]  # one file, as TensorFlow 0.x wrote
    checkpoint = read_checkpoint(tmp_path / file)
    assert (checkpoint.model, checkpoint.z_dim, checkpoint.updates) == (build, settings.get("z_dim", 3), 3)
    other = build(**settings, seed=1)
    other.compile(optimizer=layers.adam())
    checkpoint.restore(other)
    expected, found = state(model), state(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)
    powers = stored(tmp_path / file)
    assert (float(powers["beta1_power"]), float(powers["beta2_power"])) == pytest.approx((0.9**4, 0.999**4))


def test_variable_names_of_older_runs(tmp_path):
    model = trained(AutoEncoder)
    write_checkpoint(model, tmp_path / "new")
    older = {}
    for name, value in stored(tmp_path / "new").items():
        layer = re.match(r"[Wb]_fc(\d)", name)
        older[f"fc{layer[1]}/{name.replace('b_fc3', 'b_fc2')}" if layer else name] = value
    assert {"fc3/b_fc2/Adam_1", "fc2/b_fc2/Adam_1"} <= older.keys()
    checkpoint = read_checkpoint(save(tmp_path / "model.ckpt-3", older))
    for name, variable in model.variables_of_2016().items():
        np.testing.assert_array_equal(checkpoint.values[name], variable.numpy(), err_msg=name)
    np.testing.assert_array_equal(checkpoint.velocities["b_fc3"], slots(model)["b_fc3"][1].numpy())


def test_a_checkpoint_without_adam_can_be_replayed_but_not_resumed(tmp_path):
    model = trained(AutoEncoder)
    values = {name: variable.numpy() for name, variable in model.variables_of_2016().items()}
    checkpoint = read_checkpoint(save(tmp_path / "model.ckpt-3", values))
    other = AutoEncoder(seed=1)
    checkpoint.restore(other)
    np.testing.assert_array_equal(other.variables_of_2016()["W_fc4"].numpy(), values["W_fc4"])
    with pytest.raises(RunError, match="missing Adam's state"):
        checkpoint.restore(trained(AutoEncoder))


@pytest.mark.parametrize(
    ("name", "power", "build", "expected"),
    [
        ("model.ckpt-20000", 0.999**20001, AutoEncoder, 20_000),
        ("model.ckpt-500", 0.999**502, VariationalAutoEncoder, 501),
        ("model.ckpt-100000", 0.0, VariationalAutoEncoder, 100_001),
        ("a", 0.999**501, AutoEncoder, 500),
        ("a", 0.999**501, VariationalAutoEncoder, 500),
        ("a", 0.0, AutoEncoder, None),
    ],
)
def test_updates_before_a_checkpoint(name, power, build, expected):
    assert updates_of(Path(name), np.array(power, np.float32), build) == expected


def test_contradicting_numbers_of_updates_are_rejected():
    with pytest.raises(RunError, match=r"2000 updates according to its name, but 500 according to Adam's"):
        updates_of(Path("model.ckpt-2000"), np.array(0.999**501, np.float32), AutoEncoder)


def test_a_vae_without_updates_has_no_2016_name():
    assert name_of_2016(trained(AutoEncoder, steps=0)) == "model.ckpt-0"
    with pytest.raises(RunError, match="without any"):
        name_of_2016(trained(VariationalAutoEncoder, steps=0))


def spoilt(case, path):
    """Write a bad checkpoint to `path`."""
    model = trained(AutoEncoder)
    write_checkpoint(model, path)
    tensors = stored(path)
    if case == "shape":
        save(path, {**tensors, "W_fc2": np.zeros((50, 60), np.float32)})
    elif case == "slot's shape":
        save(path, {**tensors, "b_fc1/Adam": np.zeros(3, np.float32)})
    elif case == "not finite":
        save(path, {**tensors, "W_fc2": np.full((50, 50), np.nan, np.float32)})
    elif case == "missing":
        save(path, {name: value for name, value in tensors.items() if name != "W_fc5"})
    elif case == "foreign":
        tf.train.Checkpoint(model=model).write(str(path))
        path.unlink()
    elif case == "cut off":
        path.write_bytes(path.read_bytes()[:-1000])
    elif case == "flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "text":
        path.write_text("model_checkpoint_path: model.ckpt-3\n" * 100)
    elif case == "nothing there":
        path.unlink()


SPOILT = {
    "shape": r"W_fc2 has the shape \(50, 60\); expected \(50, 50\)",
    "slot's shape": r"b_fc1 has the shape \(3,\); expected \(50,\)",
    "not finite": "W_fc2 is not finite",
    "missing": "not a checkpoint of 2016's autoencoder or VAE",
    "foreign": "not a checkpoint of 2016's autoencoder or VAE: it holds _CHECKPOINTABLE",
    "cut off": "cannot read the checkpoint",
    "flipped": "cannot read the checkpoint",
    "empty": "cannot read the checkpoint",
    "text": "cannot read the checkpoint",
    "nothing there": "no checkpoint at .*model.ckpt-3; expected a file",
}


@pytest.mark.parametrize("case", SPOILT)
def test_bad_checkpoints_are_rejected(case, tmp_path):
    spoilt(case, tmp_path / "model.ckpt-3")
    with pytest.raises(RunError, match=SPOILT[case]) as caught:
        read_checkpoint(tmp_path / "model.ckpt-3")
    assert "\n" not in str(caught.value)


def test_another_models_checkpoint_is_refused(tmp_path):
    write_checkpoint(trained(AutoEncoder), tmp_path / "model.ckpt-3")
    checkpoint = read_checkpoint(tmp_path / "model.ckpt-3")
    with pytest.raises(RunError, match="it has AutoEncoder, z_dim 3; expected AutoEncoder, z_dim 2"):
        checkpoint.restore(trained(AutoEncoder, z_dim=2))
    with pytest.raises(RunError, match="it has AutoEncoder, z_dim 3; expected VariationalAutoEncoder, z_dim 3"):
        checkpoint.restore(trained(VariationalAutoEncoder))


# Dumps


def test_dumps_of_both_formats(tmp_path):
    table = np.array([[0.25, -1.5, 3.0, 7], [1e-9, 2.0, 0.5, 0]])
    np.savetxt(tmp_path / "spaces", table)
    np.savetxt(tmp_path / "commas", table, fmt=["%.12g"] * 3 + ["%.1f"], delimiter=",")
    for name in ("spaces", "commas"):
        latents, labels = read_dump(tmp_path / name)
        np.testing.assert_array_equal(latents, table[:, :-1])
        assert labels.tolist() == [7, 0]


@pytest.mark.parametrize(
    "content", ["", "words and more", "1 2 3\n1 2\n", "0.1 0.2 0.3 11\n", "nan 0.2 0.3 1\n", "1\n2\n", b"\xff\xfe\x00"]
)
@pytest.mark.filterwarnings("ignore:loadtxt. input contained no data:UserWarning")
def test_other_files_are_rejected_as_dumps(content, tmp_path):
    (tmp_path / "dump").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match="is not a latent dump") as caught:
        read_dump(tmp_path / "dump")
    assert "\n" not in str(caught.value)


def test_dumps_of_another_test_set():
    digits = mnist.load("digits")
    labels = digits.test.labels
    check_dump("dump", np.zeros((297, 3)), labels, 3, digits)
    with pytest.raises(RunError, match=r"\(297, 3\) latents; expected \(297, 2\)"):
        check_dump("dump", np.zeros((297, 3)), labels, 2, digits)
    with pytest.raises(RunError, match=r"\(100, 3\) latents; expected \(297, 3\)"):
        check_dump("dump", np.zeros((100, 3)), labels[:100], 3, digits)
    with pytest.raises(RunError, match="labels differ"):
        check_dump("dump", np.zeros((297, 3)), labels[::-1], 3, digits)


# Event files


def test_imported_events_have_our_tags_and_keep_their_times(tmp_path, run_script):
    (tmp_path / "theirs" / "run").mkdir(parents=True)
    old_event_file(tmp_path / "theirs" / "run" / "events.out.tfevents.1.host")
    for _ in range(2):  # a second import must not add anything
        run = run_script(ORIGINAL, "import-logs", f"{tmp_path}/theirs", f"--logs_dir={tmp_path}/logs")
        assert run.status == 0, run.err
    found = list((tmp_path / "logs").rglob("*tfevents*"))
    assert found == [tmp_path / "logs" / "original_2016" / "run" / "events.out.tfevents.1.host"]
    events = [event for event in EventFileLoader(str(found[0])).Load() if event.HasField("summary")]
    assert [(event.step, event.wall_time) for event in events] == [(0, 1.46e9), (100, 1.46e9 + 12.5)]
    values = {value.tag: value for value in events[1].summary.value}
    assert {tag: value.metadata.plugin_data.plugin_name for tag, value in values.items()} == {
        "Loss": "scalars",
        "Encoder_loss": "scalars",
        "b_fc3": "histograms",
        "Input": "images",
    }
    assert float(tensor_util.make_ndarray(values["Loss"].tensor)) == 4.0
    assert tensor_util.make_ndarray(values["b_fc3"].tensor)[:, 2].sum() == 3
    width, height, *pictures = tensor_util.make_ndarray(values["Input"].tensor)
    assert (int(width), int(height), len(pictures)) == (28, 28, 2)


def test_importing_folders_without_event_files(tmp_path, run_script):
    assert_refused(run_script(ORIGINAL, "import-logs", str(tmp_path)), "event files", str(tmp_path))
    (tmp_path / "events.out.tfevents.1").write_bytes(b"not an event file, but long enough to be one")
    run = run_script(ORIGINAL, "import-logs", str(tmp_path), f"--logs_dir={tmp_path}/logs")
    assert run.status == 2
    assert "skipped: " in run.err
    assert "is not an event file" in run.err
    assert "none of the event files" in run.err
    assert not list((tmp_path / "logs").rglob("*event*"))
    old_event_file(tmp_path / "events.out.tfevents.2")
    run = run_script(ORIGINAL, "import-logs", str(tmp_path), f"--logs_dir={tmp_path}/logs")
    assert run.status == 0, run.err
    assert run.err.count("skipped: ") == 1
    assert [path.name for path in (tmp_path / "logs").rglob("*event*")] == ["events.out.tfevents.2"]


# Commands


@pytest.mark.parametrize("given", [[], ["replay"], ["play", "x"], ["export", "x"], ["replay", "x", "y"]])
def test_unknown_commands_are_rejected(given, run_script):
    assert_refused(run_script(ORIGINAL, *given), "replay CHECKPOINT | export LOGS_DIR FILE | import-logs DIR")


def test_export_of_a_folder_without_a_run(tmp_path, run_script):
    assert_refused(run_script(ORIGINAL, "export", str(tmp_path), str(tmp_path / "out")), "without config.json")


@pytest.mark.slow
@pytest.mark.parametrize("script", ["train_ae.py", "train_vae.py"])
def test_resuming_an_exported_checkpoint_equals_resuming_the_run(script, idx_dir, tmp_path, run_script, without_outputs):
    """A 2016 checkpoint holds the complete state of a run, so the final weights are bitwise equal."""
    own, restored = tmp_path / "own", tmp_path / "restored"
    assert run_script(script, *uncompiled(idx_dir, own, "--max_iterations=60")).status == 0
    run = run_script(ORIGINAL, "export", str(own), str(tmp_path))
    assert run.status == 0, run.err
    assert "after 60 iterations" in run.out
    checkpoint = tmp_path / ("model.ckpt-60" if script == "train_ae.py" else "model.ckpt-59")
    given = uncompiled(idx_dir, restored, f"--restore_original={checkpoint}")
    assert_refused(run_script(script, *given, "--max_iterations=60"), "max_iterations", "60")
    assert not restored.exists()
    run = run_script(script, *given, "--max_iterations=90")
    assert run.status == 0, run.err
    assert run_script(script, *uncompiled(idx_dir, own, "--max_iterations=90")).status == 0
    assert_same(final_weights(own), final_weights(restored))
    # The run records where it started, and must be resumed with the same flag.
    run = run_script(script, *uncompiled(idx_dir, restored, "--max_iterations=95"))
    assert_refused(run, "restore_original is", f"--restore_original={checkpoint}")
    other = "train_vae.py" if script == "train_ae.py" else "train_ae.py"
    run = run_script(other, *uncompiled(idx_dir, tmp_path / "third", f"--restore_original={checkpoint}"))
    assert_refused(run, "another model's checkpoint")


@pytest.mark.slow
def test_explore_reads_a_kept_replay(idx_dir, tmp_path, run_script, without_outputs):
    assert run_script("train_vae.py", *uncompiled(idx_dir, tmp_path / "run", "--max_iterations=30")).status == 0
    assert run_script(ORIGINAL, "export", str(tmp_path / "run"), str(tmp_path)).status == 0
    kept = tmp_path / "kept"
    replay = ["replay", str(tmp_path / "model.ckpt-29"), f"--keep={kept}", f"--data_dir={idx_dir}", "--norelu_heads"]
    run = run_script(ORIGINAL, *replay)
    assert run.status == 0, run.err
    assert json.loads((kept / "config.json").read_text())["settings"]["restore_original"].endswith("model.ckpt-29")
    looked = run_script(EXPLORE, str(kept), f"--data_dir={idx_dir}", "--only=prior")
    assert looked.status == 0, looked.err
    found = json.loads((kept / "explore" / "evaluation.json").read_text())
    assert list(found["parts"]) == ["prior"]
    assert_refused(run_script(ORIGINAL, *replay), "--keep", "kept", "must be a new folder")


# The author's own artefacts


@real_artefacts
@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint", "dump", "expected"),
    [
        ("ae_run5/model.ckpt-20000", "ae_run5/checkpoint20000.txt", {"test_l2": (4.447, 1e-3), "knn_accuracy": (0.819, 1e-3)}),
        (
            "vae_relu_heads/model.ckpt-100000",
            "vae_relu_heads/z_vae_output.csv",
            {"negative_elbo": (174.85, 0.15), "log_var_zero_fraction": (1.0, 0.0), "knn_accuracy": (0.719, 1e-3)},
        ),
        ("vae/model.ckpt-100000", None, {"negative_elbo": (133.65, 0.15), "kl": (8.59, 0.01), "knn_accuracy": (0.840, 1e-3)}),
    ],
)
def test_the_authors_checkpoints(checkpoint, dump, expected, run_script):
    given = [f"--data_dir={REAL_IDX}"] + ([f"--dump={REAL / dump}"] if dump else [])
    run = run_script(ORIGINAL, "replay", str(REAL / checkpoint), *given)
    assert run.status == 0, run.err
    numbers = dict(line.split()[:2] for line in run.out.splitlines() if re.match(r"\w+ +[\d.-]+( |$)", line))
    for name, (value, tolerance) in expected.items():
        assert float(numbers[name]) == pytest.approx(value, abs=tolerance), name
    assert ("first form" in run.out) == ("relu_heads" in checkpoint)
    if checkpoint.startswith("ae"):
        assert float(re.findall(r"largest difference ([\de.-]+)", run.out)[0]) < 1e-6
    elif dump:
        mean, deviation = re.findall(r"mean (-?[\d.]+), standard deviation ([\d.]+)", run.out)[0]
        assert abs(float(mean)) < 0.02
        assert float(deviation) == pytest.approx(1, abs=0.01)


@pytest.mark.slow
@real_artefacts
def test_resuming_the_authors_checkpoint_without_a_jump():
    """The loss stays level for 100 iterations after the author's 20,000, but jumps if Adam's slots are zeroed."""
    images = mnist.load("mnist", REAL_IDX).train.images
    order = BatchOrder(len(images), 256, seed=0).indices(20_000, 100)
    courses = {}
    for zeroed in (False, True):
        model = AutoEncoder()
        model.compile(optimizer=layers.adam())
        read_checkpoint(REAL / "ae_run5/model.ckpt-20000").restore(model)
        assert int(model.iterations) == 20_000
        for slot in [slot for pair in slots(model).values() for slot in pair] if zeroed else ():
            slot.assign(tf.zeros_like(slot))

        @tf.function
        def step(batch, model=model):
            loss = model.objective(batch)["loss"]
            with tf.control_dependencies([loss]):
                model.train_step((batch,))
            return loss

        courses[zeroed] = np.array([float(step(as_vectors(tf.constant(images[batch])))) for batch in order])
    before = courses[False][0]
    assert courses[False].max() < 1.1 * before
    assert courses[True].max() > 1.5 * before
