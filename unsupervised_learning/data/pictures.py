"""Pictures from a folder, or tf_flowers or celeb_a from TensorFlow Datasets (tfds): 64×64 for the GAN, 28×28 for the others.

Pictures are decoded once, into a file of raw bytes in a cache folder, which is read through a memory map.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import math
import os
import pathlib
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from unsupervised_learning import errors
from unsupervised_learning.atomic_files import written_anew
from unsupervised_learning.data import prepared_sets
from unsupervised_learning.data.dataset import Dataset, Split, cache_folder, checksum, existing_folder
from unsupervised_learning.data.decoding import ENDINGS, FORMATS, UnreadableError, decoder, pillow_warnings
from unsupervised_learning.errors import RunError

PICTURE_SETS = ("tf_flowers", "celeb_a")
FACE = 108  # 2016 cropped the central 108×108 pixels of CelebA's aligned pictures of 178×218
# Files requested to test the network. tfds downloads them too; for CelebA it is the list of splits.
PROBE_URLS = {
    "tf_flowers": "http://download.tensorflow.org/example_images/flower_photos.tgz",
    "celeb_a": "https://drive.google.com/uc?export=download&id=0B7EVK8r0v71pY0NSMzRuSXJEVkk",
}
INSTEAD = {
    "tf_flowers": "unpack flower_photos.tgz and give its folder as --image_dir",
    "celeb_a": "Google Drive's quota often stops this download: unpack img_align_celeba.zip and give its folder as --image_dir",
}
# `drawings`: one picture in seven is for testing, as in MNIST; of the others one in twelve is for validation, as in 2016.
TEST_SHARE, VALIDATION_SHARE = 7, 12
FEWEST = 2 * TEST_SHARE  # pictures for `drawings`: evaluation needs nearest neighbours, and so two test images
CHUNK = 1024  # our choice: maximum number of pictures in memory
HEX, DAY = "[0-9a-f]", 24 * 60 * 60  # a hexadecimal digit in a pattern; seconds
FORMAT = 2  # increase this when the bytes of cached pictures change

# A picture's name, and a function that returns its encoded bytes.
Encoded = tuple[str, Callable[[], bytes]]


def load(
    name: str, image_dir: str | None, data_dir: str | None, cache_dir: str | None = None, side: int = 64, channels: int = 3
) -> Dataset:
    """Load pictures from the cache, or find and decode them.

    As in 2016, the whole picture is resized without keeping its aspect ratio. For "celeb_a", only the central 108×108 pixels
    are used (fewer for smaller pictures). `decoding` says which formats are read, and how. Pictures that cannot be read or
    decoded are skipped, with a warning on stderr.

    Args:
        name: "tf_flowers", "celeb_a" or "pictures", which needs `image_dir`.
        image_dir: an existing folder, or None. If given, its files with one of `ENDINGS` are used for any `name`: at any
            depth, sorted by path, without hidden files and folders, and without following links to folders.
        data_dir: an existing folder, or None. Without `image_dir`, tfds searches here first or downloads the set to here
            (`prepared_sets.prepared_folder`). Of celeb_a, only the split "train" is used.
        cache_dir: folder for decoded pictures; if None, $XDG_CACHE_HOME/unsupervised_learning or
            ~/.cache/unsupervised_learning.
        side: height and width of the result in pixels.
        channels: 3 for colour, to which grey pictures are converted, or 1 for grey.

    Returns:
        Training images uint8 [n, side, side, channels] in 0..255, a read-only memory map, with labels 0, uint8 [n].
        Validation and test sets are empty. The checksum is the SHA-256 of the images' bytes and shape.

    Raises:
        RunError: unknown name; missing or unusable `image_dir`; no readable picture; no tfds set and no download; a damaged
            set; a cache folder that is full or not writable.
    """
    if name not in (*PICTURE_SETS, "pictures"):
        raise RunError(f"unknown pictures {name!r}; expected one of {', '.join(PICTURE_SETS)}, pictures")
    if image_dir is not None:
        folder = existing_folder(image_dir, "image_dir")
        listing, others = _listing(folder, ENDINGS)
        origin, source = None, f"pictures in {folder}"
        if not listing:
            there = f", where {others:,} files end in something else" if others else ""
            expected = f"expected files ending in {', '.join(ENDINGS)}, not hidden"
            raise RunError(f"no picture in image_dir {image_dir!r}{there}; {expected}")
        opened = functools.partial(_open_files, folder, [file for file, *_ in listing])
    elif name == "pictures":
        raise RunError(f"'pictures' are read from a folder; expected --image_dir=<folder>. Received: {image_dir=}")
    else:
        folder = _prepared(name, data_dir)
        (listing, others), origin, source = _listing(folder), [name, folder], f"tfds set in {folder}, split train"
        opened = functools.partial(_open_tfds, folder)

    crop = FACE if name == "celeb_a" else None
    shape = [side, side, channels]
    key = hashlib.sha256(json.dumps([FORMAT, shape, crop, origin, listing]).encode()).hexdigest()
    cache = cache_folder(cache_dir)
    record = _cached(cache, key, shape) or _decode_into(cache, key, *opened(), shape, crop, source)
    skipped = [f"{file if file.isprintable() else repr(file)}{why and f' ({why})'}" for file, why in record["skipped"]]
    if skipped:
        named = ", ".join(skipped[:5]) + (f" and {len(skipped) - 5:,} more" if len(skipped) > 5 else "")
        count = "1 picture" if len(skipped) == 1 else f"{len(skipped):,} pictures"
        errors.warn(f"{folder}: left out {count} that cannot be read: {named}")
    try:
        images = np.memmap(cache / f"{key}.bytes", np.uint8, "r", shape=tuple(record["shape"]))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot map {cache / key}.bytes: {errors.reason(error)}; expected another --cache_dir") from error

    used = f"{len(images):,} of {len(images) + len(skipped):,} {source}"
    used += f", which has {others:,} other {'file' if others == 1 else 'files'}" if others else ""
    none = Split(np.zeros((0, *shape), np.uint8), np.zeros(0, np.uint8))
    note = "every picture is for training, as in 2016: no held-out set"
    train = Split(images, np.zeros(len(images), np.uint8))
    where = source if origin else used
    return Dataset(name, where, record["checksum"], train, none, none, note, comparable=False, file_order_first=False)


def drawings(image_dir: str, cache_dir: str | None = None) -> Dataset:
    """Load a folder of pictures in the format of MNIST, for the autoencoder and the VAE: grey, 28×28, in three splits.

    Pictures are assigned to the splits at random, in MNIST's proportions; the same pictures always get the same splits. All
    labels are 0, because none are known. Arguments and errors are those of `load`; too few pictures are also an error.

    Returns:
        Images uint8 [n, 28, 28] and labels uint8 [n].
    """
    found = load("pictures", image_dir, None, cache_dir, side=28, channels=1)
    images = np.array(found.train.images[..., 0])
    if len(images) < FEWEST:
        raise RunError(f"{found.source}: too few; expected at least {FEWEST}, of which {FEWEST // TEST_SHARE} are for testing")
    order = np.random.RandomState(0).permutation(len(images))  # its output never changes, unlike that of `default_rng`
    tested, rest = np.split(order, [len(images) // TEST_SHARE])
    held_out, trained = np.split(rest, [len(rest) // VALIDATION_SHARE])
    train, validation, test = (Split(images[rows], np.zeros(len(rows), np.uint8)) for rows in (trained, held_out, tested))
    note = "your own pictures, not MNIST: not comparable with the 2016 post"
    sums = checksum(train, validation, test)
    return Dataset("pictures", found.source, sums, train, validation, test, note, comparable=False)


# --- sources ---


def _listing(folder: str, endings: tuple[str, ...] = ("",)) -> tuple[list[tuple[str, int, int, bool]], int]:
    """Return relative path, size, mtime in ns and readability of each file with these endings, sorted; and count the others.

    Any change of the first gives a new cache key. Hidden files do not count.
    """
    listing, others = [], 0

    def leave_out(error: OSError) -> None:  # a folder that cannot be listed is reported like an unreadable file
        listing.append((f"{pathlib.Path(error.filename).relative_to(folder).as_posix()}/", -1, -1, False))

    for parent, folders, files in os.walk(folder, onerror=leave_out):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = "" if parent == folder else f"{pathlib.Path(parent).relative_to(folder).as_posix()}/"
        for name in files:
            if name.startswith("."):
                continue
            if not name.lower().endswith(endings):
                others += 1
                continue
            path = os.path.join(parent, name)
            try:
                status = os.stat(path)
            except OSError:  # a broken link
                listing.append((prefix + name, -1, -1, False))
                continue
            if stat.S_ISREG(status.st_mode):  # reading a named pipe would block
                listing.append((prefix + name, status.st_size, status.st_mtime_ns, os.access(path, os.R_OK)))
    return sorted(listing), others


def _open_files(folder: str, files: list[str]) -> tuple[int, Iterator[Encoded]]:
    return len(files), ((file, pathlib.Path(folder, file).read_bytes) for file in files)


def _prepared(name: str, data_dir: str | None) -> str:
    folder = None if data_dir is None else existing_folder(data_dir, "data_dir")
    try:
        return prepared_sets.prepared_folder(name, folder, PROBE_URLS[name])
    except RunError as error:
        raise RunError(f"{error}; {INSTEAD[name]}") from error


def _open_tfds(folder: str) -> tuple[int, Iterator[Encoded]]:
    """Return the number of training pictures in a prepared set, and the encoded pictures in stored order."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    config = tfds.ReadConfig(try_autocache=False)  # otherwise tfds keeps a small set in memory
    config.options.autotune.enabled = False  # destroying an autotuned iterator can block for seconds
    with _intact(folder), prepared_sets.quiet_logging():
        builder = tfds.builder_from_directory(folder)
        decoders = {"image": tfds.decode.SkipDecoding()}
        dataset = builder.as_dataset(split="train", shuffle_files=False, decoders=decoders, read_config=config)
        assert isinstance(dataset, tf.data.Dataset)  # for pyright: it would be a dict only without `split`
        count = builder.info.splits["train"].num_examples

    def examples() -> Iterator[Encoded]:
        with _intact(folder):
            for row, example in enumerate(dataset):
                yield f"picture {row}", example["image"].numpy

    return count, examples()


@contextlib.contextmanager
def _intact(folder: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # for a damaged set, tfds, TensorFlow and protobuf raise many types
        advice = "expected an intact set prepared by tfds; to prepare it again, delete this folder and rerun"
        raise RunError(f"cannot read {folder}: {errors.reason(error)}; {advice}") from error


# --- decoding ---


def _cached(cache: pathlib.Path, key: str, of_each: list[int]) -> dict[str, Any] | None:
    """Return the record of pictures decoded earlier, or None if they are missing or incomplete."""
    try:
        record = json.loads((cache / f"{key}.json").read_text())
        shape, skipped = record["shape"], record["skipped"]
        size = (cache / f"{key}.bytes").stat().st_size
        whole = shape[1:] == of_each and size == math.prod(shape) and isinstance(record["checksum"], str)
        whole = whole and all(isinstance(text, str) for file, why in skipped for text in (file, why))
    except (OSError, ValueError, LookupError, TypeError):  # missing or damaged
        return None
    return record if whole else None


def _remove_abandoned(cache: pathlib.Path) -> None:
    """Delete the unfinished files of killed processes: those that nobody has written to for a day."""
    for unfinished in cache.glob(f"*.{HEX * 32}.new"):
        with contextlib.suppress(OSError):
            if time.time() - unfinished.stat().st_mtime > DAY:
                unfinished.unlink()


def _decode_into(
    cache: pathlib.Path, key: str, count: int, pictures: Iterator[Encoded], of_each: list[int], crop: int | None, source: str
) -> dict[str, Any]:
    """Decode pictures into `<key>.bytes`, CHUNK at a time; write a record of them to `<key>.json` and return it.

    Each file is written under a unique name and then renamed, the record last. So a crash leaves no incomplete cache that
    looks complete, and a concurrent process can only replace the files with identical ones.
    """
    decode = decoder(of_each[0], crop, of_each[2])

    def decoded(picture: Encoded) -> np.ndarray | str:
        try:
            return decode(picture[1]())
        except OSError:
            return ""
        except UnreadableError as error:
            return str(error)

    digest, skipped, rows = hashlib.sha256(), [], 0
    name_of_new = f"{key}.{uuid.uuid4().hex}.new"
    terminal = sys.stdout.isatty()
    if not terminal:
        print(f"Decoding {count:,} pictures …", flush=True)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache)
        with (
            quiet_stderr(),
            pillow_warnings(),
            written_anew(cache / f"{key}.bytes", name_of_new) as unfinished,
            open(unfinished, "xb") as file,
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(desc="Decoding", total=count, unit=" pictures", file=sys.stdout, disable=not terminal) as bar,
        ):
            while chunk := list(itertools.islice(pictures, CHUNK)):
                for (name, _), row in zip(chunk, pool.map(decoded, chunk), strict=True):
                    if isinstance(row, str):
                        skipped.append((name, row))
                    else:
                        rows += 1
                        digest.update(row.tobytes())
                        file.write(row.tobytes())
                    bar.update()
            file.flush()
            os.fsync(file.fileno())
            if not rows:
                example = f", {skipped[0][0]!r} for one{skipped[0][1] and f' ({skipped[0][1]})'}" if skipped else ""
                expected = f"expected intact {', '.join(FORMATS)}"
                raise RunError(f"{source}: none of {count:,} pictures can be read{example}; {expected}")
        shape = (rows, *of_each)
        digest.update(f"{shape}".encode())
        record = {"shape": list(shape), "checksum": digest.hexdigest(), "skipped": skipped, "source": source}
        with written_anew(cache / f"{key}.json", name_of_new) as unfinished:
            unfinished.write_text(json.dumps(record))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, RunError):
            raise
        need = f"a writable folder with {count * math.prod(of_each):,} bytes free (--cache_dir)"
        raise RunError(f"cannot keep decoded pictures in {str(cache)!r}: {errors.reason(error)}; expected {need}") from error
    return record


@contextlib.contextmanager
def quiet_stderr():
    """Hide what native code prints on stderr: libjpeg prints its own messages about damaged pictures."""
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
