"""The author's own graph of 2016 under today's TensorFlow: one `session.run` per iteration on an array, without summaries."""

import math
import os
from pathlib import Path

from benchmarks.shapes import training_images

GRAPHS = {"autoencoder": "graph_run5", "vae": "graph_fixed"}


def train(model: str, variant: str, turns, folder: Path) -> None:
    """Train the graph that is in $ORIGINAL_DIR, from its initialisers, with all threads that TensorFlow takes by default."""
    from unsupervised_learning.start import prepare

    prepare()  # before TensorFlow is imported
    from unsupervised_learning.data.batches import next_batches
    from unsupervised_learning.data.dataset import to_unit_interval
    from unsupervised_learning.original.description import describe
    from unsupervised_learning.original.graph_files import read_graph
    from unsupervised_learning.original.running import BATCH, RunningGraph
    from unsupervised_learning.reproduce import jobs

    graph = read_graph(str(jobs.meta(GRAPHS[model], Path(os.environ["ORIGINAL_DIR"]))))
    theirs = RunningGraph(graph, describe(graph), seed=0, threads=0)
    turns.parameters = sum(math.prod(value.shape) for value in theirs.values().values())
    images = to_unit_interval(training_images(model, folder)[..., 0])
    for batch in next_batches(len(images), BATCH, seed=0):
        theirs.update(images[batch])
        turns.done(1)
