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
from collections import Counter
from collections.abc import Callable
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

from unsupervised_learning import command_line, experiments, gan_notes, original

TRAIN = ("train_ae.py", "train_vae.py", "train_gan.py")
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
