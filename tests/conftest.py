"""Shared fixtures: a small substitute for MNIST, a function to run scripts, finished runs."""

import fcntl
import os
import runpy
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from absl import app, flags

pytest.register_assert_rewrite("tests.support", "tests.golden")  # so that their assertions show values as in tests

from tests.support import REPOSITORY, Finished, small, start, write_idx
from unsupervised_learning.monitoring.autoencoder import AutoEncoderMonitor
from unsupervised_learning.monitoring.gan import GANMonitor
from unsupervised_learning.monitoring.vae import VAEMonitor
from unsupervised_learning.training import run
from unsupervised_learning.training.settings import Settings

LONGEST = [  # longest first
    *("test_faults.py", "test_distribution.py", "test_keras_behaviour.py", "test_benchmarks.py", "test_notebook.py"),
    *("test_pool.py", "test_follow.py", "test_train_gan.py", "test_train_scripts.py", "test_resume.py", "test_gan.py"),
]


@pytest.fixture(scope="session")
def idx_dir(tmp_path_factory) -> Path:
    """A folder with 600 training images (550 and 50 for validation) and 100 test images."""
    return write_idx(tmp_path_factory.mktemp("idx"), 600, 100)


@pytest.fixture
def run_script(capfd, monkeypatch) -> Callable[..., Finished]:
    """Function that runs a script with flags in this process and removes its flags afterwards."""

    def to_its_end(script: str, *arguments: str) -> Finished:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        app.define_help_flags()  # absl does this only once per process
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

    return to_its_end


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use a finished run as slow; start the longest files first, so that none is left for the end."""
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: [*LONGEST, item.path.name].index(item.path.name))


class FinishedRuns(dict[str, Path]):
    """Script → folder of a run of 1,101 iterations in a real process, created by the first worker that asks for it."""

    def __init__(self, idx_dir: Path, folder: Path):
        super().__init__()
        self.idx_dir, self.folder = idx_dir, folder

    def __missing__(self, script: str) -> Path:
        logs_dir = self.folder / script.removesuffix(".py")
        with (self.folder / f"{script}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (logs_dir / "results.json").exists():  # written last
                self.train(script, logs_dir)
        self[script] = logs_dir
        return logs_dir

    def train(self, script: str, logs_dir: Path) -> None:
        process = start(script, *small(self.idx_dir, logs_dir, "--max_iterations=1101", "--seed=3", "--z_dim=2"))
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
        assert "WARNING: All log messages" not in err  # start-up output of TensorFlow
        assert not [line for line in err.splitlines() if "not the canonical MNIST" not in line], err
        assert "1,101/1,101" in out
        assert "it/s" in out


@pytest.fixture
def settings_of(run_script, monkeypatch) -> Callable[..., Settings]:
    """Function that runs a script with flags up to the call of `run`, without training, and returns the settings it passes."""

    def reached(script: str, *arguments: str) -> Settings:
        passed = []
        with monkeypatch.context() as patch:
            patch.setattr(run, "run", lambda settings, *_: passed.append(settings) or 0)
            ended = run_script(script, *arguments)
        assert ended.status == 0, ended.err
        (settings,) = passed
        return settings

    return reached


@pytest.fixture
def without_outputs(monkeypatch) -> None:
    """Skip the outputs of a finished run, which take seconds, in tests of weights, summaries and records."""
    for monitor in (AutoEncoderMonitor, VAEMonitor, GANMonitor):
        monkeypatch.setattr(monitor, "write_outputs", lambda *_: {})


@pytest.fixture(scope="session")
def finished(idx_dir, tmp_path_factory) -> FinishedRuns:
    of_worker = tmp_path_factory.getbasetemp()
    folder = (of_worker.parent if "PYTEST_XDIST_WORKER" in os.environ else of_worker) / "finished"
    folder.mkdir(exist_ok=True)
    return FinishedRuns(idx_dir, folder)


def pytest_terminal_summary(terminalreporter):
    """Print the counts recorded by tests, including those in pytest-xdist workers."""
    reports = [report for some in terminalreporter.stats.values() for report in some if getattr(report, "when", "") == "call"]
    recorded = [one for report in reports for one in report.user_properties]
    for name, value in recorded:
        if name == "counts":
            terminalreporter.write_line(value)
    skipped = [report.longrepr[-1] for report in terminalreporter.stats.get("skipped", []) if "browser" in report.keywords]
    for why in dict.fromkeys(skipped):
        terminalreporter.write_line(f"browser tests: {why}")
    bad = Counter(value for name, value in recorded if name == "bad input")
    if bad:
        failed = (
            ", but see the failures"
            if terminalreporter.stats.get("failed")
            else ": all refused in one line, or left out by name"
        )
        terminalreporter.write_line(f"bad inputs tried: {bad['flags']:,} flags, {bad['files']:,} files{failed}")
