"""Diverged training: finds the iteration at which losses or weights became infinite or NaN.

Losses are checked after every call of the compiled loop, weights before every checkpoint. More frequent checks would slow down
every run and are not needed: training is reproducible to the last bit, so the iteration can be found by repeating it.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unsupervised_learning.atomic_files import write_json
from unsupervised_learning.errors import RunError
from unsupervised_learning.training.checkpoints import Checkpoints, weights_not_finite

Losses = Mapping[str, Any]  # names → scalars
RECORD = "diverged.json"  # in the folder of a diverged run
NAMED = 6  # maximum number of losses and variables named in a message


def losses_not_finite(losses: Losses) -> list[str]:
    """Return the names of the losses that are not finite."""
    return [name for name, value in losses.items() if not np.isfinite(value)]


def located(
    iterations: Callable[..., Losses],
    checkpoints: Checkpoints,
    batches: Callable[[int, int], Iterator] | None,
    name: str,
) -> RunError:
    """Repeat training from the newest checkpoint to find the iteration that diverges, and save the state before it.

    Args:
        iterations: runs the iterations of one call on an element of `batches`, and returns the losses.
        checkpoints: checkpoints of this run.
        batches: function (start, stop) → iterator with one iteration per element. None if training cannot be repeated,
            because several devices share it.
        name: name of the model, for messages.

    Returns:
        The error to raise.
    """
    advice = "Smaller weights in the loss or a smaller --learning_rate may help; use another --logs_dir"
    model, noticed, newest = checkpoints.model, checkpoints.iteration, checkpoints.manager.latest_checkpoint
    if newest is None:
        return RunError(f"{named(weights_not_finite(model))} not finite before the first iteration. {advice}")
    if batches is None:
        bad = named(weights_not_finite(model) or ["losses"])
        return RunError(f"{bad} not finite before iteration {noticed:,}; the last good checkpoint is {newest}. {advice}")
    print(f"{name}: not finite at iteration {noticed:,}; repeating from {newest} to find the first such iteration", flush=True)
    checkpoints.checkpoint.restore(newest)
    start = iteration = checkpoints.iteration
    repeated, bad = batches(start, noticed), []
    while iteration < noticed and not (bad := losses_not_finite(iterations(*next(repeated))) + weights_not_finite(model)):
        iteration += 1
    if not bad:
        return RunError(f"losses or weights were not finite at iteration {noticed:,}, but finite when repeated from {newest}")
    checkpoints.checkpoint.restore(newest)
    repeated = batches(start, iteration)
    for _ in range(start, iteration):
        iterations(*next(repeated))
    checkpoints.save()
    saved = checkpoints.manager.latest_checkpoint
    return RunError(f"{named(bad)} not finite from iteration {iteration:,} on; the state before it is {saved}. {advice}")


def named(names: list[str]) -> str:
    """Return the first names, the number of the others, and "is" or "are"."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} {'is' if len(names) == 1 else 'are'}"


def on_record(logs_dir: Path, error: RunError) -> RunError:
    """Record the divergence in the run's folder, for later evaluation of the run; return the error."""
    write_json(logs_dir / RECORD, {"said": str(error)})
    return error
