"""The small copies in logs/reference, and the command that makes them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import REPOSITORY, assert_refused, read_events, write_dumps, write_events, write_run
from unsupervised_learning import layers
from unsupervised_learning.compare import claims
from unsupervised_learning.compare.claims import CLAIMS
from unsupervised_learning.data.dataset import Split
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.monitoring.latent import write_projector
from unsupervised_learning.reproduce import experiments, reference
from unsupervised_learning.reproduce.experiments import Runs
from unsupervised_learning.training import finished_run
from unsupervised_learning.vae import VariationalAutoEncoder

REFERENCE = ("unsupervised_learning/reproduce/__main__.py", "reference")
KEPT = REPOSITORY / "logs" / "reference"


def test_claims_find_the_same_in_a_copy(tmp_path, run_script):
    folder = write_run(tmp_path / "logs", "autoencoder")
    write_dumps(folder)
    (folder / "figures").mkdir()
    (folder / "figures" / "samples.png").write_bytes(tf.io.encode_png(np.zeros((50, 60, 3), np.uint8)).numpy())
    scalars = {"Loss": dict.fromkeys(range(0, 20001, 100), 1.0)}
    write_events(folder, scalars, {"W_fc1": {step: [1.0, 2.0] for step in range(0, 20_001, 1000)}})
    run = run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept")
    assert run.status == 0, run.err
    [copy], [original] = (experiments.find_runs(tmp_path / name)["autoencoder"] for name in ("kept", "logs"))
    assert copy.results == original.results
    assert copy.config["settings"] == original.config["settings"]
    assert str(tmp_path) not in (copy.path / "config.json").read_text()  # paths of the training machine are removed
    for claim in claims.CLAIMS:
        if claim.experiments == ("autoencoder",):
            assert claim.find(Runs({"autoencoder": [copy]})) == claim.find(Runs({"autoencoder": [original]}))
    card = (copy.path / "card.md").read_text()
    assert card.startswith("# autoencoder, seed 0\n\n- What: AutoEncoder, trained from scratch, 20,001 iterations, seed 0\n")
    assert f"- Command: `{experiments.EXPERIMENTS['autoencoder'].command('autoencoder')}`\n" in card
    assert "\n| test_l2 | 4.45 |" in card
    assert len(event_files.scalars_logged(copy.path, "Loss")) == 201
    assert list(event_files.logged(copy.path, "W_fc1")) == [0, 4000, 8000, 12_000, 16_000, 20_000]
    assert tf.io.decode_png((copy.path / "figures" / "samples.png").read_bytes()).shape == (50, 60, 3)
    codes, packed = original.dump(0), copy.dump(0)
    assert codes
    assert packed
    np.testing.assert_allclose(packed[0], codes[0], rtol=5e-6)  # six digits

    before = {path: path.read_bytes() for path in copy.path.rglob("*") if path.is_file()}
    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    assert {path: path.read_bytes() for path in copy.path.rglob("*") if path.is_file()} == before


def test_runs_of_the_authors_graphs_keep_their_records(tmp_path, run_script):
    folder = write_run(tmp_path, "vae_fixed", 4, settings={"original_graph": "model.ckpt-100000.meta", "recipe": "fixed"})
    for _ in range(2):  # an earlier copy is replaced
        assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    copy = tmp_path / "kept" / "original_2016" / "fixed_graph_seed4"
    assert {path.name for path in copy.iterdir()} == {"card.md", "config.json", "results.json"}
    [found] = experiments.find_runs(tmp_path / "kept").graphs["fixed"]
    assert (found.path, found.seed) == (copy, 4)
    assert "the author's own graph (model.ckpt-100000.meta) trained today" in (copy / "card.md").read_text()


def test_a_copy_that_fails_leaves_the_earlier_one(tmp_path, run_script):
    folder = write_run(tmp_path / "logs", "autoencoder")
    write_dumps(folder)
    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    copy = tmp_path / "kept" / "autoencoder_seed0"
    before = {path: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    (folder / "checkpoint1000.txt").write_text("1 x")
    assert_refused(run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept"), "is not a latent dump")
    assert {path: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before
    assert list((tmp_path / "kept").iterdir()) == [copy]


def test_every_copy_has_its_card():
    configs = list(KEPT.rglob("config.json"))
    assert configs
    for config in configs:
        run = finished_run.read(config.parent)
        card = (config.parent / "card.md").read_text()
        assert f"`{run.config['command']}`" in card
        assert all(f"| {value:.4g} |" in card for name, value in run.results.items() if name in ("test_l2", "negative_elbo"))


def test_less_is_kept_of_seeds_other_than_0(tmp_path, run_script):
    folder = write_run(tmp_path / "logs", "vae_fixed", seed=1)
    steps = range(0, 100_001, 500)
    scalars = {tag: dict.fromkeys(steps, 1.0) for tag in ("total_loss", "encoder/mu/sparsity")}
    write_events(folder, scalars, {tag: {step: [1.0] for step in steps} for tag in ("KL_Divergence", "encoder/b_fc1")})
    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    copy = tmp_path / "kept" / "vae_fixed_seed1"
    counts = {tag: len(event_files.logged(copy, tag)) for tag in (*scalars, "KL_Divergence", "encoder/b_fc1")}
    assert counts == {"total_loss": 201, "encoder/mu/sparsity": 101, "KL_Divergence": 201, "encoder/b_fc1": 0}
    assert not (copy / "figures").exists()
    folder = write_run(tmp_path / "logs", "autoencoder", seed=1)
    write_events(folder, {"Loss": {0: 1.0}})
    (folder / "explore").mkdir()
    (folder / "explore" / "evaluation.json").write_text("measured")
    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    assert not list((tmp_path / "kept" / "autoencoder_seed1").glob("events*"))  # no claim reads them
    assert (tmp_path / "kept" / "autoencoder_seed1" / "evaluation.json").read_text() == "measured"


def test_the_shown_run_of_the_first_vae_is_chosen_among_all_copies(tmp_path, run_script):
    like, unlike = {"mu_alive": 3, "log_var_alive": 0}, {"mu_alive": 2, "log_var_alive": 0}
    for seed, alive in ((2, like), (0, unlike), (3, like)):  # a command each
        folder = write_run(tmp_path / "logs", "vae_first", seed, **alive)
        write_events(folder, {"total_loss": {0: 1.0}})
        assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    shown = {path.parent.name for path in (tmp_path / "kept").glob("*/events.out.tfevents*")}
    assert shown == {"vae_first_seed2"}


def test_the_copies_are_few_enough_for_tensorboard_to_select_them():
    assert len(list(KEPT.rglob("*tfevents*"))) <= 35  # with more than 40 runs, TensorBoard selects none at first


def test_weights_are_kept_without_the_optimizer(tmp_path, run_script):
    folder = write_run(tmp_path / "logs", "vae_fixed")
    model = VariationalAutoEncoder(seed=5)
    model.compile(optimizer=layers.adam())
    model.optimizer.build(model.trainable_variables)
    model.save(folder / "model.keras")
    kept = []
    path = tmp_path / "kept" / "vae_fixed_seed0" / "model.keras"
    for _ in range(2):
        assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
        kept.append(path.read_bytes())
    assert kept[0] == kept[1]
    assert len(kept[0]) < 0.4 * (folder / "model.keras").stat().st_size  # Adam keeps two numbers per weight
    loaded = keras.models.load_model(path)
    assert not loaded.compiled
    for weight, before in zip(loaded.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(weight, before)

    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept", "--weights=none").status == 0
    assert not path.exists()


def test_a_gans_weights_are_kept_on_request_and_rounded(tmp_path, run_script):
    folder = write_run(tmp_path / "logs", "gan")
    model = DCGAN(z_dim=5, discriminator_width=0.1)
    model.save(folder / "model.keras")
    (folder / "figures").mkdir()
    drawn_by_explore = {"interpolation.png", "walk_25.png", "walk_25_even.png"}
    for name in {"samples.png", *drawn_by_explore}:
        (folder / "figures" / name).write_bytes(tf.io.encode_png(np.zeros((5, 6, 3), np.uint8)).numpy())
    copy = tmp_path / "kept" / "gan_seed0"
    kept = []
    for flags, there in (([], False), (["--weights=all"], True), (["--weights=all"], True)):
        assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept", *flags).status == 0
        assert (copy / "model.keras").exists() == there
        kept += [(copy / "model.keras").read_bytes()] if there else []
        left_out = {path.name for path in (folder / "figures").iterdir()} - {path.name for path in (copy / "figures").iterdir()}
        assert left_out == (drawn_by_explore if there else set())
    assert kept[0] == kept[1]
    assert len(kept[0]) < 0.3 * (folder / "model.keras").stat().st_size
    loaded = keras.models.load_model(copy / "model.keras")
    for weight, before in zip(loaded.variables, model.variables, strict=True):
        assert weight.dtype == before.dtype
        if before.dtype == "float32" and before.ndim > 1:
            assert len(np.unique(weight)) > 50  # so the kernel is not flattened
            assert np.max(np.abs(weight - before)) <= np.std(before) / (2 * 32)  # half a step
        else:
            np.testing.assert_array_equal(weight, np.float16(before) if before.dtype == "float32" else before)
    z = model.training_latent(8)
    assert 0 < np.mean(np.abs(loaded.decode(z) - model.decode(z))) < 1 / 255


def test_a_kernel_of_equal_weights_is_kept():
    kernel = np.full((2, 3), 0.25, np.float32)
    np.testing.assert_array_equal(reference.rounded_array(kernel, 8), kernel)


def test_pictures_keep_their_size_and_almost_their_colors():
    colors = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    small = tf.io.decode_png(reference.fewer_colors(tf.io.encode_png(colors).numpy())).numpy()
    assert small.shape == (20, 30, 3)
    assert len(np.unique(small.reshape(-1, 3), axis=0)) <= 256
    assert 0 < np.abs(small - colors.astype(float)).mean() < 10
    grey = tf.io.encode_png(colors[..., :1]).numpy()
    assert reference.fewer_colors(grey) == grey


def test_a_copy_has_named_settings_results_and_the_first_codes_for_tensorboard(tmp_path, run_script, monkeypatch):
    monkeypatch.setattr(reference, "PROJECTED", 5)
    folder = write_run(tmp_path / "logs", "vae_fixed")
    write_events(folder, {"total_loss": {0: 500.0, 500: 200.0}, "ours/test/negative_elbo": {100_000: 1.0}})
    random = np.random.default_rng(0)
    images, codes = random.integers(0, 256, (7, 28, 28)).astype(np.uint8), random.normal(size=(7, 3))
    write_projector(folder, codes, Split(images, np.arange(7).astype(np.uint8)))
    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    copy = tmp_path / "kept" / "vae_fixed_seed0"
    events = read_events(copy)  # read_events fails if a value was written twice
    assert {tag for plugin, tag in events if plugin == "hparams"} == {"_hparams_/experiment", "_hparams_/session_start_info"}
    assert float(events["scalars", "ours/test/negative_elbo"][100_000]) == pytest.approx(133.9)
    np.testing.assert_allclose(np.loadtxt(copy / "projector" / "latents.tsv"), codes[:5], rtol=1e-5)
    assert (copy / "projector" / "labels.tsv").read_text().split() == list("01234")
    sprite = tf.io.decode_png((copy / "projector" / "sprite.png").read_bytes()).numpy()[..., 0]
    np.testing.assert_array_equal(sprite[28:56, :28], images[3])
    assert "projector/sprite.png" in (copy / "projector_config.pbtxt").read_text()


def test_unusable_runs_and_folders_are_rejected(tmp_path, run_script):
    assert_refused(run_script(*REFERENCE), "finished runs")
    assert_refused(run_script(*REFERENCE, str(tmp_path)), "config.json")
    folder = write_run(tmp_path, "gan", settings={"learning_rate": 0.5})
    assert_refused(run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept"), "learning_rate=0.5")
    assert not (tmp_path / "kept").exists()
    folder = write_run(tmp_path, "autoencoder")
    assert_refused(run_script(*REFERENCE, str(folder), f"--out={tmp_path}"), "exists and is not a small copy")
    assert (folder / "results.json").exists()
    assert_refused(run_script(*REFERENCE, str(folder), str(folder), f"--out={tmp_path}/kept"), "different experiments or seeds")
    assert run_script(*REFERENCE, str(folder), f"--out={tmp_path}/kept").status == 0
    copy = tmp_path / "kept" / "autoencoder_seed0"
    assert_refused(run_script(*REFERENCE, str(copy), f"--out={tmp_path}/kept"), "is itself the copy")
    assert (copy / "results.json").exists()


# The copies in the repository


def test_all_reference_runs_exist_with_todays_defaults():
    runs = experiments.find_runs(KEPT)
    assert runs.left_out == {}  # so each run has the scripts' defaults plus its experiment's settings
    for name, of in runs.items():
        assert [run.seed for run in of] == list(range(len(of))), name
        assert len(of) <= experiments.EXPERIMENTS[name].seeds, name
    needed = {name for claim in CLAIMS for name in claim.experiments}
    assert {name for name, of in runs.items() if of} >= needed
    kept = [path for path in KEPT.rglob("*") if path.is_file() and "explore" not in path.parts]  # git ignores explore/
    assert sum(path.stat().st_size for path in kept) < 25 * 2**20
