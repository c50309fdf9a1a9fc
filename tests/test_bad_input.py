"""Invalid user input of every kind is refused with one line on stderr and exit status 2, and nothing is written.

Values come from hypothesis, by each flag's type and bounds; files are made by hand. At the end pytest says how many there were.
"""

import ast
import gzip
import json
import re
import runpy
import shutil
import struct
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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import REPOSITORY, Finished, Tags, small, uncompiled, write_idx, write_run
from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.compare import claims, judgements
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.original.checkpoints import write_checkpoint
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.training import command_line, finished_run

TRAIN = ("train_ae.py", "train_vae.py", "train_gan.py")
REPRODUCE = "unsupervised_learning/reproduce/__main__.py"
ORIGINAL = "unsupervised_learning/original/__main__.py"
MODULES = tuple(f"unsupervised_learning/{name}.py" for name in ("compare/__main__", "original/__main__", "reproduce/__main__"))
QUICKLY = settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return the content of a folder, at any depth."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def refused(run: Finished, *parts: str) -> None:
    """Check for exit status 2 and one line on stderr that contains these parts and is no traceback."""
    lines = [line for line in run.err.splitlines() if "not the canonical MNIST" not in line]
    assert (run.status, len(lines)) == (2, 1), (run.status, run.err[-3000:])
    assert re.match(r"(\w+\.py|original|compare|reproduce): error: .", lines[0]), lines[0]
    assert lines[0].isprintable(), lines[0]
    assert len(lines[0]) < 2_000, lines[0]
    for part in parts:
        assert part in lines[0], (part, lines[0])


@pytest.fixture
def refuse(run_script, tmp_path, record_property) -> Callable[..., None]:
    """Function that runs a script, checks for a one-line refusal and an unchanged tmp_path, and counts the case."""

    def run(kind: str, script: str, *arguments: str, said: tuple[str, ...] = ()) -> None:
        before = contents(tmp_path)
        refused(run_script(script, *arguments), *said)
        after = contents(tmp_path)
        after |= {name: before[name] for name in after if name in before and Path(name).name == "lock"}  # names its last holder
        assert after == before, {name for name in {**before, **after} if before.get(name) != after.get(name)}
        record_property("bad input", kind)

    return run


# Flags


def flags_of(script: str, monkeypatch) -> dict[str, flags.Flag]:
    """Return a script's own flags, without running it."""
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
# Flags that must be below 1.
SHARES = ("beta1", "bn_decay")
NO_PATH = st.sampled_from(
    ["/no/such/folder", "/dev/null/below", "/proc/none", "x" * 300, "~nobody/none", "\udcff\udcfe", "no\nline"]
)
PATHS = {  # further invalid values of each path
    "logs_dir": st.one_of(
        st.just(""),
        st.sampled_from(["/dev/null", "/proc/run", "x" * 300, "run\udcff"]),
        TEXT.map(lambda text: f"{text}*"),
        st.just("a\\b"),
    ),
    "data_dir": st.one_of(NO_PATH, st.just("")),
    "image_dir": st.one_of(NO_PATH, st.just("")),
    "original_logs": NO_PATH,
    "restore_original": NO_PATH,
    "dump": NO_PATH,
    "checkpoint": NO_PATH,
    "cache_dir": st.sampled_from(["/dev/null", "/dev/null/below", "/proc/none", "x" * 300, ""]),
    "keep": st.sampled_from(["/dev/null/below", "/proc/none", "x" * 300, "", "run\udcff"]),
    "out": st.sampled_from(["/dev/null", "/dev/null/below", "/proc/none", "x" * 300, ""]),
}


def nonsense(name: str, flag: flags.Flag) -> st.SearchStrategy[str]:
    """Return a strategy of invalid values for a flag."""
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
        too_large = (
            st.floats(min_value=1).map(repr) if name in SHARES else st.sampled_from(["1e999", "-1e999", "inf", "nan", "NaN"])
        )
        return st.one_of(TEXT.filter(lambda text: not is_number(text, float)), negative, too_large)
    if isinstance(parser, flags.BooleanParser):
        return TEXT.filter(lambda text: text.lower() not in ("true", "t", "1", "false", "f", "0"))
    if isinstance(parser, flags.EnumParser):
        return TEXT.filter(lambda text: text not in parser.enum_values)
    if name == "feature_matching":
        return st.one_of(
            TEXT.filter(lambda text: text != "only" and not is_number(text, float)), st.sampled_from(["nan", "inf", "-1"])
        )
    return PATHS[name]  # a KeyError means that a new flag needs its own strategy


@pytest.mark.slow
@pytest.mark.parametrize("script", [*TRAIN, *MODULES])
def test_every_flag_refuses_invalid_values(script, refuse, tmp_path, monkeypatch):
    """Try invalid values for each flag of a script, with valid values for all other flags."""
    monkeypatch.chdir(tmp_path)
    idx = write_idx(tmp_path / "idx", 36, 12)
    run = write_run(tmp_path / "logs", "autoencoder")
    positional = {
        REPRODUCE: ["reference", str(run)],
        "unsupervised_learning/original/__main__.py": ["import-logs", str(tmp_path)],
    }.get(script, [])
    own = flags_of(script, monkeypatch)
    monkeypatch.chdir(tmp_path)
    good = {"data_dir": str(idx), "logs_dir": str(tmp_path / "logs"), "max_iterations": "1", "batch_size": "2"}
    good |= {"out": str(tmp_path / "out")} if script == REPRODUCE else {}
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(2):
        (pictures / f"{number}.jpg").write_bytes(picture())
    failures = {}
    for name, flag in own.items():
        if script == REPRODUCE:
            positional = ["reference", str(run)] if name in ("out", "weights") else ["autoencoder", "--quick"]
        others = [f"--{key}={value}" for key, value in good.items() if key in own and key != name]
        if name == "cache_dir":  # only pictures need it
            others.append(f"--image_dir={pictures}")

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
def test_unknown_flags_and_positional_arguments_are_refused(script, refuse, tmp_path, monkeypatch):
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


HUGE = {  # valid in principle, but too large for any machine or number format
    "train_ae.py": [
        "batch_size=99999999999999999999",
        "learning_rate=1e308",
        "init_stddev=1e300",
        "init_bias=1e300",
        "sparsity=1e38",
    ],
    "train_vae.py": ["kl_weight=1e300", "kl_weight=3e38", "regularization=1e300", "init_bias=1e39", "init_stddev=1e38"],
    "train_gan.py": [
        "discriminator_width=1e300",
        "discriminator_width=99999",
        "discriminator_every=99999999999999999999",
        "feature_matching=1e300",
    ],
    REPRODUCE: ["seeds=99999999999999", "jobs=99999999999999999999"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("script", "value"), [(script, value) for script, values in HUGE.items() for value in values])
def test_huge_values_are_refused_or_stop_the_run(script, value, run_script, tmp_path, record_property):
    """Refused at once, or stopped at the first NaN or infinity; files saved before that may remain."""
    idx = write_idx(tmp_path / "idx", 36, 12)
    given = uncompiled(idx, tmp_path / "run", "--max_iterations=3", "--batch_size=2")
    if script == REPRODUCE:
        given = ["autoencoder", f"--data_dir={idx}", f"--out={tmp_path / 'run'}"]
    refused(run_script(script, *given, f"--{value}"))
    record_property("bad input", "flags")


# Data


def big_endian(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
IDX = {  # file, invalid content
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
    "one image missing": (IMAGES, lambda whole: big_endian(2051, 35, 28, 28) + whole[16:-784]),
    "labels": (IMAGES, lambda whole: big_endian(2049, len(whole) - 8) + whole[8:]),
    "text": (IMAGES, lambda whole: b"<!doctype html><title>404</title>" * 20),
    "gzip under the plain name": (IMAGES, lambda whole: gzip.compress(whole)),
    "labels: one too many": (LABELS, lambda whole: big_endian(2049, 37) + whole[8:] + b"\1"),
    "labels: above 9": (LABELS, lambda whole: whole[:-1] + b"\x0a"),
    "labels: cut off": (LABELS, lambda whole: whole[:-3]),
    "labels: empty": (LABELS, lambda whole: b""),
    "labels: gone": (LABELS, None),
    "gz: text": (f"{IMAGES}.gz", lambda whole: b"no gzip at all"),
    "gz: cut off": (f"{IMAGES}.gz", lambda whole: gzip.compress(whole)[:-20]),
    "gz: empty": (f"{IMAGES}.gz", lambda whole: b""),
    "gz: wrong CRC": (f"{IMAGES}.gz", lambda whole: gzip.compress(whole)[:-5] + b"\xff" + gzip.compress(whole)[-4:]),
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
    """Return a PNG with this size in its header but not in its content."""
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
    """The folder has no other pictures. tests/data/test_pictures.py tests such files among valid ones."""
    folder, cache = tmp_path / "mine", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    (folder / name).write_bytes(PICTURES[name]())
    given = [f"--image_dir={folder}", f"--cache_dir={cache}", f"--logs_dir={tmp_path / 'run'}"]
    refuse("files", "train_gan.py", *given, said=(name, "can be read"))


def test_one_tiny_picture_is_valid_but_too_few_for_a_batch(refuse, tmp_path, run_script):
    folder, cache = tmp_path / "mine", tmp_path / "cache"
    folder.mkdir()
    (folder / "pixel.jpg").write_bytes(picture(1))
    given = [f"--image_dir={folder}", f"--cache_dir={cache}", f"--logs_dir={tmp_path / 'run'}"]
    refused(run_script("train_gan.py", *given), "64", "1")  # decodes into the cache
    refuse("files", "train_gan.py", *given)
    assert not (tmp_path / "run").exists()


# Checkpoints and dumps of 2016


def of_2016(path: Path, **changed: Any) -> Path:
    """Write an autoencoder's checkpoint as the 2016 code did, with some variables replaced."""
    model = AutoEncoder()
    model.compile(optimizer=layers.adam())
    write_checkpoint(model, path)
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
    "one variable missing": lambda path: of_2016(path, W_fc6=None),
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
    "fractional label": b"1 2 3 1.5\n",
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
    "a string": b'"model"',
    "an empty object": b"{}",
}
VALUES = (None, [], {}, "", "x", "<script>", -1, 0.5, True, 10**400, float("inf"), float("nan"), [[[]]], {"a": {"b": {}}})


def nonsense_records(record: dict[str, Any], keys: tuple[tuple[str, ...], ...]) -> Iterator[bytes]:
    """Yield copies of a record with one value missing or invalid, for each key and kind of invalid value."""
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


# Keys of config.json that matter for any run. Other invalid values in it have no effect.
CONFIG = (("model",), ("settings",), ("data",), ("data", "checksum"))


@pytest.mark.slow
def test_invalid_config_of_a_run_to_resume(refuse, tmp_path, idx_dir, run_script):
    arguments = uncompiled(idx_dir, tmp_path / "run")
    assert run_script("train_ae.py", *arguments, "--max_iterations=1").status == 0
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    keys = (*CONFIG, *(("settings", name) for name in ("batch_size", "learning_rate")))
    for content in [*NO_JSON.values(), *nonsense_records(config, keys)]:
        path.write_bytes(content)
        refuse("files", "train_ae.py", *arguments, "--max_iterations=2", said=(str(tmp_path / "run"),))


@pytest.mark.slow
def test_invalid_config_of_a_run_to_draw_from_or_export(refuse, tmp_path):
    """The model is built from the recorded settings. Where these are valid, the checkpoint is invalid."""
    path = write_run(tmp_path, "gan") / "config.json"
    config = json.loads(path.read_text())
    keys = (("model",), ("settings",), *(("settings", name) for name in ("side", "channels", "initializer", "recipe")))
    (path.parent / "model.ckpt-0.index").write_bytes(b"not looked at")
    (path.parent / "lock").touch()
    whole = path.read_bytes()
    for content in [*NO_JSON.values(), *nonsense_records(config, keys)]:
        path.write_bytes(content)
        refuse("files", "train_gan.py", "--visualize", f"--logs_dir={path.parent}")
    path.write_bytes(whole)
    path = write_run(tmp_path, "autoencoder") / "config.json"
    config = json.loads(path.read_text())
    keys = (("model",), ("settings",), *(("settings", name) for name in ("z_dim", "activation", "learning_rate")))
    for content in [*NO_JSON.values(), *nonsense_records(config, keys)]:
        path.write_bytes(content)
        refuse("files", ORIGINAL, "export", str(path.parent), str(tmp_path))


RESULTS = (("iterations",), ("training_seconds",), ("comparable_with_2016",), ("test_l2",), ("pca",), ("knn_accuracy",))


def test_invalid_records_in_a_comparison_of_runs(tmp_path, run_script, record_property):
    """`compare` skips and names such runs, or marks a claim as not testable; its page remains valid HTML."""
    kinds = []
    folder = write_run(tmp_path / "one", "autoencoder")
    config, results = (json.loads((folder / name).read_text()) for name in ("config.json", "results.json"))
    config_keys = (*CONFIG, ("data", "name"), ("data", "sizes"), ("settings", "seed"), ("settings", "z_dim"))
    for name, record, keys in (("config.json", config, config_keys), ("results.json", results, RESULTS)):
        for number, content in enumerate([*NO_JSON.values(), *nonsense_records(record, keys)]):
            copy = tmp_path / "logs" / f"{name}_{number}"
            shutil.copytree(folder, copy)
            (copy / name).write_bytes(content)
            kinds.append(copy.name)
    for number, content in enumerate(
        [*NO_JSON.values(), b'{"setting": {"share": 1e999}, "seconds_per_iteration": {"vae": 3}}']
    ):
        (tmp_path / "logs" / str(number)).mkdir()
        (tmp_path / "logs" / str(number) / "speed.json").write_bytes(content)
        kinds.append(f"{number}/speed.json")
    run = run_script("unsupervised_learning/compare/__main__.py", f"--logs_dir={tmp_path}/logs", f"--out={tmp_path}/report")
    assert (run.status, run.err) == (0, ""), run.err
    text = (tmp_path / "report" / "index.html").read_text()
    Tags(text)
    assert "<script" not in text
    for kind in kinds:
        assert kind in text, kind
        record_property("bad input", "files")


def test_invalid_records_of_single_runs(tmp_path, run_script, record_property):
    """Each run is tested alone, so that the claims read its invalid value."""
    folder = write_run(tmp_path / "logs", "autoencoder")
    whole = json.loads((folder / "results.json").read_text())
    runs = [json.loads(content) for content in nonsense_records(whole, (("test_l2",), ("pca",), ("knn_accuracy",)))]
    for record in runs:
        (folder / "results.json").write_text(json.dumps(record))
        found = experiments.find_runs(tmp_path / "logs")
        assert len(found["autoencoder"]) == 1
        for claim in claims.CLAIMS:
            assert claim.find(found).verdict in (judgements.REPRODUCED, judgements.DIFFERS, judgements.CANNOT)
        record_property("bad input", "files")


def test_invalid_records_of_a_run_to_keep(refuse, tmp_path):
    folder = write_run(tmp_path, "autoencoder")
    for name, keys in (("config.json", (*CONFIG[:3], ("settings", "seed"))), ("results.json", RESULTS[:1])):
        whole = (folder / name).read_bytes()
        for content in [*NO_JSON.values(), *nonsense_records(json.loads(whole), keys)]:
            (folder / name).write_bytes(content)
            refuse(
                "files",
                REPRODUCE,
                "reference",
                str(folder),
                f"--out={tmp_path}/kept",
                said=(str(folder),),
            )
        (folder / name).write_bytes(whole)


# Files are never executed


def harmful_model(path: Path, touched: Path) -> None:
    """Save a model containing code: a Lambda layer that writes a file when called."""
    hidden = keras.layers.Lambda(lambda x, name=str(touched): (open(name, "w").close(), x)[1])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, hidden(inputs))
    touched.unlink(missing_ok=True)  # building the model ran the code
    model.save(path)


def test_a_model_containing_code_is_not_loaded(tmp_path):
    harmful_model(tmp_path / "model.keras", tmp_path / "touched")
    with pytest.raises(RunError, match=r"cannot read .*model\.keras") as caught:
        finished_run.saved_model(tmp_path / "model.keras", DCGAN)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", bytes(1000), None], ids=str)
def test_files_that_are_not_models(content, tmp_path, record_property):
    if content is not None:
        (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(RunError, match=r"cannot read .*model\.keras") as caught:
        finished_run.saved_model(tmp_path / "model.keras", DCGAN)
    assert "\n" not in str(caught.value)
    record_property("bad input", "files")


@pytest.mark.parametrize("config", [b"{", b"[]", b'{"module": "os", "class_name": "system", "config": {}}'])
def test_invalid_model_archives_are_refused(config, tmp_path, record_property):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(RunError, match=r"cannot read .*model\.keras"):
        finished_run.saved_model(tmp_path / "model.keras", DCGAN)
    record_property("bad input", "files")


def test_no_call_can_execute_code_from_a_file():
    """No pickle, eval, exec, yaml; no load_model without safe_mode and no np.load with pickles."""
    files = [
        *REPOSITORY.glob("*.py"),
        *(REPOSITORY / "unsupervised_learning").rglob("*.py"),
        *(REPOSITORY / "benchmarks").glob("*.py"),
    ]
    assert len(files) > 25
    loads = 0
    for file in files:
        tree = ast.parse(file.read_text())
        own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            where = f"{file.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {
                    (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0] for alias in node.names
                }
                assert not names & {"pickle", "marshal", "shelve", "dill", "joblib", "yaml", "cloudpickle"}, where
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert name not in ("eval", "exec", "compile", "os.system", "__import__"), where
            assert "enable_unsafe_deserialization" not in name, where
            assert given.get("shell", "False") == "False", where
            if name.endswith("load_model") and name not in own:
                loads += 1
                assert given.get("safe_mode") == "True", where
            if name in ("np.load", "numpy.load"):
                assert given.get("allow_pickle") == "False", where
    assert loads
