"""New runs of the original: train the author's own graph to the end in today's TensorFlow, and evaluate it like `replay`."""

import time
from pathlib import Path

from tqdm import tqdm

from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import next_batches
from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.original.description import describe
from unsupervised_learning.original.graph_files import read_graph
from unsupervised_learning.original.graph_report import nearest, recipes_of
from unsupervised_learning.original.replay import measured, table, write_as_run
from unsupervised_learning.original.running import BATCH, RunningGraph, model_of, on_one_thread


def train(file: str, seed: int, given: int | None, data_dir: str | None, logs_dir: Path) -> int:
    """Train one of the author's graphs from its own initialisers to the end; returns the exit status.

    Writes the folder of a finished run: results.json, config.json, model.keras. Batches follow 2016's `next_batch`, shuffled
    by the seed; the graph draws its own noise. `given` is the number of iterations; None for as many as published.
    """
    on_one_thread()
    graph = read_graph(file)
    description = describe(graph)
    recipe, _ = nearest(description)
    iterations = given or recipes_of(description)[recipe]["max_iterations"]
    folder = logs_dir / "original_2016" / f"{recipe}_graph_seed{seed}"
    dataset = mnist.load("mnist", data_dir)
    model = model_of(description)
    if (folder / "results.json").exists():
        print(f"Finished already: {folder}")
        return 0
    theirs = RunningGraph(graph, description, seed)
    images = to_unit_interval(dataset.train.images)
    batches = next_batches(len(images), description.batch or BATCH, seed)
    print(f"{file}: nearest to --recipe={recipe}; {iterations:,} iterations of the author's own graph in {folder}")
    began = time.monotonic()
    for _ in tqdm(range(iterations), unit=" iterations", mininterval=2):
        theirs.update(images[next(batches)])
    seconds = time.monotonic() - began
    theirs.put_into(model)
    model.optimizer.iterations.assign(iterations)
    numbers, published_numbers = measured(model, dataset, at_the_end=recipe in ("run5", "first", "fixed"))
    settings = {"original_graph": str(Path(file).name), "recipe": recipe, "seed": seed}
    settings |= {"batch_size": description.batch or BATCH, "learning_rate": description.learning_rate}
    results = {"comparable_with_2016": dataset.comparable, "training_seconds": round(seconds, 1), **numbers}
    write_as_run(folder, model, dataset, settings, iterations, results)
    print(table(numbers, published_numbers))
    print(f"results.json and model.keras are in {folder}")
    return 0
