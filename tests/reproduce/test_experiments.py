"""Finding the runs that the claims need, from run records alone, and the commands that make them."""

import json
from typing import Any

import numpy as np
import pytest

from tests.support import write_dumps, write_graph_run, write_run
from unsupervised_learning.data import mnist
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.training import run_directory
from unsupervised_learning.training.finished_run import FinishedRun


def test_runs_are_found_at_any_depth_by_their_settings(tmp_path):
    for seed in (2, 0):
        write_run(tmp_path / "reference", "vae_fixed", seed)
    write_run(tmp_path / "a" / "b", "vae_first")
    runs = experiments.find_runs(tmp_path)
    assert {name: [run.seed for run in of] for name, of in runs.items() if of} == {"vae_fixed": [0, 2], "vae_first": [0]}
    assert list(runs) == list(experiments.EXPERIMENTS)
    assert runs.left_out == {}


def test_runs_that_are_left_out_are_listed_with_the_reason(tmp_path):
    write_run(tmp_path / "1", "autoencoder")
    write_run(tmp_path / "2", "autoencoder")
    write_run(tmp_path / "3", "autoencoder", seed=1, comparable_with_2016=False)
    write_run(tmp_path / "4", "autoencoder", seed=1, iterations=500)
    write_run(tmp_path / "5", "autoencoder", seed=1, settings={"learning_rate": 0.01})
    (write_run(tmp_path / "6", "autoencoder", seed=1) / "results.json").unlink()
    (write_run(tmp_path / "7", "autoencoder", seed=1) / "results.json").write_text("[1")
    (write_run(tmp_path / "8", "autoencoder", seed=1) / "results.json").write_text("{}")
    (write_run(tmp_path / "9", "autoencoder", seed=1) / "config.json").write_text("{}")
    write_run(tmp_path / "a", "autoencoder", settings={"seed": [1]})
    folder = write_run(tmp_path / "b", "vae_fixed", comparable_with_2016=False)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "data": {**config["data"], "binarize": "sample"}}))
    runs = experiments.find_runs(tmp_path)
    assert [run.path.parent.name for run in runs["autoencoder"]] == ["1"]
    reasons = {name[0]: why for name, why in runs.left_out.items()}
    assert reasons.pop("2") == "autoencoder, seed 0, is already in 1/autoencoder_seed0"
    assert reasons.pop("3") == "trained on mnist; expected all of MNIST"
    assert reasons.pop("4") == "autoencoder: 500 iterations; the claims need 20,001"
    assert reasons.pop("5") == "no claim needs these settings: learning_rate=0.01"
    assert reasons.pop("6") == "not finished: no results.json. To resume it: its command is not recorded"
    assert all("results.json is damaged or not from a run" in reasons.pop(name) for name in "78")
    assert "not a run's config.json" in reasons.pop("9")
    assert reasons.pop("a") == "the seed in config.json is not a whole number: [1]"
    assert reasons.pop("b") == "trained on mnist binarised by sample; expected all of MNIST"
    assert not reasons


def test_the_flowers_are_a_separate_experiment(tmp_path):
    folder = write_run(tmp_path, "gan_flowers", comparable_with_2016=False)
    assert [run.path for run in experiments.find_runs(tmp_path)["gan_flowers"]] == [folder]
    config = json.loads((folder / "config.json").read_text())
    for change, why in (
        ({"name": "celeb_a"}, "trained on celeb_a; expected all of MNIST"),
        ({"sizes": {"train": 70}}, "trained on 70 pictures; expected all 3,670 of tf_flowers"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, "data": {**config["data"], **change}}))
        assert experiments.find_runs(tmp_path).left_out == {"gan_flowers_seed0": why}
    assert experiments.EXPERIMENTS["gan_flowers"].command("gan_flowers") == (
        "python train_gan.py --dataset=tf_flowers --seed=0 --max_iterations=6001 --logs_dir=logs/gan_flowers_seed0"
    )


def test_graph_runs_of_another_length_or_with_other_settings_are_left_out(tmp_path):
    write_graph_run(tmp_path / "reference", "vae_fixed", 0)
    write_graph_run(tmp_path / "quick", "vae_fixed", 0, iterations=201)
    write_graph_run(tmp_path / "twice", "vae_fixed", 0)
    other = write_graph_run(tmp_path / "other", "vae_fixed", 1)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "settings": {**config["settings"], "regularization": 0.1}}))
    runs = experiments.find_runs(tmp_path)
    copy, own = "reference/original_2016/fixed_graph_seed0", tmp_path / "twice" / "original_2016" / "fixed_graph_seed0"
    assert {recipe: [run.path for run in of] for recipe, of in runs.graphs.items()} == {"fixed": [own]}
    assert runs.left_out == {
        "quick/original_2016/fixed_graph_seed0": "the author's graph of fixed: 201 iterations; the claims need 100,001",
        "other/original_2016/fixed_graph_seed1": (
            "the author's graph nearest to fixed, but with other settings: regularization=0.1"
        ),
        copy: "the author's graph of fixed, seed 0, is already in twice/original_2016/fixed_graph_seed0",
    }
    assert runs.duplicates == {copy}


@pytest.mark.parametrize("missing", ["negative_elbo", "mu_alive", "log_var_alive"])
@pytest.mark.parametrize(("value", "said"), [(None, "is damaged or not from a run"), (float("nan"), "must have a finite")])
def test_a_vae_without_a_number_that_compare_reads_is_left_out(missing, value, said, tmp_path):
    results: dict[str, Any] = {missing: value}
    write_run(tmp_path, "vae_first", **results)
    runs = experiments.find_runs(tmp_path)
    assert runs["vae_first"] == []
    assert f"results.json {said}" in runs.left_out["vae_first_seed0"]


@pytest.mark.parametrize("recipe", [None, "none", ["fixed"]])
def test_a_graph_run_of_no_known_recipe_is_left_out(recipe, tmp_path):
    folder = write_graph_run(tmp_path, "vae_fixed")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "settings": {**config["settings"], "recipe": recipe}}))
    runs = experiments.find_runs(tmp_path)
    assert runs.graphs == {}
    [why] = runs.left_out.values()
    assert f"with other settings: recipe={recipe}" in why


def test_own_runs_take_precedence_over_small_copies(tmp_path):
    write_run(tmp_path / "reference", "vae_fixed")
    write_run(tmp_path / "z", "vae_fixed")
    runs = experiments.find_runs(tmp_path)
    assert [run.path.parent.name for run in runs["vae_fixed"]] == ["z"]
    assert runs.left_out == {"reference/vae_fixed_seed0": "vae_fixed, seed 0, is already in z/vae_fixed_seed0"}


def test_settings_missing_from_old_runs_have_their_defaults(tmp_path):
    folder = write_run(tmp_path, "autoencoder")
    config = json.loads((folder / "config.json").read_text())
    del config["settings"]["sparsity"]
    (folder / "config.json").write_text(json.dumps(config))
    assert experiments.find_runs(tmp_path)["autoencoder"]


@pytest.mark.slow
@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_the_scripts_make_the_runs_that_the_claims_need(name, settings_of):
    """Each experiment's own command gives the experiment's settings, as config.json records them, and its length."""
    experiment = experiments.EXPERIMENTS[name]
    _, script, *given = experiment.command(name).split()
    settings = settings_of(script, *given)
    config = run_directory.configuration(settings, mnist.load("digits"))
    assert experiment.difference(json.loads(json.dumps(config))) == ""
    assert (settings.max_iterations, settings.seed) == (experiment.iterations, 0)


def test_commands_contain_the_experiments_settings():
    command = experiments.EXPERIMENTS["autoencoder_sparse"].command("autoencoder_sparse", 1)
    assert command == (
        "python train_ae.py --data_dir=DIR --seed=1 --z_dim=32 --sparsity=0.001 --logs_dir=logs/autoencoder_sparse_seed1"
    )
    assert "train_vae.py --data_dir=DIR --recipe=first " in experiments.EXPERIMENTS["vae_first"].command("vae_first")


def test_a_run_reads_its_dumps(tmp_path):
    folder = write_run(tmp_path, "autoencoder")
    run = FinishedRun(folder, {}, {})
    assert run.dump(0) is None
    write_dumps(folder)
    codes, labels = run.dump(10_000) or ((), ())
    assert (np.shape(codes), np.shape(labels)) == ((1000, 3), (1000,))
