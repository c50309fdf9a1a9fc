"""Everything that a user can hand over, as nonsense: refused in one line on stderr, exit status 2, and nothing written.

Values come from hypothesis, by each flag's type and bounds; files are made by hand. At the end pytest says how many there were.
"""

import gzip
import json
import os
import re
import runpy
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from conftest import REPOSITORY, Finished, small, write_idx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_claims import write_run

from unsupervised_learning import command_line, gan_notes, layers, original
from unsupervised_learning.autoencoder import AutoEncoder

TRAIN = ("train_ae.py", "train_vae.py", "train_gan.py")
ORIGINAL = "unsupervised_learning/original.py"
MODULES = tuple(f"unsupervised_learning/{name}.py" for name in ("compare", "original", "gan_notes", "reference"))
QUICKLY = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def contents(folder: Path) -> dict[str, bytes | None]:
    """What is in a folder, at any depth."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def refused(run: Finished, *parts: str) -> None:
    """Exit status 2, and one line, which holds these parts and is not a traceback."""
    lines = [line for line in run.err.splitlines() if "not the canonical MNIST" not in line]
    assert (run.status, len(lines)) == (2, 1), (run.status, run.err[-3000:])
    assert re.match(r"\w+\.py: error: .", lines[0]), lines[0]
    assert lines[0].isprintable(), lines[0]
    assert len(lines[0]) < 2_000, lines[0]
    for part in parts:
        assert part in lines[0], (part, lines[0])


@pytest.fixture
def refuse(run_script, tmp_path, record_property) -> Callable[..., None]:
    """Run a script, see that it refuses in one line and leaves everything below tmp_path as it is, and count it."""

    def run(kind: str, script: str, *arguments: str, said: tuple[str, ...] = ()) -> None:
        before = contents(tmp_path)
        refused(run_script(script, *arguments), *said)
        after = contents(tmp_path)
        assert after == before, {name for name in {**before, **after} if before.get(name) != after.get(name)}
        record_property("bad input", kind)

    return run


# Flags


def flags_of(script: str, monkeypatch) -> dict[str, flags.Flag]:
    """A script's own flags; nothing is run."""
    before = set(flags.FLAGS)
    monkeypatch.setattr(command_line, "launch", lambda *_, **__: None)
    runpy.run_path(str(REPOSITORY / script), run_name="__main__")
    monkeypatch.undo()
    own = {name: flags.FLAGS[name] for name in set(flags.FLAGS) - before}
    for name in own:
        delattr(flags.FLAGS, name)
    return own


def is_number(text: str, kind: type) -> bool:
    try:
        kind(text)
    except ValueError:
        return text.lower().startswith("0x")
    return True


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
# Below 1 is wrong too.
SHARES = ("beta1", "bn_decay")
NO_PATH = st.sampled_from(
    ["/no/such/folder", "/dev/null/below", "/proc/none", "x" * 300, "~nobody/none", "\udcff\udcfe", "no\nline"]
)
PATHS = {  # what each path may not be, besides
    "logs_dir": st.one_of(
        st.just(""), st.sampled_from(["/dev/null", "/proc/run", "x" * 300, "run\udcff"]), TEXT.map(lambda text: f"{text}*")
    ),
    "data_dir": NO_PATH,
    "image_dir": NO_PATH,
    "original_logs": NO_PATH,
    "restore_original": NO_PATH,
    "dump": NO_PATH,
    "cache_dir": st.sampled_from(["/dev/null", "/dev/null/below", "/proc/none", "x" * 300]),
    "out": st.sampled_from(["/dev/null", "/dev/null/below", "/proc/none", "x" * 300, ""]),
}


def nonsense(name: str, flag: flags.Flag) -> st.SearchStrategy[str]:
    """Values that a flag cannot have."""
    parser: Any = flag.parser
    if isinstance(parser, flags.IntegerParser):
        wrong = [TEXT.filter(lambda text: not is_number(text, int)), st.floats(allow_nan=True).map(str)]
        if parser.lower_bound is not None:
            wrong.append(st.integers(max_value=parser.lower_bound - 1).map(str))
        if parser.upper_bound is not None:
            wrong.append(st.integers(min_value=parser.upper_bound + 1).map(str))
        return st.one_of(wrong)
    if isinstance(parser, flags.FloatParser):
        negative = st.floats(max_value=-1e-30).map(repr)
        too_large = st.floats(min_value=1).map(repr) if name in SHARES else st.sampled_from(["1e999", "inf", "nan", "NaN"])
        return st.one_of(TEXT.filter(lambda text: not is_number(text, float)), negative, too_large)
    if isinstance(parser, flags.BooleanParser):
        return TEXT.filter(lambda text: text.lower() not in ("true", "t", "1", "false", "f", "0"))
    if isinstance(parser, flags.EnumParser):
        return TEXT.filter(lambda text: text not in parser.enum_values)
    if name == "only":
        return TEXT.filter(lambda text: text.strip() and not set(text.split(",")) <= set(gan_notes.SETTINGS))
    if name == "feature_matching":
        return st.one_of(
            TEXT.filter(lambda text: text != "only" and not is_number(text, float)), st.sampled_from(["nan", "inf", "-1"])
        )
    return PATHS[name]  # a flag that is not there needs a strategy of its own


@pytest.mark.parametrize("script", [*TRAIN, *MODULES])
def test_every_flag(script, refuse, tmp_path, monkeypatch):
    """Each of a script's flags with values that it cannot have; the other flags are such that it would run."""
    monkeypatch.chdir(tmp_path)
    idx = write_idx(tmp_path / "idx", 36, 12)
    run = write_run(tmp_path / "logs", "autoencoder")
    positional = {
        "unsupervised_learning/reference.py": [str(run)],
        "unsupervised_learning/original.py": ["import-logs", str(tmp_path)],
    }.get(script, [])
    own = flags_of(script, monkeypatch)
    monkeypatch.chdir(tmp_path)
    good = {"data_dir": str(idx), "logs_dir": str(tmp_path / "logs"), "max_iterations": "1", "batch_size": "2"}
    failures = {}
    for name, flag in own.items():
        others = [f"--{key}={value}" for key, value in good.items() if key in own and key != name]

        @QUICKLY
        @given(nonsense(name, flag))
        def one(value):
            refuse("flags", script, *others, f"--{name}={value}", *positional)  # noqa: B023 (called at once)

        try:
            one()
        except Exception as error:
            failures[name] = error
    assert not failures, "\n\n".join(f"{name}: {str(error)[-1500:]}" for name, error in failures.items())


@pytest.mark.parametrize("script", [*TRAIN, *MODULES])
def test_flags_and_words_that_are_none(script, refuse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    @QUICKLY
    @given(
        st.text(st.characters(categories=["L", "N", "S", "Zs", "P"]), min_size=1, max_size=20).filter(
            lambda text: text[0] not in "=-?h"
        )
    )
    def one(text):
        refuse("flags", script, f"--{text}x_=1")
        refuse("flags", script, text)

    one()


# Data


def big_endian(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
IDX = {  # file, what it holds instead
    "empty": (IMAGES, lambda whole: b""),
    "half a header": (IMAGES, lambda whole: whole[:7]),
    "header only": (IMAGES, lambda whole: whole[:16]),
    "cut off": (IMAGES, lambda whole: whole[:-1]),
    "more than it says": (IMAGES, lambda whole: whole + b"\0"),
    "another magic number": (IMAGES, lambda whole: big_endian(2050) + whole[4:]),
    "little-endian": (IMAGES, lambda whole: whole[3::-1] + whole[4:]),
    "the largest count": (IMAGES, lambda whole: big_endian(2051, 2**32 - 1) + whole[8:]),
    "the largest sides": (IMAGES, lambda whole: big_endian(2051, 36, 2**32 - 1, 2**32 - 1) + whole[16:]),
    "no image": (IMAGES, lambda whole: big_endian(2051, 0, 28, 28)),
    "one image less": (IMAGES, lambda whole: big_endian(2051, 35, 28, 28) + whole[16:-784]),
    "labels": (IMAGES, lambda whole: big_endian(2049, len(whole) - 8) + whole[8:]),
    "text": (IMAGES, lambda whole: b"<!doctype html><title>404</title>" * 20),
    "gzip under the plain name": (IMAGES, lambda whole: gzip.compress(whole)),
    "labels: one more": (LABELS, lambda whole: big_endian(2049, 37) + whole[8:] + b"\1"),
    "labels: above 9": (LABELS, lambda whole: whole[:-1] + b"\x0a"),
    "labels: cut off": (LABELS, lambda whole: whole[:-3]),
    "labels: empty": (LABELS, lambda whole: b""),
    "labels: gone": (LABELS, None),
    "gz: text": (f"{IMAGES}.gz", lambda whole: b"no gzip at all"),
    "gz: cut off": (f"{IMAGES}.gz", lambda whole: gzip.compress(whole)[:-20]),
    "gz: empty": (f"{IMAGES}.gz", lambda whole: b""),
    "gz: a flipped bit": (f"{IMAGES}.gz", lambda whole: gzip.compress(whole)[:-5] + b"\xff" + gzip.compress(whole)[-4:]),
}


@pytest.mark.parametrize("case", IDX)
def test_idx_files(case, refuse, tmp_path):
    name, change = IDX[case]
    folder = write_idx(tmp_path / "idx", 36, 12)
    plain = folder / name.removesuffix(".gz")
    whole = plain.read_bytes()
    plain.unlink()
    if change:
        (folder / name).write_bytes(change(whole))
    refuse("files", "train_ae.py", *small(folder, tmp_path / "run"), said=(plain.name,))


def picture(side: int = 8) -> bytes:
    return tf.io.encode_jpeg(np.full((side, side, 3), 99, np.uint8)).numpy()


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and has not."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    parts = [big_endian(len(content)) + kind + content + big_endian(zlib.crc32(kind + content)) for kind, content in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def giant_jpeg() -> bytes:
    whole = picture()
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", 65_500, 65_500) + whole[at + 4 :]


PICTURES = {
    "cut off.jpg": lambda: picture(64)[:200],
    "text.png": lambda: b"a picture of a flower",
    "empty.jpg": lambda: b"",
    "giant.png": lambda: png(2**31 - 1, 2**31 - 1),
    "large.png": lambda: png(20_000, 20_000),
    "giant.jpg": giant_jpeg,
    "random.png": lambda: np.random.default_rng(0).bytes(5_000),
    "only the signature.png": lambda: b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name, refuse, tmp_path, monkeypatch):
    """A folder with nothing else. Among good ones such a file is left out and named: tests/test_pictures.py."""
    folder, cache = tmp_path / "mine", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    (folder / name).write_bytes(PICTURES[name]())
    given = [f"--image_dir={folder}", f"--cache_dir={cache}", f"--logs_dir={tmp_path / 'run'}"]
    refuse("files", "train_gan.py", *given, said=(name, "can be read"))


def test_a_picture_of_one_pixel_is_one_but_no_batch(refuse, tmp_path, run_script):
    folder, cache = tmp_path / "mine", tmp_path / "cache"
    folder.mkdir()
    (folder / "pixel.jpg").write_bytes(picture(1))
    given = [f"--image_dir={folder}", f"--cache_dir={cache}", f"--logs_dir={tmp_path / 'run'}"]
    refused(run_script("train_gan.py", *given), "64", "1")  # decodes into the cache
    refuse("files", "train_gan.py", *given)
    assert not (tmp_path / "run").exists()


# Checkpoints and dumps of 2016


def of_2016(path: Path, **changed: Any) -> Path:
    """An autoencoder's checkpoint as 2016's code wrote it, in which some variables are others."""
    model = AutoEncoder()
    model.compile(optimizer=layers.adam())
    original.write_checkpoint(model, path)
    if changed:
        reader = tf.train.load_checkpoint(str(path))
        tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()} | changed
        kept = {name: tf.constant(value) for name, value in tensors.items() if value is not None}
        tf.raw_ops.Save(filename=str(path), tensor_names=list(kept), data=list(kept.values()))
    return path


CHECKPOINTS: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda path: None,
    "a folder": Path.mkdir,
    "empty": Path.touch,
    "text": lambda path: path.write_text("model_checkpoint_path: 1\n" * 50),
    "random": lambda path: path.write_bytes(np.random.default_rng(0).bytes(10_000)),
    "cut off": lambda path: path.write_bytes(of_2016(path).read_bytes()[:-2_000]),
    "zeros": lambda path: path.write_bytes(bytes(100_000)),
    "another model's": lambda path: tf.raw_ops.Save(filename=str(path), tensor_names=["x"], data=[tf.zeros(3)]),
    "another shape": lambda path: of_2016(path, W_fc2=np.zeros((3, 3), np.float32)),
    "no dimension": lambda path: of_2016(path, W_fc3=np.float32(1)),
    "too many dimensions": lambda path: of_2016(path, W_fc3=np.zeros((50, 0), np.float32)),
    "text for weights": lambda path: of_2016(path, W_fc1=np.full((784, 50), b"x")),
    "whole numbers": lambda path: of_2016(path, W_fc1=np.zeros((784, 50), np.int32)),
    "not a number": lambda path: of_2016(path, b_fc1=np.full(50, np.nan, np.float32)),
    "a power that is text": lambda path: of_2016(path, beta2_power=np.array(b"x")),
    "powers": lambda path: of_2016(path, beta2_power=np.zeros(3, np.float32)),
    "a variable less": lambda path: of_2016(path, W_fc6=None),
    "another iteration": lambda path: of_2016(path, beta2_power=np.float32(0.5)),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoints_of_2016(case, refuse, tmp_path, idx_dir):
    path = tmp_path / "model.ckpt-0"
    CHECKPOINTS[case](path)
    said = ("model.ckpt-0",)
    refuse("files", "train_ae.py", *small(idx_dir, tmp_path / "run", f"--restore_original={path}"), said=said)
    refuse("files", ORIGINAL, "replay", str(path), f"--data_dir={idx_dir}", said=said)


DUMPS = {
    "empty": b"",
    "text": b"a b c\n",
    "ragged": b"1 2 3 4\n1 2 3\n",
    "label above 9": b"1 2 3 10\n",
    "label below 0": b"1 2 3 -1\n",
    "label in parts": b"1 2 3 1.5\n",
    "not a number": b"1 2 nan 1\n",
    "infinite": b"1e999 2 3 1\n",
    "labels only": b"1\n2\n",
    "bytes": bytes(range(256)) * 10,
    "commas only": b",,,\n",
    "one image of another set": b"1 2 3 4\n",
    "comments": b"# nothing\n",
}


@pytest.mark.parametrize("case", DUMPS)
@pytest.mark.filterwarnings("ignore:loadtxt. input contained no data:UserWarning")
def test_dumps(case, refuse, tmp_path, idx_dir):
    checkpoint = of_2016(tmp_path / "model.ckpt-0")
    for name, content in (("dump.txt", DUMPS[case]), ("dump.txt.gz", gzip.compress(DUMPS[case])[:-1])):
        (tmp_path / name).write_bytes(content)
        given = [f"--dump={tmp_path / name}", f"--data_dir={idx_dir}"]
        refuse("files", ORIGINAL, "replay", str(checkpoint), *given, said=(name,))


# Records of runs

NO_JSON = {
    "empty": b"",
    "cut off": b'{"model": "AutoEncoder", "settings": {"seed":',
    "text": b"model: AutoEncoder\n",
    "bytes": b"\xff\xfe\x00\x01",
    "python": b"__import__('os').system('touch hacked')",
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "many digits": b'{"iterations": ' + b"9" * 5_000 + b"}",
    "null": b"null",
    "a list": b"[]",
    "a number": b"3",
    "a text": b'"model"',
    "an empty object": b"{}",
}
VALUES = (None, [], {}, "", "x", "<script>", -1, 0.5, True, 10**400, float("inf"), float("nan"), [[[]]], {"a": {"b": {}}})


def nonsense_records(record: dict[str, Any], keys: tuple[tuple[str, ...], ...]) -> Iterator[bytes]:
    """A record in which one value is gone or nonsense, for each of the keys and kinds of nonsense."""
    for *above, last in keys:
        for value in (*VALUES, "gone"):
            changed = json.loads(json.dumps(record))
            inside = changed
            for key in above:
                inside = inside[key]
            if value == "gone":
                del inside[last]
            else:
                inside[last] = value
            yield json.dumps(changed).encode()


CONFIG = (("model",), ("settings",), ("data",), ("data", "checksum"), ("data", "name"), ("data", "sizes"))


def test_config_of_a_run_to_go_on_with(refuse, tmp_path, idx_dir, run_script):
    arguments = small(idx_dir, tmp_path / "run")
    assert run_script("train_ae.py", *arguments, "--max_iterations=1").status == 0
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    own = [("settings", name) for name in ("z_dim", "activation", "seed", "batch_size", "learning_rate", "regularization")]
    for content in [*NO_JSON.values(), *nonsense_records(config, (*CONFIG, *own))]:
        try:
            changed = json.loads(content)
            same = {**changed, "data": {**changed["data"], "sizes": 0}} == {**config, "data": {**config["data"], "sizes": 0}}
            default = changed["settings"] == {**config["settings"], **changed["settings"]}
        except (ValueError, TypeError, KeyError, RecursionError):
            same = default = False
        if same and default:  # what it is about is right
            continue
        path.write_bytes(content)
        refuse("files", "train_ae.py", *arguments, "--max_iterations=2", said=(str(tmp_path / "run"),))


def test_config_of_a_gan_to_draw_from(refuse, tmp_path, idx_dir, run_script):
    arguments = ["--visualize", f"--logs_dir={tmp_path / 'run'}"]
    given = [f"--data_dir={idx_dir}", f"--logs_dir={tmp_path / 'run'}", "--batch_size=2", "--z_dim=4"]
    assert run_script("train_gan.py", *given, "--max_iterations=1").status == 0
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    own = [("settings", name) for name in ("z_dim", "side", "channels", "recipe", "discriminator_width", "initializer")]
    for content in [*NO_JSON.values(), *nonsense_records(config, (("model",), ("settings",), *own))]:
        changed = b"gone" if content in NO_JSON.values() else content
        if changed != b"gone" and drawable(json.loads(changed)):
            continue
        path.write_bytes(content)
        refuse("files", "train_gan.py", *arguments)


def drawable(config: dict[str, Any]) -> bool:
    """Whether what is nonsense in the settings plays no part, or is gone and the default the same."""
    expected = {"z_dim": 4, "side": 28, "channels": 1, "recipe": "dcgan", "discriminator_width": 1.0}
    settings = config["settings"]
    return isinstance(settings, dict) and config.get("model") == "DCGAN" and all(settings.get(k) == v for k, v in expected.items())
