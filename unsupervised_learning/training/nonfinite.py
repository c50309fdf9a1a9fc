"""A training that has blown up: which iteration spoilt it, and what.

Losses are looked at after every call of the compiled loop, weights before every checkpoint, and no sooner: as training repeats
itself to the last bit, the iteration can be found afterwards, and a run that goes well pays nothing for it.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from unsupervised_learning.atomic_files import write_json
from unsupervised_learning.errors import RunError

if TYPE_CHECKING:
    from unsupervised_learning.training.callbacks import Checkpoints
    from unsupervised_learning.training.loop import IterationLoop

RECORD = "diverged.json"  # in the folder of a run that has blown up
NAMED = 6  # losses and variables, at most


class NotFiniteError(Exception):
    """A loss or a weight is infinite or not a number."""


def not_finite(model: keras.Model, losses: Mapping[str, Any]) -> list[str]:
    """The names of the losses that are not finite, and the paths of such variables, the optimizers' left out."""
    bad = [name for name, value in losses.items() if not np.isfinite(value)]
    return bad + [variable.path for variable in model.trainable_variables if not np.isfinite(variable.numpy()).all()]


def located(
    loop: "IterationLoop", checkpoints: "Checkpoints", batches: Callable[[int, int], Iterable] | None, experiment_name: str
) -> RunError:
    """Repeat training from the newest checkpoint, iteration by iteration, to the one that spoils it; save the state before it.

    Args:
        loop: as it was when losses or weights were found not to be finite.
        checkpoints: of this run.
        batches: first iteration, the one to stop before → what the loop takes, one iteration a call. None where training cannot
            be repeated, as several devices share it.
        experiment_name: in the terminal.

    Returns:
        What to tell the user.
    """
    advice = "Weights in the loss or a --learning_rate that are smaller may help, in another --logs_dir"
    noticed = checkpoints.iteration
    newest = checkpoints.manager.latest_checkpoint
    if newest is None:
        return RunError(f"{named(not_finite(loop.model, {}))} not finite before the first iteration. {advice}")
    if batches is None:
        bad = named(not_finite(loop.model, loop.get_metrics_result() or {}) or ["losses"])
        return RunError(f"{bad} not finite before iteration {noticed:,}; the last good checkpoint is {newest}. {advice}")
    print(f"{experiment_name}: not finite at iteration {noticed:,}; repeating from {newest} to find out since when", flush=True)
    checkpoints.checkpoint.restore(newest)
    start = checkpoints.iteration
    step, iteration, bad = iter(batches(start, noticed)), start, []
    while iteration < noticed and not (bad := not_finite(loop.model, loop.train_function(step))):
        iteration += 1
    if not bad:
        return RunError(f"losses or weights were not finite at iteration {noticed:,}, but are when repeated from {newest}")
    checkpoints.checkpoint.restore(newest)
    step = iter(batches(start, iteration))
    for _ in range(start, iteration):
        loop.train_function(step)
    checkpoints.save()
    saved = checkpoints.manager.latest_checkpoint
    return RunError(f"{named(bad)} not finite from iteration {iteration:,} on; the state before it is {saved}. {advice}")


def named(names: list[str]) -> str:
    """Some names, and how many more there are, with their verb."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} {'is' if len(names) == 1 else 'are'}"


def on_record(logs_dir: Path, error: RunError) -> RunError:
    """Write in the run's folder that it has blown up, for those that judge runs; returns the error."""
    write_json(logs_dir / RECORD, {"said": str(error)})
    return error
