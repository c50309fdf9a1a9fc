"""A training that has blown up: which iteration spoilt it, and what.

Losses are looked at after every call of the compiled loop, weights before every checkpoint, and no sooner: as training repeats
itself to the last bit, the iteration can be found afterwards, and a run that goes well pays nothing for it.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unsupervised_learning.atomic_files import write_json
from unsupervised_learning.errors import RunError
from unsupervised_learning.training.checkpoints import Checkpoints, weights_not_finite

Losses = Mapping[str, Any]  # names → scalars
RECORD = "diverged.json"  # in the folder of a run that has blown up
NAMED = 6  # losses and variables, at most


def losses_not_finite(losses: Losses) -> list[str]:
    """The names of the losses that are not finite."""
    return [name for name, value in losses.items() if not np.isfinite(value)]


def located(
    iterations: Callable[..., Losses],
    checkpoints: Checkpoints,
    batches: Callable[[int, int], Iterator] | None,
    name: str,
) -> RunError:
    """Repeat training from the newest checkpoint, iteration by iteration, to the one that spoils it; save the state before it.

    Args:
        iterations: does the iterations of a call with what `batches` gives, and returns their losses.
        checkpoints: of this run.
        batches: first iteration, the one to stop before → an iterator, one iteration a call. None where training
            cannot be repeated, because several devices share it.
        name: of the model, in the terminal.

    Returns:
        What to tell the user.
    """
    advice = "Weights in the loss or a --learning_rate that are smaller may help, in another --logs_dir"
    model, noticed, newest = checkpoints.model, checkpoints.iteration, checkpoints.manager.latest_checkpoint
    if newest is None:
        return RunError(f"{named(weights_not_finite(model))} not finite before the first iteration. {advice}")
    if batches is None:
        bad = named(weights_not_finite(model) or ["losses"])
        return RunError(f"{bad} not finite before iteration {noticed:,}; the last good checkpoint is {newest}. {advice}")
    print(f"{name}: not finite at iteration {noticed:,}; repeating from {newest} to find where it began", flush=True)
    checkpoints.checkpoint.restore(newest)
    start = iteration = checkpoints.iteration
    repeated, bad = batches(start, noticed), []
    while iteration < noticed and not (bad := losses_not_finite(iterations(*next(repeated))) + weights_not_finite(model)):
        iteration += 1
    if not bad:
        return RunError(f"losses or weights were not finite at iteration {noticed:,}, but are when repeated from {newest}")
    checkpoints.checkpoint.restore(newest)
    repeated = batches(start, iteration)
    for _ in range(start, iteration):
        iterations(*next(repeated))
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
