"""Runs on a folder of pictures: their settings, what they say and write, and that `explore` and `compare` take them."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.support import SCRIPTS, assert_refused, write_pictures
from unsupervised_learning.monitoring import gan
from unsupervised_learning.training import finished_run


@pytest.fixture
def drawings(tmp_path):
    """Twenty grey pictures, and a file that is not a picture."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(20):
        pixels = np.zeros((40, 30), np.uint8)
        pixels[number : number + 9, 5:25] = 255
        Image.fromarray(pixels).save(folder / f"{number:02}.gif")
    (folder / "Thumbs.db").write_bytes(b"")
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_image_dir_selects_the_data_set_pictures(script, settings_of, drawings):
    settings = settings_of(script, f"--image_dir={drawings}", f"--cache_dir={drawings.parent}")
    assert settings.dataset == "pictures"
    assert settings.folders == {"image_dir": str(drawings), "cache_dir": str(drawings.parent)}
    assert settings.logs_dir.name.startswith("pictures_")
    assert settings_of(script).dataset == "auto"


@pytest.mark.parametrize("script", SCRIPTS)
def test_image_dir_with_dataset_is_refused(script, run_script, drawings):
    assert_refused(run_script(script, f"--image_dir={drawings}", "--dataset=digits"), "without --dataset", "--dataset=digits")


def test_channels(settings_of, run_script, drawings):
    arguments = settings_of("train_gan.py", f"--image_dir={drawings}", "--channels=1").arguments
    assert (arguments["side"], arguments["channels"]) == (64, 1)
    assert_refused(run_script("train_gan.py", "--channels=3", "--dataset=digits"), "--channels=3", "expected 1 for digits")
    assert_refused(run_script("train_gan.py", "--channels=2"), "channels", "<1|3>")


@pytest.mark.parametrize("script", ["train_ae.py", "train_vae.py", "train_gan.py"])
def test_too_few_for_a_batch_are_refused(script, run_script, drawings):
    given = [f"--image_dir={drawings}", f"--cache_dir={drawings.parent / 'cache'}", f"--logs_dir={drawings.parent / 'run'}"]
    fit = 20 if script == "train_gan.py" else 17  # two are for testing, one for validation
    run = run_script(script, *given, "--batch_size=21")
    assert_refused(run, f"there are {fit} training images", f"--batch_size={fit}", "Received: 21")
    assert not (drawings.parent / "run").exists()


def test_auto_refuses_a_data_dir_without_mnist(run_script, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setattr("unsupervised_learning.data.prepared_sets.download_problem", lambda *_: "no network")
    run = run_script("train_ae.py", f"--data_dir={tmp_path}", f"--logs_dir={tmp_path / 'run'}")
    assert_refused(run, f"in {tmp_path}", "--dataset=digits")
    assert not (tmp_path / "run").exists()


def test_larochelles_files_are_a_choice_of_binarize(settings_of, run_script, tmp_path):
    assert settings_of("train_vae.py", "--binarize=larochelle").binarize == "larochelle"
    run = run_script("train_vae.py", "--binarize=larochelle", f"--data_dir={tmp_path}", f"--logs_dir={tmp_path / 'run'}")
    assert_refused(run, "binarized_mnist_train.amat", "missing")


def test_grey_images_through_training_have_a_figure():
    grids = {}
    for iteration in (0, 10):
        grids[iteration] = gan.plots.png(np.random.default_rng(iteration).random((16, 32, 1)).astype(np.float32))
    assert gan.through_training(grids, side=8).axes


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_run_on_drawings_says_that_it_cannot_be_compared(script, run_script, drawings, tmp_path):
    logs_dir = tmp_path / "logs" / "mine"
    given = [f"--image_dir={drawings}", f"--cache_dir={tmp_path / 'cache'}", f"--logs_dir={logs_dir}"]
    run = run_script(script, *given, "--batch_size=8", "--max_iterations=3")
    assert run.status == 0, run.err
    assert f"20 of 20 pictures in {drawings}, which has 1 other file; 17 training, 2 test images" in run.out
    assert "Note: your own pictures, not MNIST: not comparable with the 2016 post" in run.out
    config, results = (json.loads((logs_dir / f"{name}.json").read_text()) for name in ("config", "results"))
    assert (config["data"]["comparable"], results["comparable_with_2016"], results["knn_accuracy"]) == (False, False, None)
    assert "original_2016" not in results
    assert finished_run.read(logs_dir).dataset().checksum == config["data"]["checksum"]
    explored = run_script("unsupervised_learning/explore/__main__.py", str(logs_dir), "--draws=1,2", "--skip=play")
    assert explored.status == 0, explored.err
    assert "left out: codes: the images have no labels" in explored.out
    compared = run_script(
        "unsupervised_learning/compare/__main__.py", f"--logs_dir={tmp_path / 'logs'}", f"--out={tmp_path / 'out'}"
    )
    assert compared.status == 0, compared.err
    assert "left out: mine: trained on pictures; expected all of MNIST" in compared.out
    again = run_script(script, *given, "--batch_size=7", "--max_iterations=3")
    assert_refused(again, "batch_size is 8 there", "to start afresh, choose another --logs_dir, or delete that folder")


@pytest.mark.slow
def test_a_grey_gan(run_script, tmp_path):
    folder = write_pictures(tmp_path / "mine", 8)
    given = [f"--image_dir={folder}", f"--cache_dir={tmp_path / 'cache'}", f"--logs_dir={tmp_path / 'run'}", "--channels=1"]
    run = run_script("train_gan.py", *given, "--batch_size=4", "--max_iterations=1")
    assert run.status == 0, run.err
    assert finished_run.read(tmp_path / "run").dataset().train.images.shape == (8, 64, 64, 1)
