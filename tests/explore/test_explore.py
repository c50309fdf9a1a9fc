"""The `explore` command and its page, run on tiny runs of each model."""

import json
import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import keras
import numpy as np
import pytest

from tests.support import Tags, assert_refused, read_events, uncompiled, write_finished_run
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import binarization, mnist, pictures
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import digit_classifier, generated_images
from unsupervised_learning.explore import latent_parts, rendering
from unsupervised_learning.explore.subject import Sizes, Subject
from unsupervised_learning.figures import plots
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.training import finished_run
from unsupervised_learning.vae import VariationalAutoEncoder

EXPLORE = "unsupervised_learning/explore/__main__.py"
QUICK = ["--draws=1,3", "--images=40", "--dots=60", "--samples=60"]
OF_AE = ["play", "reconstructions", "scatter", "traversal", "manifold", "interpolation", "samples", "codes"]
OF_VAE = [*OF_AE, "dimensions", "prior", "likelihood", "rate_distortion"]
OF_GAN = ["play", "samples", "walk", "interpolation", "health", "classes", "quality", "neighbours"]


@pytest.fixture(scope="module")
def autoencoder(idx_dir, tmp_path_factory) -> Path:
    """An autoencoder with a 2-D code, in a folder with a name that needs escaping in HTML."""
    return write_finished_run(tmp_path_factory.mktemp("runs") / "<b>ae&", AutoEncoder(z_dim=2, init_stddev=0.3), idx_dir)


@pytest.fixture
def small_classifier(monkeypatch):
    monkeypatch.setitem(digit_classifier.TRAINING, "updates", 5)
    monkeypatch.setitem(generated_images.QUERIES, 28, 20)
    monkeypatch.setattr(generated_images, "GRADIENT_BATCHES", 2)


def numbers(run: Path) -> dict:
    return json.loads((run / "explore" / "evaluation.json").read_text())


def page_of(run: Path) -> tuple[str, list]:
    """The page's text and tags, after checking that it is well-formed and loads nothing from elsewhere."""
    text = (run / "explore" / "index.html").read_text()
    tags = Tags(text).seen
    for _, attributes in tags:
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", text)
    return text, tags


def embedded_data(folder: Path, page: str = "explore/index.html") -> dict:
    """Return the data embedded for the interactive part."""
    (found,) = re.findall(
        r'id="play-part">.*?<script type="application/json">(.*?)</script>', (folder / page).read_text(), re.DOTALL
    )
    return json.loads(found)


@pytest.mark.slow
def test_a_trained_vae(idx_dir, tmp_path, run_script):
    run = tmp_path / "vae"
    assert run_script("train_vae.py", *uncompiled(idx_dir, run, "--max_iterations=3", "--init_stddev=0.2")).status == 0
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    looked = run_script(EXPLORE, str(run), *QUICK)  # config.json names the data folder
    assert looked.status == 0, looked.err
    assert [line.split(":")[0] for line in looked.out.splitlines()[: len(OF_VAE)]] == OF_VAE
    found = numbers(run)
    assert list(found["parts"]) == OF_VAE[:-1]
    assert "--kl_weight" in found["left_out"]["rate_distortion"]
    assert found["run"]["iterations"] == 3
    assert found["parts"]["dimensions"]["kl"] == pytest.approx(sum(found["parts"]["dimensions"]["kl_per_dimension"]))
    assert [row["k"] for row in found["parts"]["likelihood"]["bounds"]] == [1, 3]
    assert {row["images"] for row in found["parts"]["likelihood"]["bounds"]} == {40}

    text, tags = page_of(run)
    assert [attributes["id"] for tag, attributes in tags if tag == "section"] == OF_VAE[:-1]
    figures = {path.stem for path in (run / "explore" / "figures").iterdir()}
    assert not read_events(run / "explore")  # beside checkpoints TensorBoard's projector would list it as a run
    events = read_events(run / "explore" / "tensorboard")
    assert 5 < len([tag for plugin, tag in events if plugin == "scalars"]) <= 12
    assert {tag.rsplit("/", 1)[1] for plugin, tag in events if plugin == "images"} == figures
    assert figures >= {"latent_rotation", "kl_through_training", "iwae_bound", "aggregate_posterior", "manifold"}
    assert text.count("<img ") == len(figures)
    assert list(events["scalars", "ours/explore/dimensions/kl"]) == [3]
    assert float(events["scalars", "ours/explore/dimensions/kl"][3]) == pytest.approx(found["parts"]["dimensions"]["kl"])
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before

    (run / "model.keras").unlink()  # weights then come from the newest checkpoint
    assert run_script(EXPLORE, str(run), "--only=reconstructions,prior,likelihood", *QUICK).status == 0
    again = numbers(run)["parts"]
    assert again == {name: found["parts"][name] for name in ("reconstructions", "prior", "likelihood")}
    assert not [path for path in run.iterdir() if path.name.startswith("new-")]

    other = VariationalAutoEncoder(z_dim=3, init_stddev=0.2, kl_weight=0.1)
    write_finished_run(run.with_name("vae_0.1"), other, idx_dir)
    write_finished_run(run.with_name("unlike"), VariationalAutoEncoder(z_dim=2, init_stddev=0.2, kl_weight=0.1), idx_dir)
    assert run_script(EXPLORE, str(run), "--only=rate_distortion").status == 0
    points = numbers(run)["parts"]["rate_distortion"]["points"]
    assert [(point["name"], point["kl_weight"]) for point in points] == [("vae_0.1", 0.1), ("vae", 1.0)]


@pytest.mark.slow
def test_exploring_an_autoencoder_twice_gives_the_same_numbers(autoencoder, run_script):
    evaluations = []
    for flags in (["--seed=1", "--only=traversal"], [], []):
        looked = run_script(EXPLORE, str(autoencoder), *flags, *QUICK)
        assert looked.status == 0, looked.err
        evaluations.insert(0, numbers(autoencoder))
    assert evaluations[0] == evaluations[1]
    assert evaluations[0]["parts"]["traversal"]["images"] != evaluations[2]["parts"]["traversal"]["images"]
    assert list(evaluations[0]["parts"]) == OF_AE
    assert evaluations[0]["parts"]["codes"]["codes"]["dimensions"] == 2
    text, _ = page_of(autoencoder)
    assert "<b>" not in text
    assert "Autoencoder: &lt;b&gt;ae&amp;" in text
    assert "latent_scatter.png" in {path.name for path in (autoencoder / "explore" / "figures").iterdir()}
    alone = (autoencoder / "explore" / "latent_scatter.html").read_text()
    assert alone.count('<canvas class="plot"') == 1
    assert Tags(alone)


@pytest.mark.slow
@pytest.mark.parametrize(("z_dim", "left_out"), [(1, ["manifold"]), (5, [])])
def test_other_latent_sizes(z_dim, left_out, idx_dir, tmp_path, run_script):
    run = write_finished_run(tmp_path / "run", AutoEncoder(z_dim=z_dim, init_stddev=0.3), idx_dir)
    looked = run_script(EXPLORE, str(run), "--skip=codes", *QUICK)
    assert looked.status == 0, looked.err
    assert embedded_data(run)["models"][0]["z_dim"] == z_dim
    assert list(numbers(run)["left_out"]) == left_out
    assert (run / "explore" / "figures" / "latent_rotation.gif").exists() == (z_dim > 2)
    assert len(numbers(run)["parts"]["traversal"]["pixel_change"]) == z_dim


def test_several_runs_stand_side_by_side(autoencoder, idx_dir, tmp_path, run_script, monkeypatch):
    first = shutil.copytree(autoencoder, tmp_path / "first", ignore=shutil.ignore_patterns("explore"))
    second = write_finished_run(tmp_path / "second", VariationalAutoEncoder(z_dim=3, init_stddev=0.2), idx_dir)
    looked = run_script(EXPLORE, str(first), str(second))
    assert looked.status == 0, looked.err
    models = embedded_data(tmp_path)["models"]
    assert [(model["name"], model["vae"], model["z_dim"]) for model in models] == [("first", False, 2), ("second", True, 3)]
    page_of(tmp_path)
    shutil.rmtree(tmp_path / "explore")
    monkeypatch.chdir(first)
    assert run_script(EXPLORE, ".", "../second").status == 0
    assert (tmp_path / "explore" / "index.html").exists()
    assert not (first / "explore").exists()

    assert_refused(run_script(EXPLORE, str(first), str(second), "--only=play"), "--only and --skip")
    gan = write_finished_run(tmp_path / "gan", DCGAN(z_dim=10), idx_dir)
    assert_refused(run_script(EXPLORE, str(first), str(gan)), "only autoencoders and VAEs", "DCGAN")
    assert_refused(run_script(EXPLORE, str(first), str(second), "--draws=3,1"), "error: --draws must be increasing")
    config = json.loads((second / "config.json").read_text())
    config["data"]["checksum"] = "another"
    (second / "config.json").write_text(json.dumps(config))
    assert_refused(run_script(EXPLORE, str(first), str(second)), "must have the same data", "second")


def test_the_map_shows_the_dimensions_that_change_the_most_pixels(idx_dir, tmp_path, run_script):
    run = write_finished_run(tmp_path / "run", VariationalAutoEncoder(z_dim=4, init_stddev=0.3), idx_dir)
    assert run_script(EXPLORE, str(run), "--only=traversal,manifold").status == 0
    parts = numbers(run)["parts"]
    change = parts["traversal"]["pixel_change"]
    strongest = sorted(change, key=lambda name: -change[name])[:2]
    assert sorted(f"z{dimension}" for dimension in parts["manifold"]["dimensions"]) == sorted(strongest)


@pytest.mark.slow
def test_a_gan(idx_dir, tmp_path, run_script, small_classifier):
    run = write_finished_run(tmp_path / "gan", DCGAN(z_dim=30), idx_dir)
    looked = run_script(EXPLORE, str(run), f"--cache_dir={tmp_path}/cache", *QUICK)
    assert looked.status == 0, looked.err
    found = numbers(run)
    assert list(found["parts"]) == OF_GAN
    assert found["parts"]["walk"]["dimensions"] == [26]
    assert found["parts"]["quality"]["samples"] == 60
    assert sum(found["parts"]["classes"]["labels"]["shares"]["samples"]) == pytest.approx(1)
    page_of(run)
    assert {path.stem for path in (run / "explore" / "figures").iterdir()} == {
        *("samples", "walk_25", "interpolation", "interpolation_norms", "discriminator", "classes"),
        *("neighbours_pixels", "neighbours_classifier"),
    }


def test_arcs_stay_farther_from_the_origin_than_lines(autoencoder, run_script):
    assert run_script(EXPLORE, str(autoencoder), "--only=interpolation").status == 0
    half_way = numbers(autoencoder)["parts"]["interpolation"]["norm_half_way"]
    assert half_way["arc"] > half_way["straight"] > 0


def test_only_and_skip_select_parts(autoencoder, run_script):
    for flags, expected in (
        (["--only=samples,manifold"], ["manifold", "samples"]),
        (["--skip=codes,scatter,interpolation,traversal,play"], ["reconstructions", "manifold", "samples"]),
        (["--only=samples,manifold", "--skip=manifold"], ["samples"]),
    ):
        assert run_script(EXPLORE, str(autoencoder), *flags).status == 0
        assert list(numbers(autoencoder)["parts"]) == expected
        figures = {path.name for path in (autoencoder / "explore" / "figures").iterdir()}
        assert ("manifold.png" in figures) == ("manifold" in expected)  # earlier output is removed


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--only=nonsense"], ["play,reconstructions,scatter", "nonsense, which is unknown"]),
        (["--only=likelihood"], ["likelihood, which is not a part for AutoEncoder"]),
        (["--skip=walk"], ["walk, which is not a part for AutoEncoder"]),
        (["--only=samples", "--skip=samples"], ["must leave at least one"]),
        (["--draws=5,1"], ["increasing integers", "5,1"]),
        (["--draws=some"], ["increasing integers", "some"]),
        (["--seed=-1"], ["seed"]),
        (["another"], ["another", "must be the folder of a run"]),
        (["--data_dir=/nowhere"], ["/nowhere"]),
    ],
)
def test_invalid_arguments_are_refused(arguments, parts, autoencoder, tmp_path, run_script):
    run = shutil.copytree(autoencoder, tmp_path / "run", ignore=shutil.ignore_patterns("explore"))
    assert_refused(run_script(EXPLORE, str(run), *arguments), *parts)
    assert not (run / "explore").exists()


def test_folders_without_a_finished_run_are_refused(autoencoder, idx_dir, tmp_path, run_script):
    assert_refused(run_script(EXPLORE), "expects one LOGS_DIR", "nothing")
    assert_refused(run_script(EXPLORE, str(tmp_path / "none")), "must be the folder of a run")
    assert_refused(run_script(EXPLORE, str(tmp_path)), "has no config.json")
    run = shutil.copytree(autoencoder, tmp_path / "run", ignore=shutil.ignore_patterns("explore"))

    (run / "model.keras").write_bytes(b"not a model")
    assert_refused(run_script(EXPLORE, str(run)), "cannot read", "model.keras")
    VariationalAutoEncoder(z_dim=2).save(run / "model.keras")
    assert_refused(run_script(EXPLORE, str(run)), "is a VariationalAutoEncoder", "AutoEncoder")
    (run / "model.keras").unlink()
    assert_refused(run_script(EXPLORE, str(run)), "has no weights", "python train_it.py")
    (run / "results.json").write_text("{}")
    assert_refused(run_script(EXPLORE, str(run)), "results.json is damaged or not from a run")
    (run / "results.json").unlink()
    assert_refused(run_script(EXPLORE, str(run)), "not finished", "python train_it.py")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "model": "Perceptron"}))
    assert_refused(run_script(EXPLORE, str(run)), "Perceptron", "DCGAN")
    (run / "config.json").write_text("{}")
    assert_refused(run_script(EXPLORE, str(run)), "is not a run's config.json")


def test_other_data_are_refused(autoencoder, tmp_path, run_script):
    run = shutil.copytree(autoencoder, tmp_path / "run", ignore=shutil.ignore_patterns("explore"))
    config = json.loads((run / "config.json").read_text())
    config["data"]["checksum"] = "another"
    (run / "config.json").write_text(json.dumps(config))
    assert_refused(run_script(EXPLORE, str(run)), "was trained on other data", "--data_dir")


def test_other_folders_are_not_replaced(autoencoder, tmp_path, run_script):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    assert_refused(run_script(EXPLORE, str(autoencoder), f"--out={tmp_path}/mine"), "was not written by this command")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    copy = shutil.copytree(autoencoder, tmp_path / "copy", ignore=shutil.ignore_patterns("explore"))
    (copy / "evaluation.json").write_text("{}")  # as in logs/reference
    assert_refused(run_script(EXPLORE, str(copy), f"--out={copy}"), "was not written by this command")
    assert (copy / "model.keras").exists()
    assert run_script(EXPLORE, str(autoencoder), f"--out={tmp_path}/look", "--only=samples").status == 0
    assert (tmp_path / "look" / "index.html").exists()


def test_unusable_weights_give_a_one_line_error(idx_dir, tmp_path, run_script):
    model = AutoEncoder(z_dim=2)
    model.encoder.layers[0].kernel.assign(np.full((784, 50), np.nan, np.float32))
    run = write_finished_run(tmp_path / "run", model, idx_dir)
    assert_refused(run_script(EXPLORE, str(run), *QUICK), "cannot be evaluated")
    assert_refused(run_script(EXPLORE, str(run), str(run)), "cannot be set side by side")
    assert not (tmp_path / "explore").exists()
    assert not (run / "explore").exists()


def test_loading_a_model_runs_no_code_from_its_file(idx_dir, tmp_path):
    """A .keras file can contain arbitrary code in Lambda layers; Keras's safe mode refuses them."""
    run = write_finished_run(tmp_path / "run", AutoEncoder(z_dim=2), idx_dir)
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x)]).save(run / "model.keras")
    with zipfile.ZipFile(run / "model.keras") as saved:
        assert b"Lambda" in saved.read("config.json")
    with pytest.raises(RunError, match="cannot read"):
        finished_run.read(run).model()


def test_a_binarised_run_is_evaluated_on_binarised_images(idx_dir, tmp_path, run_script):
    dataset = binarization.binarized(mnist.load("mnist", str(idx_dir)), "threshold")
    run = write_finished_run(tmp_path / "vae", VariationalAutoEncoder(z_dim=2, init_stddev=0.2), idx_dir, dataset)
    assert run_script(EXPLORE, str(run), "--only=likelihood", *QUICK).status == 0
    assert numbers(run)["parts"]["likelihood"]["binary"] is True


def test_random_numbers_depend_on_the_purpose(idx_dir, tmp_path):
    """The numbers of a part do not depend on which other parts run."""
    run = write_finished_run(tmp_path / "run", VariationalAutoEncoder(z_dim=2, init_stddev=0.2), idx_dir)
    looked_at = finished_run.read(run)
    subject = Subject(looked_at, looked_at.model(), looked_at.dataset(), 3, Sizes((1,), 10, 10, None))
    assert subject.random(0).random() == subject.random(0).random() != subject.random(1).random()


@pytest.mark.slow
def test_a_gan_of_pictures_has_neither_labels_nor_test_images(tmp_path, run_script, monkeypatch):
    monkeypatch.setitem(generated_images.QUERIES, 64, 10)
    monkeypatch.setattr(generated_images, "GRADIENT_BATCHES", 2)
    (tmp_path / "pictures").mkdir()
    random = np.random.default_rng(0)
    for number in range(45):
        picture = plots.png(random.uniform(size=(64, 64, 3)))
        for name in (f"{number}.png", f"{number} again.png"):
            (tmp_path / "pictures" / name).write_bytes(picture)
    dataset = pictures.load("pictures", str(tmp_path / "pictures"), None, str(tmp_path / "cache"))
    run = write_finished_run(tmp_path / "gan", DCGAN(side=64, channels=3, z_dim=80), tmp_path, dataset)
    folders = [f"--image_dir={tmp_path}/pictures", f"--cache_dir={tmp_path}/cache"]
    looked = run_script(EXPLORE, str(run), *folders, "--samples=40")
    assert looked.status == 0, looked.err
    found = numbers(run)
    assert list(found["parts"]) == [part for part in OF_GAN if part not in ("classes", "play")]
    assert "up to 2,000,000 weights" in found["left_out"]["play"]
    assert "28×28" in found["left_out"]["classes"]
    assert found["parts"]["health"]["discriminator"]["test"] is None
    assert found["parts"]["neighbours"]["pixels"]["ratio"] is None
    assert "exact copy" in found["parts"]["quality"]["left_out"]["nearest_training_image/pixels/ratio"]
    assert len(list((run / "explore" / "figures").glob("walk_*"))) == 3
    page_of(run)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 11])
def test_interpolations_lead_to_another_image(count, monkeypatch):
    found = []
    monkeypatch.setattr(latent_parts, "between", lambda subject, start, end, usual: found.append((start, end)))
    subject = SimpleNamespace(
        labels=np.zeros(count, int),
        labelled=False,
        codes=np.arange(count),
        random=lambda purpose: np.random.default_rng(purpose),
    )
    latent_parts.interpolation(cast(Subject, subject))
    [(start, end)] = found
    assert len(start) == len(end) == latent_parts.PAIRS
    assert (start != end).all()


def test_nested_numbers_become_scalar_tags():
    numbers = {"a": 1, "b": {"c": [0.5, 2], "long": [0.0] * 100}, "name": "x", "binary": True, "none": None, "rows": [{"k": 3}]}
    assert rendering.scalars(numbers, "t") == {"t/a": 1.0, "t/b/c/1": 0.5, "t/b/c/2": 2.0, "t/rows/3/k": 3.0}
