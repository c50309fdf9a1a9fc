"""The checkpoints in a run's folder: the newest that can be read is restored, whatever a crash, a full disk or a bad one did.

TensorFlow keeps a list of them in the file `checkpoint` beside them. That list comes first, but what counts is the files.
"""

import re
import shutil
from pathlib import Path

import tensorflow as tf

from unsupervised_learning.command_line import RunError
from unsupervised_learning.data import reason, warn

NAME = "model.ckpt"
STATE = "checkpoint"  # TensorFlow's name for the list
UNFINISHED = (f"{NAME}-*_temp", f"{STATE}.tmp*", "new-events")  # what a process leaves that is killed while it writes


def newest_first(logs_dir: Path) -> list[Path]:
    """The checkpoints in a folder, each as TensorFlow names it, without its files' endings."""
    found = [path.with_suffix("") for path in logs_dir.glob(f"{NAME}-*.index")]
    return sorted((path for path in found if re.fullmatch(r"\d+", number(path))), key=lambda path: -int(number(path)))


def number(path: Path) -> str:
    """What follows the name: the iteration."""
    return path.name.removeprefix(f"{NAME}-")


def listed(logs_dir: Path) -> Path | None:
    """The newest checkpoint by the list; None if there is no list, or none that can be read.

    Whatever folder the list has it in: the run may have been moved or copied.
    """
    try:
        match = re.match(r'model_checkpoint_path: "(.*)"\n', (logs_dir / STATE).read_text())
    except (OSError, ValueError):
        return None
    return logs_dir / Path(match[1]).name if match else None


def restore_newest(checkpoint: tf.train.Checkpoint, logs_dir: Path) -> Path | None:
    """Restore the newest checkpoint that can be read, and say so where it is not the one that the list names.

    Returns:
        Its path; None if there is none at all.

    Raises:
        RunError: none of those that are there can be read.
    """
    there, first = newest_first(logs_dir), listed(logs_dir)
    damaged: list[str] = []
    if first is None and there:
        damaged.append(f"{logs_dir / STATE}, which names the newest checkpoint, is missing or damaged")
    elif first not in there and there:
        damaged.append(f"{logs_dir / STATE} names {first}, which is not there")
    elif first:
        there = [first, *(path for path in there if path != first)]
    for path in there:
        try:
            checkpoint.restore(str(path)).assert_existing_objects_matched().expect_partial()
        except Exception as error:  # a damaged file surfaces as anything from DataLossError to IndexError
            damaged.append(f"cannot read the checkpoint {path}: {reason(error)}")
            continue
        if damaged:
            warn(f"{'; '.join(damaged)}; going on from {path}")
        return path
    if there:
        raise RunError(f"{'; '.join(damaged)}; no other is left. Nothing was changed; choose another --logs_dir")
    return None


def settle(logs_dir: Path, restored: Path) -> None:
    """Make the list say what is there up to the restored checkpoint, and remove what a killed process left unfinished.

    A newer one was damaged, and is written anew when training comes there.
    """
    kept = [str(path) for path in reversed(newest_first(logs_dir)) if int(number(path)) < int(number(restored))]
    tf.compat.v1.train.update_checkpoint_state(str(logs_dir), str(restored), [*kept, str(restored)])


def discard_unfinished(logs_dir: Path) -> None:
    """Remove what a killed process left unfinished; only for who holds the folder's lock."""
    for pattern in UNFINISHED:
        for path in logs_dir.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
