"""Finds, downloads and reads image sets prepared by TensorFlow Datasets (tfds)."""

import contextlib
import hashlib
import os
import pathlib
import re
import threading
import urllib.request

import numpy as np
from absl import logging

from unsupervised_learning.errors import RunError, reason

PROBE_SECONDS = 6.0  # our choice: timeout before reporting "no network"; tfds itself retries for minutes


class NothingFoundError(RunError):
    """The set is neither found nor downloadable. Only for this error does `auto` use another data set."""


def prepared_folder(name: str, folder: str | None, probe_url: str, looked_for: str = "") -> str:
    """Return the folder of a set's newest prepared version; download the set if there is none.

    Args:
        name: the set's name in tfds.
        folder: folder to search, and to download to, before $TFDS_DATA_DIR and ~/tensorflow_datasets; or None.
        probe_url: URL requested before a download, to detect within PROBE_SECONDS that there is no network.
        looked_for: text for the error message about other places searched, ending in "; ".

    Raises:
        RunError: nothing found and no download.
    """
    default = os.path.expanduser("~/tensorflow_datasets")
    roots = list(dict.fromkeys(root for root in (folder, os.environ.get("TFDS_DATA_DIR"), default) if root))
    for root in roots:
        if prepared := newest_prepared(os.path.join(root, name)):
            return prepared
    prepared = " or ".join(os.path.join(root, name, "<version>") for root in roots)
    if problem := download_problem(name, roots[0], probe_url):
        raise NothingFoundError(f"cannot find {name}: {looked_for}no set prepared by tfds in {prepared}; {problem}")
    if downloaded := newest_prepared(os.path.join(roots[0], name)):
        return downloaded
    # tfds does not download if a version folder already exists, even an incomplete one.
    raise RunError(f"{os.path.join(roots[0], name)}: a version without dataset_info.json; expected none or a complete one")


def newest_prepared(folder: str) -> str | None:
    """Return the folder of the newest version in a set's folder; None if there is none.

    Only names like 3.0.1 count, because an interrupted download leaves a folder "incomplete.<random>_3.0.1".
    """
    found = [path.parent for path in pathlib.Path(folder).glob("*/dataset_info.json")]
    versions = [path for path in found if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    return str(max(versions, key=lambda path: [int(part) for part in path.name.split(".")])) if versions else None


def in_file_order(folder: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training and test images uint8 [n, 28, 28] of a prepared set, each with labels int64 [n], in file order.

    Unless a set was prepared unshuffled, tfds stores images sorted by MD5(split's name, index), and has no reader that undoes
    this. The checksum, the batches of the first epoch and the rows of the latent dumps depend on the order.
    """
    import tensorflow_datasets as tfds

    splits = ("train", "test")
    with quiet_logging():
        builder = tfds.builder_from_directory(folder)  # tfds.builder(name) may access the network
        stored = builder.as_dataset(split=list(splits), batch_size=-1, shuffle_files=False)
    found = []
    for split, examples in zip(splits, stored, strict=True):
        labels = np.asarray(examples["label"])
        images = np.asarray(examples["image"]).reshape(len(labels), 28, 28)
        if not builder.info.disable_shuffling:
            digests = [hashlib.md5(f"{split}{i}".encode(), usedforsecurity=False).digest() for i in range(len(labels))]
            place = np.argsort(np.argsort(np.array(digests)))
            images, labels = images[place], labels[place]
        found.append((images, labels))
    return found


def download_problem(name: str, root: str, url: str) -> str | None:
    """Download into `root` with tfds and its progress bar; return None, or the reason for a failure."""
    if problem := network_problem(url):
        return f"no network: {url}: {problem}"
    try:
        import tensorflow_datasets as tfds

        with quiet_logging():
            tfds.builder(name, data_dir=root).download_and_prepare(file_format="tfrecord")
    except Exception as error:  # network, disk, checksum: tfds has no common base class for these
        return f"download into {root} failed: {reason(error)}"
    return None


def network_problem(url: str) -> str | None:
    """Request `url` as the download would, including proxies from the environment; return None, or the reason for a failure.

    An HTTP error counts as a failure, because a 403 usually comes from a proxy.
    """
    problems: list[str | None] = []

    def ask() -> None:
        try:
            # Not urlopen, which caches the proxies of the first call in the process.
            with urllib.request.build_opener().open(url, timeout=PROBE_SECONDS):
                problems.append(None)
        except Exception as error:  # after any failure here, tfds would fail too, only later
            problems.append(reason(error))

    # In a thread, because the timeout does not limit the name lookup or the total time for a host with several addresses.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return problems[0] if problems else f"no answer within {PROBE_SECONDS:g} seconds"


@contextlib.contextmanager
def quiet_logging():
    """Hide tfds's log lines ("Load dataset info from …"), which absl.app would show by default."""
    before = logging.get_verbosity()
    logging.set_verbosity(min(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)
