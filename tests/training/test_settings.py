"""Settings: which affect the results, how config.json records them, and how two runs are compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.training.run_directory import check_usable, configuration, earlier_run
from unsupervised_learning.training.settings import Settings, default_settings


def settings(logs_dir: Path, build=AutoEncoder, arguments: dict[str, Any] | None = None, **given: Any) -> Settings:
    given = {"max_iterations": 10, "batch_size": 32, "learning_rate": 1e-3, "recipe": "run5", "default_recipe": "run5", **given}
    return Settings(build.__name__, {**default_settings(build), **(arguments or {})}, logs_dir=logs_dir, **given)


def record(given: Settings, **changes: Any) -> None:
    config = {
        "model": given.model,
        "settings": {**given.deciding(), **changes},
        "data": {"name": "mnist", "source": "files", "checksum": "0"},
    }
    (given.logs_dir / "config.json").write_text(json.dumps(config))


def test_recorded_settings_are_those_that_affect_the_results(tmp_path):
    given = settings(tmp_path, strategy="mirrored", jit="off", dataset="digits")
    assert given.deciding() == {**default_settings(AutoEncoder), "batch_size": 32, "learning_rate": 1e-3, "jit": "off"}
    first = settings(tmp_path, recipe="run1")
    assert first.deciding()["recipe"] == "run1"
    gan = settings(tmp_path, DCGAN, {"recipe": "first_attempt"}, recipe="first_attempt", beta1=0.5)
    assert gan.deciding()["recipe"] == "first_attempt"
    assert gan.deciding()["beta1"] == 0.5


def test_a_run_is_resumed_only_with_its_own_settings(tmp_path):
    given = settings(tmp_path)
    assert earlier_run(given, AutoEncoder) is None
    record(given)
    assert earlier_run(settings(tmp_path, max_iterations=20, strategy="mirrored"), AutoEncoder)
    with pytest.raises(RunError, match=r"jit is auto there and off here.*rerun with --jit=auto; to start afresh, choose"):
        earlier_run(settings(tmp_path, jit="off"), AutoEncoder)
    with pytest.raises(RunError, match=r"seed is 0 there and 1 here, batch_size is 32 there.*--seed=0 --batch_size=32"):
        earlier_run(settings(tmp_path, arguments={"seed": 1}, batch_size=8), AutoEncoder)
    with pytest.raises(RunError, match="recipe is run5 there and run1 here"):
        earlier_run(settings(tmp_path, recipe="run1"), AutoEncoder)
    with pytest.raises(RunError, match="To resume it, rerun without --restore_original; to start"):
        earlier_run(settings(tmp_path, restore_original="model.ckpt-1"), AutoEncoder)
    record(given, restore_original="A File")
    with pytest.raises(RunError, match="rerun with --restore_original='A File'; to start"):
        earlier_run(given, AutoEncoder)
    with pytest.raises(RunError, match="a run of AutoEncoder, this is DCGAN"):
        earlier_run(settings(tmp_path, DCGAN), DCGAN)


def test_the_advice_for_another_image_size_names_the_data(tmp_path):
    record(settings(tmp_path, DCGAN))
    flowers = settings(tmp_path, DCGAN, {"side": 64, "channels": 3})
    with pytest.raises(RunError, match="rerun with --channels=1 and with the same --dataset or --image_dir; to start"):
        earlier_run(flowers, DCGAN)


def test_a_folder_of_an_unknown_user_is_recorded(tmp_path):
    given = settings(tmp_path, folders={"cache_dir": "~no_such_user/cache"})
    folder = configuration(given, mnist.load("digits"))["folders"]["cache_dir"]
    assert folder.endswith("/~no_such_user/cache")


@pytest.mark.parametrize("character", "*?[]\\")
def test_folders_that_tensorflow_takes_for_patterns_are_refused(tmp_path, character):
    with pytest.raises(RunError, match="must not contain"):
        check_usable(tmp_path / f"a{character}b")


def test_a_recorded_setting_without_a_flag_is_named(tmp_path):
    given = settings(tmp_path)
    record(given, mixed_precision=True)
    with pytest.raises(RunError, match="mixed_precision is True there and None here"):
        earlier_run(given, AutoEncoder)


@pytest.mark.parametrize(
    ("given", "xla", "most"),
    [
        ({}, True, 1_000),
        ({"jit": "off"}, False, 1),
        ({"strategy": "mirrored"}, False, 1),
        ({"xla_by_default": False}, False, 1),
        ({"xla_by_default": False, "jit": "on"}, True, 1),
    ],
)
def test_use_of_xla_and_iterations_per_call(given, xla, most, tmp_path):
    assert (settings(tmp_path, **given).xla, settings(tmp_path, **given).most_in_a_call) == (xla, most)
