"""Our scripts as a user runs them, with summaries, checkpoints, dumps and progress line; `bare` runs without these."""

import math
import os
import runpy
import sys
from pathlib import Path

from benchmarks.shapes import REPOSITORY

SCRIPTS = {"autoencoder": "train_ae.py", "vae": "train_vae.py", "gan28": "train_gan.py", "gan64": "train_gan.py"}


def train(model: str, variant: str, turns, folder: Path) -> None:
    """Run the script. Turns end at the end of a call of the compiled loop."""
    sys.path.insert(0, str(REPOSITORY))
    from unsupervised_learning.start import prepare

    prepare()  # before TensorFlow is imported
    from unsupervised_learning.training import loop

    class Timed(loop.CompiledIterations):
        def __init__(self, model, *arguments):
            super().__init__(model, *arguments)
            turns.parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
            compiled = self.compiled

            def timed(*batches):
                before = int(model.iterations)
                losses = compiled(*batches)
                turns.done(int(model.iterations) - before)
                return losses

            self.compiled = timed

    def bare(settings, model, monitor, dataset, order, checkpoints, devices):
        iterations, batches, schedule, *_ = loop.prepared(settings, model, monitor, dataset, order, devices)
        fed = iter(batches(0, settings.max_iterations))
        for _ in schedule.calls(0, settings.max_iterations):
            iterations.compiled(*next(fed))
        return 0

    loop.CompiledIterations = Timed
    if variant == "bare":
        loop.train = bare
    data = ["--dataset=fashion_mnist", f"--data_dir={folder}/idx"]
    if model == "gan64":
        data = [f"--image_dir={folder}/pictures", f"--cache_dir={folder}/cache{variant}"]
    logs_dir = folder / f"{model}{variant}"
    sys.argv = [SCRIPTS[model], *data, f"--logs_dir={logs_dir}", "--max_iterations=2000000000"]
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    runpy.run_path(str(REPOSITORY / SCRIPTS[model]), run_name="__main__")
