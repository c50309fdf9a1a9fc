"""The author's own artefacts of 2016: checkpoints, latent dumps and event files, read as they are.

    python -m unsupervised_learning.original replay CHECKPOINT [--dump=FILE] [--data_dir=DIR]
    python -m unsupervised_learning.original export LOGS_DIR FILE
    python -m unsupervised_learning.original import-logs DIR [--logs_dir=logs]

`replay` puts a 2016 checkpoint into our model and measures it on the test set. `export` writes a run of ours as 2016's code
would have saved it. `import-logs` puts 2016's event files beside our runs, in TensorBoard's present format.
"""

import dataclasses
import gzip
import math
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util import tensor_util

from unsupervised_learning import (
    checkpoint_files,
    command_line,
    data,
    evaluation,
    layers,
    outputs,
    representation,
    run_directory,
    training,
)
from unsupervised_learning.autoencoder import PIXELS, AutoEncoder
from unsupervised_learning.command_line import RunError, path_of
from unsupervised_learning.vae import VariationalAutoEncoder

FLAGS = flags.FLAGS
Model = AutoEncoder | VariationalAutoEncoder
BETA1, BETA2 = 0.9, 0.999  # 2016's Adam
ENDS = {AutoEncoder: 20_000, VariationalAutoEncoder: 100_000}  # iterations of the published runs
TERMS = 320  # of a product that 2016's build added up at a time: of the sizes tried, 80 to 784, this comes nearest to its dump
DRAWS = 20  # of z for each image, our choice: the bound's standard error is then below 0.01 nats


# Checkpoints


@dataclasses.dataclass(frozen=True, eq=False)  # arrays do not compare to one bool
class Checkpoint:
    """A checkpoint of 2016.

    Attributes:
        path: of the file.
        model: whose it is.
        z_dim: number of latent dimensions.
        values: each variable, by the name in `variables_of_2016`.
        momentums, velocities: Adam's m and v, by the same names; empty if the file has none.
        iteration: as many updates had been done; None if neither the file's name nor Adam's powers tell.
    """

    path: Path
    model: type[AutoEncoder] | type[VariationalAutoEncoder]
    z_dim: int
    values: dict[str, np.ndarray]
    momentums: dict[str, np.ndarray]
    velocities: dict[str, np.ndarray]
    iteration: int | None

    @property
    def at_the_end(self) -> bool:
        """Whether it is the last checkpoint of a published run."""
        return self.iteration == ENDS[self.model] and self.z_dim == 3

    def restore(self, model: Model) -> None:
        """Put the variables, and Adam's state if there is one, into a model of the same shape.

        Raises:
            RunError: if the model has another shape, or its optimizer's state or iteration is not in the checkpoint.
        """
        if type(model) is not self.model or model.z_dim != self.z_dim:
            there, here = f"{self.model.__name__}, z_dim {self.z_dim}", f"{type(model).__name__}, z_dim {model.z_dim}"
            raise RunError(f"{self.path} is another model's checkpoint: {there} there, {here} here")
        variables = model.variables_of_2016()
        for name, value in self.values.items():
            variables[name].assign(value)
        if not model.compiled:
            return
        if not self.momentums or self.iteration is None:
            missing = "Adam's state" if not self.momentums else "the iteration, as in model.ckpt-20000"
            raise RunError(f"{self.path} cannot be gone on from: it lacks {missing}")
        for name, (momentum, velocity) in slots(model).items():
            momentum.assign(self.momentums[name])
            velocity.assign(self.velocities[name])
        model.optimizer.iterations.assign(self.iteration)


def slots(model: Model) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    """Adam's m and v of each variable, by its name in `variables_of_2016`."""
    model.optimizer.build(model.trainable_variables)
    own = {variable.path.split("/", 1)[1]: variable for variable in model.optimizer.variables}
    stems = {name: variable.path.replace("/", "_") for name, variable in model.variables_of_2016().items()}
    return {name: (own[f"{stem}_momentum"], own[f"{stem}_velocity"]) for name, stem in stems.items()}


def name_today(name: str) -> str:
    """A variable's name as the published code has it: an older run's `fc3/b_fc2` is `b_fc3`, and without TensorFlow's `:0`.

    The older names put each variable in the scope of its layer, and call the third bias as the second.
    """
    name = name.removesuffix(":0")
    return re.sub(r"^fc(\d)/([Wb])_fc\d", r"\2_fc\1", name)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of 2016, in the format of TensorFlow 0.x or in today's.

    Raises:
        RunError: if there is none, it is damaged, or it is neither model's.
    """
    path = path_of(path)
    if not (path.is_file() or path.with_name(f"{path.name}.index").is_file()):
        raise RunError(f"no checkpoint at {path}; expected a file such as model.ckpt-20000")
    try:
        reader = tf.train.load_checkpoint(str(path))
        stored = {name_today(name): reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except Exception as error:  # a damaged file surfaces as anything from DataLossError to IndexError
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RunError(f"cannot read the checkpoint {path}: {reason}") from None

    for build in (AutoEncoder, VariationalAutoEncoder):
        if set(build().variables_of_2016()) <= set(stored):
            break
    else:
        found = ", ".join(sorted(stored)[:3]) + (", …" if len(stored) > 3 else "")
        raise RunError(
            f"{path} is no checkpoint of 2016's autoencoder or VAE: it holds {found}; expected W_fc1 or encoder/W_fc1"
        )
    into_latents = stored["W_fc3" if build is AutoEncoder else "encoder/W_fc3"].shape  # units, z_dim
    z_dim = into_latents[-1] if len(into_latents) == 2 else 0
    if not 1 <= z_dim <= PIXELS:
        raise RunError(f"{path}: the latents' weights have the shape {into_latents}; expected (50, z_dim)")
    shapes = {name: tuple(variable.shape) for name, variable in build(z_dim=z_dim).variables_of_2016().items()}
    has_adam = all(f"{name}{slot}" in stored for name in shapes for slot in ("/Adam", "/Adam_1"))
    values = {name: stored[name] for name in shapes}
    momentums = {name: stored[f"{name}/Adam"] for name in shapes if has_adam}
    velocities = {name: stored[f"{name}/Adam_1"] for name in shapes if has_adam}
    for name, value in [*values.items(), *momentums.items(), *velocities.items()]:
        if value.shape != shapes[name]:
            raise RunError(f"{path}: {name} has the shape {value.shape}; expected {shapes[name]}")
        if value.dtype != np.float32:
            raise RunError(f"{path}: {name} is of type {value.dtype}; expected float32")
        if not np.isfinite(value).all():
            raise RunError(f"{path}: {name} is not finite")
    power = stored.get("beta2_power")
    if power is not None and (np.shape(power) != () or np.asarray(power).dtype != np.float32):
        raise RunError(f"{path}: beta2_power is {power!r}; expected one number")
    return Checkpoint(path, build, z_dim, values, momentums, velocities, iteration_of(path, power))


def iteration_of(path: Path, beta2_power: np.ndarray | None) -> int | None:
    """How many updates a checkpoint comes after: by its name's number, or by Adam's 0.999^(n + 1), which underflows at 87,000.

    Raises:
        RunError: if the two do not agree.
    """
    named = re.search(r"-(\d+)$", path.name)
    counted = None
    if beta2_power is not None and 1e-37 < beta2_power < 1:
        counted = round(math.log(beta2_power) / math.log(BETA2)) - 1
    if named is None:
        return counted
    iteration = int(named[1])
    # A product of n factors in float32 is off by up to n · 6e-8, its logarithm by n · 6e-5 iterations.
    if counted is not None and abs(counted - iteration) > 2 + iteration * 1e-3:
        raise RunError(f"{path}: {iteration} by its name, but Adam's beta2_power is that of iteration {counted}")
    return iteration


def write_checkpoint(model: Model, path: Path) -> None:
    """Write a model and its Adam as 2016's code would have, under its names and in the format of TensorFlow 0.x."""
    tensors = {name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()}
    for name, (momentum, velocity) in slots(model).items():
        tensors |= {f"{name}/Adam": tf.convert_to_tensor(momentum), f"{name}/Adam_1": tf.convert_to_tensor(velocity)}
    power = float(model.optimizer.iterations) + 1
    tensors |= {"beta1_power": tf.constant(BETA1**power), "beta2_power": tf.constant(BETA2**power)}
    new = path.with_name(f"new-{path.name}")
    tf.raw_ops.Save(filename=str(new), tensor_names=list(tensors), data=list(tensors.values()))
    os.replace(new, path)


# Latent dumps


def read_dump(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """2016's `checkpoint<step>.txt` or `z_vae_output.csv`, also as .gz: latents [n, z_dim] and labels [n].

    Raises:
        RunError: if it is neither.
    """
    path = path_of(path)
    try:
        text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        table = np.loadtxt(text.splitlines(), delimiter="," if "," in text[:1000] else None, ndmin=2)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RunError(f"{path} is no latent dump: {reason}; expected lines of latents and a label") from None
    labels = table[:, -1] if table.size else np.zeros(0)
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all() or not np.isin(labels, range(10)).all():
        raise RunError(f"{path} is no latent dump: {table.shape}; expected finite latents, and a label 0 to 9 at the end")
    return table[:, :-1], labels.astype(np.uint8)


def check_dump(path: str, latents: np.ndarray, labels: np.ndarray, z_dim: int, dataset: data.Dataset) -> None:
    """See that a dump is of this test set, in its order.

    Raises:
        RunError: if it is not.
    """
    expected = (len(dataset.test.labels), z_dim)
    if latents.shape != expected:
        raise RunError(f"{path} holds {latents.shape} latents; expected {expected}: the test set's, {z_dim} each")
    if differing := int(np.sum(labels != dataset.test.labels)):
        raise RunError(
            f"{path} is of another test set than {dataset.source}, or in another order: {differing:,} of {len(labels):,} "
            "labels differ"
        )


# Event files


def import_events(source: Path, target: Path) -> int:
    """Rewrite one event file of TensorFlow 0.x as today's TensorBoard has them: our tags, its own steps and wall times.

    Returns:
        How many events hold something.

    Raises:
        RunError: if it is not an event file.
    """
    count = 0
    new = target.with_name("new-events")  # TensorBoard reads any file with "tfevents" in its name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tf.io.TFRecordWriter(str(new)) as writer:
            for event in EventFileLoader(str(source)).Load():
                if event.HasField("summary"):
                    event = Event(
                        wall_time=event.wall_time, step=event.step, summary=Summary(value=values_today(event.summary))
                    )
                    count += 1
                writer.write(event.SerializeToString())
    except Exception as error:  # whatever TensorBoard and protobuf throw at a damaged file
        new.unlink(missing_ok=True)
        raise RunError(f"{source} is no event file: {type(error).__name__}: {error}") from None
    if not count:
        new.unlink()
        raise RunError(f"{source} is no event file, or an empty one")
    os.replace(new, target)
    return count


def values_today(summary: Summary) -> Iterable[Summary.Value]:
    """A summary's values under our tags; the images `Input/image/0`, `Input/image/1` become one value `Input`."""
    images: dict[str, Summary.Value] = {}
    for value in summary.value:
        value.tag = name_today(value.tag)
        image = re.fullmatch(r"(.*)/image(/\d+)?", value.tag)
        if image and value.metadata.plugin_data.plugin_name == "images":
            if image[1] in images:
                both = [tensor_util.make_ndarray(one.tensor) for one in (images[image[1]], value)]
                joined = tensor_util.make_tensor_proto(np.concatenate([both[0], both[1][2:]]))  # after width and height
                images[image[1]].tensor.CopyFrom(joined)
                continue
            value.tag = image[1]
            images[image[1]] = value
        else:
            yield value
    yield from images.values()


def scalars(path: Path, tag: str) -> dict[int, float]:
    """Iteration → value of a scalar in an event file of 2016.

    Raises:
        RunError: if it is not an event file.
    """
    try:
        events = list(EventFileLoader(str(path)).Load())
    except Exception as error:  # whatever TensorBoard and protobuf throw at a damaged file
        raise RunError(f"{path} is no event file: {type(error).__name__}: {error}") from None
    values = [(event.step, value) for event in events for value in event.summary.value if value.tag == tag]
    return {step: float(tensor_util.make_ndarray(value.tensor)) for step, value in values}


# Commands


def go_on_from(path: str, model: Model) -> None:
    """Put a checkpoint's variables, Adam's state and iteration into a compiled model, which trains on from there.

    Raises:
        RunError: if it is not of this model, or --max_iterations does not go beyond it.
    """
    checkpoint = read_checkpoint(path)
    checkpoint.restore(model)
    if FLAGS.max_iterations <= int(model.iterations):
        raise RunError(
            f"--max_iterations must be above the {int(model.iterations):,} of {path}. Received: {FLAGS.max_iterations:,}"
        )
    if isinstance(model, VariationalAutoEncoder):
        bounds = negative_elbos(
            checkpoint, model.activation, data.load("digits")
        )  # near enough to MNIST to tell, and always there
        if bounds[not model.relu_heads] < bounds[model.relu_heads] - 1:  # nats; before training there is no difference
            raise RunError(f"{path} is of the other form; type --relu_heads={str(not model.relu_heads).lower()}")


def replay(path: str) -> int:
    """Put a checkpoint into our model, measure it on the test set, and hold it against its dump; returns the exit status."""
    folder = path_of(FLAGS.keep) if FLAGS.keep else None
    if folder and folder.exists():
        raise RunError(f"--keep must be a folder that is not there yet. Received: {folder}")
    checkpoint = read_checkpoint(path)
    dump = read_dump(FLAGS.dump) if FLAGS.dump else None
    dataset = data.load("mnist", FLAGS.data_dir)
    if dump:
        check_dump(FLAGS.dump, *dump, checkpoint.z_dim, dataset)
    settings = {"activation": FLAGS.activation} if FLAGS.activation else {}
    if checkpoint.model is VariationalAutoEncoder:
        bounds = negative_elbos(checkpoint, FLAGS.activation or "relu", dataset)
        settings["relu_heads"] = bounds[True] < bounds[False] if FLAGS.relu_heads is None else FLAGS.relu_heads
    model = checkpoint.model(z_dim=checkpoint.z_dim, **settings)
    checkpoint.restore(model)

    state = "with" if checkpoint.momentums else "without"
    after = "an unknown number of" if checkpoint.iteration is None else f"{checkpoint.iteration:,}"
    form = ""
    if isinstance(model, VariationalAutoEncoder):
        form = ", first form (relu on mu and log_var)" if model.relu_heads else ", fixed form"
    print(
        f"{checkpoint.path}: {type(model).__name__}{form}, z_dim {model.z_dim}, after {after} iterations, {state} Adam's state"
    )
    print(f"test set: {dataset.source}")
    numbers, published = measured(model, dataset, checkpoint.at_the_end)
    print(table(numbers, published))
    if dump:
        print(beside_dump(model, dataset, *dump))
    if folder:
        keep(folder, checkpoint, model, dataset, numbers)
        print(f"To look inside: python -m unsupervised_learning.explore {folder}")
    return 0


def keep(folder: Path, checkpoint: Checkpoint, model: Model, dataset: data.Dataset, numbers: outputs.Json) -> None:
    """Write the folder of a finished run, as far as `explore` reads it; that it is 2016's is among its settings."""
    own = {name: value for name, value in model.get_config().items() if name in run_directory.default_settings(type(model))}
    config = {
        "model": type(model).__name__,
        "settings": {**own, "restore_original": str(checkpoint.path)},
        "max_iterations": checkpoint.iteration or 0,
        "data": dataset.describe(),
        "command": command_line.command(),
    }
    folder.mkdir(parents=True)
    outputs.save_model(folder, model)
    outputs.write_json(folder / "config.json", config)
    outputs.write_json(folder / "results.json", {"iterations": checkpoint.iteration or 0, "data": dataset.name, **numbers})


def negative_elbos(checkpoint: Checkpoint, activation: str, dataset: data.Dataset) -> dict[bool, float]:
    """A VAE's bound on a thousand test images with a relu on mu and log_var (True) and without (False), nats per image.

    Names and shapes are the same in both forms; this tells them apart. A network trained with that relu has learnt nothing of
    what its heads say below zero, and one trained without needs it.
    """
    images = data.to_unit_interval(dataset.test.images[:1000])
    bounds = {}
    for relu_heads in (True, False):
        model = VariationalAutoEncoder(checkpoint.z_dim, activation, relu_heads)
        checkpoint.restore(model)
        noise = np.random.default_rng(0).standard_normal((len(images), checkpoint.z_dim))
        objective = model.objective(tf.constant(images), tf.constant(noise, tf.float32))
        bounds[relu_heads] = float(tf.reduce_mean(objective["reconstruction"] + objective["kl"]))
    return bounds


def measured(model: Model, dataset: data.Dataset, at_the_end: bool) -> tuple[outputs.Json, outputs.Json]:
    """What the model reaches on the test set, and what was measured of 2016's run at its end, if this is that."""
    images, labels = data.to_unit_interval(dataset.test.images), dataset.test.labels
    if isinstance(model, AutoEncoder):
        numbers, _ = evaluation.autoencoder_report(model, images, labels)
        form = "autoencoder"
    else:
        numbers, _, _ = evaluation.vae_report(model, images, labels, DRAWS)
        form = "vae_first" if model.relu_heads else "vae_fixed"
    return numbers, outputs.RESULTS_OF_2016[form] if at_the_end and dataset.comparable else {}


def table(numbers: outputs.Json, published: outputs.Json) -> str:
    """A line for each number, beside the published run's."""
    lines = [f"{'test set':<32}{'replayed':>24}{'2016' if published else '':>12}"]
    for name, value in numbers.items():
        if value is None or name == "draws":
            continue
        cell = ", ".join(f"{one:.3f}" for one in value) if isinstance(value, list) else f"{value:.5g}"
        beside = f"{published[name]:.5g}" if name in published else ""
        lines.append(f"{name:<32}{cell:>24}{beside:>12}".rstrip())
    return "\n".join(lines)


def beside_dump(model: Model, dataset: data.Dataset, latents: np.ndarray, labels: np.ndarray) -> str:
    """How far the model's latents of the test set are from a dump's, in a line or two.

    The autoencoder's have to be the same. The VAE's dump holds draws: (z − mu) / exp(log_var / 2) has to be standard normal.
    """
    images = data.to_unit_interval(dataset.test.images)
    rows, accuracy = f"{len(labels):,} rows", f"knn_accuracy of its latents {representation.knn_accuracy(latents, labels):.3f}"
    if isinstance(model, AutoEncoder):
        then, now = (np.abs(codes - latents).max() for codes in (codes_summed_as_2016(model, images), model.encoder(images)))
        summed = f"with sums of {TERMS} terms as in 2016, {now:.2g} with this TensorFlow's"
        return f"dump: {rows}, labels agree, largest difference {then:.2g} {summed}; {accuracy}"
    mu, log_var = (np.asarray(head, np.float64) for head in model.encoder(images))
    noise = (latents - mu) / np.exp(log_var / 2)
    said = f"mean {noise.mean():.3f}, standard deviation {noise.std():.3f}, largest {np.abs(noise).max():.2f}"
    return f"dump: {rows}, labels agree, (z − mu) / exp(log_var / 2): {said}; a standard normal's: 0, 1, about 4.2; {accuracy}"


def codes_summed_as_2016(model: AutoEncoder, images: np.ndarray) -> np.ndarray:
    """The encoder's codes of images [n, 784], in float32, with products summed in the order of TensorFlow 0.x's.

    Without it float32's rounding is as large as what is looked for: even exact arithmetic differs from the dump by 1.1e-6.
    """
    hidden = images
    for layer in model.encoder.layers:
        starts = range(0, hidden.shape[1], TERMS)
        products = sum(hidden[:, start : start + TERMS] @ layer.kernel.numpy()[start : start + TERMS] for start in starts)
        hidden = np.asarray(layer.activation(products + layer.bias.numpy()))
    return hidden


def export(logs_dir: str, file: str) -> int:
    """Write the newest checkpoint of a run of ours under 2016's names; returns the exit status."""
    folder, target = path_of(logs_dir), path_of(file)
    if not (folder / "config.json").exists():
        raise RunError(f"LOGS_DIR must be a run of train_ae.py or train_vae.py. Received: {folder}, without config.json")
    config = run_directory.recorded(folder)
    builds = {build.__name__: build for build in (AutoEncoder, VariationalAutoEncoder)}
    if config["model"] not in builds:
        raise RunError(f"only {' and '.join(builds)} have 2016 names for all they hold. Received: {folder}, {config['model']}")
    model = training.rebuilt(builds[config["model"]], config["settings"])
    try:
        model.compile(optimizer=layers.adam(float(config["settings"]["learning_rate"])))
    except run_directory.UNREADABLE as error:
        raise RunError(f"{folder}/config.json has a learning_rate that no run has: {data.reason(error)}") from None
    model.optimizer.build(model.trainable_variables)
    if checkpoint_files.restore_newest(tf.train.Checkpoint(model=model, optimizer=model.optimizer), folder) is None:
        raise RunError(f"{folder} has no checkpoint")
    if target.is_dir():
        target = target / f"model.ckpt-{int(model.iterations)}"
    if not target.parent.is_dir():
        raise RunError(f"FILE must be in a folder that is there. Received: {target}")
    write_checkpoint(model, target)
    print(f"{target}: {config['model']} after {int(model.iterations):,} iterations, in TensorFlow 0.x's format")
    return 0


def import_logs(given: str) -> int:
    """Put the event files below a folder beside our runs; returns the exit status."""
    folder = path_of(given)
    files = [path for path in sorted(folder.rglob("*tfevents*")) if path.is_file()]
    if not files:
        raise RunError(f"DIR must be a folder with event files, below it or in it. Received: {folder}, without any")
    imported = 0
    for file in files:
        target = path_of(FLAGS.logs_dir) / "original_2016" / file.relative_to(folder)
        if target.resolve() == file.resolve():
            raise RunError(f"{file} lies where it would be written to; choose another --logs_dir")
        try:
            print(f"{target.parent}: {import_events(file, target):,} events")
            imported += 1
        except RunError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not imported:
        raise RunError(f"none of the event files below {folder} could be read")
    print(f"To see them beside yours: tensorboard --logdir {FLAGS.logs_dir}")
    return 0


COMMANDS: dict[str, tuple[Callable[..., int], tuple[str, ...]]] = {
    "replay": (replay, ("CHECKPOINT",)),
    "export": (export, ("LOGS_DIR", "FILE")),
    "import-logs": (import_logs, ("DIR",)),
}


def main(words: list[str]) -> int:
    """Do what the command line says; returns the exit status."""
    usage = " | ".join(f"{name} {' '.join(takes)}" for name, (_, takes) in COMMANDS.items())
    if not words or words[0] not in COMMANDS or len(words) - 1 != len(COMMANDS[words[0]][1]):
        raise RunError(f"takes one of: {usage}. Received: {' '.join(words) or 'nothing'}")
    return COMMANDS[words[0]][0](*words[1:])


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string(
        "dump", None, "replay: the latent dump of the same checkpoint, checkpoint<step>.txt or z_vae_output.csv."
    )
    flags.DEFINE_string(
        "data_dir", None, "replay: folder with MNIST's four files, or with sets prepared by tensorflow-datasets."
    )
    flags.DEFINE_enum("activation", None, list(layers.ACTIVATIONS), "replay: of the hidden layers; not in the checkpoint.")
    flags.DEFINE_bool("relu_heads", None, "replay: the VAE is of the first form; if not given, the better bound decides.")
    flags.DEFINE_string("keep", None, "replay: a new folder for the model, as of a finished run, for `explore` to look at.")
    command_line.require_path("keep")
    flags.DEFINE_string("logs_dir", "logs", "import-logs: the folder of our runs.")
    command_line.require_path("logs_dir")


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
