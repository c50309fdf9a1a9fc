import io
import json
import os
import pathlib
import socket
import struct
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from unsupervised_learning.data import pictures, prepared_sets
from unsupervised_learning.errors import RunError


@pytest.fixture(autouse=True)
def nothing_to_find(tmp_path_factory, monkeypatch):
    """Hide the developer's pictures, cache, proxies and network from all tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY")
    for variable in ("XDG_CACHE_HOME", "TFDS_DATA_DIR", *proxies):
        monkeypatch.delenv(variable, raising=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refuses = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setattr(pictures, "PROBE_URLS", dict.fromkeys(pictures.PICTURE_SETS, refuses))


def colours(count, height=20, width=30, seed=0):
    """Return distinct smooth pictures, uint8 [count, height, width, 3]."""
    corners = np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3)).astype(np.float32)
    return tf.cast(tf.image.resize(corners, [height, width]), tf.uint8).numpy()


def png(pixels):
    return tf.io.encode_png(pixels).numpy()


def jpeg(pixels):
    return tf.io.encode_jpeg(pixels, quality=100).numpy()


def saved(image, kind, **options):
    """Encode a Pillow image or an array."""
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def write(folder, contents):
    """Write files, name → bytes, and return their folder."""
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_pictures(folder, count=3):
    return write(folder, {f"{row:02}.png": png(pixels) for row, pixels in enumerate(colours(count))})


def load(folder, name="pictures", cache="cache", side=64):
    return pictures.load(name, str(folder), None, str(folder.parent / cache), side)


def only_picture(folder, content, name="pictures"):
    return load(write(folder / "one", {"a.png": content}), name).train.images[0]


def error_of(name, image_dir, data_dir=None, cache_dir=None):
    """Return the one-line error of `load`."""
    images, sets, cache = (None if path is None else str(path) for path in (image_dir, data_dir, cache_dir))
    with pytest.raises(RunError) as caught:
        pictures.load(name, images, sets, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def forbid_decoding(monkeypatch):
    def forbidden(*args):
        raise AssertionError("decoded again")

    monkeypatch.setattr(pictures, "_decode_into", forbidden)


def test_unfinished_files_of_killed_processes_are_removed(tmp_path):
    folder, cache = write_pictures(tmp_path / "shots"), tmp_path / "cache"
    cache.mkdir()
    abandoned, others = cache / f"a.{'0f' * 16}.new", [cache / f"b.{'0f' * 16}.new", cache / "notes.new"]
    for path in (abandoned, *others):
        path.write_bytes(b"1")
    for path in (abandoned, others[1]):
        os.utime(path, (0, time.time() - 25 * 60 * 60))
    load(folder)
    assert not abandoned.exists()
    assert all(path.exists() for path in others)


# --- the returned data set ---


def test_dataset_is_one_training_split_in_a_memory_map(tmp_path, capsys):
    folder = write_pictures(tmp_path / "shots", 5)
    dataset = load(folder)
    described = {key: value for key, value in dataset.describe().items() if key != "checksum"}
    assert described == {
        "name": "pictures",
        "source": f"5 of 5 pictures in {folder}",
        "note": "every picture is for training, as in 2016: no held-out set",
        "comparable": False,
        "binarize": "none",
        "sizes": {"train": 5, "validation": 0, "test": 0},
    }
    assert isinstance(dataset.train.images, np.memmap)
    assert not dataset.train.images.flags.writeable
    assert (dataset.train.images.shape, dataset.train.images.dtype) == ((5, 64, 64, 3), np.uint8)
    assert (dataset.train.labels.dtype, dataset.train.labels.tolist()) == (np.uint8, [0] * 5)
    for split in (dataset.validation, dataset.test):
        assert (split.images.shape, split.labels.shape) == ((0, 64, 64, 3), (0,))
        assert split.images.dtype == split.labels.dtype == np.uint8
    assert len(bytes.fromhex(dataset.checksum)) == 32
    out, err = capsys.readouterr()
    assert (out, err) == ("Decoding 5 pictures …\n", "")


def test_progress_is_a_bar_only_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures.sys.stdout, "isatty", lambda: True)
    load(write_pictures(tmp_path / "shots"))
    out, err = capsys.readouterr()
    assert "Decoding: 100%" in out
    assert "Decoding 3 pictures" not in out
    assert err == ""


def test_each_side_has_its_own_cache_entry(tmp_path):
    folder = write_pictures(tmp_path / "shots")
    assert load(folder).train.images.shape == (3, 64, 64, 3)
    assert load(folder, side=32).train.images.shape == (3, 32, 32, 3)
    assert len(list((tmp_path / "cache").glob("*.bytes"))) == 2


# --- geometry ---


@pytest.mark.parametrize("name", ["pictures", "tf_flowers"])
def test_whole_picture_is_resized_for_any_aspect_ratio(tmp_path, name):
    rows, columns = np.mgrid[:128, :256]
    gradient = np.stack([rows, columns, np.full_like(rows, 7)], axis=-1).astype(np.uint8)
    result = only_picture(tmp_path, png(gradient), name).astype(int)
    # Halved and quartered: each pixel is the mean around its centre; values at .5 may be rounded up or down.
    inner = slice(1, -1)
    assert np.abs(result[inner, inner, 0] - (2 * np.arange(64) + 0.5)[inner, np.newaxis]).max() <= 0.51
    assert np.abs(result[inner, inner, 1] - (4 * np.arange(64) + 1.5)[np.newaxis, inner]).max() <= 0.51
    assert (result[..., 2] == 7).all()


def test_a_picture_of_the_right_size_is_unchanged(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(only_picture(tmp_path, png(pixels)), pixels)


def test_shrinking_is_antialiased(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::4] = 200  # one column in four: plain bilinear reads only the middle two and misses it
    np.testing.assert_allclose(only_picture(tmp_path, png(stripes))[:, 2:-2].mean(), 50, atol=1)


def test_celeb_a_is_cropped_to_the_central_108(tmp_path):
    pixels = np.zeros((218, 178, 3), np.uint8)
    pixels[55:163, 35:143] = 200
    assert (only_picture(tmp_path, png(pixels), "celeb_a") == 200).all()
    assert not (only_picture(tmp_path, png(pixels), "tf_flowers") == 200).all()


@pytest.mark.parametrize(("height", "width"), [(50, 178), (218, 50), (50, 40), (108, 108), (109, 1)])
def test_celeb_a_crops_smaller_pictures(tmp_path, height, width):
    pixels = np.full((height, width, 3), 9, np.uint8)
    top, left = max(0, (height - 108) // 2), max(0, (width - 108) // 2)
    pixels[top : top + 108, left : left + 108] = 77
    assert (only_picture(tmp_path, png(pixels), "celeb_a") == 77).all()


# --- file formats ---


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def palette_png():
    """Return a 2×2 palette PNG of two colours, which TensorFlow cannot write."""
    parts = chunk(b"IHDR", struct.pack(">2I5B", 2, 2, 8, 3, 0, 0, 0)) + chunk(b"PLTE", bytes([10, 20, 30, 250, 240, 230]))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IDAT", zlib.compress(b"\0\0\0\0\1\1")) + chunk(b"IEND", b"")


def flat(*values, dtype: type = np.uint8):
    return np.full((8, 8, len(values)), values, dtype)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(flat(90)), [90, 90, 90]),
        (jpeg(flat(90)), [90, 90, 90]),
        (png(flat(90, 255)), [90, 90, 90]),
        (png(flat(90, 0)), [255, 255, 255]),
        (png(flat(10, 20, 30, 255)), [10, 20, 30]),
        (png(flat(10, 20, 30, 0)), [255, 255, 255]),
        (png(flat(10, 20, 30, 51)), [206, 208, 210]),  # a fifth of the colour, four fifths of white
        (png(flat(10 * 257, 20 * 257, 30 * 257, dtype=np.uint16)), [10, 20, 30]),
        (png(flat(40 * 257, dtype=np.uint16)), [40, 40, 40]),
    ],
    ids=["grey png", "grey jpeg", "grey opaque", "grey clear", "opaque", "clear", "a fifth", "16 bits", "16 bits grey"],
)
def test_every_format_becomes_three_byte_channels(tmp_path, content, expected):
    result = only_picture(tmp_path, content)
    assert result.shape == (64, 64, 3)
    assert result.reshape(-1, 3).tolist() == [expected] * 64 * 64


def test_palette_png(tmp_path):
    result = only_picture(tmp_path, palette_png())
    assert (result[0, 0].tolist(), result[-1, -1].tolist()) == ([10, 20, 30], [250, 240, 230])


def test_a_decompression_bomb_is_left_out_and_named(tmp_path, capsys):
    folder = write(write_pictures(tmp_path / "shots"), {"bomb.png": saved(Image.new("1", (10_000, 9_000)), "PNG")})
    assert len(load(folder).train.images) == 3
    limit = f"bomb.png (more than {Image.MAX_IMAGE_PIXELS:,} pixels)"
    assert capsys.readouterr().err == f"WARNING: {folder}: left out 1 picture that cannot be read: {limit}\n"
    alone = write(tmp_path / "alone", {"bomb.png": saved(Image.new("1", (20_000, 20_000)), "PNG")})
    assert f"'bomb.png' for one (more than {Image.MAX_IMAGE_PIXELS:,} pixels)" in error_of("pictures", alone)


def test_files_that_turn_out_not_to_be_pictures_are_left_out(tmp_path, capsys):
    """A format that Pillow opens but the project does not accept (EPS), 32-bit pixels, and truncated files."""
    contents = {
        "a.tif": saved(Image.new("F", (9, 9)), "TIFF"),
        "b.jpg": saved(Image.new("RGB", (9, 9)), "EPS"),
        "c.gif": saved(colours(1)[0], "GIF")[:60],
        "d.webp": saved(colours(1)[0], "WEBP")[:60],
        "e.tiff": saved(colours(1)[0], "TIFF")[:600],
        "f.bmp": saved(colours(1)[0], "BMP")[:600],
    }
    folder = write(write_pictures(tmp_path / "shots"), contents)
    assert len(load(folder).train.images) == 3
    expected = "6 pictures that cannot be read: a.tif (32-bit pixels), b.jpg, c.gif, d.webp, e.tiff and 1 more\n"
    assert capsys.readouterr().err.endswith(expected)


# --- grey ---


def test_one_channel_keeps_grey_pictures_exactly(tmp_path):
    ramp = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    write(tmp_path / "one", {"a.png": saved(ramp, "PNG"), "b.gif": saved(ramp, "GIF"), "c.png": png(np.stack([ramp] * 3, -1))})
    images = pictures.load("pictures", str(tmp_path / "one"), None, str(tmp_path / "cache"), channels=1).train.images
    assert images.shape == (3, 64, 64, 1)
    for image in images:
        np.testing.assert_array_equal(image[..., 0], ramp)


def test_one_channel_is_the_brightness_of_colours(tmp_path):
    write(tmp_path / "one", {"a.png": png(flat(200, 100, 50))})
    images = pictures.load("pictures", str(tmp_path / "one"), None, str(tmp_path / "cache"), channels=1).train.images
    assert (images == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()
    assert load(tmp_path / "one").train.images.shape[-1] == 3  # a cache entry of its own


def test_drawings_have_the_format_of_mnist(tmp_path):
    levels = np.arange(84, dtype=np.uint8)
    folder = write(tmp_path / "mine", {f"{level:03}.png": png(flat(level)) for level in levels})
    dataset = pictures.drawings(str(folder), str(tmp_path / "cache"))
    splits = [dataset.train, dataset.validation, dataset.test]
    assert [split.images.shape for split in splits] == [(66, 28, 28), (6, 28, 28), (12, 28, 28)]
    assert [(split.images.dtype, split.labels.tolist()) for split in splits] == [(np.uint8, [0] * n) for n in (66, 6, 12)]
    found = np.concatenate([split.images for split in splits])
    assert sorted(found[:, 5, 5]) == levels.tolist()  # each picture once
    assert (found == found[:, :1, :1]).all()
    assert found[:66, 0, 0].tolist() != sorted(found[:66, 0, 0])  # not by name, which may be by class
    assert (dataset.name, dataset.comparable, dataset.file_order_first) == ("pictures", False, True)
    assert dataset.source == f"84 of 84 pictures in {folder}"
    assert dataset.note == "your own pictures, not MNIST: not comparable with the 2016 post"
    assert dataset.checksum == pictures.drawings(str(folder), str(tmp_path / "cache")).checksum


def test_too_few_drawings(tmp_path):
    folder = write_pictures(tmp_path / "mine", 13)
    with pytest.raises(RunError, match=r"^13 of 13 pictures in .*: too few; expected at least 14, of which 2 are for testing$"):
        pictures.drawings(str(folder), str(tmp_path / "cache"))
    write_pictures(folder, 14)
    assert len(pictures.drawings(str(folder), str(tmp_path / "cache")).test.images) == 2


# --- folders ---


def test_files_are_found_at_any_depth_with_any_case_and_sorted_by_path(tmp_path):
    names = ["b.PNG", "a/z.jpg", "a/deep/er/x.Jpeg", "A.JPG", "a.png", "a-b/c.jpeg"]
    encode = {"png": png, "jpg": jpeg, "peg": jpeg}
    contents = {name: encode[name[-3:].lower()](flat(20 * row, 0, 0)) for row, name in enumerate(names)}
    write(tmp_path / "shots", contents)
    write(tmp_path / "shots", dict.fromkeys(["notes.txt", "a/jpg", ".b.jpg", ".git/a.jpg", "a/.thumbs/a.jpg"], b""))
    images = load(tmp_path / "shots").train.images
    expected = [20 * names.index(name) for name in sorted(names)]
    assert np.abs(images[:, 0, 0, 0].astype(int) - expected).max() <= 2  # tolerance for JPEG


def test_the_run_says_how_many_files_it_uses(tmp_path):
    folder = write(write_pictures(tmp_path / "shots"), {"bad.png": b"", "Thumbs.db": b"", "a/notes.txt": b"", ".hidden": b""})
    assert load(folder).source == f"3 of 4 pictures in {folder}, which has 2 other files"


def test_a_hidden_folder_may_be_the_image_dir(tmp_path):
    assert len(load(write_pictures(tmp_path / ".shots")).train.labels) == 3


def test_links_to_files_are_followed_but_not_links_to_folders(tmp_path, capsys):
    folder = write_pictures(tmp_path / "shots", 2)
    (folder / "loop").symlink_to(folder)
    (folder / "folder.jpg").symlink_to(tmp_path)
    (folder / "link.png").symlink_to(folder / "00.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "gone.png").symlink_to(tmp_path / "gone")
    os.mkfifo(folder / "pipe.jpg")
    images = load(folder).train.images
    assert len(images) == 3
    np.testing.assert_array_equal(images[0], images[2])
    expected = f"WARNING: {folder}: left out 2 pictures that cannot be read: gone.png, self.png\n"
    assert capsys.readouterr().err == expected


def test_paths_with_spaces_newlines_and_other_alphabets(tmp_path, capsys):
    content = png(flat(5, 6, 7))
    folder = write(tmp_path / "my shots ü", {"a b/ü 花.png": content, "new\nline.png": b"", os.fsdecode(b"\xff.png"): b""})
    assert len(load(folder).train.labels) == 1
    assert r"2 pictures that cannot be read: 'new\nline.png', '\udcff.png'" in capsys.readouterr().err


BROKEN = {
    "cut.jpg": jpeg(colours(1)[0])[:-200],
    "cut.png": png(colours(1)[0])[:100],
    "empty.png": b"",
    "page.jpg": b"<html>quota exceeded</html>",
    "text.png": b"\x89PNG and no more",
}


def test_broken_files_are_skipped_and_named_with_and_without_the_cache(tmp_path, monkeypatch, capsys):
    folder = write(write_pictures(tmp_path / "shots"), BROKEN)
    expected = f"WARNING: {folder}: left out 5 pictures that cannot be read: {', '.join(sorted(BROKEN))}\n"
    dataset = load(folder)
    assert capsys.readouterr().err == expected
    assert dataset.checksum == load(write_pictures(tmp_path / "whole")).checksum
    capsys.readouterr()
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(load(folder).train.images, dataset.train.images)
    out, err = capsys.readouterr()
    assert (out, err) == ("", expected)


def test_only_five_broken_files_are_named(tmp_path, capsys):
    folder = write(write_pictures(tmp_path / "shots"), {f"bad{row}.jpg": b"" for row in range(7)})
    load(folder)
    expected = "left out 7 pictures that cannot be read: bad0.jpg, bad1.jpg, bad2.jpg, bad3.jpg, bad4.jpg and 2 more\n"
    assert capsys.readouterr().err == f"WARNING: {folder}: {expected}"


def test_an_unreadable_file_is_skipped_until_it_is_readable(tmp_path, monkeypatch, capsys):
    folder, read = write_pictures(tmp_path / "shots"), pathlib.Path.read_bytes

    def forbid(path):
        if path.name == "01.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    with monkeypatch.context() as patch:  # file modes do not stop root
        patch.setattr(pathlib.Path, "read_bytes", forbid)
        patch.setattr(os, "access", lambda path, mode: not str(path).endswith("01.png"))
        assert len(load(folder).train.labels) == 2
    assert capsys.readouterr().err.endswith("left out 1 picture that cannot be read: 01.png\n")
    assert len(load(folder).train.labels) == 3


def test_an_unlistable_folder_is_named(tmp_path, monkeypatch, capsys):
    folder, scan = write(write_pictures(tmp_path / "shots"), {"sub/a.png": png(flat(1, 2, 3))}), os.scandir

    def forbid(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    with monkeypatch.context() as patch:  # file modes do not stop root
        patch.setattr(os, "scandir", forbid)
        assert len(load(folder).train.labels) == 3
    assert capsys.readouterr().err.endswith("left out 1 picture that cannot be read: sub/\n")
    assert len(load(folder).train.labels) == 4


@pytest.mark.parametrize("contents", [{}, {"notes.txt": b"", ".hidden.jpg": b"", "a/b.pdf": b""}])
def test_no_picture_in_the_folder(tmp_path, contents):
    others = ", where 2 files end in something else" if contents else ""
    endings = ".jpg, .jpeg, .png, .bmp, .gif, .webp, .tif, .tiff"
    expected = f"no picture in image_dir {str(tmp_path)!r}{others}; expected files ending in {endings}, not hidden"
    assert error_of("tf_flowers", write(tmp_path, contents)) == expected


def test_no_readable_picture_in_the_folder(tmp_path):
    folder, cache = write(tmp_path / "shots", BROKEN), tmp_path / "cache"
    formats = "JPEG, PNG, BMP, GIF, WEBP, TIFF"
    expected = f"pictures in {folder}: none of 5 pictures can be read, 'cut.jpg' for one; expected intact {formats}"
    assert error_of("pictures", folder, cache_dir=cache) == expected
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(("given", "reason"), [("typo", "No such file"), ("file", "Not a directory"), ("a\0b", "null")])
@pytest.mark.parametrize("name", ["pictures", "celeb_a"])
def test_unusable_folder(tmp_path, name, given, reason):
    (tmp_path / "file").write_text("")
    message = error_of(name, tmp_path / given)
    assert message.startswith(f"cannot list image_dir {str(tmp_path / given)!r}: ")
    assert reason in message
    assert message.endswith("expected an existing folder")


def test_unknown_name_and_no_folder(tmp_path):
    assert error_of("mnist", tmp_path) == "unknown pictures 'mnist'; expected one of tf_flowers, celeb_a, pictures"
    message = error_of("pictures", None)
    assert message == "'pictures' are read from a folder; expected --image_dir=<folder>. Received: image_dir=None"


# --- cache ---


def test_second_load_does_not_decode(tmp_path, monkeypatch):
    first = load(write_pictures(tmp_path / "shots"))
    forbid_decoding(monkeypatch)
    second = load(tmp_path / "shots")
    assert first.checksum == second.checksum
    np.testing.assert_array_equal(first.train.images, second.train.images)


def test_checksum_depends_on_the_content(tmp_path):
    first = load(write_pictures(tmp_path / "shots"))
    renamed = write(tmp_path / "renamed", {f"sub/{row}.png": png(pixels) for row, pixels in enumerate(colours(3))})
    assert load(renamed).checksum == load(renamed, cache="other").checksum == first.checksum
    assert load(write_pictures(tmp_path / "more", 4)).checksum != first.checksum


def test_changed_added_and_removed_files_are_detected(tmp_path):
    folder = write_pictures(tmp_path / "shots")
    checksums = [load(folder).checksum]
    write(folder, {"02.png": png(flat(1, 2, 3))})
    checksums.append(load(folder).checksum)
    write(folder, {"sub/new.jpg": jpeg(flat(1, 2, 3))})
    checksums.append(load(folder).checksum)
    (folder / "00.png").unlink()
    checksums.append(load(folder).checksum)
    assert len(set(checksums)) == 4
    time_before = (folder / "01.png").stat()
    (folder / "01.png").write_bytes((folder / "01.png").read_bytes()[:-1] + b"\0")  # the same size
    os.utime(folder / "01.png", ns=(time_before.st_atime_ns, time_before.st_mtime_ns + 1))
    load(folder)
    assert len(list((tmp_path / "cache").glob("*.json"))) == 5


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        ("bytes", lambda content: content[:-1]),
        ("bytes", lambda content: content + b"\0"),
        ("bytes", lambda content: b""),
        ("bytes", None),
        ("json", lambda content: content[:10]),
        ("json", lambda content: b""),
        ("json", lambda content: b"[1]"),
        ("json", lambda content: b"{}"),
        ("json", lambda content: b"\xff"),
        ("json", lambda content: content.replace(b"[3, 64", b"[2, 64")),
        ("json", None),
    ],
)
def test_damaged_cache_is_rebuilt(tmp_path, ending, damage):
    checksum = load(write_pictures(tmp_path / "shots")).checksum
    (path,) = (tmp_path / "cache").glob(f"*.{ending}")
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    else:
        path.unlink()
    dataset = load(tmp_path / "shots")
    assert (dataset.checksum, len(dataset.train.images)) == (checksum, 3)
    (bytes_path,) = (tmp_path / "cache").glob("*.bytes")
    assert bytes_path.read_bytes() == dataset.train.images.tobytes()


@pytest.mark.parametrize("rename", [1, 2])
def test_interrupted_decoding_leaves_no_cache_that_looks_complete(tmp_path, monkeypatch, rename):
    folder, renames, replace = write_pictures(tmp_path / "shots"), [], os.replace

    def interrupt(source, target):
        renames.append(target)
        if len(renames) == rename:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load(folder)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".bytes"] * (rename - 1)
    assert len(load(folder).train.images) == 3
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".bytes", ".json"]


def test_default_cache_folders(tmp_path, monkeypatch):
    folder = str(write_pictures(tmp_path / "shots"))
    pictures.load("pictures", folder, None)
    assert len(list((pathlib.Path.home() / ".cache" / "unsupervised_learning").iterdir())) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    pictures.load("pictures", folder, None)
    assert len(list((tmp_path / "xdg" / "unsupervised_learning").iterdir())) == 2


@pytest.mark.parametrize("given", ["file", "file/below", "a\0b"])
def test_unusable_cache_folder(tmp_path, given):
    (tmp_path / "file").write_text("")
    message = error_of("pictures", write_pictures(tmp_path / "shots"), cache_dir=tmp_path / given)
    assert message.startswith(f"cannot keep decoded pictures in {str(tmp_path / given)!r}: ")
    assert message.endswith(f"expected a writable folder with {3 * 64 * 64 * 3:,} bytes free (--cache_dir)")


def test_full_disk(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = error_of("pictures", write_pictures(tmp_path / "shots"), cache_dir=tmp_path / "cache")
    assert "cannot keep decoded pictures" in message
    assert "No space left on device" in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_only_one_chunk_of_pictures_is_in_memory(tmp_path, monkeypatch):
    folder = write(write_pictures(tmp_path / "shots", 10), {"041.png": b""})
    expected = load(folder, cache="whole").train.images
    held, map_chunk = [], pictures.ThreadPoolExecutor.map

    def counting(pool, function, chunk):
        held.append(len(chunk))
        return map_chunk(pool, function, chunk)

    monkeypatch.setattr(pictures.ThreadPoolExecutor, "map", counting)
    monkeypatch.setattr(pictures, "CHUNK", 3)
    np.testing.assert_array_equal(load(folder).train.images, expected)
    assert held == [3, 3, 3, 2]


# --- TensorFlow Datasets ---


def prepare_tfds(root, name, version="3.0.1", count=4, height=20, width=30):
    """Have tfds itself prepare a small set of PNG pictures."""
    import tensorflow_datasets as tfds

    def as_example(image, label):
        return {"image": image, "label": label}

    def rows(count):
        return tf.data.Dataset.from_tensor_slices((colours(count, height, width), np.arange(count) % 5)).map(as_example)

    features = {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
        "label": tfds.features.ClassLabel(num_classes=5),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": rows(count), "test": rows(1)},
        data_dir=str(root),
        disable_shuffling=True,
    )
    return root / name / version


def test_prepared_set_is_streamed_in_stored_order(tmp_path, monkeypatch, capsys):
    folder = prepare_tfds(tmp_path / "sets", "tf_flowers")
    capsys.readouterr()
    dataset = pictures.load("tf_flowers", None, str(tmp_path / "sets"), str(tmp_path / "cache"))
    assert (dataset.name, dataset.source) == ("tf_flowers", f"tfds set in {folder}, split train")
    assert dataset.checksum == load(write_pictures(tmp_path / "shots", 4)).checksum
    out, err = capsys.readouterr()
    assert (out, err) == ("Decoding 4 pictures …\n" * 2, "")
    forbid_decoding(monkeypatch)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    assert pictures.load("tf_flowers", None, None, str(tmp_path / "cache")).checksum == dataset.checksum


def test_prepared_celeb_a_is_cropped(tmp_path):
    prepare_tfds(tmp_path, "celeb_a", "2.1.0", 1, 218, 178)
    images = pictures.load("celeb_a", None, str(tmp_path)).train.images
    folder = write(tmp_path / "shots", {"a.png": png(colours(1, 218, 178)[0][55:163, 35:143])})
    np.testing.assert_array_equal(images, load(folder).train.images)


def test_image_dir_takes_precedence_over_a_prepared_set(tmp_path):
    prepare_tfds(tmp_path / "sets", "tf_flowers")
    folder = write_pictures(tmp_path / "shots", 2)
    dataset = pictures.load("tf_flowers", str(folder), str(tmp_path / "sets"))
    assert (dataset.name, dataset.source) == ("tf_flowers", f"2 of 2 pictures in {folder}")


def drop_a_record(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    path.write_bytes(content[8 + 4 + length + 4 :])


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("*train*", lambda path: path.write_bytes(path.read_bytes()[:-20])),
        ("*train*", drop_a_record),
        ("*train*", pathlib.Path.unlink),
        ("dataset_info.json", lambda path: path.write_bytes(b"{")),
        ("features.json", lambda path: path.write_bytes(b"")),
    ],
)
def test_damaged_prepared_set(tmp_path, file, damage):
    folder = prepare_tfds(tmp_path / "sets", "tf_flowers")
    pictures.load("tf_flowers", None, str(tmp_path / "sets"), str(tmp_path / "cache"))  # fills the cache
    damage(next(folder.glob(file)))
    message = error_of("tf_flowers", None, tmp_path / "sets", tmp_path / "cache")
    assert message.startswith(f"cannot read {folder}: ")
    assert "delete this folder" in message
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".bytes", ".json"]


@pytest.mark.parametrize("name", pictures.PICTURE_SETS)
def test_missing_network_is_detected_quickly(tmp_path, name):
    start = time.monotonic()
    message = error_of(name, None, tmp_path)
    assert time.monotonic() - start < 2
    assert message.startswith(f"cannot find {name}: no set prepared by tfds in {tmp_path}/{name}/<version> or ")
    assert "no network: http://127.0.0.1" in message
    assert "--image_dir" in message
    assert ("Google Drive's quota" in message) == (name == "celeb_a")


def test_failed_download_of_celeb_a_names_the_quota(tmp_path, monkeypatch):
    """CelebA is on Google Drive, where downloads often fail."""
    monkeypatch.setattr(
        prepared_sets, "download_problem", lambda name, root, url: f"download into {root} failed: HTTPError: 403"
    )
    message = error_of("celeb_a", None, tmp_path)
    assert "failed: HTTPError: 403; Google Drive's quota often stops this download" in message
    assert message.endswith("unpack img_align_celeba.zip and give its folder as --image_dir")


def test_unusable_data_dir(tmp_path):
    assert error_of("tf_flowers", None, tmp_path / "typo").startswith(f"cannot list data_dir {str(tmp_path / 'typo')!r}: ")


def test_record_describes_the_bytes(tmp_path):
    dataset = load(write(write_pictures(tmp_path / "shots"), {"bad.jpg": b""}))
    (path,) = (tmp_path / "cache").glob("*.json")
    expected = {"shape": [3, 64, 64, 3], "checksum": dataset.checksum, "skipped": [["bad.jpg", ""]]}
    expected["source"] = f"pictures in {tmp_path / 'shots'}"
    assert json.loads(path.read_text()) == expected
