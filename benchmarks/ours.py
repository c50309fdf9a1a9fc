"""Our scripts as a user starts them: summaries, checkpoints, dumps, progress line. `bare` drops these callbacks."""

import math
import os
import runpy
import sys
from pathlib import Path

from benchmarks.shapes import REPOSITORY

SCRIPTS = {"autoencoder": "train_ae.py", "vae": "train_vae.py", "gan28": "train_gan.py", "gan64": "train_gan.py"}


def train(model: str, variant: str, turns, folder: Path) -> None:
    """Run the script; its turns end where a call of the compiled loop ends."""
    sys.path.insert(0, str(REPOSITORY))
    # Before Keras: it sets what TensorFlow reads when it is imported.
    from unsupervised_learning.training.loop import IterationLoop

    import keras  # isort: skip

    class Turning(keras.callbacks.Callback):
        def __init__(self, trained):
            super().__init__()
            self.trained, self.iteration = trained, int(trained.iterations)
            turns.parameters = sum(math.prod(variable.shape) for variable in trained.trainable_variables)

        def on_epoch_end(self, epoch, logs=None):
            before, self.iteration = self.iteration, int(self.trained.iterations)
            turns.done(self.iteration - before)

    fit = IterationLoop.fit

    def timed(loop, *args, callbacks, **kwargs):
        own = [] if variant == "bare" else callbacks
        return fit(loop, *args, callbacks=[*own, Turning(loop.model)], **kwargs)

    IterationLoop.fit = timed
    data = ["--dataset=fashion_mnist", f"--data_dir={folder}/idx"]
    if model == "gan64":
        data = [f"--image_dir={folder}/pictures", f"--cache_dir={folder}/cache{variant}"]
    logs_dir = folder / f"{model}{variant}"
    sys.argv = [SCRIPTS[model], *data, f"--logs_dir={logs_dir}", "--max_iterations=200000"]
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    runpy.run_path(str(REPOSITORY / SCRIPTS[model]), run_name="__main__")
