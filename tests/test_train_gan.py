"""train_gan.py as a user starts it: outputs, flags, resume, and one-line errors."""

import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from tests.support import assert_refused, assert_same, final_weights, read_events, start, write_pictures
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.training import run, run_directory

SCALARS = {"Discriminator_loss_real", "Discrimintator_loss_fake", "Discriminator_loss", "Generator_loss"}  # spelt as in 2016
G, D = "generator", "discriminator"
OPS = {f"{G}/h_0", f"{G}/h_2", f"{G}/h_3", f"{D}/disc_real_prob", f"{D}/disc_fake_prob"}
OPS |= {f"{use}/h_{number}" for use in (D, f"{D}_1") for number in range(3)}
VARIABLES = {f"{G}/{kind}_{number}" for kind in "Wb" for number in (0, 2, 3, 4)}
VARIABLES |= {f"{D}/{kind}_{number}" for kind in "Wb" for number in ("conv0", "conv1", "conv2", "3")}
VARIABLES |= {f"{G}/gen_bn{number}/{kind}" for number in (0, 2, 3) for kind in ("beta", "gamma")}
VARIABLES |= {f"{D}/disc_bn{number}/{kind}" for number in (1, 2) for kind in ("beta", "gamma")}
NORMS = {f"ours/first_layer_gradient_norm/{network}" for network in (G, D)}


def arguments(idx_dir: Path, logs_dir: Path, *more: str) -> list[str]:
    return ["--data_dir", str(idx_dir), "--logs_dir", str(logs_dir), "--batch_size=2", "--z_dim=80", "--seed=3", *more]


@pytest.fixture(scope="module")
def run_of_11(idx_dir, tmp_path_factory) -> Path:
    """Folder of a run of 11 iterations in a real process."""
    logs_dir = tmp_path_factory.mktemp("gan") / "run"
    process = start("train_gan.py", *arguments(idx_dir, logs_dir, "--max_iterations=11"))
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    assert not [line for line in err.splitlines() if "not the canonical MNIST" not in line], err
    assert "GAN 11/11" in out
    assert "discriminator_loss" in out
    return logs_dir


@pytest.mark.slow
def test_every_tag_of_2016_is_there_every_10_iterations(run_of_11):
    events = read_events(run_of_11)
    tags = {
        "scalars": SCALARS | {f"{op}/sparsity" for op in OPS} | NORMS,
        "histograms": {"z"} | {f"{op}/activation" for op in OPS} | VARIABLES | {f"{name}/gradient" for name in VARIABLES},
        "images": {"image_real", "image_generated"},
    }
    for plugin, names in tags.items():
        for name in names:
            assert sorted(events[plugin, name]) == [0, 10], (plugin, name)
    named = {(plugin, tag) for plugin, tag in events if plugin in tags and tag != "ours/fixed_z"}
    assert named == {(plugin, name) for plugin, names in tags.items() for name in names}
    assert sorted(events["images", "ours/fixed_z"]) == [0]


@pytest.mark.slow
def test_logged_values_are_correct(run_of_11):
    events = read_events(run_of_11)
    for step in (0, 10):
        real, fake = (events["scalars", name][step] for name in ("Discriminator_loss_real", "Discrimintator_loss_fake"))
        assert float(events["scalars", "Discriminator_loss"][step]) == pytest.approx(float(real) + float(fake), rel=1e-5)
        assert events["histograms", "z"][step][:, 2].sum() == 2 * 80
        low, high = events["histograms", "z"][step][0, 0], events["histograms", "z"][step][-1, 1]
        assert -1 <= low < -0.9 < 0.9 < high <= 1
        assert 0 <= events["histograms", f"{D}/disc_fake_prob/activation"][step][0, 0] <= 1
    assert events["histograms", f"{G}/W_0/gradient"][0][:, 2].sum() == 80 * 4096
    width, height, *images = events["images", "image_real"][10]
    assert (int(width), int(height), len(images)) == (28, 28, 2)
    width, height, *images = events["images", "ours/fixed_z"][0]
    assert (int(width), int(height), len(images)) == (8 * 28, 8 * 28, 1)


@pytest.mark.slow
def test_records_of_a_run(run_of_11):
    config = json.loads((run_of_11 / "config.json").read_text())
    assert config["model"] == "DCGAN"
    expected = {"recipe": "dcgan", "z_dim": 80, "batch_size": 2, "learning_rate": 2e-4, "beta1": 0.5, "generator_steps": 2}
    expected |= {"feature_matching": "0.1", "bn_decay": 0.9, "initializer": "truncated_normal", "side": 28, "seed": 3}
    assert expected.items() <= config["settings"].items()
    results = json.loads((run_of_11 / "results.json").read_text())
    assert results["iterations"] == 11
    assert results["training_seconds"] > 0
    assert {f"{i}pred_image.png" for i in range(20)} <= {path.name for path in run_of_11.iterdir()}


@pytest.mark.slow
def test_visualize_draws_from_the_newest_checkpoint_and_needs_no_data(run_of_11, run_script):
    image = run_of_11 / "7pred_image.png"
    before = image.read_bytes()
    image.unlink()
    results = (run_of_11 / "results.json").read_text()
    run = run_script("train_gan.py", f"--logs_dir={run_of_11}", "--visualize", "--data_dir=/no/such/folder")
    assert run.status == 0, run.err
    assert "iteration 11" in run.out
    assert image.read_bytes() == before
    assert (run_of_11 / "results.json").read_text() == results
    config = (run_of_11 / "config.json").read_text()
    run = run_script("train_gan.py", f"--logs_dir={run_of_11}", "--visualize", "--seed=4")
    assert run.status == 0, run.err
    assert image.read_bytes() != before
    assert (run_of_11 / "config.json").read_text() == config


@pytest.mark.slow
def test_first_attempt(idx_dir, tmp_path, run_script, without_outputs):
    logs_dir = tmp_path / "run"
    given = arguments(idx_dir, logs_dir, "--recipe=first_attempt", "--divide_twice", "--max_iterations=11")
    run = run_script("train_gan.py", *given)
    assert run.status == 0, run.err
    settings = json.loads((logs_dir / "config.json").read_text())["settings"]
    expected = {"discriminator_every": 10, "generator_steps": 1, "feature_matching": "0", "initializer": "truncated_normal"}
    expected |= {"init_stddev": 0.1, "init_bias": 0.1, "gamma_stddev": 0.0, "bn_decay": 0.1, "shared_normalization": False}
    expected |= {"real_batches": "shared"}
    assert {**expected, "divide_twice": True, "batch_size": 2}.items() <= settings.items()  # --batch_size overrides the recipe
    assert sorted(read_events(logs_dir)["scalars", "Generator_loss"]) == [0]  # every 100 iterations
    reader = tf.train.load_checkpoint(str(logs_dir))
    assert reader.get_tensor("model/discriminator_optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE") == 2


def test_recipes_set_the_defaults(monkeypatch, idx_dir, tmp_path, run_script):
    """Check the settings and the intervals of summaries and checkpoints that reach the loop, without training."""
    reached = []
    monkeypatch.setattr(run, "run", lambda *given: reached.append(given[:3]) or 0)
    given = [f"--data_dir={idx_dir}", f"--logs_dir={tmp_path / 'run'}"]
    for more in ([], ["--recipe=first_attempt"], ["--recipe=first_attempt", "--init_bias=0.3", "--max_iterations=7"]):
        assert run_script("train_gan.py", *given, *more).status == 0
    told = [
        (mo.record_every, mo.checkpoint_every, se.max_iterations, se.batch_size, m.init_stddev, m.init_bias, m.bn_decay)
        for se, m, mo in reached
    ]
    assert told == [
        (10, 500, 15_001, 64, 0.02, 0.0, 0.9),
        (100, 1_000, 100_001, 128, 0.1, 0.1, 0.1),
        (100, 1_000, 7, 128, 0.1, 0.3, 0.1),
    ]
    assert [se.deciding()["batch_size"] for se, *_ in reached] == [64, 128, 128]  # as config.json records it


@pytest.mark.slow
def test_real_batches_are_fresh_only_for_tf_flowers(monkeypatch, tmp_path, run_script):
    reached = []
    monkeypatch.setattr(run, "run", lambda _, model, *others: reached.append(model.real_batches) or 0)
    flowers = "--dataset=tf_flowers"
    for more in ([], [flowers], ["--dataset=celeb_a"], ["--image_dir=/x"], [flowers, "--real_batches=shared"]):
        assert run_script("train_gan.py", f"--logs_dir={tmp_path / 'run'}", *more).status == 0
    assert reached == ["shared", "fresh", "shared", "shared", "shared"]


@pytest.mark.slow
def test_a_run_without_real_batches_in_its_config_shares_them(run_of_11, idx_dir, tmp_path, settings_of):
    """An early config.json lacks the settings introduced later."""
    logs_dir = tmp_path / "run"
    shutil.copytree(run_of_11, logs_dir)
    config = json.loads((logs_dir / "config.json").read_text())
    for name in ("real_batches", "init_bias", "gamma_stddev", "shared_normalization"):
        del config["settings"][name]
    (logs_dir / "config.json").write_text(json.dumps(config))
    fresh = settings_of("train_gan.py", *arguments(idx_dir, logs_dir, "--real_batches=fresh"))
    with pytest.raises(RunError, match=r"real_batches is shared there and fresh here.*rerun with --real_batches=shared"):
        run_directory.earlier_run(fresh, DCGAN)
    same = run_directory.earlier_run(settings_of("train_gan.py", *arguments(idx_dir, logs_dir)), DCGAN)
    assert same is not None
    assert same["settings"] == config["settings"]


@pytest.mark.slow
def test_a_resumed_run_on_pictures_ends_like_an_uninterrupted_one(tmp_path, run_script, monkeypatch, without_outputs):
    """A run with fresh real batches that is stopped and resumed ends like the uninterrupted one."""
    monkeypatch.chdir(tmp_path)  # default folders are relative to the current folder
    folder = write_pictures(tmp_path / "mine", 7)
    given = [f"--image_dir={folder}", f"--cache_dir={tmp_path / 'cache'}", "--batch_size=2", "--real_batches=fresh"]
    for stop in (1, 3):
        run = run_script("train_gan.py", *given, f"--max_iterations={stop}")
        assert run.status == 0, run.err
    assert "Model restored: iteration 1," in run.out
    whole = run_script("train_gan.py", *given, "--max_iterations=3", f"--logs_dir={tmp_path / 'whole'}")
    assert whole.status == 0, whole.err
    logs_dir = tmp_path / "logs" / "pictures_GAN_logs"
    assert_same(final_weights(logs_dir), final_weights(tmp_path / "whole"))
    config = json.loads((logs_dir / "config.json").read_text())
    assert config["data"]["sizes"]["train"] == 7
    assert (config["settings"]["side"], config["settings"]["channels"]) == (64, 3)
    assert config["settings"]["real_batches"] == "fresh"
    width, height, *_ = read_events(logs_dir)["images", "image_real"][0]
    assert (int(width), int(height)) == (64, 64)
    other = write_pictures(tmp_path / "other", 4)
    run = run_script("train_gan.py", f"--image_dir={other}", f"--cache_dir={tmp_path / 'cache'}", "--batch_size=2")
    assert_refused(run, "real_batches is fresh there", "--real_batches=fresh")
    run = run_script("train_gan.py", f"--image_dir={other}", *given[1:])
    assert_refused(run, "other data", "--image_dir")


# Mistakes


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (["--recipe=wgan"], ["recipe", "wgan", "first_attempt"]),
        (["--feature_matching=most"], ["feature_matching", "most", "only"]),
        (["--feature_matching=-1"], ["feature_matching", "-1"]),
        (["--feature_matching=nan"], ["feature_matching", "nan"]),
        (["--generator_steps=0"], ["generator_steps", "0"]),
        (["--discriminator_every=0"], ["discriminator_every", "0"]),
        (["--discriminator_width=0"], ["discriminator_width", "0", "above 0"]),
        (["--real_batches=new"], ["real_batches", "new", "fresh"]),
        (["--gamma_stddev=-1"], ["gamma_stddev", "-1"]),
        (["--init_bias=nan"], ["init_bias", "nan"]),
        (["--initializer=he"], ["initializer", "he", "xavier"]),
        (["--bn_decay=1"], ["bn_decay", "1", "below 1"]),
        (["--bn_decay=nan"], ["bn_decay", "nan"]),
        (["--beta1=1.5"], ["beta1", "1.5"]),
        (["--init_stddev=-1"], ["init_stddev", "-1"]),
        (["--dataset=cifar"], ["dataset", "cifar", "celeb_a"]),
        (["--image_dir=/no/such/folder"], ["image_dir", "/no/such/folder"]),
        (["--image_dir=/tmp", "--dataset=mnist"], ["--image_dir", "tf_flowers", "--dataset=mnist"]),
        (["--dataset=tf_flowers", "--recipe=first_attempt"], ["first_attempt", "mnist", "tf_flowers"]),
        (["--visualize"], ["--visualize", "none"]),
        (["--regularization=1"], ["regularization"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_wrong_flags_are_refused_in_one_line(given, parts, tmp_path, run_script):
    run = run_script("train_gan.py", f"--logs_dir={tmp_path / 'run'}", *given)
    assert_refused(run, *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_diverging_training_is_detected(idx_dir, tmp_path, run_script):
    """Divergence occurs within the first iteration, because later updates use the weights changed by the first."""
    run = run_script("train_gan.py", *arguments(idx_dir, tmp_path, "--max_iterations=12", "--learning_rate=1e30"))
    assert_refused(run, "not finite from iteration 0 on", "model.ckpt-0", "learning_rate")
    assert not (tmp_path / "model.ckpt-12.index").exists()


def test_visualize_of_another_model_is_refused(tmp_path, run_script):
    data = {"name": "mnist", "source": "x", "checksum": "y"}
    (tmp_path / "config.json").write_text(json.dumps({"model": "AutoEncoder", "settings": {}, "data": data}))
    assert_refused(run_script("train_gan.py", f"--logs_dir={tmp_path}", "--visualize"), "AutoEncoder", "DCGAN")


def test_help(run_script):
    run = run_script("train_gan.py", "--help")
    assert run.status == 0
    for flag in (
        "recipe",
        "feature_matching",
        "generator_steps",
        "discriminator_every",
        "initializer",
        "init_stddev",
        "init_bias",
        "gamma_stddev",
        "real_batches",
        "bn_decay",
    ):
        assert f"--{flag}" in run.out
    for flag in ("batch_size", "z_dim", "learning_rate", "beta1", "logs_dir", "image_dir", "max_iterations", "seed"):
        assert f"--{flag}" in run.out
    assert "--[no]visualize" in run.out
