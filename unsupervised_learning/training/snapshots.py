"""Snapshots of a dense model's weights through training, as float16: what the slider of `explore`'s page moves through."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from unsupervised_learning.atomic_files import write_atomically
from unsupervised_learning.errors import RunError

FOLDER = "snapshots"
FIRST = 10  # iteration of the first snapshot after the initial weights; our choice
MOST_BYTES = 3 * 2**20  # of all snapshots of a run; our choice: 18 of the published sizes


def iterations(count: int, last: int) -> tuple[int, ...]:
    """Return about `count` iterations below `last`: 0, then evenly spaced on a logarithmic scale, because heads die early.

    `last` itself is left out: the finished run keeps those weights in model.keras.
    """
    spaced = np.geomspace(min(FIRST, last), last, count)[:-1].round().astype(int).tolist() if count else []
    return tuple(sorted({0, *(one for one in spaced if one < last)})) if count else ()


class Snapshots:
    """Writes the weights after certain numbers of iterations to `snapshots/weights-<iteration>.npz`.

    The weights depend only on the settings, the data and the number of iterations, so a killed and resumed run writes the
    same files again.

    Args:
        model: has `variables_of_2016`, unless `count` is 0.
        logs_dir: the run's folder.
        count: number of snapshots; fewer if they would exceed `MOST_BYTES`.
        last: total number of iterations of the run.
    """

    def __init__(self, model: Any, logs_dir: Path, count: int, last: int):
        self.model, self.folder = model, logs_dir / FOLDER
        if count:
            count = min(count, MOST_BYTES // sum(2 * int(np.prod(one.shape)) for one in model.variables_of_2016().values()))
        self.iterations = iterations(count, last)

    def take(self, iteration: int) -> None:
        """Write the current weights if a snapshot is due after `iteration` iterations."""
        if iteration not in self.iterations:
            return
        # A weight beyond float16's range becomes infinite; such a run ends as not finite soon, or its snapshot shows it.
        with np.errstate(over="ignore"):
            weights = {name: one.numpy().astype(np.float16) for name, one in self.model.variables_of_2016().items()}
        packed = io.BytesIO()
        np.savez(packed, **weights)
        self.folder.mkdir(exist_ok=True)
        write_atomically(self.folder / f"weights-{iteration}.npz", packed.getvalue())


def read(logs_dir: Path) -> dict[int, dict[str, np.ndarray]]:
    """Return iteration → weights by 2016 name, float16, in order of iteration; empty if the run has no snapshots.

    Raises:
        RunError: a file cannot be read.
    """
    found = {}
    for path in (logs_dir / FOLDER).glob("weights-*.npz"):
        try:
            with np.load(path, allow_pickle=False) as packed:
                found[int(path.stem.removeprefix("weights-"))] = {name: packed[name] for name in packed.files}
        except Exception as error:  # a damaged file can raise anything from BadZipFile to EOFError
            raise RunError(f"{path} is not a snapshot of the weights: {type(error).__name__}") from None
    return dict(sorted(found.items()))
