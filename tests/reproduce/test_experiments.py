"""Which runs the claims take, from folders that hold only a run's records, and the commands that make them."""

import json

import numpy as np
import pytest

from tests.support import write_dumps, write_idx, write_pictures, write_run
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.training.finished_run import FinishedRun


def test_runs_are_found_at_any_depth_by_their_settings(tmp_path):
    for seed in (2, 0):
        write_run(tmp_path / "reference", "vae_fixed", seed)
    write_run(tmp_path / "a" / "b", "vae_first")
    runs = experiments.find_runs(tmp_path)
    assert {name: [run.seed for run in of] for name, of in runs.items() if of} == {"vae_fixed": [0, 2], "vae_first": [0]}
    assert list(runs) == list(experiments.EXPERIMENTS)
    assert runs.left_out == {}


def test_runs_that_are_left_out_are_named_with_the_reason(tmp_path):
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
    assert reasons.pop("2") == "autoencoder, seed 0, is taken from 1/autoencoder_seed0"
    assert reasons.pop("3") == "on mnist, which is not MNIST, or not all of it"
    assert reasons.pop("4") == "autoencoder: 500 iterations, where the claims ask for 20,001"
    assert reasons.pop("5") == "no claim asks for these settings: learning_rate=0.01"
    assert reasons.pop("6") == "not finished: no results.json. To resume it: its command is not recorded"
    assert all("results.json is not a run's" in reasons.pop(name) for name in "78")
    assert "not a run's config.json" in reasons.pop("9")
    assert reasons.pop("a") == "config.json has no whole number for a seed: [1]"
    assert reasons.pop("b") == "on mnist binarised by sample, which is not MNIST, or not all of it"
    assert not reasons


def test_the_flowers_are_their_own_experiment(tmp_path):
    folder = write_run(tmp_path, "gan_flowers", comparable_with_2016=False)
    assert [run.path for run in experiments.find_runs(tmp_path)["gan_flowers"]] == [folder]
    config = json.loads((folder / "config.json").read_text())
    for change, why in (
        ({"name": "celeb_a"}, "on celeb_a, which is not MNIST, or not all of it"),
        ({"sizes": {"train": 70}}, "on 70 pictures, where tf_flowers has 3,670"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, "data": {**config["data"], **change}}))
        assert experiments.find_runs(tmp_path).left_out == {"gan_flowers_seed0": why}
    assert experiments.EXPERIMENTS["gan_flowers"].command("gan_flowers") == (
        "python train_gan.py --dataset=tf_flowers --seed=0 --real_batches=shared --max_iterations=2001 "
        "--logs_dir=logs/gan_flowers_seed0"
    )


def test_ones_own_runs_go_before_the_small_copies(tmp_path):
    write_run(tmp_path / "reference", "vae_fixed")
    write_run(tmp_path / "z", "vae_fixed")
    runs = experiments.find_runs(tmp_path)
    assert [run.path.parent.name for run in runs["vae_fixed"]] == ["z"]
    assert runs.left_out == {"reference/vae_fixed_seed0": "vae_fixed, seed 0, is taken from z/vae_fixed_seed0"}


def test_settings_that_came_later_are_at_their_defaults(tmp_path):
    folder = write_run(tmp_path, "autoencoder")
    config = json.loads((folder / "config.json").read_text())
    del config["settings"]["sparsity"]
    (folder / "config.json").write_text(json.dumps(config))
    assert experiments.find_runs(tmp_path)["autoencoder"]


@pytest.mark.slow
@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_the_scripts_make_the_runs_that_the_claims_ask_for(name, tmp_path, run_script):
    """Each experiment's own command, but for where, on what and how long: its settings are the experiment's."""
    _, script, *given = experiments.EXPERIMENTS[name].command(name).split()
    of_ours = ("--data_dir", "--logs_dir", "--max_iterations")
    given = [flag for flag in given if not flag.startswith(of_ours)]
    if experiments.EXPERIMENTS[name].dataset == "mnist":
        given.append(f"--data_dir={write_idx(tmp_path / 'idx', 300, 100)}")
    else:
        given += [f"--image_dir={write_pictures(tmp_path / 'pictures', 70)}", f"--cache_dir={tmp_path}/cache"]
    run = run_script(script, *given, f"--logs_dir={tmp_path}/run", "--max_iterations=1")
    assert run.status == 0, run.err
    assert experiments.EXPERIMENTS[name].difference(json.loads((tmp_path / "run" / "config.json").read_text())) == ""


def test_commands_make_the_runs_that_are_asked_for():
    command = experiments.EXPERIMENTS["autoencoder_sparse"].command("autoencoder_sparse", 1)
    assert command == (
        "python train_ae.py --data_dir=DIR --seed=1 --z_dim=32 --sparsity=0.001 --logs_dir=logs/autoencoder_sparse_seed1"
    )
    assert "train_vae.py --recipe=first " in experiments.EXPERIMENTS["vae_first"].command("vae_first")


def test_a_run_knows_its_dumps(tmp_path):
    folder = write_run(tmp_path, "autoencoder")
    run = FinishedRun(folder, {}, {})
    assert run.dump(0) is None
    write_dumps(folder)
    codes, labels = run.dump(10_000) or ((), ())
    assert (np.shape(codes), np.shape(labels)) == ((1000, 3), (1000,))
