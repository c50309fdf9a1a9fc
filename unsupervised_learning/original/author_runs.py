"""New runs of the original: train the author's own graph to the end in today's TensorFlow, and evaluate it like `replay`."""

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from unsupervised_learning import atomic_files, errors
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import next_batches
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.errors import KILLED, RunError
from unsupervised_learning.original.description import describe
from unsupervised_learning.original.graph_files import read_graph
from unsupervised_learning.original.graph_report import nearest, recipes_of
from unsupervised_learning.original.replay import measured, table, write_as_run
from unsupervised_learning.original.running import BATCH, RunningGraph, model_of, on_one_thread
from unsupervised_learning.original.runs import STATE
from unsupervised_learning.training import command_line, finished_run, run_directory
from unsupervised_learning.training.loop import stop_signals

SAVED = 10_000  # iterations between saved states


def train(file: str, seed: int, given: int | None, data_dir: str | None, logs_dir: Path) -> int:
    """Train one of the author's graphs from its own initialisers to the end; returns the exit status.

    Writes the folder of a finished run: results.json, config.json, model.keras. Batches follow 2016's `next_batch`, shuffled
    by the seed; the graph draws its own noise. An interrupted run resumes from its saved state, bit for bit. `given` is the
    number of iterations; None for the published number.
    """
    on_one_thread()
    graph = read_graph(file)
    description = describe(graph)
    recipe, differences = nearest(description)
    published_length = recipes_of(description)[recipe]["max_iterations"]
    iterations = given or published_length
    folder = logs_dir / "original_2016" / f"{recipe}_graph_seed{seed}"
    dataset = mnist.load("mnist", data_dir)
    model = model_of(description)
    if (folder / "results.json").exists():
        if (there := finished_run.read(folder).results["iterations"]) != iterations:
            raise RunError(
                f"{folder} holds a finished run of {there:,} iterations. Received: --max_iterations={iterations}; "
                "delete it first, or choose another --logs_dir"
            )
        print(f"Finished already: {folder}")
        return 0
    batch = description.batch or BATCH
    with run_directory.lock(folder):
        theirs = RunningGraph(graph, description, seed)
        images = to_unit_interval(dataset.train.images)
        batches = next_batches(len(images), batch, seed)
        done, before = resumed(theirs, folder / STATE, images[:batch])
        if done > iterations:
            raise RunError(
                f"{folder} already has {done:,} iterations. Received: --max_iterations={iterations}; delete it first"
            )
        for _ in range(done):
            next(batches)
        print(f"{file}: nearest to --recipe={recipe}; {iterations:,} iterations of the author's own graph in {folder}")
        began = time.monotonic()
        with stop_signals() as asked:
            for i in tqdm(range(done, iterations), unit=" iterations", mininterval=2, initial=done, total=iterations):
                theirs.update(images[next(batches)])
                if (i + 1) % SAVED == 0 or asked.signal:
                    save(theirs, folder / STATE, i + 1, before + time.monotonic() - began)
                if asked.signal:
                    print(f"Stopped and saved at iteration {i + 1:,}. To resume, rerun: {command_line.command()}")
                    return KILLED + asked.signal
        seconds = before + time.monotonic() - began
        theirs.put_into(model)
        model.optimizer.iterations.assign(iterations)
        as_published = recipe in ("run5", "first", "fixed") and not differences and iterations == published_length
        numbers, published_numbers = measured(model, dataset, at_the_end=as_published)
        settings = {"original_graph": str(Path(file).name), "recipe": recipe, "seed": seed}
        settings |= {"batch_size": batch, "learning_rate": description.learning_rate}
        results = {"comparable_with_2016": dataset.comparable, "training_seconds": round(seconds, 1), **numbers}
        write_as_run(folder, model, dataset, settings, iterations, results)
        (folder / STATE).unlink(missing_ok=True)  # only now: a run that is stopped while it is measured keeps its state
    print(table(numbers, published_numbers, "trained"))
    print(f"results.json and model.keras are in {folder}")
    return 0


def save(theirs: RunningGraph, path: Path, done: int, seconds: float) -> None:
    """Save a run's state after `done` updates that took `seconds`."""
    content = io.BytesIO()
    graph: dict[str, Any] = {f"graph/{name}": value for name, value in theirs.state().items()}
    np.savez(content, **graph, done=done, seconds=seconds)
    atomic_files.write_atomically(path, content.getvalue())


def resumed(theirs: RunningGraph, path: Path, images: np.ndarray) -> tuple[int, float]:
    """Restore a run's saved state, if there is one; returns the number of completed updates and the seconds they took.

    `images` is any batch [batch, 784] of the run's size.

    Raises:
        RunError: the file is damaged or belongs to another graph.
    """
    if not path.exists():
        return 0, 0.0
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            done, seconds = int(saved["done"]), float(saved["seconds"])
            theirs.resume({name: saved[f"graph/{name}"] for name in theirs.setters}, done, images)
    except (*run_directory.UNREADABLE, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path} is not the state of this graph's run ({errors.reason(error)}); delete it to start afresh"
        ) from None
    return done, seconds
