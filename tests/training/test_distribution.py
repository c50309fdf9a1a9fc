"""Two logical CPUs, or two worker processes on loopback, share each batch with the same results as one device."""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.golden import gan_trajectories, trajectories
from tests.support import REPOSITORY, Finished, listen_to_ctrl_c, small
from unsupervised_learning.errors import RunError
from unsupervised_learning.training import distribution, workers

MODES = ("mirrored", "multi_worker")
SOON = 60  # seconds within which the other workers must end after a worker is lost; TensorFlow's heartbeat needs about ten


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def tf_config(ports: list[int], index: int) -> str:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


def launch(command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )


def launch_two(command: list[str]) -> list[subprocess.Popen]:
    ports = free_ports(2)
    return [launch(command, {"TF_CONFIG": tf_config(ports, index)}) for index in range(2)]


def ended(process: subprocess.Popen, timeout: float = 400) -> Finished:
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"{process.args} did not end within {timeout} seconds")
    err = "\n".join(line for line in err.splitlines() if "not the canonical MNIST" not in line)
    return Finished(process.returncode, out, err)


def train(mode: str, script: str, arguments: list[str], logs_dir: Path) -> Finished:
    """Run a script in one process to its end, on one device or on two."""
    command = [script, *arguments, f"--strategy={mode}", f"--logs_dir={logs_dir}"]
    return ended(launch([*command, "--logical_cpus=2"] if mode == "mirrored" else command))


# Equality with one device


@pytest.fixture(scope="module")
def on_two_devices(tmp_path_factory) -> Callable[[str], dict[str, np.ndarray]]:
    """Function that returns the results of two_devices.py in a mode, created on first use."""

    @functools.cache
    def results(mode: str) -> dict[str, np.ndarray]:
        out = tmp_path_factory.mktemp(mode) / "found.npz"
        command = ["tests/training/two_devices.py", str(out)]
        for process in [launch(command)] if mode == "mirrored" else launch_two(command):
            finished = ended(process, 900)
            assert finished.status == 0, finished.err
        with np.load(out) as found:
            return dict(found)

    return results


FOLLOWED = [("mirrored", path) for path in trajectories.FILES]
FOLLOWED += [("multi_worker", path) for path in trajectories.FILES if path.stem == "vae"]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "path"), FOLLOWED, ids=lambda value: getattr(value, "stem", value))
def test_two_devices_follow_2016(on_two_devices, path, mode):
    for tag, values in json.loads(path.read_text())["losses"].items():
        tolerance = 1e-4 if tag == "KL_Divergence" else 1e-5  # the tolerances for one device: tests/test_golden.py
        np.testing.assert_allclose(on_two_devices(mode)[f"{path.stem}/{tag}"], values, rtol=tolerance, err_msg=tag)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "path"), FOLLOWED, ids=lambda value: getattr(value, "stem", value))
def test_two_devices_have_the_same_losses_as_one(on_two_devices, path, mode):
    golden = trajectories.read(path)
    model = trajectories.build_model(golden)
    trajectories.start(golden, model)
    for tag, values in trajectories.run(golden, model, jit_compile=False).items():
        np.testing.assert_allclose(on_two_devices(mode)[f"{path.stem}/{tag}"], values, rtol=1e-5, err_msg=tag)


@pytest.mark.slow
@pytest.mark.parametrize("path", gan_trajectories.FIRST_ATTEMPTS, ids=lambda path: path.stem)
def test_first_gradients_of_the_gan_on_two_devices_match_2016(on_two_devices, path):
    golden, found = json.loads(path.read_text()), on_two_devices("mirrored")
    prefix = f"{path.stem}/gradient/"
    gradients = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    without = gan_trajectories.NO_GRADIENT[golden["case"]]
    gan_trajectories.compare_gradients(golden["first_step_gradients"], gradients, without)
    for tag, values in golden["losses"].items():
        np.testing.assert_allclose(found[f"{path.stem}/{tag}"], values[0], rtol=3e-5, err_msg=tag)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "case"), [*((mode, case) for mode in MODES for case in ("vae", "fresh")), ("mirrored", "first_attempt")]
)
def test_two_devices_end_with_the_same_state_as_one(on_two_devices, mode, case):
    """Compare weights, moving statistics, optimizer state and reported losses after the same iterations."""
    prefix, found = f"{case}/one/", on_two_devices(mode)
    names = [name.removeprefix(prefix) for name in found if name.startswith(prefix)]
    assert any("moving_variance" in name for name in names) == (case != "vae")
    for name in names:
        one, two = (found[f"{case}/{which}/{name}"] for which in ("one", "two"))
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5 * max(1e-3, np.abs(one).max()), err_msg=name)


# The scripts

TWENTY = ["--max_iterations=20", "--seed=3"]  # few: later, relus amplify XLA's rounding, and only one device uses XLA


@pytest.fixture(scope="module")
def on_one_device(idx_dir, tmp_path_factory) -> Path:
    """The VAE's run of 20 iterations without a strategy."""
    logs_dir = tmp_path_factory.mktemp("one") / "run"
    finished = train("none", "train_vae.py", small(idx_dir, logs_dir, *TWENTY), logs_dir)
    assert finished.status == 0, finished.err
    return logs_dir


def weights(logs_dir: Path, iteration: int) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(logs_dir / f"model.ckpt-{iteration}"))
    of_the_process = ("seconds", "save_counter")
    names = [name for name in reader.get_variable_to_shape_map() if "VALUE" in name and not name.startswith(of_the_process)]
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def assert_ends_alike(one: Path, two: Path, iteration: int, atol: float) -> None:
    expected, found = weights(one, iteration), weights(two, iteration)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=atol, err_msg=name)


@pytest.mark.slow
def test_a_gan_is_trained_on_two_devices(idx_dir, tmp_path):
    """Its numbers are compared in test_two_devices_end_with_the_same_state_as_one."""
    logs_dir = tmp_path / "run"
    given = small(idx_dir, logs_dir, "--max_iterations=2", "--seed=3", "--real_batches=fresh")
    finished = train("mirrored", "train_gan.py", given, logs_dir)
    assert (finished.status, finished.err) == (0, "")
    assert "2 devices share each batch" in finished.out
    assert json.loads((logs_dir / "config.json").read_text())["strategy"] == "mirrored"
    assert json.loads((logs_dir / "results.json").read_text())["iterations"] == 2
    assert len(list(logs_dir.glob("*tfevents*"))) == 1


def names_in(logs_dir: Path) -> set[str]:
    return {path.name for path in logs_dir.iterdir() if "tfevents" not in path.name and "model.ckpt" not in path.name}


@pytest.mark.slow
def test_run_resumes_under_another_strategy_and_workers_need_no_logs_dir(on_one_device, idx_dir, tmp_path):
    script, logs_dir, nowhere = "train_vae.py", tmp_path / "run", tmp_path / "file"
    nowhere.write_text("")  # where a folder can be neither created nor read
    data = ["--data_dir", str(idx_dir), "--batch_size=32", "--seed=3"]
    assert train("mirrored", script, [*data, "--max_iterations=8"], logs_dir).status == 0

    ports = free_ports(2)
    command = [script, *data, "--strategy=multi_worker", "--max_iterations=20"]
    places = (logs_dir, nowhere / "run")
    both = [launch([*command, f"--logs_dir={p}"], {"TF_CONFIG": tf_config(ports, i)}) for i, p in enumerate(places)]
    chief, other = map(ended, both)
    assert (chief.status, other.status) == (0, 0), chief.err + other.err
    assert "Model restored: iteration 8" in chief.out
    assert nowhere.read_text() == ""

    assert_ends_alike(on_one_device, logs_dir, 20, atol=2e-5)
    assert names_in(logs_dir) == names_in(on_one_device)


def wait_for_progress(process: subprocess.Popen) -> None:
    """Wait for the second line of progress, which shows that iterations are running."""
    assert process.stdout
    seen = 0
    while seen < 2:
        line = process.stdout.readline()
        assert line or process.poll() is None, process.stderr and process.stderr.read()
        seen += "it/s" in line


@pytest.mark.slow
def test_killed_chief_ends_the_other_and_the_run_resumes(on_one_device, idx_dir, tmp_path):
    arguments = small(idx_dir, tmp_path / "run", "--seed=3")
    chief, other = launch_two(["train_vae.py", *arguments, "--strategy=multi_worker", "--max_iterations=1000000"])
    wait_for_progress(chief)
    chief.send_signal(signal.SIGKILL)
    survivor = ended(other, SOON)
    assert ended(chief).status == -signal.SIGKILL
    assert survivor.status == 1
    assert survivor.err.startswith("train_vae.py: error: worker 0 is lost")
    assert len(survivor.err.splitlines()) == 1

    newest = tf.train.latest_checkpoint(str(tmp_path / "run"))
    assert newest
    iteration = int(newest.rpartition("-")[2])
    finished = ended(launch(["train_vae.py", *arguments, f"--max_iterations={iteration + 20}"]))
    assert finished.status == 0, finished.err
    assert f"Model restored: iteration {iteration:,}" in finished.out
    if iteration == 0:
        assert_ends_alike(on_one_device, tmp_path / "run", 20, atol=2e-5)


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_and_saves_all(idx_dir, tmp_path):
    arguments = small(idx_dir, tmp_path / "run", "--strategy=multi_worker", "--max_iterations=1000000")
    workers = launch_two(["train_ae.py", *arguments])
    wait_for_progress(workers[0])
    workers[1].send_signal(signal.SIGTERM)  # not the chief
    chief, other = (ended(worker, SOON) for worker in workers)
    assert (chief.status, chief.err) == (other.status, other.err) == (128 + signal.SIGTERM, "")
    newest = tf.train.latest_checkpoint(str(tmp_path / "run"))
    assert newest
    assert f"Stopped and saved at iteration {int(newest.rpartition('-')[2]):,}" in chief.out


# User errors

TWO = '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": %s}}'


@pytest.mark.parametrize(
    "given",
    [
        "",
        "{",
        "[]",
        '"cluster"',
        '{"cluster": {"worker": ["a:1", "b:2"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a", "b:2"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:2"], "ps": ["c:3"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "chief", "index": 0}}',
        TWO % 2,
        TWO % -1,
        TWO % '"x"',
        TWO % "null",
    ],
)
def test_bad_tf_config_is_reported_in_one_line(run_script, monkeypatch, tmp_path, given):
    monkeypatch.setenv("TF_CONFIG", given)
    finished = run_script("train_vae.py", "--strategy=multi_worker", f"--logs_dir={tmp_path / 'run'}")
    assert finished.status == 2
    assert finished.err.startswith("train_vae.py: error: --strategy=multi_worker needs the environment variable TF_CONFIG")
    assert f"Received: {given or 'none'} (" in finished.err
    assert len(finished.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_workers_are_numbered_with_the_chief_first(monkeypatch):
    cluster = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": "1"}}))
    worker = workers.this_worker()
    assert worker == (["a:1", "b:2", "c:3"], 2)
    assert worker.port == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy=mirrored"], "--strategy=mirrored needs two devices or more. Received: one"),
        (["--strategy=mirrored", "--jit=on"], "--jit=on needs --strategy=none. Received: --strategy=mirrored"),
        (["--logical_cpus=2"], "--logical_cpus needs --strategy=mirrored. Received: --strategy=none"),
        (["--strategy=multi_worker", "--batch_size=63"], "a multiple of the 2 devices, as 62 or 64. Received: 63"),
        (["--strategy=multi_worker", "--batch_size=1"], "a multiple of the 2 devices, as 2. Received: 1"),
        (["--strategy=all"], "value should be one of <none|mirrored|multi_worker>"),
    ],
)
@pytest.mark.parametrize("script", ["train_ae.py", "train_vae.py", "train_gan.py"])
def test_user_errors_are_reported_in_one_line(run_script, monkeypatch, tmp_path, script, arguments, message):
    monkeypatch.setenv("TF_CONFIG", TWO % 0)
    finished = run_script(script, *arguments, f"--logs_dir={tmp_path / 'run'}")
    assert finished.status == 2
    assert message in finished.err
    assert len(finished.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_busy_port_is_reported_in_one_line(run_script, monkeypatch):
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("TF_CONFIG", tf_config([port, *free_ports(1)], 0))
        finished = run_script("train_ae.py", "--strategy=multi_worker")
    assert finished.status == 2
    assert f"port {port}, which cannot be used: Address already in use" in finished.err


# How workers connect


def meet(monkeypatch, settings: list[dict], patience: float = 30.0) -> list[str]:
    """Run `workers.meet` concurrently with each worker's flags; return the error of each."""
    monkeypatch.setattr(workers, "PATIENCE", patience)
    ports = free_ports(len(settings))
    raised = [""] * len(settings)

    def worker(number: int) -> None:
        try:
            workers.meet(workers.Worker([f"127.0.0.1:{port}" for port in ports], number), settings[number])
        except RunError as error:
            raised[number] = f"{error.status} {error}"

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(len(settings)) if settings[number]]
    for thread in reversed(threads):
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    return raised


def test_workers_with_the_same_flags_meet(monkeypatch):
    assert meet(monkeypatch, [{"seed": 1}, {"seed": 1}, {"seed": 1}]) == ["", "", ""]


@pytest.mark.parametrize("sent", [b"", b"5\n", b'["a", {}]\n', b'[1, "a"]\n', b"[[1], {}]\n", b"GET / HTTP/1.1\r\n"])
def test_the_chief_ignores_other_callers(monkeypatch, sent):
    monkeypatch.setattr(workers, "GREETING", 0.2)
    found = workers.receive_others
    calls = []

    def receive(listener, *rest):
        with socket.create_connection(listener.getsockname()) as stranger:
            stranger.sendall(sent)
            calls.append(sent)
            found(listener, *rest)

    monkeypatch.setattr(workers, "receive_others", receive)
    assert meet(monkeypatch, [{"seed": 1}, {"seed": 1}]) == ["", ""]
    assert calls == [sent]


def test_workers_with_other_flags_are_refused(monkeypatch):
    problem = "2 worker 1 was started with different flags than the chief: --seed=2, not 1"
    assert meet(monkeypatch, [{"seed": 1}, {"seed": 2}]) == [problem, problem]


def test_missing_workers_are_named(monkeypatch):
    (raised, _) = meet(monkeypatch, [{"seed": 1}, {}], patience=0.5)
    assert raised.startswith("1 127.0.0.1:")
    assert raised.endswith("did not connect within 0 seconds")
    (_, raised) = meet(monkeypatch, [{}, {"seed": 1}], patience=0.5)
    assert raised.startswith("1 the chief at 127.0.0.1:")


# Functions in a replica


def test_moments_of_the_whole_batch(monkeypatch):
    """Computed by hand: shares [1, 3] and [5, 11] have means 2 and 8 and variances 1 and 9; the whole has 5 and 14."""
    of_replicas = tf.constant([[[2.0], [1.0]], [[8.0], [9.0]]])
    monkeypatch.setattr(distribution, "gathered", lambda _: of_replicas)
    mean, variance = distribution.moments_of_whole(tf.constant([1.0, 3.0])[:, None, None, None])
    assert (float(mean[0]), float(variance[0])) == (5.0, 14.0)
