import gzip
import http.server
import json
import os
import pathlib
import shutil
import socket
import struct
import threading
import time
import urllib.parse

import numpy as np
import pytest

from unsupervised_learning.data import mnist, prepared_sets
from unsupervised_learning.data.dataset import Split, to_unit_interval
from unsupervised_learning.errors import RunError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = mnist.IDX_FILES
REAL_IDX, REAL_TFDS = os.environ.get("MNIST_IDX_DIR"), os.environ.get("TFDS_DATA_DIR")


@pytest.fixture(autouse=True)
def nothing_to_find(tmp_path_factory, monkeypatch):
    """Hide the developer's data sets, proxies and network from all tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for variable in ("TFDS_DATA_DIR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refuses = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setattr(mnist, "DOWNLOAD_FROM", dict.fromkeys(("mnist", "fashion_mnist", "kmnist"), refuses))


def random_digits(count, seed=0):
    """Return distinct images uint8 [count, 28, 28] and labels uint8 [count]."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 28, 28), np.uint8), generator.integers(0, 10, count, np.uint8)


def idx_bytes(array):
    return struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, train=36, test=12):
    """Write four valid files and return their contents as arrays, by file name."""
    contents = dict(zip(mnist.IDX_FILES, (*random_digits(train, 1), *random_digits(test, 2)), strict=True))
    for name, array in contents.items():
        (folder / name).write_bytes(idx_bytes(array))
    return contents


def error_of(name, folder=None):
    """Return the one-line error of `load`."""
    with pytest.raises(RunError) as caught:
        mnist.load(name, None if folder is None else str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- arguments ---


@pytest.mark.parametrize("name", ["MNIST", "cifar10", "", None])
def test_unknown_dataset_names_value_and_choices(name):
    assert error_of(name) == f"unknown dataset {name!r}; expected one of auto, mnist, fashion_mnist, kmnist, digits"


@pytest.mark.parametrize("name", mnist.DATASETS)
@pytest.mark.parametrize(("folder", "reason"), [("typo", "No such file"), ("file", "Not a directory"), ("", "No such")])
def test_unusable_data_dir_is_an_error_for_every_dataset(tmp_path, name, folder, reason):
    (tmp_path / "file").write_text("")
    given = str(tmp_path / folder) if folder else ""
    message = error_of(name, given)
    assert message.startswith(f"cannot list data_dir {given!r}: ")
    assert reason in message
    assert message.endswith("expected an existing folder")


@pytest.mark.parametrize("call", ["listdir", "stat"])
def test_forbidden_data_dir(tmp_path, monkeypatch, call):
    def forbid(path):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, forbid)
        with pytest.raises(RunError, match=r"cannot list data_dir .*PermissionError: Permission denied"):
            mnist.load("auto", str(tmp_path))


def test_tilde_is_expanded():
    home = pathlib.Path.home()
    write_idx(home)
    assert mnist.load("kmnist", "~").source == f"idx files in {home}"


# --- idx files ---


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_idx_files_keep_file_order_and_validation_is_the_first_twelfth(tmp_path, capsys, name):
    contents = write_idx(tmp_path, train=38, test=12)
    dataset = mnist.load(name, str(tmp_path))
    assert dataset.name == "mnist"
    assert dataset.source == f"idx files in {tmp_path}"
    np.testing.assert_array_equal(dataset.validation.images, contents[TRAIN_IMAGES][:3])
    np.testing.assert_array_equal(dataset.validation.labels, contents[TRAIN_LABELS][:3])
    np.testing.assert_array_equal(dataset.train.images, contents[TRAIN_IMAGES][3:])
    np.testing.assert_array_equal(dataset.train.labels, contents[TRAIN_LABELS][3:])
    np.testing.assert_array_equal(dataset.test.images, contents[TEST_IMAGES])
    np.testing.assert_array_equal(dataset.test.labels, contents[TEST_LABELS])
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.images.dtype == split.labels.dtype == np.uint8
    assert not dataset.comparable
    warning = "these are not the canonical MNIST images: not comparable with the 2016 post"
    assert dataset.note == warning
    assert capsys.readouterr().err == f"WARNING: idx files in {tmp_path}: read as mnist, but {warning}\n"


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist"])
def test_idx_files_of_fashion_mnist_and_kmnist_are_not_checked(tmp_path, capsys, name):
    write_idx(tmp_path)
    dataset = mnist.load(name, str(tmp_path))
    assert (dataset.name, dataset.comparable) == (name, False)
    assert dataset.note == f"{name} is not the MNIST of the 2016 post: not comparable with it"
    assert capsys.readouterr().err == ""


def test_only_images_with_the_canonical_checksum_are_comparable(tmp_path, monkeypatch, capsys):
    contents = write_idx(tmp_path)
    monkeypatch.setattr(mnist, "MNIST_SHA256", mnist.load("mnist", str(tmp_path)).checksum)
    capsys.readouterr()
    dataset = mnist.load("mnist", str(tmp_path))
    assert (dataset.comparable, dataset.note, capsys.readouterr().err) == (True, "", "")
    dataset = mnist.load("kmnist", str(tmp_path))
    assert not dataset.comparable
    assert "these are the canonical MNIST images" in dataset.note
    assert "read as kmnist, but these are the canonical MNIST images" in capsys.readouterr().err
    labels = contents[TEST_LABELS]
    (tmp_path / TEST_LABELS).write_bytes(idx_bytes((labels + 1) % 10))
    assert not mnist.load("mnist", str(tmp_path)).comparable


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_names_and_packing_make_no_difference(tmp_path, dotted, packed):
    write_idx(tmp_path)
    expected = mnist.load("mnist", str(tmp_path)).checksum
    for name in mnist.IDX_FILES:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        new_name = name.replace("-idx", ".idx") if dotted else name
        (tmp_path / (new_name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    assert mnist.load("mnist", str(tmp_path)).checksum == expected


def test_a_file_takes_precedence_over_a_folder_of_the_other_spelling(tmp_path):
    write_idx(tmp_path)
    for name in mnist.IDX_FILES:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
        (tmp_path / name).mkdir()
    assert len(mnist.load("mnist", str(tmp_path)).test.labels) == 12


@pytest.mark.parametrize("name", ["mnist", "auto", "kmnist"])
def test_incomplete_idx_set_names_the_missing_files(tmp_path, name):
    write_idx(tmp_path)
    (tmp_path / TRAIN_LABELS).unlink()
    (tmp_path / TEST_IMAGES).unlink()
    message = error_of(name, tmp_path)
    assert message.startswith(f"{tmp_path}: {TRAIN_LABELS}, {TEST_IMAGES} missing")
    assert "expected all four idx files or none" in message


def reheader(content, magic=None, count=None, rows=None):
    """Replace fields in the header of an images file."""
    old = struct.unpack(">4I", content[:16])
    new = (magic or old[0], old[1] if count is None else count, rows or old[2], old[3])
    return struct.pack(">4I", *new) + content[16:]


BROKEN = {  # file and change: the message after the file's name
    "empty": (TRAIN_IMAGES, lambda content: b"", ": empty file; expected idx images"),
    "empty labels": (TEST_LABELS, lambda content: b"", ": empty file; expected idx labels"),
    "three bytes": (
        TRAIN_LABELS,
        lambda content: content[:3],
        ": truncated: 3 bytes; expected idx labels, with a header of 8 bytes",
    ),
    "half a header": (TRAIN_IMAGES, lambda content: content[:10], ": truncated: 10 bytes; expected idx images"),
    "cut": (TRAIN_IMAGES, lambda content: content[:-1], ": truncated: 28239 bytes; expected 28240 for 36 images"),
    "cut labels": (TEST_LABELS, lambda content: content[:-2], ": truncated: 18 bytes; expected 20 for 12 labels"),
    "trailing": (
        TRAIN_LABELS,
        lambda content: content + b"\0",
        ": trailing bytes: 45 bytes; expected 44 for 36 labels",
    ),
    "magic": (TRAIN_IMAGES, lambda content: reheader(content, magic=7), ": magic number 7; expected 2051, idx images"),
    "gzip without .gz": (TEST_IMAGES, gzip.compress, ": magic number 529205248; expected 2051, idx images"),
    "absurd count": (
        TRAIN_IMAGES,
        lambda content: reheader(content, count=2**32 - 1),
        ": truncated: 28240 bytes; expected 3367254359296 for 4294967295 images",
    ),
    "size": (TRAIN_IMAGES, lambda content: reheader(content, rows=32), ": images of 32x28 pixels; expected 28x28"),
    "labels as images": (
        TRAIN_IMAGES,
        lambda content: idx_bytes(random_digits(36)[1]),
        ": magic number 2049: it holds labels, files swapped or misnamed; expected 2051, idx images",
    ),
    "images as labels": (
        TEST_LABELS,
        lambda content: idx_bytes(random_digits(12)[0]),
        ": magic number 2051: it holds images, files swapped or misnamed; expected 2049, idx labels",
    ),
    "label": (TRAIN_LABELS, lambda content: content[:-1] + b"\x0a", ": label 10 in row 35; expected 0 to 9"),
    "fewer labels": (
        TRAIN_LABELS,
        lambda content: idx_bytes(random_digits(35)[1]),
        " holds 35 labels; expected as many labels as images",
    ),
    "no images": (TEST_IMAGES, lambda content: idx_bytes(np.empty((0, 28, 28), np.uint8)), " holds 0 images"),
}


@pytest.mark.parametrize("name", ["mnist", "auto", "fashion_mnist"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_idx_file(tmp_path, name, case):
    file, damage, expected = BROKEN[case]
    write_idx(tmp_path)
    path = tmp_path / file
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path}{expected}" in error_of(name, tmp_path)


def corrupt_crc(packed):
    return packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]


def corrupt_middle(packed):
    half = len(packed) // 2
    return packed[:half] + b"\xff" * 64 + packed[half + 64 :]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda packed: packed[:-9], "EOFError"),
        (lambda packed: packed[: len(packed) // 2], "EOFError"),
        (lambda packed: packed[:5], "EOFError"),
        (corrupt_crc, "CRC check failed"),
        (corrupt_middle, ""),  # zlib.error or a wrong checksum, depending on the position
        (lambda packed: packed + b"tail", "BadGzipFile"),
        (gzip.decompress, "Not a gzipped file"),
    ],
)
def test_broken_gzip(tmp_path, damage, expected):
    write_idx(tmp_path)
    path = tmp_path / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(damage(gzip.compress((tmp_path / TRAIN_IMAGES).read_bytes())))
    (tmp_path / TRAIN_IMAGES).unlink()
    message = error_of("auto", tmp_path)
    assert message.startswith(f"cannot unpack {path}: ")
    assert expected in message
    assert message.endswith("expected an intact gzip file")


def test_empty_gz_file(tmp_path):
    write_idx(tmp_path)
    (tmp_path / TRAIN_IMAGES).unlink()
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(b"")
    assert error_of("auto", tmp_path) == f"{tmp_path / TRAIN_IMAGES}.gz: empty file; expected idx images"


def test_folder_in_place_of_a_file_and_broken_link(tmp_path):
    write_idx(tmp_path)
    path = tmp_path / TEST_LABELS
    path.unlink()
    path.mkdir()
    assert error_of("auto", tmp_path) == f"cannot read {path}: IsADirectoryError: Is a directory; expected an idx file"
    path.rmdir()
    path.symlink_to(tmp_path / "gone")
    assert f"cannot read {path}: FileNotFoundError" in error_of("auto", tmp_path)


def test_unreadable_idx_file(tmp_path, monkeypatch):
    def forbid(path):
        raise PermissionError(13, "Permission denied", str(path))

    write_idx(tmp_path)
    monkeypatch.setattr(mnist.pathlib.Path, "read_bytes", forbid)
    assert f"cannot read {tmp_path / TRAIN_IMAGES}: PermissionError: Permission denied" in error_of("auto", tmp_path)


def test_train_and_test_files_swapped(tmp_path):
    write_idx(tmp_path, train=24, test=36)
    message = error_of("auto", tmp_path)
    assert f"{tmp_path / TRAIN_IMAGES} holds 24 training images, {tmp_path / TEST_IMAGES} holds 36 test" in message
    assert "swapped" in message


def test_twelve_training_images_are_needed(tmp_path):
    write_idx(tmp_path, train=11, test=5)
    message = error_of("mnist", tmp_path)
    assert f"{tmp_path / TRAIN_IMAGES} holds 11 training images" in message
    assert "expected at least 12" in message
    write_idx(tmp_path, train=12, test=5)
    assert len(mnist.load("mnist", str(tmp_path)).validation.labels) == 1


def test_test_set_must_not_be_empty(tmp_path):
    write_idx(tmp_path, test=0)
    assert error_of("mnist", tmp_path) == f"{tmp_path / TEST_IMAGES}: 0 images; expected at least 1"


def test_checksum_and_description(tmp_path):
    contents = write_idx(tmp_path)
    dataset = mnist.load("kmnist", str(tmp_path))
    described = json.loads(json.dumps(dataset.describe()))
    assert described == {
        "name": "kmnist",
        "source": f"idx files in {tmp_path}",
        "checksum": dataset.checksum,
        "sizes": {"train": 33, "validation": 3, "test": 12},
        "note": dataset.note,
        "comparable": False,
        "binarize": "none",
    }
    assert len(bytes.fromhex(dataset.checksum)) == 32
    assert mnist.load("kmnist", str(tmp_path)).checksum == dataset.checksum

    checksums = {dataset.checksum}
    images, labels = contents[TEST_IMAGES], contents[TEST_LABELS]
    (tmp_path / TEST_IMAGES).write_bytes(idx_bytes(images[::-1]))
    checksums.add(mnist.load("kmnist", str(tmp_path)).checksum)  # another pairing of images and labels
    (tmp_path / TEST_LABELS).write_bytes(idx_bytes(labels[::-1]))
    checksums.add(mnist.load("kmnist", str(tmp_path)).checksum)  # the same pairs in another order
    assert len(checksums) == 3


# --- sets prepared by tfds ---


def prepare_tfds(root, name="mnist", version="3.0.1", train=36, test=12, shuffle=False):
    """Have tfds itself prepare a small set."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def as_example(image, label):
        return {"image": image, "label": label}

    def rows(count, seed):
        images, labels = random_digits(count, seed)
        pairs = tf.data.Dataset.from_tensor_slices((images[..., np.newaxis], labels.astype(np.int64)))
        return pairs.map(as_example)

    features = {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": rows(train, 1), "test": rows(test, 2)},
        data_dir=str(root),
        disable_shuffling=not shuffle,
    )
    return root / name / version


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    prepare_tfds(root)
    return root


def test_unshuffled_prepared_set_is_read_in_stored_order(prepared, capsys):
    dataset = mnist.load("auto", str(prepared))
    train, test = random_digits(36, 1), random_digits(12, 2)
    assert (dataset.name, dataset.source) == ("mnist", f"tfds set in {prepared}/mnist/3.0.1")
    np.testing.assert_array_equal(dataset.validation.images, train[0][:3])
    np.testing.assert_array_equal(dataset.train.images, train[0][3:])
    np.testing.assert_array_equal(dataset.train.labels, train[1][3:])
    np.testing.assert_array_equal(dataset.test.images, test[0])
    np.testing.assert_array_equal(dataset.test.labels, test[1])
    assert dataset.train.images.dtype == dataset.train.labels.dtype == np.uint8
    assert not dataset.comparable  # 48 random images are not MNIST, in spite of the folder's name
    assert "not the canonical MNIST images: not comparable" in capsys.readouterr().err


def test_prepared_set_is_returned_in_file_order(prepared, tmp_path, monkeypatch, capsys):
    import tensorflow_datasets as tfds

    in_order = mnist.load("mnist", str(prepared))
    monkeypatch.setattr(mnist, "MNIST_SHA256", in_order.checksum)
    folder = prepare_tfds(tmp_path, shuffle=True)
    capsys.readouterr()
    stored = tfds.builder_from_directory(str(folder)).as_dataset(split="test", batch_size=-1)["label"].numpy()
    assert stored.tolist() != in_order.test.labels.tolist()  # tfds did shuffle
    dataset = mnist.load("mnist", str(tmp_path))
    assert (dataset.comparable, dataset.note, capsys.readouterr().err) == (True, "", "")


def test_folders_are_searched_in_order(prepared, tmp_path, monkeypatch):
    def source(data_dir=None):
        return mnist.load("mnist", None if data_dir is None else str(data_dir)).source

    home, given = pathlib.Path.home() / "tensorflow_datasets", tmp_path / "given"
    given.mkdir()
    shutil.copytree(prepared, home)
    assert source() == f"tfds set in {home}/mnist/3.0.1"
    assert source(given) == f"tfds set in {home}/mnist/3.0.1"
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert source() == f"tfds set in {prepared}/mnist/3.0.1"
    shutil.copytree(prepared / "mnist", given / "mnist")
    assert source(given) == f"tfds set in {given}/mnist/3.0.1"
    write_idx(given)
    assert source(given) == f"idx files in {given}"


def test_newest_complete_version_wins(tmp_path):
    for version in ("3.0.1", "3.0.10", "2.9.9", "incomplete.ABC_9.0.0"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "dataset_info.json").write_text("")
    (tmp_path / "4.0.0").mkdir()  # no dataset_info.json: unfinished
    assert prepared_sets.newest_prepared(str(tmp_path)) == str(tmp_path / "3.0.10")
    assert prepared_sets.newest_prepared(str(tmp_path / "nowhere")) is None


def truncate(folder, file, size):
    path = next(folder.glob(file))
    path.write_bytes(path.read_bytes()[:size])


def drop_a_record(folder):
    path = next(folder.glob("*train*"))
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    path.write_bytes(content[8 + 4 + length + 4 :])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: truncate(folder, "*train*", 5000), "DataLossError"),
        (lambda folder: truncate(folder, "*test*", 0), ""),
        (drop_a_record, "contained only 35 elements"),
        (lambda folder: next(folder.glob("*test*")).unlink(), "NotFoundError"),
        (lambda folder: truncate(folder, "dataset_info.json", 20), ""),
        (lambda folder: truncate(folder, "features.json", 0), ""),
    ],
)
def test_damaged_prepared_set(prepared, tmp_path, damage, expected):
    shutil.copytree(prepared / "mnist", tmp_path / "mnist")
    damage(tmp_path / "mnist" / "3.0.1")
    message = error_of("auto", tmp_path)
    assert message.startswith(f"cannot read {tmp_path}/mnist/3.0.1: ")
    assert expected in message
    assert "delete this folder" in message


# --- missing network, and downloads ---


class Server(http.server.ThreadingHTTPServer):
    """Web server or proxy that serves `files` by the last part of the requested path."""

    def __init__(self, files):
        self.files, self.requested = files, []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        assert isinstance(self.server, Server)
        self.server.requested.append(self.path)
        content = self.server.files.get(urllib.parse.urlparse(self.path).path.rpartition("/")[2])
        if content is None:
            self.send_error(403)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(files):
        servers.append(Server(files))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,)).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_error_lists_the_places_searched(tmp_path, name):
    message = error_of(name, tmp_path)
    assert message.startswith(f"cannot find {name}: no {TRAIN_IMAGES}, {TRAIN_LABELS}, {TEST_IMAGES}, {TEST_LABELS}")
    assert f"(plain or .gz) in {tmp_path}" in message
    assert f"no set prepared by tfds in {tmp_path}/{name}/<version> or {os.environ['HOME']}/tensor" in message
    assert "no network: http://127.0.0.1" in message
    assert "refused" in message


def test_auto_falls_back_to_digits_with_a_warning(capsys):
    dataset = mnist.load("auto")
    assert (dataset.name, dataset.comparable) == ("digits", False)
    reason, consequence = capsys.readouterr().err.splitlines()
    assert reason.startswith("WARNING: cannot find mnist: ")
    assert "no network" in reason
    assert "digits instead of MNIST: results are NOT comparable with the 2016 post" in consequence


@pytest.mark.parametrize("given", ["data_dir", "TFDS_DATA_DIR"])
def test_auto_does_not_fall_back_if_a_folder_is_given(tmp_path, monkeypatch, capsys, given):
    if given == "TFDS_DATA_DIR":
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    message = error_of("auto", tmp_path if given == "data_dir" else None)
    assert str(tmp_path) in message
    assert message.endswith("; to train on scikit-learn's digits instead, give --dataset=digits")
    assert capsys.readouterr().err == ""


def test_the_probe_timeout_is_2_to_8_seconds():
    assert 2 <= prepared_sets.PROBE_SECONDS <= 8


def test_silent_host_is_detected_in_time(monkeypatch):
    monkeypatch.setattr(prepared_sets, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        problem = prepared_sets.network_problem(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert problem is not None
    assert "timed out" in problem or problem == "no answer within 0.3 seconds"
    assert time.monotonic() - start < 2


def test_silent_name_lookup_is_detected_in_time(monkeypatch):
    answer = threading.Event()

    def lookup(*args, **kwargs):
        answer.wait(20)
        raise OSError("no such host")

    monkeypatch.setattr(prepared_sets, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    start = time.monotonic()
    problem = prepared_sets.network_problem("http://example.invalid/")
    answer.set()
    assert problem == "no answer within 0.3 seconds"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("answers", [True, False])
def test_probe_uses_the_proxy_from_the_environment(monkeypatch, serve, answers):
    proxy = serve({"file.gz": b"content"} if answers else {})
    monkeypatch.setenv("http_proxy", proxy.url)
    problem = prepared_sets.network_problem("http://example.invalid/mnist/file.gz")
    assert proxy.requested == ["http://example.invalid/mnist/file.gz"]
    assert problem is None if answers else "403" in str(problem)


def small_download(monkeypatch, server):
    """Redirect tfds's MNIST download to `server`, with 24 training and 12 test images."""
    from tensorflow_datasets.image_classification import mnist as mnist_of_tfds

    monkeypatch.setattr(mnist_of_tfds.MNIST, "URL", server.url)
    monkeypatch.setattr(mnist_of_tfds, "_TRAIN_EXAMPLES", 24)
    monkeypatch.setattr(mnist_of_tfds, "_TEST_EXAMPLES", 12)
    monkeypatch.setattr(mnist, "DOWNLOAD_FROM", {"mnist": server.url})


def packed_files(folder):
    write_idx(folder, train=24, test=12)
    return {f"{name}.gz": gzip.compress((folder / name).read_bytes()) for name in mnist.IDX_FILES}


def test_download_goes_into_data_dir_and_is_found_again(tmp_path, tmp_path_factory, monkeypatch, serve):
    server = serve(packed_files(tmp_path_factory.mktemp("files")))
    small_download(monkeypatch, server)
    dataset = mnist.load("auto", str(tmp_path))
    assert dataset.source == f"tfds set in {tmp_path}/mnist/3.0.1"
    assert sorted(dataset.train.labels.tolist() + dataset.validation.labels.tolist()) == sorted(random_digits(24, 1)[1])
    requests = len(server.requested)
    assert requests == 5  # the probe and four files
    assert mnist.load("mnist", str(tmp_path)).checksum == dataset.checksum
    assert len(server.requested) == requests


@pytest.mark.parametrize("fault", ["missing", "truncated"])
def test_failed_download_leaves_no_set_that_looks_complete(tmp_path, tmp_path_factory, monkeypatch, serve, fault):
    files = packed_files(tmp_path_factory.mktemp("files"))
    name = f"{TEST_IMAGES}.gz"
    if fault == "missing":
        del files[name]
    else:
        files[name] = files[name][:3000]
    small_download(monkeypatch, serve(files))
    for _ in range(2):  # the second attempt finds what the first left behind
        message = error_of("mnist", tmp_path)
        assert f"download into {tmp_path} failed: " in message
        assert not list(tmp_path.glob("mnist/*"))


def test_unfinished_version_folder_is_refused(tmp_path, tmp_path_factory, monkeypatch, serve):
    small_download(monkeypatch, serve(packed_files(tmp_path_factory.mktemp("files"))))
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    assert f"{tmp_path}/mnist: a version without dataset_info.json" in error_of("auto", tmp_path)


# --- digits ---


def test_digits_have_the_format_of_mnist():
    dataset = mnist.load("digits")
    assert dataset.describe()["sizes"] == {"train": 1375, "validation": 125, "test": 297}
    assert (dataset.name, dataset.source, dataset.comparable) == ("digits", "scikit-learn load_digits", False)
    assert "not comparable" in dataset.note
    images = np.concatenate([dataset.validation.images, dataset.train.images, dataset.test.images])
    assert (images.shape, images.dtype) == ((1797, 28, 28), np.uint8)
    assert (images.min(), images.max()) == (0, 255)
    border = images.copy()
    border[:, 4:24, 4:24] = 0
    assert not border.any()
    assert dataset.validation.labels[:10].tolist() == list(range(10))
    assert dataset.checksum == mnist.load("digits").checksum


def test_digits_are_scaled_not_distorted():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    dataset = mnist.load("digits")
    # Bilinear enlargement by 2.5 preserves the mean, except for clamping at the border.
    small = np.asarray(pixels)[-297:].mean(axis=1) * 255 / 16
    large = dataset.test.images[:, 4:24, 4:24].mean(axis=(1, 2))
    np.testing.assert_allclose(large, small, rtol=0.05)
    np.testing.assert_array_equal(dataset.test.labels, np.asarray(labels)[-297:])


# --- scaling ---


def test_to_unit_interval_flattens_rows_and_reaches_both_ends():
    images = np.arange(2 * 784).reshape(2, 28, 28).astype(np.uint8)
    scaled = to_unit_interval(images)
    assert (scaled.shape, scaled.dtype) == ((2, 784), np.float32)
    np.testing.assert_array_equal(scaled[1, :28], images[1, 0].astype(np.float32) * np.float32(1 / 255))
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)


@pytest.mark.parametrize(("shape", "flat"), [((28, 28), (784,)), ((0, 28, 28), (0, 784)), ((3, 2, 28, 28), (3, 2, 784))])
def test_to_unit_interval_shapes(shape, flat):
    assert to_unit_interval(np.zeros(shape, np.uint8)).shape == flat


def test_vectors_of_a_split_are_scaled_images_and_cached():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    split = Split(images, np.zeros(5, np.uint8))
    np.testing.assert_array_equal(split.vectors, to_unit_interval(images))
    assert split.vectors is split.vectors


def test_to_unit_interval_refuses_scaled_images():
    with pytest.raises(RunError, match=r"uint8 in 0\.\.255\. Received: dtype=float32"):
        to_unit_interval(np.zeros((1, 28, 28), np.float32))


# --- the real MNIST ---


@pytest.mark.skipif(not REAL_IDX, reason="MNIST_IDX_DIR is not set")
def test_real_idx_files_are_canonical_mnist(capsys):
    dataset = mnist.load("mnist", REAL_IDX)
    assert (dataset.comparable, dataset.note, capsys.readouterr().err) == (True, "", "")
    assert dataset.describe()["sizes"] == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert dataset.checksum == "824be289ad712a7b475548f3aeb188c41e57a9c6700d525bd4593037c748333b"
    assert dataset.validation.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert dataset.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.slow
@pytest.mark.skipif(not REAL_TFDS, reason="TFDS_DATA_DIR is not set")
def test_real_tfds_set_is_canonical_mnist(monkeypatch, capfd):
    monkeypatch.setenv("TFDS_DATA_DIR", str(REAL_TFDS))
    dataset = mnist.load("auto")
    assert (dataset.name, dataset.comparable) == ("mnist", True)
    assert dataset.note == ""
    assert dataset.validation.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # file order
    assert dataset.describe()["sizes"] == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert "WARNING" not in capfd.readouterr().err


def test_a_data_set_is_one_line_in_a_notebook():
    splits = "train: Split(1,375 images of 28×28), validation: Split(125 images of 28×28), test: Split(297 images of 28×28)"
    assert repr(mnist.load("digits")) == f"Dataset(digits, scikit-learn load_digits; {splits})"
