"""Run the author's graph and our model side by side: same initial weights, same batches, same noise.

From one of the author's checkpoints, all weights agree bit for bit. Only the losses differ in the last digit, because our
model sums in a different order. From the initialisers, the two drift apart slowly. For the first thousands of updates, Adam's
step depends on powers of beta; the graph multiplies them up update by update and Keras recomputes them, so they differ in the
last digit. Training amplifies this: once a relu is just on in one and just off in the other, gradients differ. After some
thousand updates, the two are independent runs of one experiment. `TOLERANCES` bounds the differences up to that point.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from unsupervised_learning import atomic_files
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.errors import RunError
from unsupervised_learning.figures.figure import Figure, figure_png
from unsupervised_learning.original.checkpoints import Model, read_checkpoint
from unsupervised_learning.original.description import describe
from unsupervised_learning.original.graph_files import read_graph
from unsupervised_learning.original.graph_report import nearest
from unsupervised_learning.original.running import BATCH, RunningGraph, model_of, on_one_thread
from unsupervised_learning.vae import VariationalAutoEncoder

# Losses that are compared; the total and the regularization follow from them and the weights.
PARTS: tuple[str, ...] = ("reconstruction", "kl")

# Start of the run → (up to this many updates, largest relative difference of the reconstruction, the KL and any norm).
TOLERANCES: dict[str, tuple[tuple[int, float, float, float], ...]] = {
    "autoencoder, from its initialisers": ((300, 5e-6, 0.0, 5e-6),),
    "autoencoder, from a checkpoint": ((1_000, 2e-6, 0.0, 2e-6),),
    "VAE, from its initialisers": ((10, 1e-6, 5e-5, 1e-5), (100, 1e-3, 5e-3, 1e-3), (1_000, 1e-2, 1e-1, 1e-1)),
    "VAE, from a checkpoint": ((1_000, 2e-6, 2e-6, 2e-6),),
}


class Step(NamedTuple):
    """The two runs compared after a number of updates.

    Attributes:
        updates: number of completed updates.
        theirs, ours: losses by our names, averaged over the batch.
        differences: relative differences of each part of the loss, and the largest of the variables' norms (`norms`).
        unequal: fraction of the weights that are not bitwise equal.
    """

    updates: int
    theirs: dict[str, float]
    ours: dict[str, float]
    differences: dict[str, float]
    unequal: float


def follow(file: str, checkpoint_file: str | None, updates: int, seed: int, data_dir: str | None, folder: Path) -> int:
    """Train one of the author's graphs and our model side by side, and print and plot their differences.

    Returns the exit status: 0 if they agree within the tolerance, 1 if not.
    """
    on_one_thread()
    graph = read_graph(file)
    description = describe(graph)
    checkpoint = read_checkpoint(checkpoint_file) if checkpoint_file else None
    if folder.exists() and not folder.is_dir():
        raise RunError(f"--out must be a folder. Received: {folder}")
    dataset = mnist.load("mnist", data_dir)
    model = model_of(description)
    theirs = RunningGraph(graph, description, seed, as_it_stands=True)
    theirs.put_into(model)
    if checkpoint:
        checkpoint.restore(model)
        theirs.restore(checkpoint)
    recipe, _ = nearest(description)
    form = "autoencoder" if description.model == "AutoEncoder" else "VAE"
    start = f"{form}, from {'a checkpoint' if checkpoint else 'its initialisers'}"
    print(f"{file}: nearest to --recipe={recipe}; {start}; {dataset.source}; seed {seed}")

    with without_graph_rewriting():
        steps = list(compared_steps(theirs, model, dataset, updates, seed))
    first_beyond = next((step for step in steps if beyond(step, start)), None)
    print(table(steps, start))
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"follow_{recipe}{'_checkpoint' if checkpoint else ''}.png"
    atomic_files.write_atomically(picture, figure_png(plot(steps, f"2016's graph and our model: {recipe}")))
    print(f"Plot of both loss curves: {picture}")
    judged = TOLERANCES[start][-1][0]
    if updates > judged:
        print(f"Only the first {judged:,} updates are compared; later, rounding has made them independent runs.")
    if first_beyond:
        print(f"They differ: beyond the tolerance after {first_beyond.updates:,} updates, by {in_words(first_beyond)}")
        return 1
    print("They agree within the tolerance.")
    return 0


def compared_steps(theirs: RunningGraph, model: Model, dataset: Dataset, steps: int, seed: int) -> Iterator[Step]:
    """Train both; yields their losses and differences before the first update and after each of `steps` updates."""
    description = theirs.description
    order = BatchOrder(len(dataset.train.images), description.batch or BATCH, seed, dataset.file_order_first)
    random = np.random.default_rng(seed)
    is_vae = isinstance(model, VariationalAutoEncoder)
    objective = tf.function(model.objective)
    update = tf.function(model.update if is_vae else lambda images: model.train_step((images,)))
    start = int(model.iterations)
    for number in range(steps + 1):
        images = to_unit_interval(dataset.train.images[order.indices(start + number, 1)[0]])
        noise = (random.standard_normal((len(images), description.z_dim)).astype(np.float32),) if is_vae else ()
        then = theirs.losses(images, *noise)
        now = {name: float(np.mean(value, dtype=np.float64)) for name, value in objective(images, *noise).items()}
        sizes = dict(now)
        if is_vae:  # the first form's graph has a 3 in its KL that should be a 1
            now["kl"] -= 0.5 * ((description.kl_constant or 1.0) - 1.0) * description.z_dim
        differences = {name: relative(then[name], now[name], sizes[name]) for name in PARTS if name in then}
        yield Step(number, then, now, *with_weights(differences, theirs.values(), model))
        if number < steps:
            theirs.update(images, *noise)
            update(images, *noise)


def with_weights(differences: dict[str, float], values: dict[str, np.ndarray], model: Model) -> tuple[dict[str, float], float]:
    """Return `Step.differences` and `Step.unequal`, given the losses' differences and the values of the graph's variables."""
    ours = {name: np.asarray(variable) for name, variable in model.variables_of_2016().items()}
    norms = max(relative(norm(value), norm(ours[name])) for name, value in values.items())
    unequal = sum(int(np.sum(value != ours[name])) for name, value in values.items())
    return {**differences, "norms": norms}, unequal / sum(value.size for value in values.values())


@contextmanager
def without_graph_rewriting() -> Iterator[None]:
    """Make TensorFlow run our functions as traced, because the rewritten ones round differently from 2016's graph."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before.get("disable_meta_optimizer", False)})


def norm(values: np.ndarray) -> float:
    """Return the Euclidean norm, computed in float64."""
    return float(np.linalg.norm(values.astype(np.float64)))


def relative(one: float, other: float, size: float = 0.0) -> float:
    """Return the difference relative to the largest of the three absolute values; infinite if one is not finite.

    `size` is for the KL of the first form, which is logged 3 nats too small and passes through zero: the true KL is passed.
    """
    largest = max(abs(one), abs(other), abs(size))
    if not np.isfinite(largest):
        return np.inf
    return abs(one - other) / largest if largest else 0.0


def beyond(step: Step, start: str) -> list[str]:
    """Return the names of the differences beyond the tolerance; none after the last update that has a tolerance."""
    limits = next((allowed for updates, allowed in tolerances(start).items() if step.updates <= updates), None)
    return [name for name, difference in step.differences.items() if limits and not difference <= limits[name]]


def tolerances(start: str) -> dict[int, dict[str, float]]:
    """Return a start's tolerances: up to this many updates → difference → limit."""
    return {updates: dict(zip([*PARTS, "norms"], allowed, strict=True)) for updates, *allowed in TOLERANCES[start]}


def in_words(step: Step) -> str:
    """Format the differences of a step."""
    return ", ".join(f"{name} {difference:.1e}" for name, difference in step.differences.items())


def table(steps: list[Step], start: str) -> str:
    """Format the largest differences up to 1, 10, 100, … and all updates, followed by the tolerances."""
    names = list(steps[0].differences)
    last = steps[-1].updates
    rows = sorted({count for count in (1, 10, 100, 300, *(10**power for power in range(3, 7))) if count < last} | {last})
    lines = [f"{'largest relative difference':<28}" + "".join(f"{name:>15}" for name in names) + f"{'weights unequal':>18}"]
    for row in rows:
        until = [step for step in steps if step.updates <= row]
        largest = {name: max(step.differences[name] for step in until) for name in names}
        cells = "".join(f"{largest[name]:>15.1e}" for name in names)
        until_here = "up to 1 update" if row == 1 else f"up to {row:,} updates"
        lines.append(f"{until_here:<28}{cells}{f'{max(step.unequal for step in until):.1%}':>18}")
    for updates, limits in tolerances(start).items():
        lines.append(f"{f'allowed up to {updates:,}':<28}" + "".join(f"{limits[name]:>15.1e}" for name in names))
    return "\n".join(lines)


def plot(steps: list[Step], title: str) -> Figure:
    """Plot both runs' curves of each part of the loss, with the relative differences below."""
    figure = Figure(figsize=(8, 6), dpi=110, layout="constrained")
    parts = [name for name in steps[0].differences if name != "norms"]
    panels = figure.subplots(2, len(parts), squeeze=False, sharex=True)
    updates = [step.updates for step in steps]
    for column, name in enumerate(parts):
        above, below = panels[:, column]
        above.plot(updates, [step.theirs[name] for step in steps], color="C1", linewidth=3.5, alpha=0.5, label="2016's graph")
        above.plot(updates, [step.ours[name] for step in steps], color="C0", linewidth=1, label="our model")
        above.set_title(name, fontsize=11)
        above.legend(frameon=False, fontsize=9)
        below.plot(updates, [max(step.differences[name], 1e-9) for step in steps], color="0.3", linewidth=1)
        below.set_yscale("log")
        below.set_xlabel("updates")
    panels[0, 0].set_ylabel("mean over the batch")
    panels[1, 0].set_ylabel("relative difference")
    figure.suptitle(title, fontsize=13)
    return figure
