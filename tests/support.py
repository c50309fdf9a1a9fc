"""Helpers for tests: small data, running scripts, reading their output, records of runs, tiny models."""

import json
import re
import signal
import struct
import subprocess
import sys
import time
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util import tensor_util

from unsupervised_learning import layers
from unsupervised_learning.compare import judgements
from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.training import run_directory

REPOSITORY = Path(__file__).parent.parent
SCRIPTS = ["train_ae.py", "train_vae.py"]

IMAGES = (np.random.default_rng(1).random((300, 784)) ** 4).astype(np.float32)  # [300, 784] in [0, 1]


class Finished(NamedTuple):
    """Exit status and output of a script."""

    status: int
    out: str
    err: str


def write_idx(folder: Path, train: int, test: int) -> Path:
    """Write four idx files with noisy bars in place of digits: ten classes that a model can distinguish."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        labels = random.integers(0, 10, count).astype(np.uint8)
        images = random.integers(0, 30, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label, 4:24] += 200
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, count, 28, 28) + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels.tobytes())
    return folder


def start(script: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )


def listen_to_ctrl_c() -> None:
    """Restore the SIGINT handler: a shell's background jobs ignore SIGINT, and scripts started by them would too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def small(idx_dir: Path, logs_dir: Path, *more: str) -> list[str]:
    return ["--data_dir", str(idx_dir), "--logs_dir", str(logs_dir), "--batch_size=32", *more]


def uncompiled(idx_dir: Path, logs_dir: Path, *more: str) -> list[str]:
    """Flags of a small run without XLA, which takes longer to compile than a few iterations take without it."""
    return small(idx_dir, logs_dir, "--jit=off", *more)


def read_events(logs_dir: Path) -> dict[tuple[str, str], dict[int, np.ndarray]]:
    """Return (plugin, tag) → iteration → value. Fails if a value was written twice for one iteration."""
    values: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(dict)
    for path in sorted(logs_dir.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                key = (value.metadata.plugin_data.plugin_name, value.tag)
                assert event.step not in values[key], f"{key} twice at {event.step}"
                values[key][event.step] = tensor_util.make_ndarray(value.tensor) if value.HasField("tensor") else value
    return values


def assert_refused(run, *parts: str) -> None:
    assert run.status == 2, run
    lines = [line for line in run.err.splitlines() if not line.startswith("WARNING")]
    assert len(lines) == 1, run.err
    assert re.match(r"\w+(\.py)?: error: ", lines[0])
    for part in parts:
        assert part in lines[0], lines[0]


def final_weights(logs_dir: Path) -> dict[str, np.ndarray]:
    """Return all numbers in the newest checkpoint except the training seconds and the save counter."""
    reader = tf.train.load_checkpoint(str(logs_dir))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: reader.get_tensor(name) for name in names if not name.startswith(("seconds", "save_counter"))}


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    assert any("optimizer" in name for name in first)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = np.kron(random.integers(0, 256, (4, 5, 3)), np.ones((20, 20, 1))).astype(np.uint8)
        (folder / f"{number}.jpg").write_bytes(tf.io.encode_jpeg(pixels).numpy())
    return folder


RESULTS = {
    "AutoEncoder": {
        "test_l2": 4.45,
        "test_mse": 0.0348,
        "knn_accuracy": 0.82,
        "pca": {"test_mse": 0.0516},
        "code_sparsity": 0.2,
    },
    "VariationalAutoEncoder": {
        "negative_elbo": 133.9,
        "reconstruction": 125.4,
        "kl": 8.5,
        "knn_accuracy": 0.83,
        "log_var_mean": [-5.4, -6.1, -5.6],
        "log_var_zero_fraction": 0.0,
        "mu_alive": 3,
        "log_var_alive": 3,
    },
    "DCGAN": {},
}


def write_run(logs_dir, experiment, seed=0, iterations=None, settings=None, **results):
    """Write the records of a finished run; return its folder."""
    of = experiments.EXPERIMENTS[experiment]
    folder = logs_dir / f"{experiment}_seed{seed}"
    folder.mkdir(parents=True)
    described = {"name": of.dataset, "source": "files", "checksum": "0", "sizes": {"train": 3_670}}
    config = {"model": of.model, "settings": {**of.expected(), "seed": seed, **(settings or {})}, "data": described}
    (folder / "config.json").write_text(json.dumps(config))
    found = {"iterations": iterations or of.iterations, "training_seconds": 100.0, "comparable_with_2016": True}
    (folder / "results.json").write_text(json.dumps({**found, **RESULTS[of.model], **results}))
    return folder


def write_graph_run(logs_dir, experiment, seed=0, iterations=None, **results):
    """Write the records of a finished run of the author's graph with the recipe of an experiment; return its folder."""
    recipe = experiments.EXPERIMENTS[experiment].recipe
    settings = {"original_graph": "model.ckpt-100000.meta", "recipe": recipe}
    folder = write_run(logs_dir / "original_2016", experiment, seed, iterations, settings, **results)
    return folder.rename(folder.with_name(f"{recipe}_graph_seed{seed}"))


def write_finished_run(folder: Path, model: keras.Model, idx_dir: Path, dataset: Dataset | None = None) -> Path:
    """Write the files that `explore` reads from a finished run of this model, without training."""
    folder.mkdir(parents=True)
    config = {
        "model": type(model).__name__,
        "settings": {name: getattr(model, name) for name in run_directory.default_settings(type(model))},
        "data": (dataset or mnist.load("mnist", str(idx_dir))).describe(),
        "folders": {"data_dir": str(idx_dir)},
        "command": "python train_it.py --logs_dir=there",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "results.json").write_text(json.dumps({"iterations": 7, "kl": 1.0, "reconstruction": 200.0}))
    model.save(folder / "model.keras")
    return folder


def write_events(folder, scalars=None, histograms=None):
    """Write an event file with scalars tag → iteration → value and histograms tag → iteration → values."""
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for tag, course in (scalars or {}).items():
            for step, value in course.items():
                tf.summary.scalar(tag, value, step)
        for tag, course in (histograms or {}).items():
            for step, values in course.items():
                summary = event_files.histogram_pb(tag, np.array(values, np.float32))
                tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)
    writer.close()


def write_dumps(folder, accuracies=(0.3, 0.5, 0.8, 0.85), seed=0):
    """Write latent dumps in which about the given share of the codes lies near its own digit, the rest near a random one."""
    random = np.random.default_rng(seed)
    labels = np.arange(1000) % 10
    for iteration, share in zip(judgements.KNN_BY_ITERATION, accuracies, strict=True):
        seen = np.where(random.uniform(size=1000) < share, labels, random.integers(0, 10, 1000))
        codes = np.stack([np.cos(seen), np.sin(seen), seen / 10], axis=1) + random.normal(0, 0.01, (1000, 3))
        np.savetxt(folder / f"checkpoint{iteration}.txt", np.column_stack([codes.astype(np.float32), labels]))


class Tags(HTMLParser):
    """Collects the tags of an HTML page, and checks that they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def old_event_file(path):
    """Write an event file like TensorFlow 0.x's: old value messages, variable names with :0, one tag per image."""
    histogram = {"min": 0.0, "max": 2.0, "num": 3.0, "bucket_limit": [1.0, 2.0], "bucket": [1.0, 2.0]}
    picture = tf.io.encode_png(np.zeros((28, 28, 1), np.uint8)).numpy()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(Event(wall_time=1.46e9, file_version="brain.Event:1").SerializeToString())
        for step in (0, 100):
            event = Event(wall_time=1.46e9 + step / 8, step=step)
            event.summary.value.add(tag="Loss", simple_value=5.0 - step / 100)
            event.summary.value.add(tag="Encoder_loss", simple_value=3.0)
            value = event.summary.value.add(tag="fc3/b_fc2:0")
            value.histo.min, value.histo.max, value.histo.num = histogram["min"], histogram["max"], histogram["num"]
            value.histo.bucket_limit.extend(histogram["bucket_limit"])
            value.histo.bucket.extend(histogram["bucket"])
            for number in (0, 1):
                image = event.summary.value.add(tag=f"Input/image/{number}").image
                image.height = image.width = 28
                image.encoded_image_string = picture
            writer.write(event.SerializeToString())


def dense(weights: np.ndarray, bias: np.ndarray) -> keras.Model:
    layer = keras.layers.Dense(weights.shape[1])
    model = keras.Sequential([keras.Input((weights.shape[0],)), layer])
    layer.set_weights([weights, bias])
    return model


def linear_vae(pixels: int = 6, z_dim: int = 2) -> tuple[SimpleNamespace, dict[str, np.ndarray]]:
    """Return a VAE with one linear layer per network, and its weights."""
    rng = np.random.default_rng(1)
    shapes = {"mu": (pixels, z_dim), "log_var": (pixels, z_dim), "decoder": (z_dim, pixels)}
    weights = {name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    biases = {name: rng.normal(0, 0.7, shape[1]).astype(np.float32) for name, shape in shapes.items()}
    inputs = keras.Input((pixels,))
    heads = [dense(weights[name], biases[name])(inputs) for name in ("mu", "log_var")]
    model = SimpleNamespace(encoder=keras.Model(inputs, heads), decoder=dense(weights["decoder"], biases["decoder"]))
    return model, weights | {f"{name}_bias": bias for name, bias in biases.items()}


def constant_vae(mu: list[float], log_var: list[float], logits: list[float]) -> SimpleNamespace:
    """Return a VAE with the same output for every image."""
    pixels, z_dim = len(logits), len(mu)
    inputs = keras.Input((pixels,))
    heads = [dense(np.zeros((pixels, z_dim)), np.array(bias))(inputs) for bias in (mu, log_var)]
    return SimpleNamespace(encoder=keras.Model(inputs, heads), decoder=dense(np.zeros((z_dim, pixels)), np.array(logits)))


def some_images(n: int, pixels: int = 6) -> np.ndarray:
    return np.random.default_rng(2).uniform(size=(n, pixels)).astype(np.float32)


def compiled(model):
    """Compile a dense model with 2016's Adam; return it."""
    model.compile(optimizer=layers.adam())
    return model
