"""Colour pictures for the 64×64 GAN: a folder of JPEG or PNG files, or tf_flowers or celeb_a from TensorFlow Datasets (tfds).

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
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from unsupervised_learning import errors
from unsupervised_learning.atomic_files import written_anew
from unsupervised_learning.data import prepared_sets
from unsupervised_learning.data.dataset import Dataset, Split, cache_folder, existing_folder
from unsupervised_learning.errors import RunError

PICTURE_SETS = ("tf_flowers", "celeb_a")
FACE = 108  # 2016 cropped the central 108×108 pixels of CelebA's aligned pictures of 178×218
ENDINGS = (".jpg", ".jpeg", ".png")
# Files requested to test the network. tfds downloads them too; for CelebA it is the list of splits.
PROBE_URLS = {
    "tf_flowers": "http://download.tensorflow.org/example_images/flower_photos.tgz",
    "celeb_a": "https://drive.google.com/uc?export=download&id=0B7EVK8r0v71pY0NSMzRuSXJEVkk",
}
INSTEAD = {
    "tf_flowers": "unpack flower_photos.tgz and give its folder as --image_dir",
    "celeb_a": "Google Drive's quota often stops this download: unpack img_align_celeba.zip and give its folder as --image_dir",
}
CHUNK = 1024  # our choice: maximum number of pictures in memory
FORMAT = 1  # increase this when the bytes of cached pictures change

# A picture's name, and a function that returns its encoded bytes.
Encoded = tuple[str, Callable[[], bytes]]


def load(name: str, image_dir: str | None, data_dir: str | None, cache_dir: str | None = None, side: int = 64) -> Dataset:
    """Load pictures from the cache, or find and decode them.

    As in 2016, the whole picture is resized without keeping its aspect ratio. For "celeb_a", only the central 108×108 pixels
    are used (fewer for smaller pictures). Grey pictures are converted to colour; alpha is dropped. Pictures that cannot be
    read or decoded are skipped, with a warning on stderr.

    Args:
        name: "tf_flowers", "celeb_a" or "pictures", which needs `image_dir`.
        image_dir: an existing folder, or None. If given, its .jpg, .jpeg and .png files are used for any `name`: at any
            depth, sorted by path, without hidden files and folders, and without following links to folders.
        data_dir: an existing folder, or None. Without `image_dir`, tfds searches here first or downloads the set to here
            (`prepared_sets.prepared_folder`). Of celeb_a, only the split "train" is used.
        cache_dir: folder for decoded pictures; if None, $XDG_CACHE_HOME/unsupervised_learning or
            ~/.cache/unsupervised_learning.
        side: height and width of the result in pixels.

    Returns:
        Training images uint8 [n, side, side, 3] in 0..255, a read-only memory map, with labels 0, uint8 [n]. Validation
        and test sets are empty. The checksum is the SHA-256 of the images' bytes and shape.

    Raises:
        RunError: unknown name; missing or unusable `image_dir`; no readable picture; no tfds set and no download; a damaged
            set; a cache folder that is full or not writable.
    """
    if name not in (*PICTURE_SETS, "pictures"):
        raise RunError(f"unknown pictures {name!r}; expected one of {', '.join(PICTURE_SETS)}, pictures")
    if image_dir is not None:
        folder = existing_folder(image_dir, "image_dir")
        listing, origin, source = _listing(folder, ENDINGS), None, f"pictures in {folder}"
        if not listing:
            raise RunError(f"no picture in image_dir {image_dir!r}; expected files ending in {', '.join(ENDINGS)}, not hidden")
        opened = functools.partial(_open_files, folder, [file for file, *_ in listing])
    elif name == "pictures":
        raise RunError(f"'pictures' are read from a folder; expected --image_dir=<folder>. Received: {image_dir=}")
    else:
        folder = _prepared(name, data_dir)
        listing, origin, source = _listing(folder), [name, folder], f"tfds set in {folder}, split train"
        opened = functools.partial(_open_tfds, folder)

    crop = FACE if name == "celeb_a" else None
    key = hashlib.sha256(json.dumps([FORMAT, side, crop, origin, listing]).encode()).hexdigest()
    cache = cache_folder(cache_dir)
    record = _cached(cache, key, side) or _decode_into(cache, key, *opened(), side, crop, source)
    if skipped := record["skipped"]:
        named = ", ".join(file if file.isprintable() else repr(file) for file in skipped[:5])
        more = f" and {len(skipped) - 5:,} more" if len(skipped) > 5 else ""
        count = "1 picture" if len(skipped) == 1 else f"{len(skipped):,} pictures"
        errors.warn(f"{folder}: left out {count} that cannot be read: {named}{more}")
    try:
        images = np.memmap(cache / f"{key}.bytes", np.uint8, "r", shape=tuple(record["shape"]))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot map {cache / key}.bytes: {errors.reason(error)}; expected another --cache_dir") from error

    none = Split(np.zeros((0, side, side, 3), np.uint8), np.zeros(0, np.uint8))
    note = "every picture is for training, as in 2016: no held-out set"
    train = Split(images, np.zeros(len(images), np.uint8))
    return Dataset(name, source, record["checksum"], train, none, none, note, comparable=False, file_order_first=False)


# --- sources ---


def _listing(folder: str, endings: tuple[str, ...] = ("",)) -> list[tuple[str, int, int, bool]]:
    """Return relative path, size, mtime in ns and readability of each file, sorted. Any change gives a new cache key."""
    listing = []

    def leave_out(error: OSError) -> None:  # a folder that cannot be listed is reported like an unreadable file
        listing.append((f"{pathlib.Path(error.filename).relative_to(folder).as_posix()}/", -1, -1, False))

    for parent, folders, files in os.walk(folder, onerror=leave_out):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = "" if parent == folder else f"{pathlib.Path(parent).relative_to(folder).as_posix()}/"
        for name in files:
            if name.startswith(".") or not name.lower().endswith(endings):
                continue
            path = os.path.join(parent, name)
            try:
                status = os.stat(path)
            except OSError:  # a broken link
                listing.append((prefix + name, -1, -1, False))
                continue
            if stat.S_ISREG(status.st_mode):  # reading a named pipe would block
                listing.append((prefix + name, status.st_size, status.st_mtime_ns, os.access(path, os.R_OK)))
    return sorted(listing)


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


@functools.cache
def _decoder(side: int, crop: int | None) -> Callable[[bytes], np.ndarray]:
    """Return a function that decodes a picture to uint8 [side, side, 3], or raises tf.errors.OpError.

    Departs from 2016: antialiased, because pictures of any size are accepted and plain bilinear resizing skips pixels.
    """
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # takes half the time of eager execution
    def decode(encoded):
        picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        if crop is not None:
            top, left = (tf.maximum(0, (length - crop) // 2) for length in tf.unstack(tf.shape(picture)[:2], 2))
            picture = picture[top : top + crop, left : left + crop]
        resized = tf.image.resize(picture, [side, side], method="bilinear", antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)

    def decode_on_cpu(encoded: bytes) -> np.ndarray:
        with tf.device("/CPU:0"):
            return decode(encoded).numpy()

    return decode_on_cpu


def _cached(cache: pathlib.Path, key: str, side: int) -> dict[str, Any] | None:
    """Return the record of pictures decoded earlier, or None if they are missing or incomplete."""
    try:
        record = json.loads((cache / f"{key}.json").read_text())
        shape, skipped = record["shape"], record["skipped"]
        size = (cache / f"{key}.bytes").stat().st_size
        whole = shape[1:] == [side, side, 3] and size == math.prod(shape)
        whole = whole and isinstance(record["checksum"], str) and isinstance(skipped, list)
    except (OSError, ValueError, LookupError, TypeError):  # missing or damaged
        return None
    return record if whole else None


def _decode_into(
    cache: pathlib.Path, key: str, count: int, pictures: Iterator[Encoded], side: int, crop: int | None, source: str
) -> dict[str, Any]:
    """Decode pictures into `<key>.bytes`, CHUNK at a time; write a record of them to `<key>.json` and return it.

    Each file is written under a unique name and then renamed, the record last. So a crash leaves no incomplete cache that
    looks complete, and a concurrent process can only replace the files with identical ones.
    """
    import tensorflow as tf

    decode = _decoder(side, crop)

    def decoded(picture: Encoded) -> np.ndarray | None:
        with contextlib.suppress(OSError, tf.errors.OpError):
            return decode(picture[1]())
        return None

    digest, skipped, rows = hashlib.sha256(), [], 0
    name_of_new = f"{key}.{uuid.uuid4().hex}.new"
    terminal = sys.stdout.isatty()
    if not terminal:
        print(f"Decoding {count:,} pictures …", flush=True)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (
            quiet_stderr(),
            written_anew(cache / f"{key}.bytes", name_of_new) as unfinished,
            open(unfinished, "xb") as file,
            ThreadPoolExecutor(os.cpu_count()) as pool,
            tqdm(desc="Decoding", total=count, unit=" pictures", file=sys.stdout, disable=not terminal) as bar,
        ):
            while chunk := list(itertools.islice(pictures, CHUNK)):
                for (name, _), row in zip(chunk, pool.map(decoded, chunk), strict=True):
                    if row is None:
                        skipped.append(name)
                    else:
                        rows += 1
                        digest.update(row.tobytes())
                        file.write(row.tobytes())
                    bar.update()
            file.flush()
            os.fsync(file.fileno())
            if not rows:
                example = f", {skipped[0]!r} for one" if skipped else ""
                raise RunError(f"{source}: none of {count:,} pictures can be read{example}; expected intact JPEG or PNG")
        shape = (rows, side, side, 3)
        digest.update(f"{shape}".encode())
        record = {"shape": list(shape), "checksum": digest.hexdigest(), "skipped": skipped, "source": source}
        with written_anew(cache / f"{key}.json", name_of_new) as unfinished:
            unfinished.write_text(json.dumps(record))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, RunError):
            raise
        need = f"a writable folder with {count * side * side * 3:,} bytes free (--cache_dir)"
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
