"""Reading of 2016's latent dumps: codes or sampled z of the test set, with labels."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np

from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import RunError


def read_dump(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read 2016's `checkpoint<step>.txt` or `z_vae_output.csv`, also as .gz: latents [n, z_dim] and labels [n].

    Raises:
        RunError: if the file is not a latent dump.
    """
    path = Path(os.path.expanduser(path))
    try:
        text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        table = np.loadtxt(text.splitlines(), delimiter="," if "," in text[:1000] else None, ndmin=2)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RunError(f"{path} is not a latent dump: {reason}; expected lines of latents and a label") from None
    labels = table[:, -1] if table.size else np.zeros(0)
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all() or not np.isin(labels, range(10)).all():
        raise RunError(f"{path} is not a latent dump: {table.shape}; expected finite latents and a final label 0 to 9 per line")
    return table[:, :-1], labels.astype(np.uint8)


def check_dump(path: str, latents: np.ndarray, labels: np.ndarray, z_dim: int, dataset: Dataset) -> None:
    """Check that a dump belongs to this test set and has its order.

    Raises:
        RunError: if it does not.
    """
    expected = (len(dataset.test.labels), z_dim)
    if latents.shape != expected:
        raise RunError(f"{path} contains {latents.shape} latents; expected {expected}: one per test image")
    if differing := int(np.sum(labels != dataset.test.labels)):
        raise RunError(
            f"{path} belongs to a test set other than {dataset.source}, or has another order: {differing:,} of "
            f"{len(labels):,} labels differ"
        )
