"""A small stand-in for MNIST, and the scripts run as a user starts them but without waiting for TensorFlow's import."""

import runpy
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from absl import app, flags

REPOSITORY = Path(__file__).parent.parent


class Finished(NamedTuple):
    """A script's end: exit status and what it printed."""

    status: int
    out: str
    err: str


def write_idx(folder: Path, train: int, test: int) -> Path:
    """Write the four files with blurred bars for digits: ten kinds that a model can tell apart."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        labels = random.integers(0, 10, count).astype(np.uint8)
        images = random.integers(0, 30, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 7 + 2 * label, 4:24] += 200
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, count, 28, 28) + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels.tobytes())
    return folder


@pytest.fixture(scope="session")
def idx_dir(tmp_path_factory) -> Path:
    """A folder with 600 training images (550 and 50 for validation) and 100 test images."""
    return write_idx(tmp_path_factory.mktemp("idx"), 600, 100)


@pytest.fixture
def run_script(capfd, monkeypatch) -> Callable[..., Finished]:
    """Run a script with flags, in this process: the flags it defines are gone afterwards."""

    def run(script: str, *arguments: str) -> Finished:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        app.define_help_flags()  # which absl does once in a process
        before = set(flags.FLAGS)
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as exit_:
                runpy.run_path(str(REPOSITORY / script), run_name="__main__")
        finally:
            for name in set(flags.FLAGS) - before:
                delattr(flags.FLAGS, name)
            flags.FLAGS.unparse_flags()
        out, err = capfd.readouterr()
        return Finished(int(exit_.value.code or 0), out, err)

    return run
