"""Make the small copies of our runs in logs/reference: enough for TensorBoard and `compare`, small enough for git.

    python -m unsupervised_learning.reproduce reference RUN [RUN …] [--out=logs/reference] [--weights=dense]

Every copy has a card, settings and results, and the losses, dumps and data that a claim reads. One run of each experiment is
shown: seed 0, or of the first VAE the run most like the published one. It keeps its losses. If its model was published, it
also keeps what the report plots, its figures and, on MNIST, histograms and images of six iterations. Dumps are compressed,
with six digits. Weights, which `explore` needs, are kept without the optimizer's state: 0.3 MiB for an autoencoder or VAE.
A GAN's weights are rounded (see `rounded`): 2.4 MiB at 28×28, 6.8 MiB at 64×64.
"""

import gzip
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from unsupervised_learning import atomic_files
from unsupervised_learning.data.dataset import Split
from unsupervised_learning.errors import RunError
from unsupervised_learning.figures.plots import SIDE
from unsupervised_learning.monitoring import event_files, hyperparameters
from unsupervised_learning.monitoring.dumps import read_dump
from unsupervised_learning.monitoring.latent import write_projector
from unsupervised_learning.monitoring.tags import TRUE_KL
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.reproduce.card import card
from unsupervised_learning.training import finished_run
from unsupervised_learning.training.finished_run import MODELS, FinishedRun, saved_model

DRAWN = {"encoder/mu/activation", "encoder/log_var/activation"}  # plotted by `compare` for the shown run, over all of training
JUDGED = {"KL_Divergence", TRUE_KL}  # histograms that a claim uses, in all runs
# Experiments whose claims read event files of all seeds. Of the others only the shown run keeps its own.
LOGGED = ("autoencoder_run1", "autoencoder_run2", "vae_first", "vae_fixed", "gan", "gan_flowers")
WHOLE = ("autoencoder", "vae_first", "vae_fixed", "gan")  # the published models on MNIST
# Of the other GANs only the figures: one grid of the flowers in the event file takes 0.6 MiB.
PICTURED = (*WHOLE, "gan_first_attempt", "gan_flowers")
TIMES, OFTEN = 5, 100  # kept iterations besides the first: of histograms and images; of the scalars of single layers
PROJECTED = 2_000  # codes that are kept for TensorBoard's projector
SEEDS_DUMPED = 5  # latent dumps are kept for this many seeds of the autoencoder
DRAWN_BY_EXPLORE = ("interpolation.png", "walk_*.png")  # a GAN's figures that `explore` draws, given its weights
FINENESS = {28: 32, 64: 8}  # by the side of a GAN's images: steps per standard deviation to which `rounded` rounds weights
EVENTS = "events.out.tfevents.0.reference.v2"
WEIGHTS = {"none": (), "dense": ("AutoEncoder", "VariationalAutoEncoder"), "all": tuple(MODELS)}


def keep(run: FinishedRun, target: Path, shown: bool, weights: str) -> None:
    """Write a small copy of a finished run. An earlier copy stays until the new one is complete.

    Args:
        run: the run.
        target: folder of the copy; an earlier copy in it is replaced.
        shown: whether the report shows this run's figures.
        weights: key of `WEIGHTS`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.written_anew(target) as new:
        shutil.rmtree(new, ignore_errors=True)  # left by a killed process
        new.mkdir()
        if not run.is_of_graph:
            keep_files(run, new, shown, weights)
        keep_records(run, new)


def keep_records(run: FinishedRun, target: Path) -> None:
    """Write config.json, results.json and card.md. Paths on the training machine mean nothing elsewhere, and are left out."""
    if run.is_of_graph:
        file, recipe = (run.config["settings"][name] for name in ("original_graph", "recipe"))
        title = f"the author's graph of {recipe}"
        command = f"python -m unsupervised_learning.original train AUTHOR/…/{file} --data_dir=DIR --seed={run.seed}"
    else:
        title = experiments.experiment_of(run)
        command = experiments.EXPERIMENTS[title].command(title, run.seed)
    config = {name: value for name, value in run.config.items() if name != "folders"}
    source = "idx files in DIR" if run.config["data"]["name"] == "mnist" else "pictures"
    config |= {"data": {**run.config["data"], "source": source}, "command": command}
    atomic_files.write_json(target / "config.json", config)
    atomic_files.write_json(target / "results.json", run.results)
    text = card(finished_run.read(target), f"{title}, seed {run.seed}")
    atomic_files.write_atomically(target / "card.md", text)


def keep_files(run: FinishedRun, target: Path, shown: bool, weights: str) -> None:
    """Copy the events, weights, dumps and figures that report, claims and `explore` need, and what `explore` measured.

    Arguments: see `keep`.
    """
    experiment = experiments.experiment_of(run)
    whole = shown and experiment in WHOLE
    if shown or experiment in LOGGED:
        name = EVENTS if shown else event_files.PACKED
        keep_events(run, target / name, whole, DRAWN | JUDGED if shown else JUDGED)
    if shown and run.config["model"] in WEIGHTS[weights]:
        fineness = FINENESS.get(run.config["settings"].get("side", 0))
        keep_weights(run.path / "model.keras", target / "model.keras", fineness)
    if (measures := run.path / "explore" / "evaluation.json").exists():
        shutil.copyfile(measures, target / measures.name)
    if experiment == "autoencoder" and run.seed < SEEDS_DUMPED:
        for iteration in experiments.DUMPED:
            keep_dump(run.path / f"checkpoint{iteration}.txt", target)
    if not shown or experiment not in PICTURED:
        return
    keep_dump(run.path / "z_vae_output.csv", target)
    keep_projector(run.path / "projector", target)
    (target / "figures").mkdir()
    redundant = DRAWN_BY_EXPLORE if (target / "model.keras").exists() else ()
    for path in sorted((run.path / "figures").glob("*.png")):
        if not any(path.match(pattern) for pattern in redundant):
            atomic_files.write_atomically(target / "figures" / path.name, fewer_colors(path.read_bytes()))


def keep_events(run: FinishedRun, path: Path, whole: bool, histograms: set[str]) -> None:
    """Copy the kept events into one file: `histograms` at all iterations; other histograms and images at a few, if `whole`."""
    with tf.io.TFRecordWriter(str(path), "GZIP" if path.suffix == ".gz" else None) as writer:
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        began = None
        for event in event_files.events(run.path):
            values = [value for value in event.summary.value if is_kept(run, value, event.step, whole, histograms)]
            for value in values:
                if value.metadata.plugin_data.plugin_name == "images":  # width, height, then the images
                    value.tensor.string_val[2:] = [fewer_colors(png) for png in value.tensor.string_val[2:]]
            if began is None:
                began = event.wall_time
                settings = {**run.config["settings"], "dataset": run.config["data"]["name"]}
                values += values_of(hyperparameters.of_settings(settings, began))
            if values:
                kept = Event(wall_time=event.wall_time, step=event.step, summary=Summary(value=values))
                writer.write(kept.SerializeToString())
        if results := values_of(hyperparameters.of_results(run.results)):
            last = Event(wall_time=began or 0, step=run.results["iterations"] - 1, summary=Summary(value=results))
            writer.write(last.SerializeToString())


def values_of(summaries: list[Summary]) -> list[Summary.Value]:
    """Return the values of several summaries."""
    return [value for summary in summaries for value in summary.value]


def is_kept(run: FinishedRun, value: Summary.Value, step: int, whole: bool, histograms: set[str]) -> bool:
    """Whether a value is copied."""
    plugin, iterations = value.metadata.plugin_data.plugin_name, run.results["iterations"] - 1
    if plugin == "scalars" and not value.tag.startswith(hyperparameters.TAG):
        return "/" not in value.tag or step % (iterations // OFTEN) == 0
    if plugin in ("histograms", "images"):
        return value.tag in histograms or (whole and step % (iterations // TIMES) == 0)
    return False  # the settings, which are written anew


def keep_weights(path: Path, target: Path, fineness: int | None) -> None:
    """Copy a model without its optimizer, compressed; equal models give equal bytes.

    Args:
        path: the run's model.keras.
        target: the copy.
        fineness: see `rounded`; None to keep the weights exactly.
    """
    if not path.exists():
        return
    keras.utils.clear_session(free_memory=False)  # restarts the numbering of unnamed layers, which is in the file
    model = saved_model(path, keras.Model)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model.keras"
        model.save(saved)
        packed = io.BytesIO()
        with zipfile.ZipFile(saved) as files, zipfile.ZipFile(packed, "w") as kept:
            for name in sorted(files.namelist()):
                content = files.read(name)
                if fineness and name == "model.weights.h5":
                    content = rounded(content, fineness)
                if name == "metadata.json":  # its date is when this copy is made
                    content = json.dumps({**json.loads(content), "date_saved": ""}).encode()
                kept.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_BZIP2)  # dated 1980
    atomic_files.write_atomically(target, packed.getvalue())


def rounded(weights: bytes, fineness: int) -> bytes:
    """Return a file of Keras weights with rounded arrays, which compress well. They are loaded as float32.

    Kernels are rounded to multiples of a step, the largest power of two of at most 1/`fineness` of their standard deviation;
    other float32 arrays to half precision. With `FINENESS` a pixel changes by about one of 255 levels at most, on average.
    """
    coarse = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(coarse, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                kept = target.require_group(name)
            else:
                kept = target.create_dataset(name, data=rounded_array(item[()], fineness))
            kept.attrs.update(item.attrs)

        copy("/", source["/"])
        source.visititems(copy)
    return coarse.getvalue()


def rounded_array(values: np.ndarray, fineness: int) -> np.ndarray:
    """Round one array of weights as `rounded` says. Half precision holds up to 2,048 steps exactly."""
    if values.dtype != np.float32:
        return values
    if values.ndim > 1 and values.std() > 0:
        step = 2.0 ** np.floor(np.log2(values.std() / fineness))
        values = np.round(values / step) * step
    return values.astype(np.float16)


def keep_dump(path: Path, target: Path) -> None:
    """Copy a latent dump, compressed, with six digits."""
    if not path.exists():
        return
    latents, labels = read_dump(path)
    text = io.StringIO()
    np.savetxt(text, np.column_stack([latents, labels]), fmt=["%.6g"] * latents.shape[1] + ["%d"])
    packed = gzip.compress(text.getvalue().encode(), mtime=0)  # no date: equal dumps give equal bytes
    atomic_files.write_atomically(target / f"{path.name}.gz", packed)


def keep_projector(folder: Path, target: Path) -> None:
    """Copy the first codes, labels and images of TensorBoard's projector."""
    if not folder.exists():
        return
    latents, labels = (np.loadtxt(folder / f"{name}.tsv", np.float32, ndmin=1)[:PROJECTED] for name in ("latents", "labels"))
    pixels = np.asarray(Image.open(folder / "sprite.png"))
    columns = len(pixels) // SIDE
    images = pixels.reshape(columns, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)[: len(labels)]
    write_projector(target, latents, Split(images, labels.astype(np.uint8)))


def fewer_colors(png: bytes) -> bytes:
    """Return a PNG with 256 colours, a third of the size. A grey one, or one with a palette, has no more and stays as it is."""
    image, small = Image.open(io.BytesIO(png)), io.BytesIO()
    if image.mode in ("L", "P"):
        return png
    image.convert("RGB").quantize(256, kmeans=3).save(small, format="PNG", optimize=True)
    return small.getvalue()


def is_shown(run: FinishedRun, runs: list[FinishedRun]) -> bool:
    """Whether the report shows this run's figures: that of seed 0; for the first VAE, the one of `runs` like the published."""
    if run.is_of_graph or experiments.experiment_of(run) != "vae_first":
        return run.seed == 0
    first = {one.seed: one for one in runs if experiments.experiment_of(one) == "vae_first"}
    return run is experiments.as_published([first[seed] for seed in sorted(first)])


def reference(folders: list[Path], out: Path, weights: str) -> int:
    """Make small copies of runs; returns the exit status."""
    if not folders:
        raise RunError("expected the folders of finished runs. Received: nothing")
    runs, names = [], []
    for folder in folders:
        try:
            runs.append(experiments.read_run(folder))
            names.append(name_of(runs[-1]))
        except RunError as error:
            raise RunError(f"{folder}: {error}") from None
    if len(set(names)) < len(names):
        raise RunError(f"expected runs of different experiments or seeds. Received: {', '.join(names)}")
    targets = [out / name for name in names]
    for run, target in zip(runs, targets, strict=True):
        if target.exists() and (not is_copy(target) or list(target.glob("model.ckpt-*"))):
            raise RunError(f"{target} exists and is not a small copy; choose another --out")
        if target.resolve() == run.path.resolve():
            raise RunError(f"{run.path} is itself the copy; choose another --out")
    there = experiments.find_runs(out)["vae_first"] if out.is_dir() else []
    ours = [*there, *(run for run in runs if not run.is_of_graph)]  # a run counts instead of its earlier copy
    for run, target in zip(runs, targets, strict=True):
        keep(run, target, is_shown(run, ours), weights)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
        print(f"{target}: {size / 2**20:.2f} MiB")
    return 0


def name_of(run: FinishedRun) -> str:
    """Return the name of a run's copy, below the folder of all copies."""
    if run.is_of_graph:
        return f"original_2016/{experiments.recipe_of_graph(run)}_graph_seed{run.seed}"
    return f"{experiments.experiment_of(run)}_seed{run.seed}"


def is_copy(folder: Path) -> bool:
    """Whether a folder holds a small copy."""
    return (folder / "card.md").exists()
