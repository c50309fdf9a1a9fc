"""Sets of images that TensorFlow Datasets (tfds) has prepared, or downloads: where they are, and how they are read."""

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

PROBE_SECONDS = 6.0  # our choice: the longest wait before "no network"; tfds itself retries for minutes


class NothingFoundError(RunError):
    """Nothing is there and nothing can be downloaded: the one error that `auto` answers with another data set."""


def prepared_folder(name: str, folder: str | None, probe_url: str, looked_for: str = "") -> str:
    """Return the folder of a set's newest version that tfds has prepared, else downloads now.

    Args:
        name: the set's name in tfds.
        folder: where to look, and to download to, before $TFDS_DATA_DIR and ~/tensorflow_datasets; or None.
        probe_url: what is asked for before a download, to notice within PROBE_SECONDS that there is no network.
        looked_for: what to say in the error about other places, ending in "; ".

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
    # tfds downloads nothing where a version folder stands already, complete or not.
    raise RunError(f"{os.path.join(roots[0], name)}: a version without dataset_info.json; expected none or a whole one")


def newest_prepared(folder: str) -> str | None:
    """Folder of the newest version below a set's folder; None if there is none.

    Only <number>.<number>.<number>: an interrupted tfds leaves a folder "incomplete.<random>_3.0.1" beside it.
    """
    found = [path.parent for path in pathlib.Path(folder).glob("*/dataset_info.json")]
    versions = [path for path in found if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    return str(max(versions, key=lambda path: [int(part) for part in path.name.split(".")])) if versions else None


def in_file_order(folder: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read a set of 28×28 images: training and test images uint8 [n, 28, 28], each with labels int64 [n], in file order.

    tfds stores image i at the place of MD5(split's name, i) among all of these, unless a set was prepared unshuffled. It has no
    reader that undoes this; the order decides the checksum, the first epoch's batches and the rows of the latent dumps.
    """
    import tensorflow_datasets as tfds

    splits = ("train", "test")
    with quiet_logging():
        builder = tfds.builder_from_directory(folder)  # tfds.builder(name) may go to the network
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
    """Let tfds download into `root`, with its own progress bar. Returns None, or why it did not work."""
    if problem := network_problem(url):
        return f"no network: {url}: {problem}"
    try:
        import tensorflow_datasets as tfds

        with quiet_logging():
            tfds.builder(name, data_dir=root).download_and_prepare(file_format="tfrecord")
    except Exception as error:  # network, disk, checksum: tfds has no common class for them
        return f"download into {root} failed: {reason(error)}"
    return None


def network_problem(url: str) -> str | None:
    """Ask for `url` as the download would (environment proxies included). Returns None, or why there is no answer.

    An HTTP error is no answer either: a 403 is mostly a proxy's.
    """
    problems: list[str | None] = []

    def ask() -> None:
        try:
            # Not urlopen, which keeps the proxies of the process's first call.
            with urllib.request.build_opener().open(url, timeout=PROBE_SECONDS):
                problems.append(None)
        except Exception as error:  # any failure at all means that tfds would fail too, only later
            problems.append(reason(error))

    # In a thread, because the timeout covers neither the name lookup nor a host with several silent addresses.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return problems[0] if problems else f"no answer within {PROBE_SECONDS:g} seconds"


@contextlib.contextmanager
def quiet_logging():
    """Keep tfds's notes ("Load dataset info from …") off the terminal: under absl.app they would show by default."""
    before = logging.get_verbosity()
    logging.set_verbosity(min(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)
