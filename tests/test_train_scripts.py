"""The scripts as a user starts them: flags, files, summaries, and one-line errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import plugin_data_pb2

from tests.support import REPOSITORY, SCRIPTS, assert_refused, read_events, small, uncompiled, write_idx
from unsupervised_learning import autoencoder, vae  # noqa: F401 (registers the classes for load_model)
from unsupervised_learning.monitoring.vae import VAEMonitor
from unsupervised_learning.original import runs
from unsupervised_learning.training import flag_help

AE_SCALARS = {"Loss", "Encoder_loss", "Reg_loss"}
AE_HISTOGRAMS = {f"{kind}_fc{layer}" for kind in "Wb" for layer in range(1, 7)}
VAE_OPS = {f"encoder/{name}" for name in ("hfc_1", "hfc_2", "mu", "log_var")} | {"decoder/hdfc_1", "decoder/hdfc_2"}
VAE_VARIABLES = {f"encoder/{kind}_fc{layer}" for kind in "Wb" for layer in range(1, 5)}
VAE_VARIABLES |= {f"decoder/{kind}d_fc{layer}" for kind in "Wb" for layer in range(1, 4)}
TAGS_OF_2016 = {
    "train_ae.py": {"scalars": AE_SCALARS, "histograms": AE_HISTOGRAMS, "images": {"Input", "Output"}},
    "train_vae.py": {
        "scalars": {"Reg_loss", "total_loss"} | {f"{op}/sparsity" for op in VAE_OPS},
        "histograms": {"Entropy_loss", "KL_Divergence"}
        | {f"{op}/activation" for op in VAE_OPS}
        | VAE_VARIABLES
        | {f"{variable}/gradient" for variable in VAE_VARIABLES},
        "images": {"Input", "Output"},
    },
}
SUMMARY_EVERY = {"train_ae.py": 100, "train_vae.py": 500}


# Outputs of a run


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_tag_of_2016_is_there_at_every_step(script, finished):
    events = read_events(finished[script])
    steps = list(range(0, 1101, SUMMARY_EVERY[script]))
    for plugin, tags in TAGS_OF_2016[script].items():
        for tag in tags:
            assert sorted(events[plugin, tag]) == steps, (plugin, tag)
    named = {tag for plugin, tag in events if plugin in TAGS_OF_2016[script] and not tag.startswith("ours/")}
    assert named == set.union(*TAGS_OF_2016[script].values())


@pytest.mark.parametrize("script", SCRIPTS)
def test_our_own_tags(script, finished):
    events = read_events(finished[script])
    losses = {"loss", "reconstruction", "regularization"} | ({"kl"} if script == "train_vae.py" else set())
    for plugin, tag in [("scalars", f"ours/validation/{name}") for name in losses] + [
        ("images", "ours/reconstructions"),
        ("images", "ours/samples"),
    ]:
        assert sorted(events[plugin, tag]) == [0, 1000], tag
    assert sorted(events["images", "ours/latent_scatter"]) == [0]
    of_dimensions = [tag for plugin, tag in events if tag.startswith("ours/kl_of_dimension/")]
    assert len(of_dimensions) == (2 if script == "train_vae.py" else 0)  # --z_dim=2
    for step in [0, 1000] if of_dimensions else []:
        parts = sum(float(events["scalars", tag][step]) for tag in of_dimensions)
        # The losses are float32: at log_var = 0.001, as initially, expm1(log_var) − log_var has an error of 1e-10.
        assert parts == pytest.approx(float(events["scalars", "ours/validation/kl"][step]), rel=1e-5, abs=1e-9)
    hparams = next(value for (plugin, _), value in events.items() if plugin == "hparams")
    assert len(hparams) > 0


def test_hyperparameters_reach_the_hparams_plugin(finished):
    for path in finished["train_vae.py"].glob("events.out.tfevents.*"):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "hparams":
                    content = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                    if content.HasField("session_start_info"):
                        hparams = content.session_start_info.hparams
                        assert hparams["z_dim"].number_value == 2
                        assert hparams["activation"].string_value == "relu"
                        assert hparams["relu_heads"].bool_value is False
                        return
    pytest.fail("no hyperparameters")


def test_histograms_and_images_hold_the_values(finished):
    events = read_events(finished["train_vae.py"])
    mu = events["histograms", "encoder/mu/activation"][500]
    assert mu[:, 2].sum() == 32 * 2  # batch · z_dim
    assert events["histograms", "decoder/Wd_fc3/gradient"][0][:, 2].sum() == 50 * 784
    biases = events["histograms", "encoder/b_fc1"][0]
    assert 0.099 < biases[0, 0] < biases[-1, 1] < 0.102  # after one update of 0.001, Adam's first step
    assert 0 <= float(events["scalars", "encoder/hfc_1/sparsity"][0]) <= 1
    assert float(events["scalars", "encoder/mu/sparsity"][500]) == 0
    width, height, *images = events["images", "Output"][500]
    assert (int(width), int(height), len(images)) == (28, 28, 2)
    losses = events["histograms", "Entropy_loss"][500]
    assert losses[:, 2].sum() == 32
    assert float(events["scalars", "total_loss"][1000]) < float(events["scalars", "total_loss"][0])


def test_the_first_recipe_logs_a_negative_kl(idx_dir, tmp_path, run_script, without_outputs):
    assert run_script("train_vae.py", *uncompiled(idx_dir, tmp_path, "--recipe=first", "--max_iterations=1")).status == 0
    events = read_events(tmp_path)
    assert float(events["scalars", "KL_Divergence"][0]) < -2.5
    assert float(events["scalars", "ours/KL_Divergence"][0]) > 0
    assert float(events["scalars", "Entropy_loss"][0]) > 100


def test_flags_override_the_defaults_of_a_recipe(tmp_path, settings_of):
    given = settings_of(
        "train_ae.py", f"--logs_dir={tmp_path / 'run'}", "--recipe=run1", "--max_iterations=1", "--init_stddev=0.02"
    )
    expected = {**runs.AUTOENCODER["run1"], "recipe": "run1", "init_stddev": 0.02}
    assert given.max_iterations == 1
    assert expected.pop("max_iterations") == 10_001
    assert expected.items() <= given.deciding().items()


@pytest.mark.parametrize("script", SCRIPTS)
def test_records_of_a_run(script, finished):
    config = json.loads((finished[script] / "config.json").read_text())
    assert config["settings"]["seed"] == 3
    assert config["settings"]["batch_size"] == 32
    assert config["data"]["name"] == "mnist"
    assert config["data"]["comparable"] is False
    assert len(config["data"]["checksum"]) == 64
    assert config["versions"]["keras"] == keras.__version__
    results = json.loads((finished[script] / "results.json").read_text())
    numbers = ["test_l2", "test_mse"] if script == "train_ae.py" else ["reconstruction", "kl", "negative_elbo"]
    for name in [*numbers, "knn_accuracy", "training_seconds"]:
        assert results[name] > 0, name
    assert results["pca"]["components"] == 2
    assert results["iterations"] == 1101
    assert "original_2016" not in results  # the images are not those of MNIST
    if script == "train_vae.py":
        assert results["negative_elbo"] == pytest.approx(results["reconstruction"] + results["kl"])


@pytest.mark.parametrize("script", SCRIPTS)
def test_figures_and_projector(script, finished):
    names = {"latent_scatter", "reconstructions", "samples", "manifold"}
    names |= {"latent_scatter_0"} if script == "train_ae.py" else {"latent_scatter_mu"}
    figures = finished[script] / "figures"
    assert {path.name for path in figures.iterdir()} == {f"{name}.png" for name in names}
    for path in figures.iterdir():
        assert tf.io.decode_png(path.read_bytes()).shape[0] > 200
    projector = finished[script] / "projector"
    assert np.loadtxt(projector / "latents.tsv").shape == (100, 2)
    assert np.loadtxt(projector / "labels.tsv").shape == (100,)
    assert tf.io.decode_png((projector / "sprite.png").read_bytes()).shape[:2] == (280, 280)
    assert "projector/latents.tsv" in (finished[script] / "projector_config.pbtxt").read_text()


def test_latent_dumps_have_2016s_format(finished):
    logs_dir = finished["train_ae.py"]
    assert {path.name for path in logs_dir.glob("checkpoint*.txt")} == {"checkpoint0.txt", "checkpoint1000.txt"}
    lines = (logs_dir / "checkpoint1000.txt").read_text().splitlines()
    assert len(lines) == 100
    number = r"-?\d\.\d{18}e[+-]\d\d"
    assert all(re.fullmatch(rf"{number} {number} {number}", line) for line in lines)
    table = np.loadtxt(logs_dir / "checkpoint1000.txt")
    assert np.abs(table[:, :2]).max() < 1
    assert set(table[:, 2]) <= set(range(10))


def test_z_vae_output_has_2016s_format(finished):
    lines = (finished["train_vae.py"] / "z_vae_output.csv").read_text().splitlines()
    assert len(lines) == 100
    assert all(re.fullmatch(r"(-?[\d.]+(e-\d\d)?,){2}\d\.0", line) for line in lines)


@pytest.mark.parametrize("script", SCRIPTS)
def test_dump_matches_the_saved_weights(script, finished, idx_dir):
    model = keras.models.load_model(finished[script] / "model.keras")
    images = np.frombuffer((idx_dir / "t10k-images-idx3-ubyte").read_bytes()[16:], np.uint8).reshape(100, 784)
    encoded = model.encoder(images.astype(np.float32) / 255)
    latents = np.loadtxt(finished[script] / "projector" / "latents.tsv")
    np.testing.assert_allclose(encoded[0] if script == "train_vae.py" else encoded, latents, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_five_newest_checkpoints_are_kept(idx_dir, tmp_path, run_script, without_outputs):
    run = run_script("train_ae.py", *small(idx_dir, tmp_path / "ae", "--max_iterations=6002"))
    assert run.status == 0, run.err
    steps = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "ae").glob("model.ckpt-*.index"))
    assert steps == [3000, 4000, 5000, 6000, 6002]


# Mistakes


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("--batch_size=0", ["batch_size", "0"]),
        ("--batch_size=-4", ["batch_size", "-4"]),
        ("--batch_size=many", ["batch_size", "many"]),
        ("--max_iterations=0", ["max_iterations", "0"]),
        ("--z_dim=0", ["z_dim", "0"]),
        ("--z_dim=100000", ["z_dim", "100000"]),
        ("--seed=-1", ["seed", "-1"]),
        ("--learning_rate=0", ["learning_rate", "0", "above 0"]),
        ("--learning_rate=nan", ["learning_rate", "nan"]),
        ("--learning_rate=inf", ["learning_rate", "inf"]),
        ("--regularization=-1", ["regularization", "-1"]),
        ("--activation=swish", ["activation", "swish", "relu", "sigmoid"]),
        ("--dataset=cifar", ["dataset", "cifar", "kmnist"]),
        ("--no_such_flag=1", ["no_such_flag"]),
        ("stray", ["stray"]),
        ("--logs_dir=", ["logs_dir"]),
        ("--data_dir=/no/such/folder", ["/no/such/folder"]),
    ],
)
def test_wrong_flags_are_refused_in_one_line(script, argument, parts, tmp_path, run_script):
    arguments = [] if argument.startswith("--logs_dir") else [f"--logs_dir={tmp_path / 'run'}"]
    assert_refused(run_script(script, *arguments, argument), *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_wrong_kl_weight(value, tmp_path, run_script):
    assert_refused(run_script("train_vae.py", f"--logs_dir={tmp_path / 'run'}", f"--kl_weight={value}"), "kl_weight", value)


@pytest.mark.parametrize("script", SCRIPTS)
def test_unusable_logs_dir_is_refused_before_data_is_loaded(script, tmp_path, run_script):
    file = tmp_path / "file"
    file.write_text("kept")
    for logs_dir in (file, file / "below"):
        # data_dir is also invalid, and would be reported instead if the data were loaded first.
        assert_refused(run_script(script, f"--logs_dir={logs_dir}", "--data_dir=/no/such/folder"), str(logs_dir), "is a file")
    assert_refused(run_script(script, "--logs_dir=/proc/run", "--data_dir=/no/such/folder"), "/proc/run", "writable")
    assert file.read_text() == "kept"


def test_batch_larger_than_the_data_is_refused(idx_dir, tmp_path, run_script):
    run = run_script("train_ae.py", f"--data_dir={idx_dir}", f"--logs_dir={tmp_path / 'run'}", "--batch_size=551")
    assert_refused(run, "551", "550")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_jit_is_recorded_and_cannot_change_when_a_run_is_resumed(idx_dir, tmp_path, run_script):
    losses = {}
    for arithmetic in ([], ["--jit=off"]):
        arguments = small(idx_dir, tmp_path / str(len(arithmetic)), "--max_iterations=3", *arithmetic)
        run = run_script("train_vae.py", *arguments)
        assert run.status == 0, run.err
        losses[len(arithmetic)] = json.loads((tmp_path / str(len(arithmetic)) / "results.json").read_text())["negative_elbo"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    refused = run_script("train_vae.py", *small(idx_dir, tmp_path / "1", "--max_iterations=4"))
    assert refused.status == 2
    assert "jit is off" in refused.err


@pytest.mark.slow
def test_binarized_run_is_trained_recorded_and_resumed(idx_dir, tmp_path, run_script, monkeypatch):
    black_or_white, grey = tmp_path / "sample", tmp_path / "none"
    run = run_script("train_vae.py", *uncompiled(idx_dir, black_or_white, "--max_iterations=2", "--binarize=sample"))
    assert run.status == 0, run.err
    assert "binarised by sample" in run.out
    config, results = (json.loads((black_or_white / name).read_text()) for name in ("config.json", "results.json"))
    assert config["settings"]["binarize"] == config["data"]["binarize"] == "sample"
    assert (config["data"]["comparable"], results["comparable_with_2016"]) == (False, False)
    trained_on = tf.io.decode_png(read_events(black_or_white)["images", "Input"][0][2]).numpy()
    tested_on = tf.io.decode_png((black_or_white / "projector" / "sprite.png").read_bytes()).numpy()
    assert set(np.unique(trained_on)) == set(np.unique(tested_on)) == {0, 255}

    monkeypatch.setattr(VAEMonitor, "write_outputs", lambda *_: {})  # was tested above, and takes seconds
    assert run_script("train_vae.py", *uncompiled(idx_dir, grey, "--max_iterations=2")).status == 0
    config = json.loads((grey / "config.json").read_text())
    assert "binarize" not in config["settings"]  # as in runs from before this flag existed
    assert config["data"]["binarize"] == "none"

    for logs_dir, flags, difference, there in (
        (black_or_white, ["--binarize=threshold"], "binarize is sample there and threshold here", "--binarize=sample"),
        (black_or_white, [], "binarize is sample there and none here", "--binarize=sample"),
        (grey, ["--binarize=threshold"], "binarize is none there and threshold here", "--binarize=none"),
    ):
        kept = (logs_dir / "config.json").read_bytes()
        # data_dir is also invalid, and would be reported instead if the data were loaded first.
        given = ["--data_dir=/no/such", f"--logs_dir={logs_dir}", "--batch_size=32", "--jit=off"]
        run = run_script("train_vae.py", *given, *flags)
        assert_refused(
            run, difference, f"To resume it, rerun with {there}; to start afresh, choose another --logs_dir, or delete"
        )
        assert (logs_dir / "config.json").read_bytes() == kept
    run = run_script("train_vae.py", *uncompiled(idx_dir, black_or_white, "--max_iterations=4", "--binarize=sample"))
    assert run.status == 0, run.err
    assert json.loads((black_or_white / "results.json").read_text())["iterations"] == 4


def test_unknown_binarization(tmp_path, run_script):
    run = run_script("train_vae.py", f"--logs_dir={tmp_path / 'run'}", "--binarize=dynamic")
    assert_refused(run, "binarize", "dynamic", "none|threshold|sample")


@pytest.mark.slow
def test_logs_dir_with_other_settings_is_refused(idx_dir, tmp_path, run_script, without_outputs):
    logs_dir = tmp_path / "run"
    assert run_script("train_vae.py", *uncompiled(idx_dir, logs_dir, "--max_iterations=2", "--relu_heads")).status == 0
    kept = {path: path.read_bytes() for path in logs_dir.iterdir() if path.is_file()}
    run = run_script("train_vae.py", *uncompiled(idx_dir, logs_dir, "--max_iterations=4", "--seed=1"))
    assert_refused(run, "seed is 0 there and 1 here", "--relu_heads=true", "--seed=0", "--logs_dir")
    # data_dir is also invalid, and would be reported instead if the data were loaded before the settings are compared.
    wrong = ["--data_dir=/no/such/folder", f"--logs_dir={logs_dir}", "--batch_size=8", "--relu_heads", "--jit=off"]
    run = run_script("train_vae.py", *wrong)
    assert_refused(run, "batch_size is 32 there and 8 here")
    run = run_script("train_ae.py", *uncompiled(idx_dir, logs_dir, "--max_iterations=4"))
    assert_refused(run, "VariationalAutoEncoder", "AutoEncoder", "--logs_dir")
    other = ["--dataset=digits", f"--logs_dir={logs_dir}", "--batch_size=32", "--relu_heads", "--jit=off"]
    run = run_script("train_vae.py", *other)
    assert_refused(run, "other data", "--dataset=mnist", "digits")
    (logs_dir / "config.json").write_text('{"model": 1')
    assert_refused(run_script("train_vae.py", *uncompiled(idx_dir, logs_dir, "--relu_heads")), "config.json")
    (logs_dir / "config.json").unlink()
    assert_refused(run_script("train_vae.py", *uncompiled(idx_dir, logs_dir, "--relu_heads")), "no config.json")
    kept.pop(logs_dir / "config.json")
    assert all(path.read_bytes() == content for path, content in kept.items())


@pytest.mark.slow
def test_finished_run_without_checkpoints_is_not_restarted(idx_dir, tmp_path, run_script, without_outputs):
    logs_dir = tmp_path / "run"
    arguments = uncompiled(idx_dir, logs_dir, "--max_iterations=2")
    assert run_script("train_ae.py", *arguments).status == 0
    events = {path: path.read_bytes() for path in logs_dir.glob("events.*")}
    for path in [*logs_dir.glob("model.ckpt-*"), logs_dir / "checkpoint"]:
        path.unlink()
    assert_refused(run_script("train_ae.py", *arguments), "finished run without checkpoints")
    assert events
    assert all(path.read_bytes() == content for path, content in events.items())


@pytest.mark.parametrize("settings", ["null", '"text"', "[1]", "3"])
def test_config_with_wrong_types_is_refused_in_one_line(settings, idx_dir, tmp_path, run_script):
    content = f'{{"model": "AutoEncoder", "settings": {settings}, "data": {{"name": 1, "source": 2, "checksum": 3}}}}'
    (tmp_path / "config.json").write_text(content)
    assert_refused(run_script("train_ae.py", *small(idx_dir, tmp_path)), "config.json", "--logs_dir")


@pytest.mark.parametrize(("name", "part"), [("run[1]", "*, ?, [, ] or \\"), ("x" * 300, "writable")])
def test_invalid_logs_dir_names(name, part, idx_dir, tmp_path, run_script):
    assert_refused(run_script("train_ae.py", *small(idx_dir, tmp_path / name)), name, part)


@pytest.mark.slow
def test_pca_is_skipped_with_more_latent_dimensions_than_images(tmp_path, run_script):
    folder = write_idx(tmp_path / "idx", 24, 12)
    run = run_script(
        "train_vae.py", *uncompiled(folder, tmp_path / "run", "--batch_size=4", "--z_dim=30", "--max_iterations=3")
    )
    assert run.status == 0, run.err
    assert "pca" not in json.loads((tmp_path / "run" / "results.json").read_text())


@pytest.mark.slow
def test_weights_that_are_not_finite_are_not_saved(idx_dir, tmp_path, run_script):
    run = run_script("train_vae.py", *uncompiled(idx_dir, tmp_path / "run", "--max_iterations=1", "--learning_rate=1e39"))
    assert_refused(run, "hfc_1/kernel", "more are not finite from iteration 0 on", "model.ckpt-0")
    assert not (tmp_path / "run" / "model.ckpt-1.index").exists()


@pytest.mark.slow
def test_file_in_place_of_a_folder_is_refused_in_one_line(idx_dir, tmp_path, run_script):
    (tmp_path / "figures").write_text("kept")
    assert_refused(run_script("train_ae.py", *uncompiled(idx_dir, tmp_path, "--max_iterations=2")), "figures")
    assert (tmp_path / "figures").read_text() == "kept"


@pytest.mark.slow
@pytest.mark.parametrize(("script", "rate"), [("train_ae.py", "1e30"), ("train_vae.py", "3")])
def test_diverging_training_ends_before_the_first_bad_iteration(script, rate, idx_dir, tmp_path, run_script, without_outputs):
    """The run saves the state before that iteration, equal to a run that ends there, and names what was not finite."""
    arguments = [f"--learning_rate={rate}", "--batch_size=32", f"--data_dir={idx_dir}", "--jit=off"]
    run = run_script(script, *arguments, f"--logs_dir={tmp_path / 'run'}", "--max_iterations=400")
    assert_refused(run, "not finite from iteration", "learning_rate")
    told = re.search(r"error: (.*) not finite from iteration ([\d,]+) on; .*model\.ckpt-\2\.", run.err)
    assert told is not None, run.err
    assert "loss" in told[1] or "kernel" in told[1]
    iteration = int(told[2].replace(",", ""))
    assert iteration > 0

    good = run_script(script, *arguments, f"--logs_dir={tmp_path / 'good'}", f"--max_iterations={iteration}")
    assert good.status == 0, good.err
    saved, ended = (tf.train.load_checkpoint(str(tmp_path / name / f"model.ckpt-{iteration}")) for name in ("run", "good"))
    weights = [name for name in saved.get_variable_to_shape_map() if "VARIABLE_VALUE" in name and "seconds" not in name]
    weights = [name for name in weights if not name.startswith("save_counter")]
    assert len(weights) > 20
    for name in weights:
        np.testing.assert_array_equal(saved.get_tensor(name), ended.get_tensor(name), err_msg=name)

    bad = run_script(script, *arguments, f"--logs_dir={tmp_path / 'good'}", f"--max_iterations={iteration + 1}")
    assert_refused(bad, f"not finite from iteration {iteration:,} on")


# Help and data


@pytest.mark.parametrize("script", [*SCRIPTS, "train_gan.py"])
def test_help_has_groups_and_fits_80_columns(script, run_script):
    run = run_script(script, "-h")
    assert run.status == 0
    assert [line for line in run.out.splitlines() if len(line) > 80] == []
    titles = [line.rstrip(":") for line in run.out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == list(flag_help.GROUPS)  # all of them, and so every flag is in one


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script, run_script):
    run = run_script(script, "--help")
    assert run.status == 0
    assert "Trains the 2016 post's" in run.out
    for flag in ("batch_size", "logs_dir", "regularization", "learning_rate", "z_dim", "activation", "dataset", "data_dir"):
        assert f"--{flag}" in run.out or f"--[no]{flag}" in run.out
    assert ("--[no]relu_heads" in run.out) == (script == "train_vae.py")


def start_without_mnist(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Start a script as on a machine without MNIST and network."""
    environment = {**os.environ, "HOME": str(home), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    environment.pop("TFDS_DATA_DIR", None)
    command = [sys.executable, "train_vae.py", "--max_iterations=2", f"--logs_dir={home / 'run'}", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_digits_are_used_without_mnist_and_network(tmp_path):
    """Run the README's first command in a real process with default flags."""
    done = start_without_mnist(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "NOT comparable" in done.stderr
    assert "VAE on digits" in done.stdout
    for name in ("config.json", "results.json"):
        record = json.loads((tmp_path / "run" / name).read_text())
        assert record["data"] == "digits" or record["data"]["name"] == "digits"


@pytest.mark.slow
def test_mnist_is_refused_without_mnist_and_network(tmp_path):
    refused = start_without_mnist(tmp_path, "--dataset=mnist")
    assert refused.returncode == 2
    assert refused.stderr.startswith("train_vae.py: error: cannot find mnist")
    assert len(refused.stderr.splitlines()) == 1
