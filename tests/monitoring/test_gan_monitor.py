"""The GAN's monitor: the output files of a run, their contents, and that they are reproducible."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from unsupervised_learning import atomic_files, layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.figures import plots
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import event_files, gan, tags
from unsupervised_learning.monitoring.autoencoder import AutoEncoderMonitor
from unsupervised_learning.monitoring.gan import GANMonitor, NearZeroWarning
from unsupervised_learning.training.progress import Progress

PICTURES = {f"{number}pred_image.png" for number in range(20)}
FIGURES = {"samples.png", "interpolation.png"}
FIGURES |= {f"walk_{dimension}{which}.png" for dimension in (25, 50, 75) for which in ("", "_even")}
FROM_EVENTS = {"losses.png", "training.gif", "training.png"}
ITERATIONS = range(0, 2500, 10)  # 250 records


def grid_at(iteration: int) -> np.ndarray:
    """Return a 224×224 picture with a grey level that encodes its iteration: 0 to 249."""
    return np.full((1, 224, 224, 1), iteration // 10 / 255, np.float32)


@pytest.fixture(scope="module")
def model() -> DCGAN:
    return DCGAN(side=28, channels=1, z_dim=100, seed=3)


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Path:
    """A folder with an event file like training's. Each loss is its index among the four plus iteration / 1,000."""
    folder = tmp_path_factory.mktemp("events")
    writer = tf.summary.create_file_writer(str(folder))
    for iteration in ITERATIONS:
        with writer.as_default(step=iteration):
            for place, tag in enumerate(tags.GAN_LOSSES.values()):
                tf.summary.experimental.write_raw_pb(scalar_pb(tag, place + iteration / 1000).SerializeToString())
            tf.summary.image(tags.FIXED_GRID, grid_at(iteration))
    writer.close()
    return folder


@pytest.fixture(scope="module")
def written(model, events) -> atomic_files.Json:
    """Results of `write_outputs`, with its files in `events`."""
    return GANMonitor(model).write_outputs(events, None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "tfevents" not in path.name}


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))  # with a path, Pillow would keep the file open


def frames(gif: Path) -> list[tuple[np.ndarray, int]]:
    """Return each frame as grey pixels, with its duration in ms."""
    image = opened(gif)
    shown = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        shown.append((np.asarray(image.convert("L")), image.info["duration"]))
    return shown


@pytest.mark.slow
def test_writes_the_expected_files(written, events):
    assert set(contents(events)) == PICTURES | FIGURES | FROM_EVENTS


@pytest.mark.slow
def test_pictures_are_generated_images_at_original_size(written, events, model):
    latents = np.random.default_rng(3).uniform(-1, 1, (20, 100)).astype(np.float32)
    expected = np.asarray(model.decode(latents))[..., 0] * 255
    for number in range(20):
        picture = opened(events / f"{number}pred_image.png")
        assert (picture.mode, picture.size) == ("L", (28, 28))
        np.testing.assert_allclose(np.asarray(picture), expected[number], atol=0.51)


@pytest.mark.slow
def test_outputs_are_reproducible(written, events, model):
    before = contents(events)
    assert GANMonitor(model).write_outputs(events, None) == written
    assert contents(events) == before


@pytest.mark.slow
def test_gif_shows_the_fixed_grid_in_order_of_iteration(written, events):
    shown = frames(events / "figures" / "training.gif")
    assert [duration for _, duration in shown] == [100] * 99 + [3000]
    greys = [int(pixels[-1, 0]) for pixels, _ in shown]
    assert greys[0] == 0
    assert greys[-1] == 255  # 249, rounded to one of 16 grey levels
    assert greys == sorted(greys)
    assert shown[0][0].shape == (448 + 36, 448)
    captions = {pixels[:36].tobytes() for pixels, _ in shown}
    assert len(captions) == 100


@pytest.mark.parametrize(("side", "channels"), [(28, 1), pytest.param(64, 3, marks=pytest.mark.slow)])
def test_fixed_images_through_training(side, channels, monkeypatch):
    asked = []
    monkeypatch.setattr(plots, "image_rows", lambda *given: asked.append(given))
    grids = np.random.default_rng(0).integers(0, 256, (33, 16, 8, side, side, channels), np.uint8)  # rows, columns, …
    pngs = {}
    for number, grid in enumerate(grids[:, :, :, :, :, 0] if channels == 1 else grids):
        picture = grid.swapaxes(1, 2).reshape(16 * side, 8 * side, *grid.shape[4:])
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, "PNG")
        pngs[number * 100] = encoded.getvalue()
    gan.through_training(pngs, side)
    [(images, _, names, columns, _)] = asked
    assert names == [f"iteration {number:,}" for number in (0, 200, 400, 800, 1600, 2400, 3200)]
    assert columns == list("01234567")
    np.testing.assert_array_equal(images, grids[[0, 2, 4, 8, 16, 24, 32], 0].reshape(7, 8, *images.shape[2:]))
    gan.through_training({0: pngs[0], 100: pngs[100]}, side)
    assert asked[1][2] == ["iteration 0", "iteration 100"]


@pytest.mark.slow
def test_results(written, model):
    assert written["generator_parameters"] + written["discriminator_parameters"] == sum(
        np.prod(variable.shape) for variable in model.trainable_variables
    )
    last = np.mean(ITERATIONS[-100:]) / 1000
    for place, name in enumerate(tags.GAN_LOSSES):
        assert isinstance(written[name], float)
        assert written[name] == pytest.approx(place + last, abs=1e-6)


@pytest.mark.slow
def test_without_event_files(model, tmp_path):
    results = GANMonitor(model).write_outputs(tmp_path, None)
    assert set(results) == {"generator_parameters", "discriminator_parameters"}
    assert set(contents(tmp_path)) == PICTURES | FIGURES


@pytest.mark.slow
def test_colour_and_few_dimensions(tmp_path):
    GANMonitor(DCGAN(side=64, channels=3, z_dim=26)).write_outputs(tmp_path, None)
    picture = opened(tmp_path / "19pred_image.png")
    assert (picture.mode, picture.size) == ("RGB", (64, 64))
    assert {path.name for path in (tmp_path / "figures").iterdir()} == FIGURES - {
        f"walk_{dimension}{which}.png" for dimension in (50, 75) for which in ("", "_even")
    }


def test_walk_changes_one_dimension_and_interpolation_joins_two_z(model, monkeypatch):
    asked = []
    monkeypatch.setattr(model, "decode", lambda z: asked.append(z) or np.zeros((len(z), 28, 28, 1)))
    latents = np.random.default_rng(0).uniform(-1, 1, (6, 100)).astype(np.float32)
    gan.walk(model, latents, 50)
    gan.interpolation(model, latents)
    walk, lines = asked[0].reshape(6, 11, 100), asked[1].reshape(3, 11, 100)
    np.testing.assert_allclose(walk[:, :, 50], np.tile(np.linspace(-1, 1, 11), (6, 1)), atol=1e-6)
    np.testing.assert_array_equal(np.delete(walk, 50, axis=2), np.delete(latents, 50, axis=1)[:, None].repeat(11, axis=1))
    np.testing.assert_array_equal(lines[:, 0], latents[0::2])
    np.testing.assert_allclose(lines[:, 10], latents[1::2], atol=1e-6)
    np.testing.assert_allclose(lines[:, 5], (latents[0::2] + latents[1::2]) / 2, atol=1e-6)


def test_walk_of_2016_uses_ten_sorted_draws(model, monkeypatch):
    asked = []
    monkeypatch.setattr(model, "decode", lambda z: asked.append(z) or np.zeros((len(z), 28, 28, 1)))
    latents = np.random.default_rng(0).uniform(-1, 1, (6, 100)).astype(np.float32)
    figures = [gan.walk_of_2016(model, latents, 25, seed) for seed in range(80)]
    walks = np.stack([z.reshape(6, 10, 100) for z in asked])  # [80, 6, 10, 100]
    draws = walks[:, 0, :, 25]
    assert (np.diff(draws) > 0).all()
    assert draws.mean() == pytest.approx(0, abs=0.8)
    assert draws.std() == pytest.approx(10, rel=0.06)
    assert (walks[:, :, :, 25] == draws[:, None]).all()
    np.testing.assert_array_equal(np.delete(walks[0], 25, axis=2), np.delete(latents, 25, axis=1)[:, None].repeat(10, axis=1))
    (axes,) = figures[-1].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{value:.1f}".replace("-", "−") for value in draws[-1]]
    assert axes.xaxis.get_ticks_position() == "top"


@pytest.mark.slow
def test_another_seed_draws_other_images(model, written, events, tmp_path):
    GANMonitor(model).write_outputs(tmp_path, None, seed=4)
    drawn, own = contents(tmp_path), contents(events)
    assert all(drawn[name] != own[name] for name in PICTURES | FIGURES)
    GANMonitor(model).write_outputs(tmp_path, None, seed=model.seed)
    assert all(contents(tmp_path)[name] == own[name] for name in PICTURES)


def test_saved_model_decodes_the_same_images(tmp_path):
    model = DCGAN(z_dim=4)
    model.compile(*(layers.adam(2e-4, 0.5) for _ in range(2)))
    GANMonitor(model).write_outputs(tmp_path, None)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    latents = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)
    np.testing.assert_array_equal(loaded.decode(latents), model.decode(latents))


def test_pictures_logged_ignores_an_incomplete_event(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    for iteration in (100, 0):
        with writer.as_default(step=iteration):
            tf.summary.image("grid", grid_at(iteration))
    writer.close()
    (path,) = tmp_path.iterdir()
    whole = event_files.pictures_logged(tmp_path, "grid")
    assert list(whole) == [0, 100]
    assert np.asarray(Image.open(io.BytesIO(whole[100])))[0, 0] == 10
    path.write_bytes(path.read_bytes()[:-5])
    assert event_files.pictures_logged(tmp_path, "grid") == {100: whole[100]}
    assert event_files.pictures_logged(tmp_path, "another tag") == {}


def test_gif_of_one_picture(tmp_path):
    (tmp_path / "one.gif").write_bytes(plots.training_gif({0: plots.png(grid_at(0)[0])}))
    assert [duration for _, duration in frames(tmp_path / "one.gif")] == [3000]


def test_colour_gif_keeps_its_colours(tmp_path):
    picture = np.random.default_rng(0).choice([0.0, 0.5, 1.0], (8, 8, 3)).repeat(64, axis=0).repeat(64, axis=1)
    (tmp_path / "one.gif").write_bytes(plots.training_gif({0: plots.png(picture), 100: plots.png(1 - picture)}))
    image = opened(tmp_path / "one.gif")
    image.seek(1)
    assert image.size == (512, 512 + 36)
    np.testing.assert_allclose(np.asarray(image.convert("RGB"))[36:] / 255, 1 - picture, atol=0.02)


def test_table_of_a_gan():
    results = {"generator_parameters": 1, "discriminator_loss_fake": 0.5, "discriminator_loss": 1.25, "generator_loss": 6.0}
    header, *lines = GANMonitor(DCGAN(z_dim=2)).table(results).splitlines()
    assert header.split() == ["mean", "of", "the", "last", "100", "logged", "this", "run", "equilibrium"]
    assert [line.split() for line in lines] == [
        ["discriminator_loss_fake", "0.5", "0.6931"],
        ["discriminator_loss", "1.25", "1.386"],
        ["generator_loss", "6", "–"],
    ]


def test_table_of_a_latent_model():
    results = {"kl": 7.042, "knn_accuracy": 0.7373, "original_2016": {"kl": 8.59}, "pca": {"knn_accuracy": 0.5032}}
    assert AutoEncoderMonitor(AutoEncoder()).table(results).splitlines() == [
        "test set                        this run        2016         PCA",
        "kl                                 7.042        8.59",
        "knn_accuracy                      0.7373                  0.5032",
    ]


def test_a_shorter_run_is_not_put_beside_2016():
    monitor = AutoEncoderMonitor(AutoEncoder())
    results = {"iterations": 2_001, "iterations_of_2016": 20_001, "test_l2": 5.0}
    assert monitor.table(results).splitlines() == [
        "After 2,001 iterations (2016: 20,001), so without 2016's numbers:",
        "test set                        this run",
        "test_l2                                5",
    ]


@pytest.mark.parametrize(("updates", "found"), [(20_001, "original_2016"), (2_001, "iterations_of_2016")])
def test_results_stand_beside_2016s_only_after_equally_many_iterations(updates, found):
    model = AutoEncoder()
    model.compile("adam")
    model.optimizer.iterations.assign(updates)
    dataset: Any = SimpleNamespace(comparable=True)
    assert list(AutoEncoderMonitor(model).beside_2016("autoencoder", dataset)) == [found]


def test_the_line_of_the_gan_fits_80_columns(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    losses = {"discriminator_loss_real": 0.583, "discriminator_loss_fake": 0.4691, "discriminator_loss": 1.0521}
    said = GANMonitor(DCGAN(side=28, channels=1, z_dim=100, seed=3)).line({**losses, "generator_loss": 10.12})
    assert said == "D 1.05 (0.58 + 0.47)  G 10.1"
    with Progress("GAN", 0, 15_001) as progress:
        assert "compiling" in str(progress.bar)
        # As if 75 minutes had passed. The line also shows the rate, which has nine digits after a microsecond.
        progress.bar.start_t -= 75 * 60
        progress.bar.last_print_t = progress.bar.start_t
        progress.show(15_000, said)
        assert len(str(progress.bar)) <= 80
        assert str(progress.bar).endswith(said)


# The author's sign of failure


def test_near_zero_warning(capsys):
    warning = NearZeroWarning()
    for iteration in range(1, 400):
        warning.watch(iteration, 0.05 if iteration != 80 else 0.5)
        printed = capsys.readouterr().out
        assert bool(printed) == (iteration == 180), iteration  # once, 100 iterations after the last loss above the threshold
        if printed:
            assert printed.startswith("WARNING: the discriminator's loss has been below 0.1 for 100 iterations (0.05 at 180")
