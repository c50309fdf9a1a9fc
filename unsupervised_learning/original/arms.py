"""Test whether our model trains worse than the author's graph: runs that differ in one thing, and a table of them.

A run is one arm with one seed. The seed determines the initial weights, drawn by the author's initialisers. Every arm starts
from these weights, so that arms can be compared in pairs. A run records the test loss every 10,000 iterations and at its last
five multiples of 1,000. Arms are compared by the mean of these five, because a single checkpoint is off by about 0.15 nats.
"""

import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from unsupervised_learning import atomic_files, errors, layers
from unsupervised_learning.atomic_files import Json
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder, next_batches
from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import statistics, test_set
from unsupervised_learning.original.checkpoints import Model
from unsupervised_learning.original.description import describe
from unsupervised_learning.original.graph_files import read_graph
from unsupervised_learning.original.graph_report import nearest, recipes_of
from unsupervised_learning.original.running import BATCH, RunningGraph, model_of, on_one_thread
from unsupervised_learning.training import run_directory
from unsupervised_learning.vae import VariationalAutoEncoder

CALL = 500  # iterations of our model in one compiled call
LAST = 5  # the loss is averaged over this many multiples of 1,000 at the end
EQUAL = {"vae": 0.3, "autoencoder": 0.05}  # margin within which arms are equal; nats, and 2016's L2


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        says: description for the table.
        noise: source of a VAE's noise: `ours` (`layers.named_noise`), `numpy` (drawn outside the model and passed in) or
            `threefry` (named like ours, from TensorFlow's other generator).
        order: order of the batches: `ours` (`BatchOrder`) or `numpy` (2016's `next_batch`).
        xla: whether our model's loop is compiled with XLA, as in training.
    """

    says: str
    noise: str = "ours"
    order: str = "ours"
    xla: bool = True

    @property
    def is_our_noise(self) -> bool:
        """Whether the noise is the same as in our training: named like ours, and generated under XLA."""
        return self.noise == "ours" and self.xla


GRAPH = "graph"
ARMS = {
    GRAPH: Arm("the author's graph with its own noise and 2016's order", noise="graph", order="numpy", xla=False),
    "ours": Arm("our model, trained as usual"),
    "numpy_noise": Arm("ours, with noise from NumPy", noise="numpy"),
    "threefry": Arm("ours, with noise from ThreeFry", noise="threefry"),
    "numpy_order": Arm("ours, in 2016's order", order="numpy"),
    "no_xla": Arm("ours, without XLA, which turns the same random bits into different normal numbers", xla=False),
}


def arms(file: str, arm: str | None, seed: int, given: int | None, data_dir: str | None, logs_dir: Path) -> int:
    """Train `arm` with one seed, or, if it is None, print a table of all finished runs; returns the exit status.

    `given` is the number of iterations; None for the published number.
    """
    graph = read_graph(file)
    recipe, _ = nearest(describe(graph))
    folder = logs_dir / "arms" / recipe
    if arm is None:
        print(table(read(folder)))
        return 0
    target = folder / f"{arm}_seed{seed}.json"
    description = describe(graph)
    iterations = given or recipes_of(description)[recipe]["max_iterations"]
    if target.exists():
        if (there := read_one(target)["iterations"]) != iterations:
            raise RunError(
                f"{target} holds a run of {there:,} iterations. Received: --max_iterations={iterations}; delete it first, "
                "or choose another --logs_dir"
            )
        print(f"Finished already: {target}")
        return 0
    on_one_thread()
    dataset = mnist.load("mnist", data_dir)
    model = model_of(description, seed)
    theirs = RunningGraph(graph, description, seed)
    theirs.put_into(model)
    batch_size = description.batch or BATCH
    began = time.monotonic()
    course: dict[str, float] = {}
    if arm == GRAPH:
        steps = of_graph(theirs, dataset, batch_size, seed)
    else:
        steps = of_ours(model, ARMS[arm], dataset, batch_size, iterations, seed)
    images = to_unit_interval(dataset.test.images)
    numbers: Json = {}
    for done in steps:
        if is_measured(done, iterations):
            if arm == GRAPH:
                theirs.put_into(model)
            numbers = measured(model, images)
            course[str(done)] = numbers["test_l2" if isinstance(model, AutoEncoder) else "negative_elbo"]
        if done == iterations:
            break
    folder.mkdir(parents=True, exist_ok=True)
    record = {"arm": arm, "seed": seed, "recipe": recipe, "iterations": iterations, "data": dataset.name}
    record |= {"seconds": round(time.monotonic() - began, 1), "course": course, "at_the_end": numbers}
    atomic_files.write_json(target, record)
    print(f"{target}: {loss_of(record):.3f} (mean of the last {LAST} checkpoints)")
    return 0


def is_measured(done: int, iterations: int) -> bool:
    """Whether the loss is measured after `done` iterations."""
    return done == iterations or done % 10_000 == 0 or (done % 1_000 == 0 and done > iterations - 1_000 * LAST)


def measured(model: Model, images: np.ndarray) -> Json:
    """Return the test losses of images [n, 784] in [0, 1]: an autoencoder's test L2, or a VAE's bound in nats."""
    if isinstance(model, AutoEncoder):
        error = np.mean((np.asarray(model(images)) - images) ** 2, dtype=np.float64)
        return {"test_l2": test_set.l2_per_batch(float(error))}
    return test_set.bound(model, images)[0]


def of_graph(theirs: RunningGraph, dataset: Dataset, batch_size: int, seed: int) -> Iterator[int]:
    """Train the author's graph; yields the number of completed updates after each."""
    images = to_unit_interval(dataset.train.images)
    for done, batch in enumerate(next_batches(len(images), batch_size, seed), start=1):
        theirs.update(images[batch])
        yield done


def of_ours(model: Model, arm: Arm, dataset: Dataset, batch_size: int, iterations: int, seed: int) -> Iterator[int]:
    """Train our model to the end; yields the number of completed updates, every `CALL` updates and after the last."""
    images = tf.constant(to_unit_interval(dataset.train.images))
    count = len(dataset.train.images)
    order = BatchOrder(count, batch_size, seed)
    batches = next_batches(count, batch_size, seed)
    random = np.random.RandomState(10_000 + seed)  # independent of `next_batches`

    @tf.function(jit_compile=arm.xla, autograph=False)
    def train(indices, noises):
        """Train on batches with these image indices [updates, batch]; `numpy` arms use the noises [updates, batch, z_dim]."""

        def update(i):
            step(tf.gather(images, indices[i]), noises[i] if arm.noise == "numpy" else None)
            return (i + 1,)

        tf.while_loop(lambda i: i < indices.shape[0], update, (0,), parallel_iterations=1)

    step = step_of(model, arm)
    for start in range(0, iterations, CALL):
        updates = min(CALL, iterations - start)
        if arm.order == "numpy":
            indices = np.stack([next(batches) for _ in range(updates)]).astype(np.int32)
        else:
            indices = order.indices(start, updates)
        shape = (updates, batch_size, model.z_dim) if arm.noise == "numpy" else (1, 1, 1)
        train(tf.constant(indices), tf.constant(random.standard_normal(shape).astype(np.float32)))
        yield start + updates


def step_of(model: Model, arm: Arm) -> Callable[[tf.Tensor, tf.Tensor | None], object]:
    """Return a function that does one update on images [batch, 784]; it takes the noise [batch, z_dim], or None."""
    if isinstance(model, AutoEncoder):
        return lambda images, noise: model.train_step(images)
    if arm.noise == "threefry":
        return lambda images, noise: model.update(images, threefry_noise(model, images))
    return lambda images, noise: model.update(images, model.training_noise(images) if noise is None else noise)


def threefry_noise(model: VariationalAutoEncoder, images: tf.Tensor) -> tf.Tensor:
    """Return this iteration's noise [batch, z_dim], named as in `named_noise` but from the ThreeFry generator."""
    name = tf.stack([tf.constant(model.seed, tf.int64), tf.cast(model.iterations, tf.int64) + (layers.TRAINING_NOISE << 32)])
    return tf.random.stateless_normal(tf.stack([tf.shape(images)[0], model.z_dim]), name, alg="threefry")


def loss_of(record: Json) -> float:
    """Return a run's loss, averaged over its last multiples of 1,000 iterations; for a shorter run, the final loss."""
    thousands = sorted(int(done) for done in record["course"] if int(done) % 1_000 == 0)[-LAST:]
    return float(np.mean([record["course"][str(done)] for done in thousands or [record["iterations"]]]))


def read_one(path: Path) -> Json:
    """Read the record of a run.

    Raises:
        RunError: it is damaged.
    """
    try:
        record = atomic_files.read_json(path)
        loss_of(record)  # fails without a course
        numbers = {name: int(record[name]) for name in ("seed", "iterations")}
        return {**record, **numbers, "arm": str(record["arm"]), "recipe": str(record["recipe"])}
    except run_directory.UNREADABLE as error:
        raise RunError(f"{path} is not a record of a run: {errors.reason(error)}") from None


def read(folder: Path) -> dict[str, dict[int, Json]]:
    """Read the records of all runs: arm → seed → record.

    Raises:
        RunError: if there are none, a record is damaged, or the runs differ in length.
    """
    found: dict[str, dict[int, Json]] = defaultdict(dict)
    for path in sorted(folder.glob("*_seed*.json")):
        record = read_one(path)
        found[record["arm"]][record["seed"]] = record
    lengths = {record["iterations"] for runs in found.values() for record in runs.values()}
    if not found:
        raise RunError(f"{folder} holds no runs; train some with --arm")
    if len(lengths) > 1:
        raise RunError(f"{folder} must hold runs of equal length. Received: {json.dumps(sorted(lengths))}")
    return found


def table(found: dict[str, dict[int, Json]]) -> str:
    """Format a Markdown table: each arm's number of runs, mean, standard deviation, and difference from the graph."""
    records = [record for runs in found.values() for record in runs.values()]
    vae = records[0]["recipe"] in ("first", "fixed")
    margin, loss = (EQUAL["vae"], "−ELBO, nats") if vae else (EQUAL["autoencoder"], "L2")
    losses = {name: {seed: loss_of(record) for seed, record in found[name].items()} for name in ARMS if name in found}
    graph = losses.get(GRAPH, {})
    lines = [
        f"| arm | n | {loss} after {records[0]['iterations']:,} iterations: mean ± sd | minus the graph, all runs | "
        "minus the graph, pairs of one seed |",
        "|---|---|---|---|---|",
    ]
    for name, of in losses.items():
        values, pairs = list(of.values()), sorted(set(of) & set(graph)) if name != GRAPH else []
        independent = paired = "–"
        if name != GRAPH and min(len(of), len(graph)) >= statistics.FEWEST:
            independent = str(statistics.difference(values, list(graph.values()), margin))
        if len(pairs) >= statistics.FEWEST:
            found_paired = statistics.paired_difference([of[s] for s in pairs], [graph[s] for s in pairs], margin)
            paired = f"{found_paired} (n = {len(pairs)})"
        cells = f"{len(of)} | {statistics.plus_minus(values)} | {independent} | {paired}"
        lines.append(f"| {ARMS[name].says} (`{name}`) | {cells} |")
    return "\n".join(lines) + (by_noise(losses, margin) if vae else "")


def by_noise(losses: dict[str, dict[int, float]], margin: float) -> str:
    """Compare all runs with our noise, in whichever arm, with all runs with another; empty if either are too few."""
    sides = {True: [], False: []}
    names = {True: [], False: []}
    for name, of in losses.items():
        sides[ARMS[name].is_our_noise] += of.values()
        names[ARMS[name].is_our_noise].append(f"`{name}`")
    if min(map(len, sides.values())) < statistics.FEWEST:
        return ""
    said = statistics.difference(sides[True], sides[False], margin)
    ours, other = (f"{', '.join(names[side])}, n = {len(sides[side])}" for side in (True, False))
    return f"\n\nOur noise ({ours}) minus other noise ({other}): {said}."
