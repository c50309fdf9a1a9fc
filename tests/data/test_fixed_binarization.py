"""Larochelle and Murray's files, with small ones in their format; the real files are not needed."""

import numpy as np
import pytest

from unsupervised_learning.data import fixed_binarization
from unsupervised_learning.errors import RunError
from unsupervised_learning.training.finished_run import dense_images

COUNTS = {"train": 5, "validation": 3, "test": 2}
BITS = {name: np.random.default_rng(count).integers(0, 2, (count, 784)) for name, count in COUNTS.items()}
LINE = "0 1 " * 392


def amat(bits):
    return "".join(f"{' '.join(map(str, row))}\n" for row in bits)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with three small files, and sizes to match."""
    files = {name: (file, COUNTS[name]) for name, (file, _) in fixed_binarization.FILES.items()}
    monkeypatch.setattr(fixed_binarization, "FILES", files)
    for name, (file, _) in files.items():
        (tmp_path / file).write_text(amat(BITS[name]))
    return tmp_path


def test_published_sizes():
    """As in the paper, and as every likelihood on these files assumes."""
    assert [count for _, count in fixed_binarization.FILES.values()] == [50_000, 10_000, 10_000]


def test_the_files_become_one_data_set(folder):
    dataset = dense_images("auto", str(folder), binarize="larochelle")
    for name, bits in BITS.items():
        split = getattr(dataset, name)
        assert (split.images.dtype, split.images.shape) == (np.uint8, (COUNTS[name], 28, 28))
        np.testing.assert_array_equal(split.images.reshape(-1, 784), 255 * bits)
        assert split.labels.tolist() == [0] * COUNTS[name]
    assert (dataset.name, dataset.binarize, dataset.comparable) == ("mnist", "larochelle", False)
    assert dataset.note.startswith("Larochelle and Murray's fixed binarisation: not comparable with the 2016 post")
    assert str(folder) in dataset.source
    assert dataset.describe()["sizes"] == COUNTS


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", " \n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.removesuffix("\n"),
        lambda text: f"{text}\n",
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace(" ", "\t"),
    ],
    ids=["space at the end", "windows", "no last newline", "empty last line", "two spaces", "tabs"],
)
def test_whitespace_makes_no_difference(folder, change):
    path = folder / "binarized_mnist_test.amat"
    path.write_bytes(change(amat(BITS["test"])).encode())
    np.testing.assert_array_equal(fixed_binarization.read(path, 2).reshape(-1, 784), 255 * BITS["test"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "0 images; expected 2"),
        ("\n", "0 images; expected 2"),
        (f"{LINE}\n", "1 images; expected 2"),
        (f"{LINE}\n" * 3, "3 images; expected 2"),
        (f"{LINE}\n{LINE[:-4]}\n", "line 2 has 782 numbers; expected 784"),
        (f"{LINE}0\n{LINE}\n", "line 1 has 785 numbers; expected 784"),
        (f"{LINE}\n{LINE[:-2]}2\n", "line 2 has b' 2\\n'; expected zeros and ones with spaces between them"),
        (f"{LINE}\n{LINE[:-2]}01\n", "line 2 has b'01\\n'; expected zeros and ones"),
        (f"{LINE[:-2]}0.5\n{LINE}\n", "line 1 has b'0.5"),
        (f"-1{LINE[1:]}\n{LINE}\n", "line 1 has b'-1 1 0 1"),
        (f"{LINE}\n\0{LINE}\n", "line 2 has b'\\n\\x000 1"),
    ],
    ids=["empty", "blank", "short", "long", "cut", "more", "two", "joined", "half", "minus", "zero byte"],
)
def test_wrong_files_are_named_in_one_line(folder, text, expected):
    path = folder / "binarized_mnist_test.amat"
    path.write_text(text)
    with pytest.raises(RunError) as caught:
        dense_images("mnist", str(folder), binarize="larochelle")
    assert str(caught.value).startswith(f"{path}: {expected}")
    assert str(caught.value).isprintable()


def test_missing_files_and_folders(folder, tmp_path_factory):
    (folder / "binarized_mnist_valid.amat").unlink()
    with pytest.raises(
        RunError, match=r"binarized_mnist_valid\.amat missing; --binarize=larochelle expects binarized_mnist_tr"
    ):
        fixed_binarization.load(str(folder))
    (folder / "binarized_mnist_valid.amat").mkdir()
    with pytest.raises(RunError, match=r"^cannot read .*valid\.amat: IsADirectoryError"):
        fixed_binarization.load(str(folder))
    with pytest.raises(RunError, match=r"expected --data_dir=<their folder>\. Received: none$"):
        fixed_binarization.load(None)
    with pytest.raises(RunError, match=r"^cannot list data_dir"):
        fixed_binarization.load(str(folder / "none"))


@pytest.mark.parametrize("name", ["digits", "kmnist", "pictures"])
def test_larochelle_with_another_data_set_is_refused(folder, name):
    with pytest.raises(RunError, match=f"expected --dataset=mnist or auto. Received: {name}$"):
        dense_images(name, str(folder), str(folder), binarize="larochelle")


def test_pictures_need_a_folder():
    with pytest.raises(RunError, match=r"expected --image_dir=<folder>\. Received: image_dir=None$"):
        dense_images("pictures")
