"""What tests of the scripts share: a small stand-in for MNIST, and ways to run a script and to read what it left."""

import runpy
import signal
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from absl import app, flags
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

from unsupervised_learning import layers  # before any test imports TensorFlow: the package sets what it reads at import

REPOSITORY = Path(__file__).parent.parent
SCRIPTS = ["train_ae.py", "train_vae.py"]


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
            layers.set_precision(mixed=False)
        out, err = capfd.readouterr()
        return Finished(int(exit_.value.code or 0), out, err)

    return run


class FinishedRuns(dict[str, Path]):
    """Each script's run of 1,101 iterations in a real process, made when it is first asked for."""

    def __init__(self, idx_dir: Path, folder: Path):
        super().__init__()
        self.idx_dir, self.folder = idx_dir, folder

    def __missing__(self, script: str) -> Path:
        logs_dir = self.folder / script.removesuffix(".py")
        process = start(script, *small(self.idx_dir, logs_dir, "--max_iterations=1101", "--seed=3", "--z_dim=2"))
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
        assert "WARNING: All log messages" not in err  # TensorFlow's own noise
        assert not [line for line in err.splitlines() if "not the canonical MNIST" not in line], err
        assert "1,101/1,101" in out
        assert "iterations/s" in out
        self[script] = logs_dir
        return logs_dir


@pytest.fixture(scope="session")
def finished(idx_dir, tmp_path_factory) -> FinishedRuns:
    return FinishedRuns(idx_dir, tmp_path_factory.mktemp("finished"))


def start(script: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )


def listen_to_ctrl_c() -> None:
    """Tests that a shell has started in the background inherit an ignored SIGINT, and would hand it on to the script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def small(idx_dir: Path, logs_dir: Path, *more: str) -> list[str]:
    return ["--data_dir", str(idx_dir), "--logs_dir", str(logs_dir), "--batch_size=32", *more]


def read_events(logs_dir: Path) -> dict[tuple[str, str], dict[int, np.ndarray]]:
    """(plugin, tag) → iteration → value; a value written twice for one iteration fails."""
    values: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(dict)
    for path in sorted(logs_dir.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                key = (value.metadata.plugin_data.plugin_name, value.tag)
                assert event.step not in values[key], f"{key} twice at {event.step}"
                values[key][event.step] = tensor_util.make_ndarray(value.tensor) if value.HasField("tensor") else value
    return values


def pytest_terminal_summary(terminalreporter):
    """What tests have counted, also where they ran in a worker of pytest-xdist."""
    reports = [report for some in terminalreporter.stats.values() for report in some if getattr(report, "when", "") == "call"]
    recorded = [one for report in reports for one in report.user_properties]
    for name, value in recorded:
        if name == "counts":
            terminalreporter.write_line(value)
    bad = Counter(value for name, value in recorded if name == "bad input")
    if bad:
        failed = ", but see the failures" if terminalreporter.stats.get("failed") else ": all refused in one line"
        terminalreporter.write_line(f"bad inputs tried: {bad['flags']:,} flags, {bad['files']:,} files{failed}")
