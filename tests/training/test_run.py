"""`run` as a function: few calls to the loss, and exact resume. tests/test_train_scripts.py tests the scripts."""

import json
import traceback
from functools import partial
from pathlib import Path

import pytest

from tests.support import assert_same, final_weights, read_events
from unsupervised_learning import layers, losses
from unsupervised_learning.data import mnist
from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring.vae import VAEMonitor
from unsupervised_learning.training import run
from unsupervised_learning.training.settings import Settings, default_settings
from unsupervised_learning.vae import VariationalAutoEncoder

MOST_CALLS = 9  # maximum number of our functions on the stack, from a script's `main` to the loss


def train(logs_dir: Path, idx_dir: Path, iterations: int, jit: str = "off") -> int:
    settings = Settings(
        "VariationalAutoEncoder",
        {**default_settings(VariationalAutoEncoder), "seed": 3},
        max_iterations=iterations,
        batch_size=32,
        learning_rate=1e-3,
        logs_dir=logs_dir,
        jit=jit,
        folders={"data_dir": str(idx_dir)},
    )
    model = VariationalAutoEncoder(**settings.arguments)
    model.compile(layers.adam(settings.learning_rate))
    return run.run(settings, model, VAEMonitor(model), partial(mnist.load, "mnist", str(idx_dir)))


def test_few_calls_lead_from_main_to_the_loss(idx_dir, tmp_path, monkeypatch, without_outputs):
    ways = []
    loss = losses.bernoulli_cross_entropy

    def seen(*arguments):
        ways.append([f"{frame.filename}: {frame.name}" for frame in traceback.extract_stack() if is_ours(frame.filename)])
        return loss(*arguments)

    monkeypatch.setattr(losses, "bernoulli_cross_entropy", seen)
    assert train(tmp_path, idx_dir, 1) == 0
    ways = [way for way in ways if any(step.endswith("train_step") for step in way)]
    assert ways
    assert all(len(way) + 1 <= MOST_CALLS for way in ways), ways[0]  # from `main` to `run`, then further down


def is_ours(file: str) -> bool:
    return Path(run.__file__).parents[1] in Path(file).parents


def test_stopped_and_resumed_run_equals_uninterrupted_run(idx_dir, tmp_path, without_outputs):
    assert train(tmp_path / "whole", idx_dir, 5) == 0
    assert train(tmp_path / "parts", idx_dir, 2) == 0
    assert train(tmp_path / "parts", idx_dir, 5) == 0
    assert_same(final_weights(tmp_path / "parts"), final_weights(tmp_path / "whole"))
    assert {key: sorted(values) for key, values in read_events(tmp_path / "parts").items()} == {
        key: sorted(values) for key, values in read_events(tmp_path / "whole").items()
    }
    config = json.loads((tmp_path / "parts" / "config.json").read_text())
    assert config["folders"] == {"data_dir": str(idx_dir.resolve())}


def test_a_run_that_another_process_began_meanwhile_is_refused(idx_dir, tmp_path, without_outputs):
    load = mnist.load

    def while_another_trains(*args):
        monkeypatch.undo()
        assert train(tmp_path / "run", idx_dir, 2) == 0
        return load(*args)

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(mnist, "load", while_another_trains)
    with pytest.raises(RunError, match="another process trained in"):
        train(tmp_path / "run", idx_dir, 5)
    assert train(tmp_path / "run", idx_dir, 5) == 0


@pytest.mark.slow
def test_other_settings_are_refused(idx_dir, tmp_path):
    assert train(tmp_path, idx_dir, 1) == 0
    with pytest.raises(ValueError, match="jit is off there and on here"):
        train(tmp_path, idx_dir, 1, jit="on")
