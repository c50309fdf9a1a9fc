"""What a run prints and leaves when it is stopped, rerun or started twice. tests/test_faults.py compares the ends."""

import fcntl
import json
import re
import signal

import pytest

from tests.support import assert_same, final_weights, read_events, small, start, uncompiled, wait_for
from unsupervised_learning.training import loop


@pytest.mark.slow
def test_ctrl_c_saves_and_prints_how_to_resume(idx_dir, tmp_path):
    """The signal arrives while the first call compiles."""
    script, sent = "train_vae.py", signal.SIGINT
    logs_dir = tmp_path / "run"
    arguments = small(idx_dir, logs_dir, "--seed=3", "--z_dim=2", "--max_iterations=1101")
    process = start(script, *arguments)
    wait_for(lambda: list(logs_dir.glob("model.ckpt-0.index")), process)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + sent, err
    assert "Traceback" not in err
    stopped = re.search(r"Stopped and saved at iteration ([\d,]+)\. To resume, rerun: (.*)", out)
    assert stopped, out
    assert 0 < int(stopped[1].replace(",", "")) < 1101
    assert stopped[2].startswith(f"python {script} --data_dir")
    assert not (logs_dir / "results.json").exists()
    assert list(logs_dir.glob(f"model.ckpt-{stopped[1].replace(',', '')}.index"))


def test_a_signal_in_the_last_iteration_loses_no_summary(idx_dir, tmp_path, run_script, without_outputs, monkeypatch):
    class Signalled(loop.CompiledIterations):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            compiled = self.compiled

            def last(*batch):
                signal.raise_signal(signal.SIGTERM)
                return compiled(*batch)

            self.compiled = last

    monkeypatch.setattr(loop, "CompiledIterations", Signalled)
    run = run_script("train_gan.py", *uncompiled(idx_dir, tmp_path / "run", "--max_iterations=1", "--z_dim=2"))
    assert run.status == 128 + signal.SIGTERM
    assert "Stopped and saved at iteration 1." in run.out
    assert list(read_events(tmp_path / "run")["scalars", "Discriminator_loss"]) == [0]


def test_two_processes_do_not_share_a_directory(idx_dir, tmp_path, run_script):
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711")
        held.flush()
        run = run_script("train_ae.py", *small(idx_dir, tmp_path / "run", "--max_iterations=2"))
    assert run.status == 2
    assert "another process (its id: 4711) is working in" in run.err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


@pytest.mark.slow
def test_finished_run_is_reported_and_its_outputs_are_rewritten(idx_dir, tmp_path, run_script):
    logs_dir = tmp_path / "run"
    arguments = small(idx_dir, logs_dir, "--max_iterations=150")
    assert run_script("train_ae.py", *arguments).status == 0
    before = final_weights(logs_dir)
    results = json.loads((logs_dir / "results.json").read_text())
    events = read_events(logs_dir)
    (logs_dir / "results.json").unlink()
    (logs_dir / "figures" / "samples.png").unlink()
    again = run_script("train_ae.py", *arguments)
    assert again.status == 0
    assert "Finished already, with 150 iterations" in again.out
    assert json.loads((logs_dir / "results.json").read_text()) == results
    assert (logs_dir / "figures" / "samples.png").exists()
    assert_same(before, final_weights(logs_dir))
    assert read_events(logs_dir).keys() == events.keys()


@pytest.mark.slow
def test_foreign_event_files_are_left_alone(idx_dir, tmp_path, run_script, without_outputs):
    other = tmp_path / "events.out.tfevents.1.other"
    other.write_bytes(b"not ours")
    assert run_script("train_ae.py", *small(idx_dir, tmp_path, "--max_iterations=2")).status == 0
    assert other.read_bytes() == b"not ours"
