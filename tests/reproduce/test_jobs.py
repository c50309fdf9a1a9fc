"""Which processes make the runs, which runs count as finished, and the list of what would run."""

import dataclasses
import json

import numpy as np
import pytest

from tests.support import write_graph_run, write_run
from unsupervised_learning.errors import RunError
from unsupervised_learning.reproduce import experiments, jobs
from unsupervised_learning.reproduce.jobs import GRAPHS, Job, Request
from unsupervised_learning.training import run_directory


def names(request: Request) -> list[tuple[str, int]]:
    return [(job.name, job.seed) for job in request.jobs()]


def test_jobs_come_seed_by_seed():
    request = Request(["vae_fixed", "autoencoder", "vae_fixed"], seeds=2)
    assert names(request) == [("vae_fixed", 0), ("autoencoder", 0), ("vae_fixed", 1), ("autoencoder", 1)]


def test_without_names_every_experiment_has_the_seeds_that_the_claims_need():
    found = names(Request())
    assert {name: sum(one == name for one, _ in found) for name, _ in found} == {
        name: experiment.seeds for name, experiment in experiments.EXPERIMENTS.items()
    }


def test_the_authors_graphs_join_if_their_files_are_there(tmp_path):
    with pytest.raises(RunError, match="graph_first needs --original_logs"):
        Request(["graph_first"]).jobs()
    with pytest.raises(RunError, match=r"has no MNIST_logs/run5/model\.ckpt-20000\.meta or ae_run5"):
        Request(["graphs"], original_logs=tmp_path).jobs()
    for _, _, (_, end) in GRAPHS.values():
        (tmp_path / end).parent.mkdir()
        (tmp_path / end).touch()
    request = Request(["graphs"], seeds=1, original_logs=tmp_path, data_dir="data", out=tmp_path)
    job = request.jobs()[1]
    assert job.folder == tmp_path / "original_2016" / "first_graph_seed0"
    assert job.words[:4] == (
        "-m",
        "unsupervised_learning.original",
        "train",
        f"{tmp_path}/vae_relu_heads/model.ckpt-100000.meta",
    )
    assert job.words[4:] == ("--data_dir=data", "--seed=0", "--max_iterations=100001", f"--logs_dir={tmp_path}")
    assert {name for name, _ in names(Request(original_logs=tmp_path))} == {*experiments.EXPERIMENTS, *GRAPHS}


def test_the_notes_are_a_group():
    assert len(names(Request(["gan_notes"]))) == 3 * len(experiments.SETTINGS)


def test_an_unknown_name_is_refused():
    with pytest.raises(RunError, match=r"expected names from: autoencoder, .*graph_fixed\. Received: vea"):
        Request(["autoencoder", "vea"]).jobs()


def test_a_job_is_the_experiments_command(tmp_path):
    [job] = Request(["vae_kl_weight_10"], seeds=1, out=tmp_path, data_dir="data").jobs()
    assert job.words[0].endswith("train_vae.py")
    assert job.words[1:-1] == ("--dataset=mnist", "--data_dir=data", "--seed=0", "--kl_weight=10.0", "--max_iterations=20001")
    assert job.words[-1] == f"--logs_dir={tmp_path}/vae_kl_weight_10_seed0"
    [flowers] = Request(["gan_flowers"], seeds=1, data_dir="data", image_dir="pictures").jobs()
    assert {"--dataset=tf_flowers", "--image_dir=pictures"} < set(flowers.words)
    assert "--data_dir=data" not in flowers.words
    [quick] = Request(["vae_fixed"], quick=True).jobs()
    assert (quick.iterations, quick.words[-2]) == (201, "--max_iterations=201")


def test_a_run_counts_as_finished_with_its_length_data_seed_and_settings(tmp_path):
    [job] = Request(["autoencoder"], seeds=1, out=tmp_path).jobs()
    assert job.finished() is None
    write_run(tmp_path, "autoencoder")
    assert job.finished() is not None
    assert job.left() == 0
    for change in (
        {"iterations": 30_001},
        {"data": "digits"},
        {"seed": 1},
        {"name": "autoencoder_run4"},
        {"name": "graph_run5"},
    ):
        assert dataclasses.replace(job, **change).finished() is None, change


def test_a_graphs_run_counts_as_finished_only_with_its_recipe(tmp_path):
    folder = write_graph_run(tmp_path, "vae_fixed", 0)
    job = Job("graph_fixed", 0, folder, (), 100_001, "mnist")
    assert job.finished() is not None
    assert dataclasses.replace(job, name="vae_fixed").finished() is None
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "settings": {**config["settings"], "learning_rate": 0.1}}))
    assert job.finished() is None


def test_what_is_saved_of_an_interrupted_run_is_not_left_to_do(tmp_path):
    [job] = Request(["vae_kl_weight_10"], seeds=1, out=tmp_path).jobs()
    assert (job.done(), job.left()) == (0, 1)
    job.folder.mkdir()
    for end in ("index", "data-00000-of-00001"):
        (job.folder / f"model.ckpt-5000.{end}").touch()
    assert (job.done(), job.left()) == (5_000, 1 - 5_000 / 20_001)
    graph = Job("graph_fixed", 0, tmp_path / "graph", (), 100_001, "mnist")
    graph.folder.mkdir()
    np.savez(graph.folder / "state.npz", done=90_000, seconds=1.0)
    assert graph.done() == 90_000
    (graph.folder / "state.npz").write_bytes(b"cut")
    assert graph.done() == 0


def test_the_notes_are_judged_on_all_their_runs(tmp_path):
    request = Request(["gan_notes_baseline"], seeds=1, out=tmp_path)
    assert [(job.name, job.seed) for job in request.notes()] == names(Request(["gan_notes"]))


def test_a_folder_in_use_is_seen(tmp_path):
    [job] = Request(["autoencoder"], seeds=1, out=tmp_path).jobs()
    assert not job.is_locked()
    assert not job.folder.exists()
    with run_directory.lock(job.folder):
        assert job.is_locked()
    assert not job.is_locked()


def test_the_list_says_what_is_left(tmp_path, monkeypatch):
    request = Request(["autoencoder", "vae_fixed", "gan_flowers"], seeds=2, out=tmp_path / "new")
    for seed, seconds in ((0, 40.0), (1, 60.0)):
        write_run(tmp_path / "reference", "autoencoder", seed, training_seconds=seconds)
    monkeypatch.setattr(jobs, "reference_folder", lambda: tmp_path / "reference")
    rows = {line.split()[0]: line.split()[1:] for line in jobs.listing(request.jobs(), request.out, 2).splitlines()}
    assert rows["autoencoder"] == ["2", "0", "20,001", "1.1*", "–"]
    assert rows["vae_fixed"] == ["2", "0", "100,001", "–", "–"]
    assert " ".join(rows["left:"]).startswith("2 min of one core, 65 s with 2 at a time, not counting vae_fixed, gan_flowers")
    alone = jobs.listing(Request(["autoencoder"], seeds=1, out=tmp_path / "new").jobs(), request.out, 2)
    assert "left: 65 s of one core, 65 s with 2 at a time\n" in alone  # one run takes one core
    assert not request.out.exists()
    write_run(request.out, "autoencoder", training_seconds=105.0)
    rows = {line.split()[0]: line.split()[1:] for line in jobs.listing(request.jobs(), request.out, 2).splitlines()}
    assert rows["autoencoder"] == ["2", "1", "20,001", "2.0", "0"]


def test_an_experiment_that_was_never_timed_takes_as_long_per_iteration_as_its_model(tmp_path, monkeypatch):
    write_run(tmp_path, "vae_fixed", training_seconds=100_001 * 0.005)
    monkeypatch.setattr(jobs, "reference_folder", lambda: tmp_path)
    costs = jobs.Costs(Request(["vae_kl_weight_10"], out=tmp_path / "new").jobs())
    assert costs.seconds["vae_kl_weight_10"] == pytest.approx(20_001 * 0.005 + jobs.START)


def test_durations():
    assert [jobs.duration(seconds) for seconds in (4.4, 89, 90, 5399, 9000)] == ["4 s", "89 s", "2 min", "90 min", "2.5 h"]
